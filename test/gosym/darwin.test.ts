/** Programs for macOS, which cannot be run here: known answers, and what Go's own tools say of them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { derivedGnuBuildId, readGoBuildId } from '../../src/gosym/build-id.ts';
import { readBuildInfo } from '../../src/gosym/build-info.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { identify } from '../../src/match/identify.ts';
import { buildGo } from '../support/build.ts';
import { needsGo, toolchain } from '../support/toolchains.ts';
import { compareWithGoTools } from './cross.ts';
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
    const env = { GOOS: 'darwin', GOARCH: arch };
    const path = await buildGo({ toolchain: toolchain(version)!, dir, mode, package: 'small', env, ...more });
    compareWithGoTools(t, toolchain(version)!, { path, withSymbols: path, format: 'macho', arch });
  });
}
