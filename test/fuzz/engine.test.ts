/** Damaged profiles and damaged binaries through the whole engine: an error that names its place, or nothing worse. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BufferSource } from '../../src/bytes/source.ts';
import { recordedBinary, recordedProfile } from '../../src/demo/replay.ts';
import { isParseError } from '../../src/errors.ts';
import { Engine } from '../../src/pipeline.ts';
import { decodeBody } from '../../src/profile/gzip.ts';
import { Profile } from '../../src/profile/profile.ts';
import { needOf } from '../../src/rewrite/need.ts';
import type { Candidate, CandidateFinder } from '../../src/store/candidates.ts';
import { OpenedBinaries } from '../../src/store/opened.ts';
import { alone } from '../support/alone.ts';
import { assertUntouched } from '../support/untouched.ts';
import { mutations, seededRandom } from './mutate.ts';

const COUNT = 10_000;
const SLOWEST_MS = 5000;
/** Headers, notes and program headers; the tables are far into the file. */
const ELF_HEADERS: readonly [number, number] = [0, 4096];

const binary = recordedBinary();
const raw = decodeBody(recordedProfile('profile')).raw;

/** An engine to which every mapping with a build ID is the given binary's. */
function engineOver(bytes: Uint8Array): Engine {
  const opened = new OpenedBinaries();
  const lease = () => {
    const open = () => Promise.resolve(alone({ source: new BufferSource(bytes), release: () => undefined }));
    return opened.lease('shop', 'shop', open);
  };
  const candidate: Candidate = {
    name: 'shop',
    foundBy: 'build-id',
    build: [],
    lease,
    isThere: () => Promise.resolve(true),
    wasUsed: () => undefined,
  };
  const finder: Pick<CandidateFinder, 'pinned' | 'byId' | 'byFrames' | 'byName' | 'twinsOf' | 'absence'> = {
    pinned: () => Promise.resolve([]),
    byId: () => Promise.resolve([candidate]),
    byFrames: () => Promise.resolve([]),
    byName: () => Promise.resolve([]),
    twinsOf: () => Promise.resolve([]),
    absence: () => Promise.resolve({ reason: 'not there', advice: '' }),
  };
  return new Engine(finder as CandidateFinder);
}

describe('hostile input', { timeout: 30 * 60_000 }, () => {
  it(`${COUNT} damaged profiles against the right binary`, async () => {
    const engine = engineOver(binary);
    const seen = { refused: 0, unchanged: 0, changed: 0 };
    let slowest = 0;
    for (const damaged of mutations(raw, COUNT, seededRandom(71), { keep: 0 })) {
      const started = performance.now();
      try {
        const { status, body } = await engine.resymbolize(damaged);
        if (status === 'unchanged') {
          assert.equal(body, damaged);
          seen.unchanged++;
        } else {
          assertUntouched(damaged, body);
          seen.changed++;
        }
      } catch (error) {
        if (!isParseError(error)) throw error;
        seen.refused++;
      }
      slowest = Math.max(slowest, performance.now() - started);
    }
    assert.ok(slowest < SLOWEST_MS, `the slowest took ${slowest} ms`);
    for (const [outcome, count] of Object.entries(seen)) assert.ok(count > 0, outcome);
  });

  it(`${COUNT} damaged binaries under the right build ID`, async () => {
    const profile = Profile.scan(raw);
    const seen = { unchanged: 0, changed: 0 };
    let slowest = 0;
    for (const damaged of mutations(binary, COUNT, seededRandom(72), { hot: [ELF_HEADERS] })) {
      const started = performance.now();
      const { status, body } = await engineOver(damaged).resymbolize(raw);
      slowest = Math.max(slowest, performance.now() - started);
      if (status === 'unchanged') {
        assert.equal(body, raw);
        seen.unchanged++;
        continue;
      }
      seen.changed++;
      assertUntouched(raw, body);
      const after = Profile.scan(body);
      for (let i = 0; i < profile.locations.count; i++) {
        if (needOf(profile, i) === 'nothing') assert.deepEqual(after.locations.lines(i), profile.locations.lines(i));
      }
    }
    assert.ok(slowest < SLOWEST_MS, `the slowest took ${slowest} ms`);
    for (const [outcome, count] of Object.entries(seen)) assert.ok(count > 0, outcome);
  });
});
