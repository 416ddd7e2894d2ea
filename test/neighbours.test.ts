/** Names as evidence: without build IDs in the profile, is the right build told from its neighbours by its name and its code? */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Engine } from '../src/pipeline.ts';
import { CandidateFinder } from '../src/store/candidates.ts';
import { DirectoryStore } from '../src/store/directory.ts';
import { OpenedBinaries } from '../src/store/opened.ts';
import type { DecodedFrame } from './support/decode.ts';
import { addressProfile, framesByAddress } from './support/mapped.ts';
import { randomBelow } from './support/profile-model.ts';
import { needsTools } from './support/toolchains.ts';
import { buildNeighbours, type Code, codeOf, EDITS } from './support/variants.ts';

/** Pairs of builds; each is asked with every shape of profile. One of each edit unless told. */
const PAIRS = Number(process.env.RESYM_TRIALS ?? EDITS.length);

const dir = mkdtempSync(join(tmpdir(), 'resym-neighbours-'));
after(() => rmSync(dir, { recursive: true }));

type Random = (n: number) => number;

const pick = (random: Random, from: readonly number[]) => from[random(from.length)];
const times = <T>(n: number, make: () => T) => Array.from({ length: n }, make);

/** Stacks in link-time addresses, innermost first. */
const SHAPES: Readonly<Record<string, (code: Code, random: Random) => number[][]>> = {
  'one address': (code, random) => [[pick(random, code.instructions)]],
  'leaves only': (code, random) => times(30, () => [pick(random, code.instructions)]),
  'one caller': (code, random) => [[pick(random, code.instructions), pick(random, code.afterCalls) - 1]],
  'two callers': (code, random) => [
    [pick(random, code.instructions), ...times(2, () => pick(random, code.afterCalls) - 1)],
  ],
  'three callers': (code, random) => [
    [pick(random, code.instructions), ...times(3, () => pick(random, code.afterCalls) - 1)],
  ],
  'ten callers': (code, random) => [
    [pick(random, code.instructions), ...times(14, () => pick(random, code.afterCalls) - 1)],
  ],
  'six callers': (code, random) => [
    [pick(random, code.instructions), ...times(6, () => pick(random, code.afterCalls) - 1)],
  ],
  'a loop in one place': (code, random) => {
    const at = random(Math.max(1, code.afterCalls.length - 8));
    const near = code.afterCalls.slice(at, at + 8);
    const around = code.instructions.filter(
      (address) => address >= near[0] - 100 && address <= near[near.length - 1] + 100,
    );
    return times(4, () => [pick(random, around), ...times(3, () => pick(random, near) - 1)]);
  },
  'allocations: callers as leaves': (code, random) => times(6, () => [pick(random, code.afterCalls) - 1]),
  '1 named, others not': (code, random) => times(12, () => [pick(random, code.instructions)]),
  '3 named, others not': (code, random) => times(12, () => [pick(random, code.instructions)]),
  '10 named, others not': (code, random) => times(40, () => [pick(random, code.instructions)]),
  'many stacks': (code, random) =>
    times(20, () => [pick(random, code.instructions), ...times(6, () => pick(random, code.afterCalls) - 1)]),
};

interface Tally {
  trials: number;
  accepted: number;
  /** Accepted, and some address got another function's name. */
  misnamed: number;
  /** The same, or another line: where the code is the same, nothing tells. */
  misplaced: number;
  rightTaken: number;
}

