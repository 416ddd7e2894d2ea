/**
 * Programs for macOS, which cannot be run here: compared with what Go's own tools say of them. `go tool addr2line` knows no
 * inlining: its function is our outermost frame, its line that of our innermost.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { derivedGnuBuildId, readGoBuildId } from '../../src/gosym/build-id.ts';
import { readBuildInfo } from '../../src/gosym/build-info.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { identify } from '../../src/match/identify.ts';
import { buildGo } from '../support/build.ts';
import { needsGo, toolchain } from '../support/toolchains.ts';
import { boundaries } from './boundaries.ts';
import { fixture, fixtureAnswers, fixtureBytes, objectOf } from './fixtures.ts';

const dir = fileURLToPath(new URL('../fixtures/go/oracle', import.meta.url));
const PLAIN = 'tiny-go1.23-darwin-arm64';
const CHAINED = 'tiny-go1.24-darwin-arm64-chained-fmt2';

test(`answers as known: ${PLAIN}`, () => {
  const symbols = GoSymbols.open(fixture(PLAIN));
  assert.ok(symbols);
  const all = fixtureAnswers(PLAIN);
  for (const { address, frames } of all) {
    assert.deepEqual(symbols.frames(address), frames, `at 0x${address.toString(16)}`);
  }
  assert.ok(all.length > 1000);
});

test('a program whose pointers are chained fixups', () => {
  const object = fixture(CHAINED);
  const symbols = GoSymbols.open(object);
  assert.ok(symbols);
  // The same program for another system: its own functions are the same, in the same order.
  const other = GoSymbols.open(fixture('tiny-go1.24-linux-amd64'));
  assert.ok(other);
  const own = (all: GoSymbols) =>
    Array.from({ length: all.functionCount }, (_, i) => i)
      .filter((i) => /^(main|example\.com)\b/.test(all.functionName(i)))
      .map((i) => all.frames(all.functionStart(i))?.at(-1));
  assert.ok(own(symbols).length > 5);
  assert.deepEqual(own(symbols), own(other));
  assert.equal(readBuildInfo(object)?.version, 'go1.24.4');
  assert.equal(identify(object).ids.uuid?.slice(2, 12), derivedGnuBuildId(readGoBuildId(object) ?? '')?.slice(2, 12));

  // Without the chains the table is there, but nothing points to it: no guess is made.
  const bytes = Buffer.from(fixtureBytes(CHAINED));
  const command = bytes.indexOf(Buffer.from('34000080', 'hex'));
  bytes.writeUInt32LE(0x7fffffff, command);
  assert.throws(() => GoSymbols.open(objectOf(bytes)), /no moduledata refers/);
});

const CASES = [
  { version: '1.15', arch: 'amd64', mode: 'exe' },
  { version: '1.19', arch: 'arm64', mode: 'exe' },
  { version: '1.21', arch: 'amd64', mode: 'pie', strip: 's-w' },
  { version: '1.24', arch: 'amd64', mode: 'exe' },
  { version: '1.26', arch: 'amd64', mode: 'exe', strip: 's-w' },
  { version: '1.26', arch: 'arm64', mode: 'pie' },
] as const;

for (const { version, arch, mode, ...more } of CASES) {
  const name = [`go ${version} darwin/${arch} ${mode}`, ...Object.values(more)].join(' ');
  test(`as go's own tools say: ${name}`, { skip: needsGo(version) }, async (t) => {
    const { go, env } = toolchain(version)!;
    const target = { GOOS: 'darwin', GOARCH: arch };
    const path = await buildGo({ toolchain: toolchain(version)!, dir, mode, package: 'small', env: target, ...more });
    const run = (args: string[], input = '') =>
      execFileSync(go, args, { env, input, maxBuffer: 64 << 20, encoding: 'utf8' }).trim();
    const object = objectOf(readFileSync(path));
    const symbols = GoSymbols.open(object);
    assert.ok(symbols);
    assert.deepEqual([object.format, object.arch], ['macho', arch]);

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
    const said = run(['tool', 'addr2line', path], addresses.map((a) => `0x${a.toString(16)}\n`).join('')).split('\n');
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
