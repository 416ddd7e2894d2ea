/**
 * Ten thousand damaged ELF files: whatever is asked of them gives a value or one of the parser's own errors, in time and
 * with bounded memory. RESYM_FUZZ_SEED and RESYM_FUZZ_COUNT (variants per file) repeat or extend a run.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { prepareZstd } from '../../src/bytes/inflate.ts';
import { BufferSource } from '../../src/bytes/source.ts';
import { isParseError } from '../../src/errors.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';
import {
  compressedSamples,
  fixtureSamples,
  otherSamples,
  pointerSamples,
  withoutSectionHeaders,
  type Sample,
} from '../object/samples.ts';
import { mutations, seededRandom } from './mutate.ts';

const SEED = Number(process.env.RESYM_FUZZ_SEED ?? 20_260);
const COUNT = Number(process.env.RESYM_FUZZ_COUNT ?? 300);
const MAX_MILLISECONDS = 5000;
const MAX_BYTES = 1 << 30;

/** Everything an ObjectFile can be asked; parse errors are caught one by one, so that one does not hide the next. */
function exercise(object: ObjectFile): void {
  attempt(() => object.ids.gnu);
  attempt(() => object.notes());
  for (const section of object.sections) {
    attempt(() => object.section(section.name));
    attempt(() => object.sectionData(section));
    attempt(() => object.readAddress(section.address, Math.min(section.size, 64)));
  }
  const addresses = [0, 1, -1, 0x1000, 2 ** 53 - 1];
  for (const segment of object.segments) addresses.push(segment.address, segment.address + segment.size - 8);
  attempt(() => {
    for (const symbol of object.symbols()) {
      assert.ok(symbol.address >= 0 && Number.isSafeInteger(symbol.address));
      addresses.push(symbol.address);
    }
  });
  attempt(() => object.dynamicSymbols());
  attempt(() => {
    const functions = object.functionSymbols();
    let last = 0;
    for (let i = 0; i < functions.length; i++) {
      const start = functions.start[i] ?? NaN;
      assert.ok(start >= last && Number.isSafeInteger(start));
      last = start;
      attempt(() => functions.name(i));
    }
  });
  for (const address of addresses.slice(0, 300)) {
    attempt(() => {
      const pointer = object.readPointer(address);
      assert.ok(pointer >= -1 && Number.isSafeInteger(pointer));
    });
    attempt(() => object.readAddress(address, 16));
    const offset = object.fileOffsetOf(address, 4);
    assert.ok(offset >= -1 && offset + 4 <= Math.max(4, object.source.size));
  }
  attempt(() => {
    for (const address of object.relocationsTo(addresses.at(-1) ?? 0)) assert.ok(address >= 0);
  });
}

function attempt(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!isParseError(error)) throw error;
  }
}

/** Where the damage matters most: the header, both tables, and what they point to when it is small. */
function hotRanges(bytes: Uint8Array): [number, number][] {
  const object = openObject(new BufferSource(bytes));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const is64 = object.pointerSize === 8;
  const table = is64 ? Number(view.getBigUint64(0x28, object.littleEndian)) : view.getUint32(0x20, object.littleEndian);
  const ranges: [number, number][] = [[4, is64 ? 64 : 52]];
  ranges.push([is64 ? 64 : 52, is64 ? 64 + 56 * 9 : 52 + 32 * 9]);
  if (table > 0) ranges.push([table, bytes.length]);
  for (const name of [
    '.dynamic',
    '.rela.dyn',
    '.rel.dyn',
    '.relr.dyn',
    '.gnu.hash',
    '.hash',
    '.dynsym',
    '.symtab',
    '.note.gnu.build-id',
  ]) {
    const section = object.section(name);
    if (section !== undefined && !section.noBits) ranges.push([section.fileOffset, section.fileOffset + section.size]);
  }
  for (const section of object.sections) {
    if (section.compression !== 'none') ranges.push([section.fileOffset, section.fileOffset + 32]);
  }
  return ranges;
}

interface Target {
  readonly name: string;
  readonly skip: string | false;
  readonly load: () => Promise<Uint8Array>;
}

function whole(sample: Sample): Target {
  return { ...sample, load: async () => readFileSync(await sample.build()) };
}

function headless(sample: Sample): Target {
  const load = async () => withoutSectionHeaders(readFileSync(await sample.build()));
  return { name: `${sample.name}, without section headers`, skip: sample.skip, load };
}

const targets: Target[] = [
  ...fixtureSamples.map(whole),
  ...fixtureSamples.slice(0, 4).map(headless),
  ...pointerSamples
    .filter((sample) => !sample.name.includes('static'))
    .slice(0, 8)
    .map(whole),
  ...pointerSamples.filter((sample) => /shared$|relr$/.test(sample.name)).map(headless),
  ...compressedSamples.slice(0, 4).map(whole),
  ...otherSamples.filter((sample) => sample.name.startsWith('gcc')).map(whole),
];

describe('damaged ELF files', () => {
  before(prepareZstd);
  for (const [i, target] of targets.entries()) {
    test(target.name, { skip: target.skip }, async () => {
      const seed = await target.load();
      exercise(openObject(new BufferSource(seed))); // the file itself is read without a throw that is not a parse error
      let opened = 0;
      let slowest = 0;
      const random = seededRandom(SEED + i);
      let variant = 0;
      for (const bytes of mutations(seed, COUNT, random, { hot: hotRanges(seed) })) {
        const start = performance.now();
        try {
          attempt(() => {
            const object = openObject(new BufferSource(bytes));
            opened++;
            exercise(object);
          });
        } catch (error) {
          throw new Error(`variant ${variant} of seed ${SEED + i}`, { cause: error });
        }
        slowest = Math.max(slowest, performance.now() - start);
        assert.ok(slowest < MAX_MILLISECONDS, `variant ${variant} of seed ${SEED + i} took ${slowest} ms`);
        variant++;
      }
      assert.ok(opened > COUNT / 4, `only ${opened} of ${COUNT} variants got past the header`);
      assert.ok(process.memoryUsage.rss() < MAX_BYTES, `${process.memoryUsage.rss()} bytes resident`);
    });
  }

  test(
    'ten thousand in all',
    { skip: targets.some((target) => target.skip !== false) && 'some targets were skipped' },
    () => {
      assert.ok(targets.length * COUNT >= 10_000 || process.env.RESYM_FUZZ_COUNT !== undefined);
    },
  );
});
