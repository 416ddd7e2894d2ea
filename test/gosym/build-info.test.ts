import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { FormatError } from '../../src/errors.ts';
import { type GoBuildInfo, readBuildInfo } from '../../src/gosym/build-info.ts';
import { unquoteGo } from '../../src/gosym/go-quoted.ts';
import { buildGo, type GoBuild } from '../support/build.ts';
import { GO_VERSIONS, needsGo, needsTools, toolchain, toolchains } from '../support/toolchains.ts';
import { ELF_BINARIES, fixture, fixtureBytes, objectOf } from './fixtures.ts';

const deps = fileURLToPath(new URL('../fixtures/go/deps', import.meta.url));
const oracle = fileURLToPath(new URL('../fixtures/go/oracle', import.meta.url));

test('the fixtures', () => {
  for (const [binary] of ELF_BINARIES) {
    const info = readBuildInfo(fixture(binary));
    assert.ok(info);
    const [, release] = /go(1\.\d+)/.exec(binary)!;
    assert.ok(info.version === `go${release}` || info.version.startsWith(`go${release}.`), info.version);
    assert.equal(info.path, 'example.com/tiny');
    assert.deepEqual(info.main, { path: 'example.com/tiny', version: '(devel)', sum: '' });
    assert.deepEqual(info.deps, []);
    if (release === '1.15') assert.deepEqual(info.settings, {});
    else {
      assert.equal(info.settings.GOOS, 'linux');
      assert.equal(info.settings['-compiler'], 'gc');
    }
  }
});

test('found without section headers too', () => {
  for (const [binary] of ELF_BINARIES) {
    const bytes = Buffer.from(fixtureBytes(binary));
    const info = readBuildInfo(objectOf(bytes));
    bytes.writeBigUInt64LE(0n, 0x28);
    bytes.writeUInt16LE(0, 0x3c);
    bytes.writeUInt16LE(0, 0x3e);
    assert.deepEqual(readBuildInfo(objectOf(bytes)), info);
  }
});

test('not there: null; there but damaged: a format error', () => {
  const bytes = Buffer.from(fixtureBytes('tiny-go1.26-linux-amd64'));
  const at = bytes.indexOf('\xff Go buildinf:', 0, 'latin1');
  bytes.fill(0xff, at + 32, at + 42); // a length longer than any file
  assert.throws(() => readBuildInfo(objectOf(bytes)), FormatError);
  bytes.write('no build info', at, 'latin1');
  assert.equal(readBuildInfo(objectOf(bytes)), null);
});

test('Go strings', () => {
  for (const [text, value] of [
    ['plain', 'plain'],
    ['"quoted"', 'quoted'],
    ['"a\\tb\\n\\\\\\""', 'a\tb\n\\"'],
    ['"\\xc3\\xa4\\303\\244\\u00e4\\U0001f600ä"', 'äää😀ä'],
    ['`raw \\n`', 'raw \\n'],
    ['""', ''],
    // Not literals: left as they are.
    ['"', '"'],
    ['"open', '"open'],
    ['"in"side"', '"in"side"'],
    ['"\\q"', '"\\q"'],
    ['"\\U00110000"', '"\\U00110000"'],
  ]) {
    assert.equal(unquoteGo(text), value, text);
  }
});

for (const version of GO_VERSIONS) {
  const cases: (Partial<GoBuild> & { readonly name: string; readonly tools: readonly string[] })[] = [
    { name: 'a replaced module, quoted flags', tools: [], ldflags: [`-X 'main.title=a b="c"'`] },
    { name: 'pie, stripped', tools: [], mode: 'pie', strip: 's-w' },
    { name: 'cgo', tools: ['gcc'], dir: oracle, mode: 'cgo', package: 'cgo' },
    { name: 'plugin', tools: ['gcc'], dir: oracle, mode: 'plugin', package: 'plug' },
    { name: 'c-shared', tools: ['gcc'], dir: oracle, mode: 'c-shared', package: 'clib' },
  ];
  for (const { name, tools, ...options } of cases) {
    const skip = needsGo(version) || needsTools(...tools);
    test(`as go version -m says: go ${version} ${name}`, { skip }, async () => {
      const go = toolchain(version)!;
      const path = await buildGo({ toolchain: go, dir: deps, mode: 'exe', ...options });
      // The newest reads what every release wrote; releases up to 1.19 do not look into shared libraries.
      const { go: newest, env } = toolchains().at(-1)!;
      const { stdout, status } = spawnSync(newest, ['version', '-m', path], { env, encoding: 'utf8' });
      const info = readBuildInfo(objectOf(readFileSync(path)));
      if (status === 0) assert.deepEqual(info, parse(stdout, path));
      else assert.deepEqual({ name, info }, { name: 'plugin', info: null }, 'plugins have build info since Go 1.20');
    });
  }
}

/** The output of `go version -m`, understood by splitting alone. */
function parse(output: string, path: string): GoBuildInfo {
  const [first, ...lines] = output.trimEnd().split('\n');
  const rows = lines.map((line) => line.slice(1).split('\t'));
  const modules = rows
    .map(([kind, path = '', version = '', sum = '']) => ({ kind, module: { path, version, sum } }))
    .filter(({ kind }) => ['mod', 'dep', '=>'].includes(kind));
  const settings = rows
    .filter(([kind]) => kind === 'build')
    .map(([, setting]) => {
      const at = setting.indexOf('=');
      const value = setting.slice(at + 1);
      return [setting.slice(0, at), value.startsWith('"') ? (JSON.parse(value) as string) : value];
    });
  return {
    version: first.slice(path.length + 2),
    path: rows.find(([kind]) => kind === 'path')?.[1] ?? '',
    main: modules.find(({ kind }) => kind === 'mod')?.module ?? null,
    deps: modules.flatMap(({ kind, module }, i) =>
      kind === 'dep' ? [{ ...module, replace: modules[i + 1]?.kind === '=>' ? modules[i + 1].module : null }] : [],
    ),
    settings: Object.fromEntries(settings) as Record<string, string>,
  };
}
