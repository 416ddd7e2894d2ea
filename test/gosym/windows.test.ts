/**
 * Programs for Windows, and for Linux on 386, which cannot be run here: compared with what Go's own tools say of them.
 * `go tool addr2line` knows no inlining: its function is our outermost frame, its line that of our innermost. It also needs a
 * symbol table in a PE file: about a stripped one it is asked through the same program with symbols.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { readGoBuildId } from '../../src/gosym/build-id.ts';
import { readBuildInfo } from '../../src/gosym/build-info.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { identify } from '../../src/match/identify.ts';
import { Rebase } from '../../src/symbolize/rebase.ts';
import { buildGo } from '../support/build.ts';
import { needsGo, toolchain } from '../support/toolchains.ts';
import { boundaries } from './boundaries.ts';
import { fixture, fixtureAnswers, objectOf } from './fixtures.ts';

const dir = fileURLToPath(new URL('../fixtures/go/oracle', import.meta.url));
const PLAIN = 'tiny-go1.21-windows-amd64';

test(`answers as known: ${PLAIN}`, () => {
  const object = fixture(PLAIN);
  const symbols = GoSymbols.open(object);
  assert.ok(symbols);
  const all = fixtureAnswers(PLAIN);
  for (const { address, frames } of all) {
    assert.deepEqual(symbols.frames(address), frames, `at 0x${address.toString(16)}`);
  }
  assert.ok(all.length > 1000);
  const { format, arch, ids, go, problems } = identify(object);
  assert.deepEqual(
    [format, arch, ids.pe, go?.path, go?.settings.GOOS],
    ['pe', 'amd64', null, 'example.com/tiny', 'windows'],
  );
  assert.match(ids.go ?? '', /^([\w-]{20}\/){3}[\w-]{20}$/);
  assert.deepEqual(problems, []);
});

test('a module begins with its headers', () => {
  const object = fixture(PLAIN);
  const range = { start: 0x7ff6_0000_0000n, limit: 0x7ff6_1000_0000n, offset: 0n, filename: 'C:\\tiny.exe' };
  const symbols = GoSymbols.open(object)!;
  const imageBase = object.segments[0].address;
  const address = range.start + BigInt(symbols.textStart - imageBase);
  assert.equal(new Rebase(object, range).toFile(address), symbols.textStart);
  assert.equal(imageBase % 0x10000, 0);
});

const CASES = [
  { version: '1.15', os: 'windows', arch: '386', mode: 'exe' },
  { version: '1.19', os: 'windows', arch: 'amd64', mode: 'exe', strip: 's-w' },
  { version: '1.26', os: 'windows', arch: 'arm64', mode: 'exe' },
  { version: '1.21', os: 'linux', arch: '386', mode: 'exe' },
] as const;

for (const { version, os, arch, mode, ...more } of CASES) {
  const name = [`go ${version} ${os}/${arch} ${mode}`, ...Object.values(more)].join(' ');
  test(`as go's own tools say: ${name}`, { skip: needsGo(version) }, async (t) => {
    const { go, env } = toolchain(version)!;
    const target = { GOOS: os, GOARCH: arch };
    const build = { toolchain: toolchain(version)!, dir, mode, package: 'small', env: target };
    const path = await buildGo({ ...build, ...more });
    const withSymbols = await buildGo(build);
    const run = (args: string[], input = '') =>
      execFileSync(go, args, { env, input, maxBuffer: 64 << 20, encoding: 'utf8' }).trim();
    const object = objectOf(readFileSync(path));
    const symbols = GoSymbols.open(object);
    assert.ok(symbols);
    assert.deepEqual([object.format, object.arch], [os === 'windows' ? 'pe' : 'elf', arch]);

    assert.equal(readGoBuildId(object), run(['tool', 'buildid', path]));
    const info = readBuildInfo(object);
    const [head, ...lines] = run(['version', '-m', path]).split('\n');
    assert.equal(`${path}: ${info?.version}`, head);
    assert.ok(lines.includes(`\tpath\t${info?.path}`) && info?.main?.path === 'example.com/oracle');
    const settings = lines.map((line) => /^\tbuild\t(GO\w+)=(.*)$/.exec(line)).filter((match) => match !== null);
    for (const [, key, value] of settings) assert.equal(info?.settings[key], value);
    assert.ok(version === '1.15' || settings.length >= 2);

    const addresses = Array.from({ length: symbols.functionCount }, (_, i) => symbols.functionStart(i));
    addresses.push(...boundaries(symbols, 4000, 1000));
    const input = addresses.map((address) => `0x${address.toString(16)}\n`).join('');
    const said = run(['tool', 'addr2line', withSymbols], input).split('\n');
    assert.equal(said.length, 2 * addresses.length);
    let [compared, inlined] = [0, 0];
    addresses.forEach((address, i) => {
      const frames = symbols.frames(address);
      const [function_, place] = [said[2 * i], said[2 * i + 1]];
      const at = `at 0x${address.toString(16)}`;
      if (frames === null) {
        assert.match(place, /^\?:|:(0|-\d+)$/, at);
        return;
      }
      const of = symbols.functionName(symbols.findFunction(address));
      assert.equal(withoutArguments(of), withoutArguments(function_), at);
      if (frames.at(-1)!.function !== of) return; // a wrapper, left out
      compared++;
      if (frames.length > 1) inlined++;
      const { file, line } = frames[0];
      if (file !== '' && file !== '<autogenerated>') assert.equal(`${file}:${line}`, place, at);
    });
    t.diagnostic(`${addresses.length} addresses, ${compared} compared, ${inlined} of them in inlined code`);
    assert.ok(compared > addresses.length * 0.8 && inlined > 300);
  });
}

/** The tool takes names from the symbol table, where generic functions before Go 1.21 have all their type arguments. */
function withoutArguments(name: string): string {
  const open = name.indexOf('[');
  return open < 0 ? name : name.slice(0, open) + name.slice(name.lastIndexOf(']') + 1);
}
