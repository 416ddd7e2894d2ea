/** The right binary or none: what comes of each situation (support/situations.ts), and that nothing written is wrong. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Engine } from '../src/pipeline.ts';
import type { MappingReport } from '../src/rewrite/report.ts';
import { CandidateFinder } from '../src/store/candidates.ts';
import { DirectoryStore } from '../src/store/directory.ts';
import { OpenedBinaries } from '../src/store/opened.ts';
import type { SymbolStore } from '../src/store/store.ts';
import type { DecodedFrame } from './support/decode.ts';
import { EMPTY_PROFILE, type Made, type Situation, SITUATIONS, writtenFrames } from './support/situations.ts';
import { assertUntouched } from './support/untouched.ts';
import { withBuildId } from './support/with-build-id.ts';

const dir = mkdtempSync(join(tmpdir(), 'resym-situations-'));
after(() => rmSync(dir, { recursive: true }));
let archives = 0;

const engineOver = (store: SymbolStore | null) => new Engine(new CandidateFinder(store, new OpenedBinaries()));

async function storeOf({ archive, damages }: Made): Promise<SymbolStore | null> {
  if (archive === null) return null;
  const root = join(dir, `archive-${archives++}`);
  const store = await DirectoryStore.open(root, { create: true });
  for (const file of archive) {
    if (typeof file === 'string') await store.add(file);
    else await store.add(file.path, { name: file.name });
  }
  await store.close();
  if (damages === true) {
    for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
      const path = join(root, name);
      if (/\.resym|\.json$|\.facts/.test(name) || !statSync(path).isFile()) continue;
      if (statSync(path).size > 100_000) truncateSync(path, 5000);
    }
  }
  return DirectoryStore.open(root);
}

/** What is true of the profile's addresses. */
async function truthOf({ profile, truth }: Made): Promise<ReadonlyMap<bigint, readonly DecodedFrame[]>> {
  if (truth === null) return new Map();
  if (typeof truth !== 'string') return truth;
  // No ID that could lead elsewhere: the binary that ran is named.
  const { body, report } = await engineOver(null).resymbolize(withBuildId(profile, 0, ''), { pinned: [truth] });
  assert.equal(report.mappings[0].match, 'pinned', report.mappings[0].reason);
  return writtenFrames(body);
}

/** What is written and not true; a line left out is no wrong line. */
function wrongIn(body: Uint8Array, made: Made, truth: ReadonlyMap<bigint, readonly DecodedFrame[]>): string[] {
  const before = writtenFrames(made.profile);
  const show = (frames: readonly DecodedFrame[] | undefined) =>
    frames?.map((frame) => `${frame.function}:${frame.line}`).join(' < ') ?? 'nothing';
  return [...writtenFrames(body)].flatMap(([address, frames]) => {
    const expected = before.get(address) ?? truth.get(address);
    // Recorded truth may know less than all addresses; a binary's own answers and the runtime's do not.
    if (expected === undefined && typeof made.truth !== 'string' && made.truth !== null) return [];
    const isSame = (frame: DecodedFrame, i: number): boolean =>
      frame.function === expected?.[i].function &&
      (frame.line === expected[i].line || (frame.line === 0 && !before.has(address)));
    const isRight =
      expected !== undefined &&
      frames.length >= expected.length &&
      frames.slice(0, expected.length).every(isSame) &&
      // The runtime ends a location where a function is inlined into itself, and goes on in the next (support/compare.ts).
      (frames.length === expected.length || frames[expected.length].function === expected.at(-1)?.function);
    return isRight ? [] : [`0x${address.toString(16)}: ${show(frames)} instead of ${show(expected)}`];
  });
}

function assertExpected(situation: Situation, meant: readonly MappingReport[]): void {
  assert.ok(meant.length > 0, 'such a mapping');
  for (const { verdict, match, reason, tried } of meant) {
    const told = `${reason}\n${tried.map((one) => `${one.foundBy} ${one.binary}: ${one.verdict} ${one.reason}`).join('\n')}`;
    assert.deepEqual([verdict, match], [situation.verdict, situation.match], told);
    assert.match(reason, situation.reason);
  }
}

describe('what comes of a situation', () => {
  for (const situation of SITUATIONS) {
    it(situation.name, { skip: situation.skip }, async () => {
      const made = await situation.make();
      const { body, report } = await engineOver(await storeOf(made)).resymbolize(made.profile, {
        pinned: made.pinned ?? [],
      });
      assertUntouched(made.profile, body);
      const truth = await truthOf(made);
      assert.deepEqual(wrongIn(body, made, truth), []);

      const { mapping } = situation;
      const meant = report.mappings.filter((one, i) =>
        mapping ? mapping.test(one.file) && one.locations > 0 : i === 0,
      );
      assertExpected(situation, meant);
      const written = writtenFrames(body);
      const before = writtenFrames(made.profile);
      if (situation.match === 'none') assert.ok(meant.every((one) => one.namedAfter === one.namedBefore));
      else assert.equal(written.size > before.size, situation.gains !== false, 'something is named');
      if (situation.complete === true) {
        const left = [...truth.keys()].filter((address) => !written.has(address));
        assert.deepEqual(left, [], 'all that can be named is');
      }
    });
  }

  it('a profile without mappings goes out as it came', async () => {
    const { body, report, status } = await engineOver(null).resymbolize(EMPTY_PROFILE);
    assert.equal(body, EMPTY_PROFILE);
    assert.deepEqual([status, report.mappings], ['unchanged', []]);
  });

  it('are thirty at least', () => {
    assert.ok(SITUATIONS.length >= 30);
    assert.equal(new Set(SITUATIONS.map(({ name }) => name)).size, SITUATIONS.length);
  });
});
