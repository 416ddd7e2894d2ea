/**
 * Damaged profiles of the older formats: whatever comes in, the converter gives a profile or a parse error, in bounded time. And
 * google/pprof, given the same bytes, gives the same profile or refuses too.
 *
 *   RESYM_FUZZ_COUNT   variants of each fixture, unless told 150
 *   RESYM_FUZZ_SEED    another sequence
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isParseError, messageOf } from '../../src/errors.ts';
import { convertLegacy } from '../../src/legacy/legacy.ts';
import { Profile } from '../../src/profile/profile.ts';
import { differenceWithinScaling } from '../legacy/compare.ts';
import { JEMALLOC } from '../legacy/samples.ts';
import { needsPprof, PprofOracle } from '../support/pprof.ts';
import { mutations, seededRandom } from './mutate.ts';

const DIR = fileURLToPath(new URL('../fixtures/legacy/', import.meta.url));
const COUNT = Number(process.env.RESYM_FUZZ_COUNT ?? 150);
const SEED = Number(process.env.RESYM_FUZZ_SEED ?? 1);

/** For inputs of some KB; the machine may be busy. */
const MAX_MILLISECONDS = 2000;

const seeds: { name: string; bytes: Uint8Array }[] = readdirSync(DIR)
  .filter((name) => name !== 'README.md')
  .map((name) => ({ name, bytes: new Uint8Array(readFileSync(DIR + name)) }));
seeds.push({ name: 'jemalloc', bytes: Buffer.from(JEMALLOC) });

/** Letters and pieces the formats are made of: damage that bits seldom do. */
const PIECES = [
  '--- Memory map: ---\n',
  'MAPPED_LIBRARIES:\n',
  '\n',
  '\r\n',
  '# \n',
  ' ',
  '0x',
  '0x0',
  '0xffffffffffffffff',
  '0x10000000000000000',
  '@',
  ' @ 0x1 0x2 0x1\n',
  '18446744073709551615',
  '9223372036854775807',
  '-1',
  '007',
  ': ',
  '[',
  'a=b\n$a',
  '400000-500000 r-xp 00100000 08:01 1 /bin/x\n',
  '500000-600000 r-xp 00200000 08:01 1 /bin/x\n',
  '400000-500000: /lib/y.so (@1000) abcdef\n',
  'W0412 x.cc:1] 700000-800000 r-xp 0 08:01 1 $build/z (deleted)\n',
  '0x700000-0x100000 r-xp 300000 08:01 1 /backwards\n',
  '[same as previous thread]\n',
  '\u00a0',
  '\u2003',
];

function* variants(seed: Uint8Array, count: number, random: () => number): Generator<Uint8Array> {
  for (const bytes of mutations(seed, count, random, { keep: 24 })) {
    if (random() < 0.5) {
      yield bytes;
      continue;
    }
    let text = Buffer.from(random() < 0.7 ? seed : bytes);
    for (let pieces = 1 + Math.floor(random() * 4); pieces > 0; pieces--) {
      const at = Math.floor(random() * (text.length + 1));
      const piece = Buffer.from(PIECES[Math.floor(random() * PIECES.length)]);
      const cut = random() < 0.5 ? Math.floor(random() * 30) : 0;
      text = Buffer.concat([text.subarray(0, at), piece, text.subarray(at + cut)]);
    }
    yield new Uint8Array(text);
  }
}

describe('damaged profiles of older formats', () => {
  let oracle: PprofOracle | null = null;
  before(async () => {
    if (needsPprof === false) oracle = await PprofOracle.start();
  });
  after(() => oracle?.stop());

  for (const [i, { name, bytes: seed }] of seeds.entries()) {
    test(name, async () => {
      const random = seededRandom(SEED + i);
      let variant = 0;
      let converted = 0;
      const asked: Promise<void>[] = [];
      for (const bytes of variants(seed, COUNT, random)) {
        const which = `variant ${variant++} of seed ${SEED + i}`;
        const start = performance.now();
        let ours: Uint8Array | string;
        try {
          ours = convertLegacy(bytes);
          Profile.scan(ours);
          converted++;
        } catch (error) {
          if (!isParseError(error)) throw new Error(which, { cause: error });
          ours = messageOf(error);
          if (error.code === 'limit') continue;
        }
        const took = performance.now() - start;
        assert.ok(took < MAX_MILLISECONDS, `${which} took ${took} ms`);
        if (oracle === null) continue;
        const answer = ours;
        asked.push(
          oracle.converted(bytes).then((theirs) => {
            const difference = differenceWithinScaling(theirs, answer);
            assert.equal(difference, null, `${which}: ${difference}`);
          }),
        );
      }
      await Promise.all(asked);
      assert.ok(converted > 0, 'nothing was converted');
    });
  }
});
