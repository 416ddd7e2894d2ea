/** The corners of the format that no tool here produces, and what hostile fields may cost. Files are made by hand. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { BufferSource, type ByteSource } from '../../src/bytes/source.ts';
import { openElf } from '../../src/object/elf.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { craftElf, craftNote, craftSymbol, type Crafted } from './craft.ts';

const SHT = { PROGBITS: 1, SYMTAB: 2, STRTAB: 3, NOTE: 7, NOBITS: 8, SYMTAB_SHNDX: 18 };
const ALLOC = 2;
const EXEC = 4;
const COMPRESSED = 0x800;

function open(recipe: Crafted): ObjectFile {
  return openElf(new BufferSource(craftElf(recipe)));
}

const format = { name: 'FormatError' };
const limit = { name: 'LimitError' };

describe('extended numbering', () => {
  for (const [is64, littleEndian] of [
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ] as const) {
    test(`${is64 ? 64 : 32} bit, ${littleEndian ? 'little' : 'big'} endian`, () => {
      const object = open({
        is64,
        littleEndian,
        extended: true,
        segments: Array.from({ length: 70_000 }, (_, i) => ({
          type: 1,
          address: BigInt(i * 4096),
          data: new Uint8Array(0),
        })),
        sections: Array.from({ length: 70_000 }, (_, i) => ({ name: i === 69_999 ? 'last' : '', type: SHT.PROGBITS })),
      });
      assert.equal(object.segments.length, 70_000);
      assert.equal(object.sections.length, 70_002);
      assert.equal(object.section('last')?.index, 70_000);
      assert.equal(object.sections[70_001]?.name, '.shstrtab');
    });
  }

  test('a symbol whose section number is in the extra table', () => {
    const code = 3; // would be an ordinary number; the extra table may hold any
    const object = open({
      sections: [
        {
          name: '.symtab',
          type: SHT.SYMTAB,
          link: 2,
          entrySize: 24,
          data: Buffer.concat([
            craftSymbol(0, 0, 0, 0n),
            craftSymbol(1, 0x12, 0xffff, 0x1010n, 8),
            craftSymbol(3, 0x12, 0xffff, 0x2000n),
          ]),
        },
        { name: '.strtab', type: SHT.STRTAB, data: Buffer.from('\0f\0g\0') },
        { name: '.text', type: SHT.PROGBITS, flags: ALLOC | EXEC, address: 0x1000n, data: new Uint8Array(64) },
        {
          name: '.symtab_shndx',
          type: SHT.SYMTAB_SHNDX,
          link: 1,
          data: Uint8Array.from([0, 0, 0, 0, code, 0, 0, 0, 2, 0, 0, 0]),
        },
      ],
    });
    assert.deepEqual(
      object.symbols().map((s) => s.name),
      ['f', 'g'],
    );
    const functions = object.functionSymbols();
    assert.deepEqual([functions.length, functions.name(0), functions.start[0], functions.size[0]], [1, 'f', 0x1010, 8]);
  });
});

describe('addresses above 2^53', () => {
  const base = 0xffffffff81000000n;
  const kernel: Crafted = {
    type: 2,
    segments: [
      { type: 1, flags: 5, address: base + 0x123n, data: new Uint8Array(16).fill(1) },
      {
        type: 1,
        flags: 6,
        address: base + 0x200000n,
        data: new Uint8Array(8),
      },
      { type: 1, flags: 6, address: 0n, data: new Uint8Array(8) }, // per-CPU data
    ],
  };

  test('file addresses are relative to the lowest segment, rounded down to 4 KiB', () => {
    const object = open(kernel);
    assert.equal(object.bias, base);
    assert.deepEqual(
      object.segments.map((s) => s.address),
      [0x123, 0x200000],
    );
    assert.deepEqual([...object.readAddress(0x123, 2)], [1, 1]);
  });

  test('pointers come out relative too, and foreign ones as -1', () => {
    const pointer = Buffer.alloc(24);
    pointer.writeBigUInt64LE(base + 0x200008n, 0);
    pointer.writeBigUInt64LE(0x1000n, 8);
    pointer.writeBigUInt64LE(0xffffffffffffffffn, 16);
    const object = open({
      type: 2,
      segments: [kernel.segments![0], { type: 1, flags: 6, address: base + 0x200000n, data: pointer }],
    });
    assert.equal(object.readPointer(0x200000), 0x200008);
    assert.equal(object.readPointer(0x200008), -1);
    assert.equal(object.readPointer(0x200010), -1);
  });

  test('one absurd segment in a normal file does not move the others', () => {
    const object = open({
      segments: [
        { type: 1, flags: 5, address: 0x400000n, data: new Uint8Array(16) },
        { type: 1, flags: 6, address: 0xfffffffffffff000n, data: new Uint8Array(16) },
      ],
    });
    assert.equal(object.bias, 0n);
    assert.deepEqual(
      object.segments.map((s) => s.address),
      [0x400000],
    );
  });
});

describe('notes', () => {
  const id = Uint8Array.from([0xab, 0xcd]);
  const gnu = craftNote('GNU\0', 3, id);

  test('a build ID only in a segment, in both byte orders and sizes', () => {
    for (const littleEndian of [true, false]) {
      for (const is64 of [true, false]) {
        const object = open({
          is64,
          littleEndian,
          segments: [{ type: 4, data: craftNote('GNU\0', 3, id, littleEndian) }],
        });
        assert.equal(object.ids.gnu, 'abcd');
      }
    }
  });

  test('sections come before segments, and what both cover is given once', () => {
    const data = Buffer.concat([gnu, craftNote('Go\0\0', 4, Buffer.from('id'))]);
    const object = open({
      segments: [
        { type: 4, data },
        { type: 4, data: craftNote('GNU\0', 3, Uint8Array.from([1])) },
      ],
      sections: [{ name: '.note.x', type: SHT.NOTE, offset: 64n + 112n, size: BigInt(gnu.length) }],
    });
    assert.deepEqual(
      object.notes().map((n) => [n.name, n.type, Buffer.from(n.desc).toString('hex')]),
      [
        ['GNU', 3, 'abcd'],
        ['Go', 4, '6964'],
        ['GNU', 3, '01'],
      ],
    );
  });

  test('8-byte alignment where the area declares it', () => {
    const data = Buffer.concat([craftNote('GNU\0', 5, new Uint8Array(9), true, 8), craftNote('GNU\0', 3, id, true, 8)]);
    assert.equal(open({ segments: [{ type: 4, data, align: 8 }] }).ids.gnu, 'abcd');
  });

  test('zero fill is passed over, too few bytes for a note are ignored', () => {
    const data = Buffer.concat([new Uint8Array(24), gnu, new Uint8Array(8)]);
    assert.equal(open({ segments: [{ type: 4, data }] }).ids.gnu, 'abcd');
  });

  test('damaged notes are errors, not absent IDs', () => {
    const bad = Buffer.from(gnu);
    bad.writeUInt32LE(0xffffffff, 4);
    assert.throws(() => open({ segments: [{ type: 4, data: bad }] }).ids, format);
    assert.throws(() => open({ sections: [{ name: '.note', type: SHT.NOTE, data: bad }] }).notes(), {
      ...format,
      section: '.note',
    });
    assert.throws(
      () => open({ sections: [{ name: '.note', type: SHT.NOTE, offset: 1n << 60n, size: 12n }] }).ids,
      format,
    );
  });

  test('in a debug-only file stale segments are not read', () => {
    const object = open({
      segments: [{ type: 4, data: craftNote('GNU\0', 3, Uint8Array.from([9])) }],
      sections: [
        { name: '.text', type: SHT.NOBITS, flags: ALLOC | EXEC, size: 64n },
        { name: '.go.kept', type: SHT.PROGBITS, flags: ALLOC, address: 0x5000n, data: Buffer.from('kept') },
      ],
    });
    assert.equal(object.debugOnly, true);
    assert.equal(object.ids.gnu, null);
    assert.equal(Buffer.from(object.readAddress(0x5000, 4)).toString(), 'kept');
  });
});

describe('packed relocations (RELR)', () => {
  for (const [is64, littleEndian] of [
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ] as const) {
    test(`${is64 ? 64 : 32} bit, ${littleEndian ? 'little' : 'big'} endian`, () => {
      const size = is64 ? 8 : 4;
      const bits = is64 ? 63 : 31;
      const put = (target: Buffer, value: bigint, at: number) => {
        const digits = Buffer.alloc(8);
        digits.writeBigUInt64LE(value);
        target.set(littleEndian ? digits.subarray(0, size) : digits.subarray(0, size).reverse(), at);
      };
      // An address, two bitmaps after it, another address. Word n of the data points to 0x1000 + n.
      const words = [0, 1, 2, 31, 32, bits, bits + 1, 2 * bits, 150];
      const data = Buffer.alloc(200 * size);
      for (const n of words) put(data, BigInt(0x1000 + n), n * size);
      const bitmap = (from: number) =>
        words.filter((n) => n > from && n <= from + bits).reduce((map, n) => map | (1n << BigInt(n - from)), 1n);
      const relr = Buffer.alloc(4 * size);
      [0x1000n, bitmap(0), bitmap(bits), 0x1000n + BigInt(150 * size)].forEach((word, i) => put(relr, word, i * size));
      const object = open({
        is64,
        littleEndian,
        segments: [{ type: 1, flags: 6, address: 0x1000n, data }],
        sections: [{ name: '.relr.dyn', type: 19, flags: ALLOC, data: relr }],
      });
      for (let n = 0; n < 200; n++) {
        const expected = words.includes(n) ? [0x1000 + n * size] : [];
        assert.deepEqual(object.relocationsTo(0x1000 + n), expected, `word ${n}`);
      }
    });
  }
});

describe('damaged tables', () => {
  const one = { segments: [{ type: 1, flags: 5, address: 0n, data: new Uint8Array(16) }], sections: [] };
  for (const [what, recipe] of Object.entries<Crafted>({
    'section headers outside the file': { ...one, patch: { 0x2e: 0x7fff } },
    'section entries too small': { ...one, patch: { 0x3a: 8 } },
    'section entries absurdly large': { ...one, patch: { 0x3a: 0xfff0 } },
    'program entries too small': { ...one, patch: { 0x36: 1 } },
    'program headers outside the file': { ...one, patch: { 0x38: 0x7000 } },
    'names in a section that is not there': { ...one, patch: { 0x3e: 9 } },
    'class 3': { ...one, patch: { 4: 0x0103 } },
    'byte order 7': { ...one, patch: { 4: 0x0702 } },
  })) {
    test(what, () => assert.throws(() => open(recipe), format));
  }

  test('a truncated file', () => {
    const whole = craftElf({ ...one, sections: [{ name: '.text', type: SHT.PROGBITS, data: new Uint8Array(64) }] });
    for (const length of [0, 3, 16, 63, 64, 100, whole.length - 1]) {
      assert.throws(() => openElf(new BufferSource(whole.subarray(0, length))), format, `${length} bytes`);
    }
  });

  test('an absurd section costs only itself', () => {
    const object = open({
      sections: [
        { name: '.huge', type: SHT.PROGBITS, offset: 0xfffffffffffffff0n, size: 0xffffffffffffffffn },
        { name: '.far', type: SHT.PROGBITS, offset: 0xfffffffffffffff0n, size: 16n },
        { name: '.fine', type: SHT.PROGBITS, data: Buffer.from('fine') },
      ],
    });
    assert.throws(() => object.sectionData(object.section('.huge')!), limit);
    assert.throws(() => object.sectionData(object.section('.far')!), format);
    assert.equal(Buffer.from(object.sectionData(object.section('.fine')!)).toString(), 'fine');
  });

  test('segments that claim more than the file', () => {
    const object = open({
      segments: [{ type: 1, address: 0x1000n, fileSize: 1n << 62n, memorySize: 1n << 52n, data: new Uint8Array(8) }],
    });
    const size = object.source.size - object.segments[0].fileOffset;
    assert.notEqual(object.fileOffsetOf(0x1000, size), -1);
    assert.equal(object.fileOffsetOf(0x1000, size + 1), -1);
    assert.equal(object.fileOffsetOf(0x1000 + size, 0), -1);
    assert.throws(() => object.readAddress(0x1000, 2 ** 40), format);
    assert.throws(() => object.readAddress(0x1000, -1), format);
  });

  test('symbols without names, of a wrong size, outside the file, too many', () => {
    const symbols = Buffer.concat([craftSymbol(0, 0, 0, 0n), craftSymbol(5, 0x12, 1, 0n)]);
    const table = (extra: object, strings: Uint8Array = Buffer.from('\0abc')) =>
      open({
        sections: [
          { name: '.symtab', type: SHT.SYMTAB, link: 2, entrySize: 24, data: symbols, ...extra },
          { name: '.strtab', type: SHT.STRTAB, data: strings },
        ],
      });
    assert.throws(() => table({}).symbols(), format, 'name outside');
    assert.throws(() => table({}, Buffer.from('\0abcdefgh')).symbols(), format, 'name without end');
    assert.equal(table({}, Buffer.from('\0abcdefgh\0')).symbols()[0]?.name, 'efgh');
    assert.throws(() => table({}).functionSymbols().name(7), RangeError);
    assert.throws(() => table({ link: 77 }).symbols(), format);
    assert.throws(() => table({ entrySize: 23 }).symbols(), format);
    assert.throws(() => table({ offset: 1n << 40n }).symbols(), format);
    assert.throws(() => table({ size: 1n << 60n }).functionSymbols(), format);
  });

  test('more symbols than the limit, in a source that could hold them', () => {
    const bytes = craftElf({
      sections: [
        { name: '.symtab', type: SHT.SYMTAB, link: 1, entrySize: 24, offset: 0n, size: BigInt(24 * ((1 << 24) + 1)) },
      ],
    });
    const endless: ByteSource = {
      size: 2 ** 40,
      read: (offset, length) =>
        offset + length <= bytes.length ? bytes.subarray(offset, offset + length) : new Uint8Array(length),
    };
    assert.throws(() => openElf(endless).symbols(), limit);
  });
});

describe('compressed sections', () => {
  const text = Buffer.from('debug '.repeat(1000));
  const header = (type: number, size: bigint, is64 = true, littleEndian = true) => {
    const bytes = Buffer.alloc(is64 ? 24 : 12);
    const put = (value: number, at: number) =>
      littleEndian ? bytes.writeUInt32LE(value, at) : bytes.writeUInt32BE(value, at);
    put(type, 0);
    put(Number(size & 0xffffffffn), is64 ? (littleEndian ? 8 : 12) : 4);
    if (is64) put(Number(size >> 32n), littleEndian ? 12 : 8);
    return bytes;
  };
  const section = (data: Uint8Array, recipe: Partial<Crafted> = {}, name = '.debug_info', flags = COMPRESSED) => {
    const object = open({ ...recipe, sections: [{ name, type: SHT.PROGBITS, flags, data }] });
    return object.sectionData(object.section(name)!);
  };
  const stream = deflateSync(text);

  test('zlib in all classes and byte orders', () => {
    for (const is64 of [true, false]) {
      for (const littleEndian of [true, false]) {
        const data = Buffer.concat([header(1, BigInt(text.length), is64, littleEndian), stream]);
        assert.equal(Buffer.compare(section(data, { is64, littleEndian }), text), 0);
      }
    }
  });

  test('.zdebug is big endian in every file', () => {
    const size = Buffer.alloc(8);
    size.writeBigUInt64BE(BigInt(text.length));
    const data = Buffer.concat([Buffer.from('ZLIB'), size, stream]);
    for (const littleEndian of [true, false]) {
      assert.equal(Buffer.compare(section(data, { littleEndian }, '.zdebug_info', 0), text), 0);
    }
    assert.throws(() => section(Buffer.concat([Buffer.from('ZLIX'), size, stream]), {}, '.zdebug_info', 0), format);
    assert.throws(() => section(Buffer.from('ZLIB'), {}, '.zdebug_info', 0), format);
  });

  test('wrong sizes, damage and unknown methods', () => {
    const of =
      (type: number, size: bigint, bytes: Uint8Array = stream) =>
      () =>
        section(Buffer.concat([header(type, size), bytes]));
    assert.throws(of(1, BigInt(text.length - 1)), format);
    assert.throws(of(1, BigInt(text.length + 1)), format);
    assert.throws(of(1, 1n << 29n), format, 'more than the stream can hold');
    assert.throws(of(1, 1n << 40n), limit);
    assert.throws(of(1, 1n << 60n), format);
    assert.throws(of(1, BigInt(text.length), stream.subarray(0, 20)), format);
    assert.throws(of(9, BigInt(text.length)), { name: 'UnsupportedError', message: /method 9/ });
    assert.throws(() => section(new Uint8Array(10)), format, 'no room for the header');
  });
});

test('nothing is read whole: opening a file touches its tables', () => {
  const bytes = craftElf({
    sections: [{ name: '.big', type: SHT.PROGBITS, data: new Uint8Array(1 << 20) }],
    segments: [{ type: 1, address: 0n, data: new Uint8Array(1 << 20) }],
  });
  let read = 0;
  const inner = new BufferSource(bytes);
  const object = openElf({
    size: bytes.length,
    read(offset, length) {
      read += length;
      return inner.read(offset, length);
    },
  });
  object.fileOffsetOf(5, 10);
  assert.equal(object.ids.gnu, null);
  assert.ok(read < 4096, `${read} bytes read`);
});
