/**
 * Thousands of damaged Mach-O files, thin and universal: whatever is asked of them gives a value or one of the parser's own
 * errors, in time and with bounded memory. RESYM_FUZZ_SEED and RESYM_FUZZ_COUNT (variants per file) repeat or extend a run.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BufferSource, type ByteSource } from '../../src/bytes/source.ts';
import { DwarfSymbols } from '../../src/dwarf/symbols.ts';
import { isParseError } from '../../src/errors.ts';
import { fatSlices } from '../../src/object/macho-fat.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject, openSlice } from '../../src/object/open.ts';
import { craftChains, craftMacho, Writer } from '../object/craft-macho.ts';
import { MACHO_FILES, machoBytes } from '../object/macho-fixtures.ts';
import { mutations, seededRandom } from './mutate.ts';

const SEED = Number(process.env.RESYM_FUZZ_SEED ?? 20_261);
const COUNT = Number(process.env.RESYM_FUZZ_COUNT ?? 300);
const MAX_MILLISECONDS = 5000;
const MAX_BYTES = 1 << 30;

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!isParseError(error)) throw error;
    return undefined;
  }
}

/** Everything an ObjectFile can be asked; parse errors are caught one by one, so that one does not hide the next. */
function exercise(object: ObjectFile): void {
  assert.ok(object.ids.uuid === null || /^[0-9a-f]{32}$/.test(object.ids.uuid));
  for (const section of object.sections) {
    assert.ok(object.section(section.name));
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
    for (let i = 0; i < functions.length; i++) {
      assert.ok(Number.isSafeInteger(functions.start[i]) && functions.start[i] >= (functions.start[i - 1] ?? 0));
      assert.ok(functions.size[i] > 0, `function of ${functions.size[i]} bytes`);
      attempt(() => functions.name(i));
    }
  });
  for (const address of addresses.slice(0, 100)) {
    attempt(() => {
      const pointer = object.readPointer(address);
      assert.ok(pointer >= -1 && Number.isSafeInteger(pointer));
    });
    attempt(() => object.readAddress(address, 16));
    const offset = object.fileOffsetOf(address, 4);
    assert.ok(offset >= -1 && offset + 4 <= Math.max(4, object.source.size));
    attempt(() => object.relocationsTo(address).forEach((at) => assert.ok(at >= 0)));
  }
  const dwarf = attempt(() => DwarfSymbols.open(object));
  if (dwarf) for (const address of addresses.slice(5, 25)) dwarf.frames(address);
}

/** Opens what openObject opens, and every other slice. How many object files there were. */
function exerciseAll(source: ByteSource): number {
  let opened = 0;
  const one = (open: () => ObjectFile) => {
    const object = attempt(open);
    if (object === undefined) return;
    opened++;
    exercise(object);
  };
  one(() => openObject(source));
  for (const slice of attempt(() => fatSlices(source)) ?? []) one(() => openSlice(source, slice));
  return opened;
}

/** Small, with one of every kind of table, and 32 bits in the other byte order. */
function everything(is64: boolean, littleEndian: boolean): Uint8Array {
  const words = Array.from({ length: 32 }, (_, i) => 0x10000 + i + (is64 && i < 31 ? 2 ** 52 : 0));
  return craftMacho({
    is64,
    littleEndian,
    cpuType: is64 ? 0x0100000c : 18,
    uuid: '00112233445566778899aabbccddeeff',
    segments: [
      {
        name: '__TEXT',
        address: 0x10000n,
        data: new Uint8Array(64),
        size: 0x1000,
        sections: [{ name: '__text', address: 0x10000n, size: 64, flags: 0x80000400 }],
      },
      { name: '__DATA', address: 0x11000n, data: new Writer(littleEndian).put(is64 ? 8 : 4, ...words).bytes },
    ],
    symbols: Array.from({ length: 8 }, (_, i) => ({
      name: `_f${i}`,
      type: 0x0f,
      section: 1,
      value: 0x10000n + BigInt(7 * i),
    })),
    data: [
      { command: 0x26, bytes: Uint8Array.from([4, 4, 4, 0x80, 0x01, 0]) },
      { command: 0x80000022, bytes: Uint8Array.from([0x11, 0x21, 0, 0x52, 0x60, 3, 0x41, 0x70, 8, 0x80, 3, 8, 0]) },
      { command: 0x80000034, bytes: craftChains([null, { format: is64 ? 2 : 3, pages: [0] }], littleEndian) },
    ],
  });
}

const targets: readonly (readonly [name: string, load: () => Uint8Array])[] = [
  ...MACHO_FILES.map((name) => [name, () => machoBytes(name)] as const),
  ['crafted, 64 bits', () => everything(true, true)],
  ['crafted, 32 bits, big endian', () => everything(false, false)],
];

/** The headers and commands of every part, and what lies behind the segments' contents: symbols, fixups. */
function hotRanges(bytes: Uint8Array): [number, number][] {
  const source = new BufferSource(bytes);
  const slices = fatSlices(source);
  const parts = slices ?? [{ offset: 0, size: bytes.length }];
  const ranges: [number, number][] = slices === null ? [] : [[4, 8 + 32 * slices.length]];
  for (const { offset, size } of parts) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 24);
    const little = view.getUint8(0) !== 0xfe;
    ranges.push(
      [offset + 4, offset + 32 + view.getUint32(20, little)],
      [offset + size - Math.min(size, 1500), offset + size],
    );
  }
  return ranges;
}

describe('damaged Mach-O files', () => {
  for (const [i, [name, load]] of targets.entries()) {
    test(name, () => {
      const seed = load();
      assert.ok(exerciseAll(new BufferSource(seed)) > 0);
      let opened = 0;
      let variant = 0;
      for (const bytes of mutations(seed, COUNT, seededRandom(SEED + i), { hot: hotRanges(seed) })) {
        const start = performance.now();
        try {
          if (exerciseAll(new BufferSource(bytes)) > 0) opened++;
        } catch (error) {
          throw new Error(`variant ${variant} of seed ${SEED + i}`, { cause: error });
        }
        const took = performance.now() - start;
        assert.ok(took < MAX_MILLISECONDS, `variant ${variant} of seed ${SEED + i} took ${took} ms`);
        variant++;
      }
      assert.ok(opened > COUNT / 5, `only ${opened} of ${COUNT} variants got past the header`);
      assert.ok(process.memoryUsage.rss() < MAX_BYTES, `${process.memoryUsage.rss()} bytes resident`);
    });
  }
});