describe(
  'a build found by its name',
  { skip: process.arch !== 'x64' ? 'needs x64' : needsTools('gcc', 'objdump', 'readelf') },
  () => {
    const tallies = new Map<string, Tally>();
    const wrongs: string[] = [];

    it('is the right one or none', async (t) => {
      for (let seed = 1; seed <= PAIRS; seed++) {
        const edit = EDITS[seed % EDITS.length];
        const [one, other] = [join(dir, `${seed}-a`), join(dir, `${seed}-b`)];
        for (const place of [one, other]) mkdirSync(place);
        const [right, wrong] = [join(one, 'libwork.so'), join(other, 'libwork.so')];
        await buildNeighbours(seed, edit, right, wrong);
        const code = codeOf(right);
        const engineOf = async (...files: string[]) => {
          const store = await DirectoryStore.open(join(dir, `${seed}-store-${files.length}-${files[0] === right}`), {
            create: true,
          });
          for (const file of files) await store.add(file);
          return new Engine(new CandidateFinder(store, new OpenedBinaries()));
        };
        const [byRight, byWrong, byBoth] = [await engineOf(right), await engineOf(wrong), await engineOf(right, wrong)];
        const random = randomBelow(seed * 7919);
        for (const [shape, stacksOf] of Object.entries(SHAPES)) {
          const page = code.address - (code.address % 4096);
          const start = 0x7f3210000000n + BigInt(random(4096)) * 4096n;
          const length = Math.ceil((code.address + code.size) / 4096) * 4096 - page;
          const run = (address: number) => start + BigInt(address - page);
          const mapping = {
            start,
            limit: start + BigInt(length),
            offset: BigInt(code.offset - (code.offset % 4096)),
            name: '/opt/app/libwork.so',
          };
          const stacks = stacksOf(code, random).map((stack) => stack.map(run));
          const blank = addressProfile([mapping], stacks);
          const pinned = await new Engine(new CandidateFinder(null, new OpenedBinaries())).resymbolize(blank, {
            pinned: [right],
          });
          const truth = framesByAddress(pinned.body);
          const howMany = Number(/^(\d+) named/.exec(shape)?.[1] ?? 0);
          const named = new Map([...truth].slice(0, howMany).map(([address, frames]) => [address, frames.at(-1)!]));
          const profile = addressProfile([mapping], stacks, named);
          // What is left out, names or lines, is not wrong.
          const told = (body: Uint8Array, isSame: (f: DecodedFrame, truth: DecodedFrame | undefined) => boolean) =>
            [...framesByAddress(body)].filter(([address, frames]) => {
              if (named.has(address)) return false;
              const expected = truth.get(address) ?? [];
              return frames.length !== expected.length || !frames.every((frame, i) => isSame(frame, expected[i]));
            }).length;
          const tally = tallies.get(shape) ?? {
            trials: 0,
            accepted: 0,
            misnamed: 0,
            misplaced: 0,
            rightTaken: 0,
          };
          tallies.set(shape, tally);
          tally.trials++;
          if ((await byRight.resymbolize(profile)).report.mappings[0].binary !== null) tally.rightTaken++;
          for (const [who, engine] of [
            ['wrong', byWrong],
            ['both', byBoth],
          ] as const) {
            const { body, report } = await engine.resymbolize(profile);
            const isSameName = (f: DecodedFrame, truth?: DecodedFrame) => f.function === truth?.function;
            const misnamed = told(body, isSameName);
            const misplaced = told(
              body,
              (f, truth) => isSameName(f, truth) && (f.line === 0 || f.line === truth?.line),
            );
            if (who === 'wrong' && report.mappings[0].binary !== null) tally.accepted++;
            if (misnamed > 0) tally.misnamed++;
            if (misplaced > 0) tally.misplaced++;
            if (misplaced > 0)
              wrongs.push(
                `seed ${seed} ${edit}, ${shape}, ${who} (${code.afterCalls.length} calls): ${misnamed} names, ${misplaced} lines of ${truth.size} wrong`,
              );
          }
        }
      }
      const figures = [...tallies].map(([shape, tally]) => `${shape}: ${JSON.stringify(tally)}`).join('\n');
      if (process.env.RESYM_TRIALS !== undefined) t.diagnostic(`${figures}\n${wrongs.join('\n')}`);
      const sum = (of: (tally: Tally) => number) =>
        [...tallies.values()].reduce((total, tally) => total + of(tally), 0);
      assert.equal(
        sum((tally) => tally.misnamed + tally.misplaced),
        0,
        wrongs.join('\n'),
      );
      for (const shape of ['one address', 'one caller', 'two callers', '3 named, others not']) {
        assert.equal(tallies.get(shape)?.accepted, 0, `${shape}: too little to prove a build by`);
      }
      for (const shape of ['leaves only', 'ten callers', 'many stacks', '10 named, others not']) {
        assert.equal(tallies.get(shape)?.rightTaken, PAIRS, `${shape}: enough to prove the right build by`);
      }
    });
  },
);
