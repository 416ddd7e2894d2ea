/** Neighbouring builds of one Go program: the profile of one against the archive of the other, the build ID missing or forged. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { identify } from '../src/match/identify.ts';
import { openObject } from '../src/object/open.ts';
import { Engine } from '../src/pipeline.ts';
import { CandidateFinder } from '../src/store/candidates.ts';
import { DirectoryStore } from '../src/store/directory.ts';
import { FileSource } from '../src/store/file.ts';
import { OpenedBinaries } from '../src/store/opened.ts';
import { type DecodedFrame, decodeProfile, framesOf } from './support/decode.ts';
import { uncompressed } from './support/erase.ts';
import { GO_EDITS, goNeighbours } from './support/go-neighbours.ts';
import { machineGo, needsTools, toolchains } from './support/toolchains.ts';
import { withBuildId } from './support/with-build-id.ts';

/** Pairs of builds; one of each edit unless told. */
const PAIRS = Number(process.env.RESYM_TRIALS ?? GO_EDITS.length);
const NEW = toolchains().slice(-2);
const OTHER = machineGo() ?? NEW[0] ?? null;

const dir = mkdtempSync(join(tmpdir(), 'resym-go-neighbours-'));
after(() => rmSync(dir, { recursive: true }));

const archives = { count: 0 };
async function engineOver(...files: string[]): Promise<Engine> {
  const store = await DirectoryStore.open(join(dir, `store-${archives.count++}`), { create: true });
  for (const file of files) await store.add(file);
  return new Engine(new CandidateFinder(store, new OpenedBinaries()));
}

function derivedId(path: string): string {
  const source = FileSource.open(path);
  try {
    return identify(openObject(source)).ids.goDerivedGnu!;
  } finally {
    source.close();
  }
}

/** Frames by address. */
function framesByAddress(body: Uint8Array): Map<bigint, DecodedFrame[]> {
  const profile = decodeProfile(body);
  return new Map(profile.locations.map((location) => [location.address, framesOf(profile, location)]));
}

/** Addresses to which `body` gives a name or line that is not the truth's; what it leaves out is not wrong. */
function wrongIn(body: Uint8Array, truth: ReadonlyMap<bigint, readonly DecodedFrame[]>): string[] {
  return [...framesByAddress(body)].flatMap(([address, frames]) => {
    const expected = truth.get(address) ?? [];
    if (frames.every(({ function: name }) => name === '')) return [];
    const isSame =
      frames.length === expected.length &&
      frames.every(
        (frame, i) => frame.function === expected[i].function && (frame.line === 0 || frame.line === expected[i].line),
      );
    const told = (list: readonly DecodedFrame[]) => list.map((f) => `${f.function}:${f.line}`).join('<');
    return isSame ? [] : [`${address.toString(16)}: ${told(frames)}, not ${told(expected)}`];
  });
}

const needs =
  NEW.length === 0 || OTHER === null ? 'needs go' : process.arch !== 'x64' ? 'needs x64' : needsTools('gcc');

describe('neighbouring builds of a Go program', { skip: needs, timeout: 3_600_000 }, () => {
  it('are told apart', async (t) => {
    const tally = { profiles: 0, rewritten: 0, wrong: 0, foundBesideWrong: 0, namedBesideWrong: 0, toName: 0 };
    const told: string[] = [];
    for (let seed = 1; seed <= PAIRS; seed++) {
      const edit = GO_EDITS[seed % GO_EDITS.length];
      const go = NEW[seed % NEW.length];
      const place = join(dir, String(seed));
      const { right, wrong, profile } = await goNeighbours(place, seed, edit, go, OTHER);
      const recorded = uncompressed(readFileSync(profile));
      const pinned = await new Engine(new CandidateFinder(null, new OpenedBinaries())).resymbolize(recorded, {
        pinned: [right],
      });
      assert.equal(pinned.report.mappings[0].match, 'pinned', pinned.reason);
      const truth = framesByAddress(pinned.body);
      assert.deepEqual(wrongIn(recorded, truth), []);
      const forged = withBuildId(recorded, 0, derivedId(wrong));
      const alone = await engineOver(wrong);
      const both = await engineOver(wrong, right);
      for (const [id, body] of [
        ['missing', recorded],
        ['forged', forged],
      ] as const) {
        tally.profiles++;
        const misled = await alone.resymbolize(body);
        const [main] = misled.report.mappings;
        const wrongs = wrongIn(misled.body, truth);
        if (main.binary !== null) tally.rewritten++;
        if (wrongs.length > 0) tally.wrong++;
        if (main.binary !== null) {
          told.push(
            `${seed} ${edit}, ID ${id}: ${main.match}, ${main.agreed}/${main.checked}, wrong: ${wrongs.join('; ')}`,
          );
        } else assert.deepEqual(misled.body, body, 'left as it was');

        const found = await both.resymbolize(body);
        const [mapping] = found.report.mappings;
        tally.toName += mapping.locations - mapping.namedBefore;
        tally.namedBesideWrong += mapping.namedAfter - mapping.namedBefore;
        if (mapping.binary !== null) tally.foundBesideWrong++;
        else told.push(`${seed} ${edit}, ID ${id}, both there: ${mapping.reason}`);
        const wrongBeside = wrongIn(found.body, truth);
        assert.deepEqual(wrongBeside, [], `${seed} ${edit}, ID ${id}, both there: ${mapping.match}`);
      }
      rmSync(place, { recursive: true });
    }
    t.diagnostic(JSON.stringify(tally));
    for (const line of told) t.diagnostic(line);
    assert.equal(tally.wrong, 0, told.join('\n'));
    assert.ok(tally.foundBesideWrong >= tally.profiles * 0.9, told.join('\n'));
  });
});
