/**
 * Damaged PE files: whatever is asked of them gives a value or one of the parser's own errors, in time and with bounded
 * memory. RESYM_FUZZ_SEED and RESYM_FUZZ_COUNT (variants per file) repeat or extend a run.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BufferSource } from '../../src/bytes/source.ts';
import { DwarfSymbols } from '../../src/dwarf/symbols.ts';
import { isParseError } from '../../src/errors.ts';
import { readBuildInfo } from '../../src/gosym/build-info.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { readDebugLink } from '../../src/object/debug-link.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';
import { fixtureBytes } from '../gosym/fixtures.ts';
import { CODE, craftPe, DATA } from '../object/craft-pe.ts';
import { PE_FILES, peBytes } from '../object/pe-fixtures.ts';
import { mutations, seededRandom } from './mutate.ts';

const SEED = Number(process.env.RESYM_FUZZ_SEED ?? 20_261);
const COUNT = Number(process.env.RESYM_FUZZ_COUNT ?? 400);
const MAX_MILLISECONDS = 5000;
const MAX_BYTES = 1 << 30;

/** Everything an ObjectFile can be asked; parse errors are caught one by one, so that one does not hide the next. */
function exercise(object: ObjectFile): void {
  assert.match(object.ids.pe ?? '00', /^[0-9a-f]+$/); // never throws
  attempt(() => readDebugLink(object));
  for (const section of object.sections) {
    assert.ok(Number.isSafeInteger(section.address) && section.address >= 0);
    attempt(() => object.sectionData(section));
    attempt(() => object.readAddress(section.address, Math.min(section.size, 64)));
  }
  const addresses = [0, 1, -1, 0x1000, 2 ** 53 - 1];
  for (const segment of object.segments) addresses.push(segment.address, segment.address + segment.size - 8);
  for (const list of [() => object.symbols(), () => object.dynamicSymbols()]) {
    attempt(() => {
      for (const { address } of list()) {
        assert.ok(address >= 0 && Number.isSafeInteger(address));
        addresses.push(address);
      }
    });
  }
  attempt(() => {
    const functions = object.functionSymbols();
    let last = 0;
    for (let i = 0; i < functions.length; i++) {
      const [start, size] = [functions.start[i], functions.size[i]];
      assert.ok(start >= last && Number.isSafeInteger(start));
      assert.ok(size >= 0 && Number.isSafeInteger(size), `size ${size}`);
      last = start;
      attempt(() => functions.name(i));
    }
  });
  for (const address of addresses.slice(0, 300)) {
    attempt(() => {
      const pointer = object.readPointer(address);
      assert.ok(pointer >= -1 && Number.isSafeInteger(pointer));
    });
    const offset = object.fileOffsetOf(address, 4);
    assert.ok(offset >= -1 && offset + 4 <= Math.max(4, object.source.size));
  }
  attempt(() => {
    for (const address of object.relocationsTo(addresses.at(-1) ?? 0)) assert.ok(address >= 0);
  });
  attempt(() => readBuildInfo(object));
  attempt(() => {
    const symbols = DwarfSymbols.open(object);
    for (const address of addresses.slice(0, 20)) symbols?.frames(address);
  });
}

function attempt(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!isParseError(error)) throw error;
  }
}

/** Where the damage matters most: headers, and the tables that directories and headers point to. */
function hotRanges(bytes: Uint8Array): [number, number][] {
  const object = openObject(new BufferSource(bytes));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = view.getUint32(0x3c, true);
  const ranges: [number, number][] = [[header + 4, header + 0x108 + 40 * object.sections.length]];
  const symbols = view.getUint32(header + 12, true);
  if (symbols > 0) ranges.push([symbols, bytes.length]);
  for (const name of ['.edata', '.reloc', '.buildid', '.pdata', '.xdata', '.gnu_debuglink', '.rdata']) {
    const section = object.section(name);
    if (section !== undefined && !section.noBits) {
      ranges.push([section.fileOffset, Math.min(bytes.length, section.fileOffset + section.size)]);
    }
  }
  return ranges;
}

/** What the others do not have: base64 names, an old compressed section, symbols of every class. */
function crafted(): Uint8Array {
  const text = { name: '.text', rva: 0x1000, data: new Uint8Array(0x100), flags: CODE };
  const bytes = craftPe({
    is64: false,
    sections: [
      text,
      { name: '.zdebug_info', rva: 0x2000, data: Buffer.from('ZLIB\0\0\0\0\0\0\0\x08junk'), flags: DATA },
    ],
    symbols: [2, 3, 6, 101, 103, 105].flatMap((storageClass) => [
      { name: `_f${storageClass}`, value: storageClass, section: 1, storageClass },
      {
        name: `_a_longer_name_${storageClass}@8`,
        value: storageClass,
        section: 1,
        storageClass,
        auxiliary: 1,
        type: 0,
      },
    ]),
  });
  bytes.write('//AAAAAE', bytes.indexOf('/4\0'), 'latin1');
  return bytes;
}

const targets: [name: string, load: () => Uint8Array][] = [
  ...PE_FILES.map((name): [string, () => Uint8Array] => [name, () => peBytes(name)]),
  ['crafted', crafted],
];

describe('damaged PE files', () => {
  for (const [i, [name, load]] of targets.entries()) {
    test(name, () => {
      const seed = load();
      exercise(openObject(new BufferSource(seed)));
      damage(seed, COUNT, SEED + i, exercise);
    });
  }

  test('a Go program', () => {
    const seed = fixtureBytes('tiny-go1.21-windows-amd64');
    damage(seed, Math.ceil(COUNT / 20), SEED + 100, (object) => {
      exercise(object);
      attempt(() => {
        const symbols = GoSymbols.open(object);
        for (let j = 0; symbols !== null && j < symbols.functionCount; j += 100) {
          attempt(() => symbols.frames(symbols.functionStart(j)));
        }
      });
    });
  });
});

function damage(seed: Uint8Array, count: number, seedNumber: number, ask: (object: ObjectFile) => void): void {
  let [opened, slowest, variant] = [0, 0, 0];
  // "MZ" and the offset of the signature are kept.
  for (const bytes of mutations(seed, count, seededRandom(seedNumber), { keep: 0x40, hot: hotRanges(seed) })) {
    const start = performance.now();
    try {
      attempt(() => {
        const object = openObject(new BufferSource(bytes));
        opened++;
        ask(object);
      });
    } catch (error) {
      throw new Error(`variant ${variant} of seed ${seedNumber}`, { cause: error });
    }
    slowest = Math.max(slowest, performance.now() - start);
    assert.ok(slowest < MAX_MILLISECONDS, `variant ${variant} of seed ${seedNumber} took ${slowest} ms`);
    variant++;
  }
  assert.ok(opened > count / 4, `only ${opened} of ${count} variants got past the header`);
  assert.ok(process.memoryUsage.rss() < MAX_BYTES, `${process.memoryUsage.rss()} bytes resident`);
}
