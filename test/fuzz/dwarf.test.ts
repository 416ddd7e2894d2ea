/**
 * Ten thousand damaged files with debug info: whatever is asked of them gives a value or one of the parser's own errors, in time and
 * with bounded memory. RESYM_FUZZ_SEED and RESYM_FUZZ_COUNT (variants per file) repeat or extend a run.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { BufferSource } from '../../src/bytes/source.ts';
import { prepareZstd } from '../../src/bytes/inflate.ts';
import { unitHeaders } from '../../src/dwarf/unit-headers.ts';
import { splitUnitsSha256 } from '../../src/dwarf/split-hash.ts';
import type { SplitFiles } from '../../src/dwarf/split-units.ts';
import { DwarfSymbols } from '../../src/dwarf/symbols.ts';
import { isParseError } from '../../src/errors.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';
import { randomAddresses } from '../dwarf/addresses.ts';
import { mutations, seededRandom } from './mutate.ts';

const SEED = Number(process.env.RESYM_FUZZ_SEED ?? 4711);
const COUNT = Number(process.env.RESYM_FUZZ_COUNT ?? 60);
const MAX_MILLISECONDS = 3000;
const MAX_BYTES = 1 << 30;
/** Every section that debug info is read from: most damage is done there. */
const HOT = /^\.debug_(info|abbrev|line|rnglists|ranges|addr|str_offsets|aranges|cu_index)/;

const dir = new URL('../fixtures/dwarf/seeds/', import.meta.url);
const read = (name: string): Uint8Array => readFileSync(new URL(name, dir));
const open = (bytes: Uint8Array): ObjectFile => openObject(new BufferSource(bytes));

interface Target {
  readonly name: string;
  /** The file that is damaged. */
  readonly seed: Uint8Array;
  /** The program and the files beside it, of which one is the damaged one. */
  readonly assemble: (damaged: Uint8Array) => [program: ObjectFile, beside: SplitFiles];
}

const names = readdirSync(dir)
  .filter((name) => name !== 'README.md')
  .sort();
const programs = names.filter((name) => !name.includes('.'));

const targets: Target[] = names.map((name): Target => {
  const program = name.split('.')[0];
  const beside = names.find((other) => other.startsWith(`${program}.`));
  const assemble = (damaged: Uint8Array): [ObjectFile, SplitFiles] => {
    const bytes = (file: string): Uint8Array => (file === name ? damaged : read(file));
    const other = () => (beside === undefined ? null : open(bytes(beside)));
    const dwp = beside?.endsWith('.dwp') ? other() : null;
    return [open(bytes(program)), { dwp, dwo: other, supplementary: other }];
  };
  return { name, seed: read(name), assemble };
});

/** What a caller can ask, about addresses all over the code. How many had a name. */
function exercise([object, beside]: [ObjectFile, SplitFiles], addresses: readonly number[]): number {
  attempt(() => unitHeaders(object));
  attempt(() => splitUnitsSha256(object));
  let named = 0;
  attempt(() => {
    const symbols = DwarfSymbols.open(object, beside);
    if (symbols === null) return;
    for (const address of addresses) {
      // From here on nothing may throw: damage is a problem in the list.
      const frames = symbols.frames(address);
      symbols.line(address);
      if (frames === null) continue;
      named++;
      assert.ok(frames.length > 0 && frames.length < 5000);
      for (const { name, linkageName, file, line, column, startLine } of frames) {
        assert.ok(typeof name === 'string' && typeof linkageName === 'string' && typeof file === 'string');
        for (const number of [line, column, startLine]) assert.ok(number >= 0 && Number.isSafeInteger(number));
      }
    }
    assert.ok(symbols.problems.length <= 16);
  });
  return named;
}

function attempt(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!isParseError(error)) throw error;
  }
}

describe('damaged DWARF', () => {
  before(prepareZstd);
  for (const [i, { name, seed, assemble }] of targets.entries()) {
    test(name, () => {
      const sound = assemble(seed);
      const addresses = randomAddresses(sound[0], 60);
      assert.ok(exercise(sound, addresses) > 20, 'the file itself names its code');
      const hot = open(seed)
        .sections.filter((section) => HOT.test(section.name))
        .map(({ fileOffset, size }) => [fileOffset, fileOffset + size] as const);
      assert.ok(hot.length >= 3);
      let stillNamed = 0;
      let variant = 0;
      for (const bytes of mutations(seed, COUNT, seededRandom(SEED + i), { hot, keep: 64 })) {
        const where = `variant ${variant++} of seed ${SEED + i}`;
        const start = performance.now();
        try {
          attempt(() => {
            if (exercise(assemble(bytes), addresses) > 0) stillNamed++;
          });
        } catch (error) {
          throw new Error(where, { cause: error });
        }
        const spent = performance.now() - start;
        assert.ok(spent < MAX_MILLISECONDS, `${where} took ${spent} ms`);
      }
      assert.ok(stillNamed > COUNT / 4, `only ${stillNamed} of ${COUNT} variants named anything`);
      assert.ok(process.memoryUsage.rss() < MAX_BYTES, `${process.memoryUsage.rss()} bytes resident`);
    });
  }

  test('seeds of every kind', () => {
    assert.ok(
      programs.length >= 10 &&
        names.some((name) => name.endsWith('.dwo')) &&
        names.some((name) => name.endsWith('.dwp')),
    );
  });
});
