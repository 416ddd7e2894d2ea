import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { derivedGnuBuildId, isWorthlessId, readGoBuildId } from '../../src/gosym/build-id.ts';
import { buildGo, type GoBuild } from '../support/build.ts';
import { GO_VERSIONS, needsGo, needsTools, toolchain } from '../support/toolchains.ts';
import { ELF_BINARIES, fixture, fixtureBytes, objectOf } from './fixtures.ts';

const dir = fileURLToPath(new URL('../fixtures/go/deps', import.meta.url));
const oracle = fileURLToPath(new URL('../fixtures/go/oracle', import.meta.url));

test('the fixtures: four parts, and from Go 1.24 on the GNU build ID is derived from them', () => {
  for (const [binary] of ELF_BINARIES) {
    const object = fixture(binary);
    const id = readGoBuildId(object);
    assert.match(id ?? '', /^[\w-]{20}\/[\w-]{20}\/[\w-]{20}\/[\w-]{20}$/, binary);
    const derived = derivedGnuBuildId(id!);
    assert.match(derived ?? '', /^00[0-9a-f]{38}$/);
    if (/go1\.2[4-9]/.test(binary)) assert.equal(object.ids.gnu?.slice(2), derived?.slice(2), binary);
    else assert.equal(object.ids.gnu, null);
    assert.equal(isWorthlessId(id!), false);
  }
});

test('read without section headers too', () => {
  for (const [binary] of ELF_BINARIES) {
    const bytes = Buffer.from(fixtureBytes(binary));
    const id = readGoBuildId(objectOf(bytes));
    bytes.writeBigUInt64LE(0n, 0x28);
    bytes.writeUInt16LE(0, 0x3c);
    bytes.writeUInt16LE(0, 0x3e);
    assert.equal(readGoBuildId(objectOf(bytes)), id);
  }
});

test('nothing is derived from what is not four parts', () => {
  for (const id of ['', 'redacted', 'a/b/c', 'a/b/c/d/e', '/b/c/d', 'a/b/c/', 'debian-1.2.3']) {
    assert.equal(derivedGnuBuildId(id), null, id);
  }
  // The content part, which the linker does not know yet, plays no part.
  assert.equal(derivedGnuBuildId('a/b/c/d'), derivedGnuBuildId('a/b/c/e'));
  assert.notEqual(derivedGnuBuildId('a/b/c/d'), derivedGnuBuildId('a/b/x/d'));
});

test('IDs that all the world shares', () => {
  for (const id of [
    '',
    'redacted',
    'b78919aff001d8366249403a2544fba2d833084f',
    '498919AFF001D8366249403A2544FBA2D833084F',
  ]) {
    assert.equal(isWorthlessId(id), true, id);
  }
  assert.equal(isWorthlessId('42d38f693e731499471cea9620cb83b37260af18'), false);
});

for (const version of GO_VERSIONS) {
  const minor = Number(version.split('.')[1]);
  const build = async (options: Partial<GoBuild>): Promise<{ path: string; bytes: Uint8Array }> => {
    const path = await buildGo({ toolchain: toolchain(version)!, dir, mode: 'exe', ...options });
    return { path, bytes: readFileSync(path) };
  };

  test(`as go tool buildid says: go ${version}`, { skip: needsGo(version) }, async () => {
    const { go, env } = toolchain(version)!;
    for (const options of [{}, { strip: 's-w' }, { ldflags: ['-buildid=my/own'] }] satisfies Partial<GoBuild>[]) {
      const { path, bytes } = await build(options);
      const said = execFileSync(go, ['tool', 'buildid', path], { env, encoding: 'utf8' }).trim();
      const object = objectOf(bytes);
      assert.equal(readGoBuildId(object), said);
      const derived = derivedGnuBuildId(said);
      if (minor >= 24 && derived !== null) assert.equal(object.ids.gnu?.slice(2), derived.slice(2));
    }
    assert.equal(readGoBuildId(objectOf((await build({ ldflags: ['-buildid='] })).bytes)), null);
  });

  test(`redacted by the build system: go ${version}`, { skip: needsGo(version) }, async () => {
    const object = objectOf((await build({ ldflags: ['-buildid=redacted'] })).bytes);
    const id = readGoBuildId(object);
    assert.equal(id, 'redacted');
    assert.ok(isWorthlessId(id));
    if (minor >= 24) assert.ok(object.ids.gnu !== null && isWorthlessId(object.ids.gnu), String(object.ids.gnu));
  });

  if (minor < 24) continue; // earlier releases leave the GNU build ID to the C linker
  const skip = needsGo(version) || needsTools('gcc');
  test(`derived also when the C linker finishes the file: go ${version}`, { skip }, async () => {
    const { bytes } = await build({ dir: oracle, mode: 'cgo', package: 'cgo' });
    const object = objectOf(bytes);
    assert.equal(object.ids.gnu?.slice(2), derivedGnuBuildId(readGoBuildId(object)!)?.slice(2));
  });
}
