import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { recordedBinary, recordedProfile } from '../src/demo/replay.ts';
import { FormatError } from '../src/errors.ts';
import { Engine, type ResymOptions } from '../src/pipeline.ts';
import { decodeBody } from '../src/profile/gzip.ts';
import { Profile } from '../src/profile/profile.ts';
import { type Candidate, CandidateFinder } from '../src/store/candidates.ts';
import { OpenedBinaries } from '../src/store/opened.ts';
import { erase } from './support/erase.ts';
import { assertUntouched } from './support/untouched.ts';

/** Leaf C locations of the recorded profile and what nm says about them. */
const C_FUNCTION = /^(mix|hash_row|thumbnail|render)$/;

describe('a profile through the pipeline', () => {
  const dir = mkdtempSync(join(tmpdir(), 'resym-pipeline-'));
  const binary = join(dir, 'shop');
  const recorded = recordedProfile('profile');
  const raw = decodeBody(recorded).raw;
  const engine = new Engine(new CandidateFinder(null, new OpenedBinaries()));
  const run = (body: Uint8Array, options: ResymOptions = {}) => engine.resymbolize(body, options);

  before(() => writeFileSync(binary, recordedBinary()));
  after(() => rmSync(dir, { recursive: true }));

  it('names what Go could not, and touches nothing else', async () => {
    const result = await run(recorded, { pinned: [binary] });
    assert.equal(result.status, 'enriched');
    assert.equal(result.reason, '');
    const out = decodeBody(result.body).raw;
    assertUntouched(raw, out);
    const [before, after] = [Profile.scan(raw), Profile.scan(out)];
    let named = 0;
    let inlined = false;
    for (let i = 0; i < after.locations.count; i++) {
      const [was, is] = [names(before, i), names(after, i)];
      if (was.every((name) => name === '')) {
        assert.ok(is.length === was.length || is[0] === 'mix', is.join(' < '));
        for (const name of is) assert.match(name, C_FUNCTION);
        for (const { line, functionIndex } of after.locations.lines(i)) {
          assert.ok(line > 0);
          assert.match(after.strings.text(after.functions.filename(functionIndex)), /\/thumbnails\.go$/);
        }
        inlined ||= is.length > 1;
        named++;
      } else assert.deepEqual(is, was);
    }
    assert.ok(named > 0 && inlined);
    const [main] = after.mappings;
    assert.ok(main.hasFunctions && main.hasFilenames && main.hasLineNumbers && main.hasInlineFrames);
    assert.equal(result.report.mappings[0].agreed, result.report.mappings[0].checked);
  });

  it('remembers a whole answer, and asks again for one that lacked something', async () => {
    const own = new Engine(new CandidateFinder(null, new OpenedBinaries()));
    const poor = await own.resymbolize(recorded);
    assert.notEqual(poor.reason, '');
    const [first, second, other] = [
      await own.resymbolize(recorded, { pinned: [binary] }),
      await own.resymbolize(new Uint8Array(recorded), { pinned: [binary] }),
      await own.resymbolize(recorded, { pinned: [binary], identity: true }),
    ];
    const stages = (result: typeof first): string[] => result.timings.map(({ stage }) => stage);
    assert.deepEqual(stages(second), ['remember']);
    assert.deepEqual(
      [stages(first), stages(other), stages(await own.resymbolize(recorded))],
      [stages(poor), stages(poor), stages(poor)],
    );
    assert.deepEqual(second.body, first.body);
    assert.notEqual(second.body.buffer, first.body.buffer);
    assert.deepEqual(second.report, first.report);
    assert.notDeepEqual(other.body, first.body);
  });

  it('has nothing left to do on its own output', async () => {
    const once = await run(recorded, { pinned: [binary] });
    const twice = await run(once.body, { pinned: [binary] });
    assert.equal(twice.status, 'unchanged');
    assert.equal(twice.body, once.body);
  });

  it('restores erased Go frames to what the runtime wrote', async () => {
    const result = await run(erase(raw), { pinned: [binary] });
    const [was, is] = [Profile.scan(raw), Profile.scan(decodeBody(result.body).raw)];
    for (let i = 0; i < was.locations.count; i++) {
      const expected = frames(was, i);
      if (expected.every(([name]) => name !== '')) assert.deepEqual(frames(is, i), expected);
    }
  });

  it('gives back the very bytes when there is no binary, and says what to do', async () => {
    const result = await run(recorded);
    assert.equal(result.status, 'unchanged');
    assert.equal(result.body, recorded);
    assert.match(result.reason, /^5 of 96 locations unnamed: .*\/srv\/shop\/shop \(build ID [0-9a-f]{40}\)/);
  });

  it('refuses a binary that disagrees with the frames the profile names', async () => {
    const result = await run(recorded, { pinned: [process.execPath] });
    assert.equal(result.status, 'unchanged');
    assert.equal(result.body, recorded);
    assert.notEqual(result.report.mappings[0].reason, '');
    assert.equal(result.report.mappings[0].binary, null);
  });

  it('passes a damaged binary by, with the reason', async () => {
    const damaged = join(dir, 'damaged');
    writeFileSync(damaged, recordedBinary().subarray(0, 5000));
    const result = await run(recorded, { pinned: [damaged] });
    assert.equal(result.body, recorded);
    assert.notEqual(result.report.mappings[0].reason, '');
  });

  it('answers in time with what it has while a binary is still being opened', async () => {
    const slow: Candidate = {
      name: 'slow',
      foundBy: 'build-id',
      build: [],
      lease: () => new Promise(() => undefined),
      isThere: () => Promise.resolve(true),
      wasUsed: () => undefined,
    };
    const finder = { pinned: () => Promise.resolve([]), byId: () => Promise.resolve([slow]) };
    const late = new Engine(finder as unknown as CandidateFinder);
    const started = performance.now();
    const result = await late.resymbolize(recorded, { deadline: started + 50 });
    assert.ok(performance.now() - started < 1000);
    assert.equal(result.body, recorded);
    assert.match(result.reason, /out of time/);
  });

  it('keeps a raw body raw', async () => {
    const result = await run(raw, { pinned: [binary] });
    assert.equal(result.status, 'enriched');
    assert.notDeepEqual([...result.body.subarray(0, 2)], [0x1f, 0x8b]);
  });

  it('refuses what is no profile', async () => {
    await assert.rejects(run(Buffer.from('<!doctype html>')), FormatError);
  });

  it('answers /symbol for a mapping it has proven', async () => {
    const { mappings } = await run(recorded, { pinned: [binary] });
    const profile = Profile.scan(raw);
    const wanted = [0, 1, 2].map((i) => profile.locations.address(i));
    const found = await engine.symbolNames(mappings, [...wanted, 1n]);
    assert.deepEqual(
      found.slice(0, 3).map((name, i) => name === names(profile, i).at(-1) || C_FUNCTION.test(name ?? '')),
      [true, true, true],
    );
    assert.equal(found[3], null);
  });
});

function frames(profile: Profile, location: number): [name: string, file: string, line: number, start: number][] {
  return profile.locations.lines(location).map(({ functionIndex, line }) => {
    const text = (index: number) => profile.strings.text(index);
    const { functions } = profile;
    return [
      text(functions.name(functionIndex)),
      text(functions.filename(functionIndex)),
      line,
      functions.startLine(functionIndex),
    ];
  });
}

function names(profile: Profile, location: number): string[] {
  return frames(profile, location).map(([name]) => name);
}
