/**
 * What `resym explain` says in cases people meet, as text, to be read: test/fixtures/explain. RESYM_UPDATE=1 writes them anew.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { recordedBinary, recordedProfile } from '../../src/demo/replay.ts';
import { resym } from '../support/cli.ts';
import { erase, uncompressed } from '../support/erase.ts';
import { addressProfile } from '../support/mapped.ts';
import { withBuildId } from '../support/with-build-id.ts';

const texts = fileURLToPath(new URL('../fixtures/explain/', import.meta.url));
const OTHER = fileURLToPath(new URL('../fixtures/go/bin/tiny-go1.26-linux-amd64', import.meta.url));
/** Of OTHER: what the profile says when that file took the place of the one that runs. */
const OTHER_ID = '14361ce20880200ae2b4012ab53a540c25cf7045';
const BAZEL_ID = 'b78919aff001d8366249403a2544fba2d833084f';

const dir = mkdtempSync(join(tmpdir(), 'resym-explain-'));
after(() => rmSync(dir, { recursive: true }));

const shop = join(dir, 'shop');
const other = join(dir, 'tiny');
const [full, foreign, both, damaged] = ['full', 'foreign', 'both', 'damaged'].map((name) => join(dir, name));
const recorded = recordedProfile('profile');
const raw = uncompressed(recorded);

before(async () => {
  writeFileSync(shop, recordedBinary());
  copyFileSync(OTHER, other);
  for (const [archive, ...files] of [
    [full, shop],
    [foreign, other],
    [both, shop, other],
  ]) {
    assert.equal((await resym(['store', 'add', ...files, '--store', archive])).code, 0);
  }
  mkdirSync(damaged);
  writeFileSync(join(damaged, 'shop'), recordedBinary().subarray(0, 200_000));
});

/** A program whose time goes to a library, the kernel, code made at run time, and the vdso. */
function aroundTheProgram(): Uint8Array {
  const library = 0x7f0000000000n;
  const kernel = 0xffffffff81000000n;
  const anonymous = 0x7f1000000000n;
  const vdso = 0x7fff00000000n;
  return addressProfile(
    [
      {
        start: library,
        limit: library + 0x100000n,
        offset: 0n,
        name: '/usr/lib/libssl.so.3',
        buildId: 'ab12'.repeat(10),
      },
      { start: kernel, limit: kernel + 0x1000000n, offset: kernel, name: '[kernel.kallsyms]_text' },
      { start: anonymous, limit: anonymous + 0x10000n, offset: 0n, name: '//anon' },
      { start: vdso, limit: vdso + 0x2000n, offset: 0n, name: '[vdso]' },
    ],
    [
      [library + 0x1234n, library + 0x5678n],
      [library + 0x1264n, library + 0x5678n],
      [kernel + 0x1000n, library + 0x5678n],
      [anonymous + 0x10n],
      [vdso + 0x800n, library + 0x99n],
    ],
  );
}

const CASES: readonly (readonly [name: string, profile: () => Uint8Array, args: () => string[]])[] = [
  ['everything named', () => recorded, () => ['--store', full]],
  ['not in the archive', () => recorded, () => ['--store', foreign]],
  ['another binary named by the user', () => recorded, () => ['--store', foreign, '--binary', other]],
  ['no build ID, found by frames', () => withBuildId(raw, 0, ''), () => ['--store', both]],
  ['no build ID, not in the archive', () => withBuildId(raw, 0, ''), () => ['--store', foreign]],
  ['a build ID that many share', () => withBuildId(raw, 0, BAZEL_ID), () => ['--store', full]],
  ['replaced in place, the old build is there', () => withBuildId(raw, 0, OTHER_ID), () => ['--store', both]],
  ['replaced in place, the old build is not there', () => withBuildId(raw, 0, OTHER_ID), () => ['--store', foreign]],
  ['addresses alone', () => erase(recorded), () => ['--store', full]],
  ['addresses alone, no build ID', () => withBuildId(erase(recorded), 0, ''), () => ['--store', full]],
  ['a damaged file in the archive', () => withBuildId(raw, 0, ''), () => ['--store', damaged]],
  ['around the program', aroundTheProgram, () => ['--store', foreign]],
];

describe('resym explain', () => {
  for (const [name, profile, args] of CASES) {
    it(name, async () => {
      const file = join(dir, 'profile.pb.gz');
      writeFileSync(file, profile());
      const { code, stdout, stderr } = await resym(['explain', file, ...args()]);
      assert.equal(code, 0, stderr);
      const said = stdout.toString().replaceAll(`${dir}/`, '');
      const text = join(texts, `${name.replaceAll(/[ ,]+/g, '-')}.txt`);
      if (process.env.RESYM_UPDATE === '1') writeFileSync(text, said);
      assert.equal(said, readFileSync(text, 'utf8'));
    });
  }

  it('without an archive', async () => {
    const file = join(dir, 'profile.pb.gz');
    writeFileSync(file, recorded);
    const { stdout } = await resym(['explain', file], { env: { XDG_DATA_HOME: join(dir, 'empty') } });
    assert.match(stdout.toString(), /no archive to search for \/srv\/shop\/shop/);
  });

  it('as JSON says the same', async () => {
    const file = join(dir, 'profile.pb.gz');
    writeFileSync(file, recorded);
    const { stdout } = await resym(['explain', file, '--store', foreign, '--json']);
    const report = JSON.parse(stdout.toString()) as { mappings: { verdict: string; unresolved: unknown[] }[] };
    assert.equal(report.mappings[0].verdict, 'not found');
    assert.equal(report.mappings[0].unresolved.length, 1);
  });
});
