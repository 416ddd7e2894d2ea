/** Programs for Windows, and for Linux on 386, which cannot be run here: known answers, and what Go's own tools say of them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { identify } from '../../src/match/identify.ts';
import { Rebase } from '../../src/symbolize/rebase.ts';
import { buildGo } from '../support/build.ts';
import { needsGo, toolchain } from '../support/toolchains.ts';
import { compareWithGoTools } from './cross.ts';
import { fixture, fixtureAnswers } from './fixtures.ts';

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
    const build = { toolchain: toolchain(version)!, dir, mode, package: 'small', env: { GOOS: os, GOARCH: arch } };
    const path = await buildGo({ ...build, ...more });
    const format = os === 'windows' ? 'pe' : 'elf';
    compareWithGoTools(t, build.toolchain, { path, withSymbols: await buildGo(build), format, arch });
  });
}
