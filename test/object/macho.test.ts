/**
 * Mach-O files: those of test/fixtures/macho, whose contents follow from their source, crafted ones for what no tool at hand
 * makes, and LLVM's tools as the oracle over all of them and over Go's programs.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deflateSync } from 'node:zlib';
import { BufferSource } from '../../src/bytes/source.ts';
import { debugSection } from '../../src/dwarf/unit-headers.ts';
import { chooseSlice, fatSlices } from '../../src/object/macho-fat.ts';
import { dsymFile } from '../../src/object/macho.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject, openSlice } from '../../src/object/open.ts';
import { buildGo } from '../support/build.ts';
import { anyGo, needsTools } from '../support/toolchains.ts';
import { craftChains, craftFat, craftMacho, type CraftedMach, Writer } from './craft-macho.ts';
import { MACHO_FILES, machoBytes, machoFile, type MachoFile } from './macho-fixtures.ts';

const exec = promisify(execFile);
const CODE = 0x80000400;
const AMD64 = 0x01000007;
const ARM64 = 0x0100000c;

function open(bytes: Uint8Array): ObjectFile {
  return openObject(new BufferSource(bytes));
}

function crafted(recipe: CraftedMach): ObjectFile {
  return open(craftMacho(recipe));
}

function addressOf(object: ObjectFile, name: string): number {
  const symbol = object.symbols().find((s) => s.name === name);
  assert.ok(symbol, `${name} is in the symbol table`);
  return symbol.address;
}

function functions(object: ObjectFile): { name: string; start: number; size: number; binding: number }[] {
  const all = object.functionSymbols();
  return Array.from({ length: all.length }, (_, i) => ({
    name: all.name(i),
    start: all.start[i],
    size: all.size[i],
    binding: all.binding[i],
  }));
}

describe('what the files say they are', () => {
  for (const [name, arch, type, pointerSize, debugOnly] of [
    ['program-x86_64', 'amd64', 'dyn', 8, false],
    ['program-arm64', 'arm64', 'dyn', 8, false],
    ['stripped-arm64', 'arm64', 'dyn', 8, false],
    ['library-x86_64', 'amd64', 'dyn', 8, false],
    ['bundle-arm64', 'arm64', 'dyn', 8, false],
    ['dsym-x86_64', 'amd64', 'dsym', 8, true],
    ['dsym-arm64', 'arm64', 'dsym', 8, true],
    ['i386.o', '386', 'rel', 4, false],
    ['armv7.o', 'arm', 'rel', 4, false],
  ] as const) {
    test(name, () => {
      const object = machoFile(name);
      assert.equal(object.format, 'macho');
      assert.equal(object.bias, 0n);
      assert.deepEqual(
        { arch: object.arch, type: object.type, pointerSize: object.pointerSize, debugOnly: object.debugOnly },
        { arch, type, pointerSize, debugOnly },
      );
      assert.ok(!object.segments.some((s) => s.name === '__PAGEZERO' || s.name === '__DWARF'));
      assert.equal(object.section('__text')?.executable, true);
      assert.equal(object.section('__TEXT,__text'), object.section('__text'));
      assert.deepEqual(object.notes(), []);
    });
  }

  test('a dSYM has the UUID of its program, stripped or not', () => {
    for (const arch of ['x86_64', 'arm64'] as const) {
      const { uuid } = machoFile(`program-${arch}`).ids;
      assert.match(uuid ?? '', /^[0-9a-f]{32}$/);
      assert.equal(machoFile(`dsym-${arch}`).ids.uuid, uuid);
      assert.equal(machoFile(`stripped-${arch}`).ids.uuid, uuid);
    }
  });

  test('a UUID of zeros is none', () => {
    assert.equal(crafted({ uuid: '00'.repeat(16) }).ids.uuid, null);
    assert.equal(crafted({ uuid: '01'.repeat(16) }).ids.uuid, '01'.repeat(16));
  });

  test('a program that is not position independent', () => assert.equal(crafted({ flags: 0 }).type, 'exec'));

  test('a dSYM has the places of the code, not its bytes', () => {
    const [program, dsym] = [machoFile('program-arm64'), machoFile('dsym-arm64')];
    const [text, place] = [program.section('__text')!, dsym.section('__text')!];
    assert.deepEqual([place.address, place.size, place.noBits], [text.address, text.size, true]);
    assert.equal(program.sectionData(text).length, text.size);
    assert.throws(() => dsym.sectionData(place), { name: 'FormatError' });
    assert.equal(dsym.fileOffsetOf(text.address, 4), -1);
    assert.throws(() => dsym.readPointer(addressOf(dsym, '_table')), { name: 'FormatError' });
    assert.deepEqual(dsym.relocationsTo(text.address), []);
  });

  test('where the file of a dSYM bundle is', () => {
    assert.equal(dsymFile('out/api.dSYM'), 'out/api.dSYM/Contents/Resources/DWARF/api');
    assert.equal(dsymFile('api.app.dSYM/'), 'api.app.dSYM/Contents/Resources/DWARF/api.app');
  });
});

describe('function symbols', () => {
  const NAMES = ['exported', '_ZL6hiddenj', 'replaceable', 'main', '_ZN4work4areaERKNS_12_GLOBAL__N_15ShapeE'];

  for (const name of ['program-x86_64', 'program-arm64', 'dsym-arm64', 'bundle-arm64', 'i386.o'] as const) {
    test(`${name}: every function, without the leading underscore`, () => {
      const object = machoFile(name);
      const all = functions(object);
      assert.deepEqual(
        all.slice(0, 5).map((f) => f.name),
        NAMES,
      );
      assert.equal(all.length, 9);
      const text = object.section('__text')!;
      assert.ok(all.every((f, i) => f.start + f.size === (all[i + 1]?.start ?? text.address + text.size)));
      assert.deepEqual(
        all.slice(0, 3).map((f) => f.binding),
        [1, 0, 2],
      );
      assert.ok(
        object.symbols().some((s) => s.name === '_main'),
        'symbols() has names as in the file',
      );
    });
  }

  for (const arch of ['x86_64', 'arm64'] as const) {
    test(`${arch}: in a stripped program no function reaches over one that lost its name`, () => {
      const whole = functions(machoFile(`program-${arch}`));
      const left = functions(machoFile(`stripped-${arch}`));
      const hidden = whole.find((f) => f.name.includes('hidden'))!;
      assert.deepEqual(
        left.map((f) => f.name),
        ['exported', 'replaceable', 'main'],
      );
      assert.deepEqual(
        left,
        whole.filter((f) => left.some((l) => l.name === f.name)),
      );
      assert.ok(!left.some((f) => f.start <= hidden.start && hidden.start < f.start + f.size));
    });
  }

  test('what is no function', () => {
    const text = { name: '__text', address: 0x1000n, size: 0x100, flags: CODE };
    const data = { name: '__data', segmentName: '__DATA', address: 0x1100n, size: 0x10 };
    const object = crafted({
      segments: [{ name: '__TEXT', address: 0x1000n, data: new Uint8Array(0x110), sections: [text, data] }],
      symbols: [
        { name: '_late', type: 0x0f, section: 1, value: 0x1080n },
        { name: '__mh_execute_header', type: 0x0f, section: 1, value: 0n },
        { name: '_stab', type: 0x24, section: 1, value: 0x1010n },
        { name: '_undefined', type: 0x01, section: 0, value: 0n },
        { name: '_data', type: 0x0e, section: 2, value: 0x1100n },
        { name: '_absolute', type: 0x02, section: 0, value: 0x1020n },
        { name: '_nowhere', type: 0x0e, section: 9, value: 0x1030n },
        { name: '_alias', type: 0x0e, section: 1, value: 0x1080n },
        { name: '-[View draw]', type: 0x0e, section: 1, value: 0x1040n },
        { name: '_end', type: 0x0e, section: 1, value: 0x1100n },
        { name: '_main.main', type: 0x0e, section: 1, desc: 0x80, value: 0x10f0n },
      ],
    });
    assert.deepEqual(functions(object), [
      { name: '-[View draw]', start: 0x1040, size: 0x40, binding: 0 },
      { name: 'late', start: 0x1080, size: 0x70, binding: 1 },
      { name: 'alias', start: 0x1080, size: 0x70, binding: 0 },
      { name: 'main.main', start: 0x10f0, size: 0x10, binding: 0 },
    ]);
    assert.deepEqual(
      object.symbols().map((s) => `${s.name} ${s.kind} ${s.binding}`),
      [
        '_late function global',
        '__mh_execute_header object global',
        '_data object local',
        '_absolute other local',
        '_alias function local',
        '-[View draw] function local',
        '_end object local',
        '_main.main function local',
      ],
    );
    assert.deepEqual(
      object.dynamicSymbols().map((s) => s.name),
      ['_late', '__mh_execute_header'],
    );
  });
});

describe('pointers', () => {
  for (const name of [
    'program-x86_64',
    'stripped-x86_64',
    'library-x86_64',
    'program-arm64',
    'bundle-arm64',
  ] as const) {
    test(`${name}: a table of functions`, () => {
      const whole = machoFile(name.replace('stripped', 'program') as MachoFile);
      const object = machoFile(name);
      const table = addressOf(whole, '_table');
      const found = [0, 1, 2, 3].map((i) => object.readPointer(table + 8 * i));
      // Chained fixups bind a weak function to its symbol; the older kind overwrites an address that is there already.
      const weak = name.includes('arm64') ? -1 : addressOf(whole, '_replaceable');
      const none = object.segments[0].address === 0 ? 0 : -1;
      assert.deepEqual(found, [addressOf(whole, '_exported'), weak, none, addressOf(whole, '__ZL6hiddenj')]);
      assert.deepEqual(object.relocationsTo(found[0]), [table]);
      assert.deepEqual(object.relocationsTo(found[3]), [table + 24]);
      assert.deepEqual(object.relocationsTo(found[0] + 1), []);
    });
  }

  // 64-bit words as the format defines them; all but the last lead to the next one, 8 bytes on. Image at 0x10000.
  const bits = (...fields: readonly (readonly [value: number, width: number])[]): bigint => {
    let [word, at] = [0n, 0n];
    for (const [value, width] of fields) {
      word |= BigInt(value) << at;
      at += BigInt(width);
    }
    assert.ok(at === 64n || at === 32n, `${at} bits`);
    return word;
  };
  const plain = (target: number, next: number, high8 = 0) => bits([target, 36], [high8, 8], [0, 7], [next, 12], [0, 1]);
  const imported = (next: number) => bits([7, 24], [0, 8], [0, 19], [next, 12], [1, 1]);
  const arm64e = (target: number, next: number) => bits([target, 43], [0, 8], [next, 11], [0, 1], [0, 1]);
  const signed = (offset: number, next: number) =>
    bits([offset, 32], [99, 16], [1, 1], [2, 2], [next, 11], [0, 1], [1, 1]);
  const arm64eBind = (next: number, auth: number) => bits([3, 24], [0, 27], [next, 11], [1, 1], [auth, 1]);
  const cache = (target: number, level: number, next: number) =>
    bits([target, 30], [level, 2], [0, 19], [next, 12], [0, 1]);

  for (const [what, format, words, expected] of [
    ['64', 2, [plain(0x10100, 2), imported(2), plain(0x10108, 2, 5), plain(0x10110, 0)], [0x10100, -1, -1, 0x10110]],
    ['64, offsets', 6, [plain(0x100, 2), imported(2), plain(0x110, 0)], [0x10100, -1, 0x10110]],
    [
      'arm64e',
      1,
      [arm64e(0x10100, 1), signed(0x108, 1), arm64eBind(1, 0), arm64eBind(1, 1), arm64e(0x10110, 0)],
      [0x10100, 0x10108, -1, -1, 0x10110],
    ],
    ['arm64e kernel', 7, [arm64e(0x100, 2), signed(0x108, 2), arm64e(0x110, 0)], [0x10100, 0x10108, 0x10110]],
    ['arm64e user', 9, [arm64e(0x100, 1), signed(0x108, 1), arm64e(0x110, 0)], [0x10100, 0x10108, 0x10110]],
    ['arm64e firmware', 10, [arm64e(0x10100, 2), signed(0x108, 2), arm64e(0x10110, 0)], [0x10100, 0x10108, 0x10110]],
    ['arm64e user, 24-bit imports', 12, [arm64e(0x100, 1), arm64eBind(1, 1), arm64e(0x110, 0)], [0x10100, -1, 0x10110]],
    ['kernel cache', 8, [cache(0x100, 0, 2), cache(0x108, 1, 2), cache(0x110, 0, 0)], [0x10100, -1, 0x10110]],
    ['kernel cache, amd64', 11, [cache(0x100, 0, 8), cache(0x110, 0, 0)], [0x10100, 0x10110]],
  ] as const) {
    test(`chained, ${what}`, () => {
      const pointers = new Writer(true).put(8, ...words, 0x10100);
      const object = crafted({
        segments: [
          { name: '__TEXT', address: 0x10000n, data: new Uint8Array(0x1000) },
          { name: '__DATA', address: 0x11000n, data: pointers.bytes, protection: 3 },
        ],
        data: [{ command: 0x80000034, bytes: craftChains([null, { format, pages: [0] }]) }],
      });
      assert.deepEqual(
        words.map((_, i) => object.readPointer(0x11000 + 8 * i)),
        expected,
      );
      // Behind the end of the chain a word is what it is.
      assert.equal(object.readPointer(0x11000 + 8 * words.length), 0x10100);
      assert.deepEqual(object.relocationsTo(0x10110), [0x11000 + 8 * expected.indexOf(0x10110)]);
    });
  }

  for (const [what, format, words, expected] of [
    ['32', 3, [0x1100 + (1 << 26), 0x80000007 + (1 << 26), 0x3ffff00 + (1 << 26), 0x1110], [0x1100, -1, -1, 0x1110]],
    ['32 in a cache', 4, [0x100 + 0x40000000, 0x110], [0x1100, 0x1110]],
    ['32 firmware', 5, [0x1100 + (1 << 26), 0x1110], [0x1100, 0x1110]],
  ] as const) {
    test(`chained, ${what}, big endian`, () => {
      const object = crafted({
        is64: false,
        littleEndian: false,
        cpuType: 18,
        segments: [
          { name: '__TEXT', address: 0x1000n, data: new Uint8Array(0x1000) },
          { name: '__DATA', address: 0x2000n, data: new Writer(false).put(4, ...words).bytes, protection: 3 },
        ],
        data: [{ command: 0x80000034, bytes: craftChains([null, { format, pages: [0], maxValid: 0x100000 }], false) }],
      });
      assert.equal(object.arch, 'ppc');
      assert.deepEqual(
        words.map((_, i) => object.readPointer(0x2000 + 4 * i)),
        expected,
      );
    });
  }

  test('several chains in a page, pages without one', () => {
    const words = [plain(0x100, 0), 0n, plain(0x108, 0), 0x10100n];
    const page = new Writer(true).put(8, ...words).bytes;
    const data = Buffer.concat([page, new Uint8Array(0x2000 - page.length), page]);
    const starts = { format: 6, pages: [0x8003, 0xffff, 0], more: [0, 0x8010] };
    const object = crafted({
      segments: [
        { name: '__TEXT', address: 0x10000n, data: new Uint8Array(0x1000) },
        { name: '__DATA', address: 0x11000n, data },
      ],
      data: [{ command: 0x80000034, bytes: craftChains([null, starts]) }],
    });
    assert.deepEqual(object.relocationsTo(0x10100), [0x11000, 0x13000]);
    assert.deepEqual(object.relocationsTo(0x10108), [0x11010]);
    assert.equal(object.readPointer(0x11018), 0x10100);
  });

  test('every rebase opcode', () => {
    const words = Array.from({ length: 64 }, (_, i) => 0x10000n + BigInt(i));
    const opcodes = [
      0x11, // type pointer
      ...[0x21, 0x08], // segment 1, offset 8: word 1
      0x52, // two times: words 1, 2
      ...[0x30, 0x08], // forward 8: word 4
      ...[0x60, 0x03], // three times: words 4, 5, 6
      0x42, // forward 2 words: word 9
      ...[0x70, 0x10], // word 9, then forward 16: word 12
      ...[0x80, 0x03, 0x08], // words 12, 14, 16
      0x12, // type absolute 32 bits: not a pointer
      0x51,
      0x00,
      0x51,
    ];
    const object = crafted({
      segments: [
        { name: '__TEXT', address: 0x10000n, data: new Uint8Array(0x1000) },
        { name: '__DATA', address: 0x11000n, data: new Writer(true).put(8, ...words).bytes },
      ],
      data: [{ command: 0x80000022, bytes: Uint8Array.from(opcodes) }],
    });
    const found = words.flatMap((word, i) => (object.relocationsTo(Number(word)).length > 0 ? [i] : []));
    assert.deepEqual(found, [1, 2, 4, 5, 6, 9, 12, 14, 16]);
    assert.deepEqual(object.relocationsTo(0x10009), [0x11048]);
  });

  test('damage ends in an error, not in a wrong pointer', () => {
    const withData = (command: number, bytes: Uint8Array) =>
      crafted({
        segments: [
          { name: '__TEXT', address: 0x10000n, data: new Uint8Array(0x1000) },
          { name: '__DATA', address: 0x11000n, data: new Writer(true).put(8, plain(0x100, 0xfff)).bytes },
        ],
        data: [{ command, bytes }],
      });
    const chains = (bytes: Uint8Array) => () => withData(0x80000034, bytes).readPointer(0x11000);
    const rebases =
      (...bytes: number[]) =>
      () =>
        withData(0x80000022, Uint8Array.from(bytes)).relocationsTo(1);
    assert.throws(chains(craftChains([null, { format: 2, pages: [0] }])), /leaves its page or the file/);
    assert.throws(chains(craftChains([null, { format: 2, pages: [0x7000] }])), /leaves its page or the file/);
    assert.throws(chains(craftChains([null, { format: 2, pages: [0x8001], more: [0] }])), { name: 'FormatError' });
    assert.throws(chains(craftChains([null, { format: 77, pages: [0] }])), /pointer format 77/);
    assert.throws(chains(craftChains([null, null, null])), /3 segments of 2/);
    assert.throws(chains(Uint8Array.from([1, 0, 0, 0, 4, 0, 0, 0])), /version 1/);
    assert.throws(rebases(0x11, 0x21, 0x00, 0x60, 0xff, 0xff, 0xff, 0x7f), /outside its segment/);
    assert.throws(rebases(0x11, 0x51), /outside its segment/);
    assert.throws(rebases(0x11, 0x2f, 0x00, 0x51), /outside its segment/);
    assert.throws(rebases(0xf0), /rebase opcode 0xf0/);
    assert.throws(rebases(0x11, 0x21), { name: 'FormatError' });
  });
});

describe('sections', () => {
  test('names of 16 bytes and compressed ones are found as debug info', () => {
    const packed = deflateSync(Buffer.from('strings'));
    const zdebug = Buffer.concat([Buffer.from('ZLIB'), Buffer.from([0, 0, 0, 0, 0, 0, 0, 7]), packed]);
    const data = Buffer.concat([Buffer.from('offsets!'), zdebug]);
    const object = crafted({
      segments: [
        {
          name: '__DWARF',
          address: 0x5000n,
          data,
          sections: [
            { name: '__debug_str_offsets', address: 0x5000n, size: 8 },
            { name: '__zdebug_line_str', address: 0x5008n, size: zdebug.length, offset: 8 },
          ],
        },
      ],
    });
    assert.equal(object.sections[0].name, '__debug_str_offs');
    const text = (name: string) => Buffer.from(object.sectionData(debugSection(object, name)!)).toString();
    assert.equal(text('str_offsets'), 'offsets!');
    assert.equal(text('line_str'), 'strings');
    assert.deepEqual(
      object.sections.map((s) => s.address),
      [0, 0],
    );
    assert.deepEqual(object.segments, []);
    assert.equal(debugSection(object, 'info'), undefined);
  });

  test('zero-filled ones have no bytes, and one outside the file is refused when it is read', () => {
    const object = crafted({
      segments: [
        {
          name: '__DATA',
          address: 0x1000n,
          data: new Uint8Array(16),
          size: 0x2000,
          sections: [
            { name: '__bss', address: 0x1010n, size: 0x100, flags: 1 },
            { name: '__data', address: 0x1000n, size: 1 << 20 },
          ],
        },
      ],
    });
    assert.equal(object.section('__bss')!.noBits, true);
    assert.throws(() => object.sectionData(object.section('__bss')!), { name: 'FormatError' });
    assert.throws(() => object.sectionData(object.section('__data')!), /truncated or damaged/);
    assert.equal(object.fileOffsetOf(0x1008, 8) > 0, true);
    assert.equal(object.fileOffsetOf(0x1009, 8), -1);
  });

  test('a kernel, linked above 2^53', () => {
    const address = 0xffffff8000200000n;
    const object = crafted({
      segments: [
        {
          name: '__TEXT',
          address,
          data: new Writer(true).put(8, address + 8n).bytes,
          sections: [{ name: '__text', address, size: 8, flags: CODE }],
        },
      ],
      symbols: [{ name: '_start', type: 0x0f, section: 1, value: address + 4n }],
    });
    assert.equal(object.bias, address);
    assert.deepEqual(functions(object), [{ name: 'start', start: 4, size: 4, binding: 1 }]);
    assert.equal(object.readPointer(0), 8);
  });
});

describe('every word size and byte order', () => {
  for (const is64 of [true, false]) {
    for (const littleEndian of [true, false]) {
      test(`${is64 ? 64 : 32} bits, ${littleEndian ? 'little' : 'big'} endian`, () => {
        const width = is64 ? 8 : 4;
        const object = crafted({
          is64,
          littleEndian,
          cpuType: is64 ? 0x01000012 : 18,
          uuid: '00112233445566778899aabbccddeeff',
          segments: [
            {
              name: '__TEXT',
              address: 0x4000n,
              data: new Writer(littleEndian).put(width, 0x4000, 0x4008).bytes,
              size: 0x100,
              sections: [{ name: '__text', address: 0x4000n, size: 2 * width, flags: CODE }],
            },
          ],
          symbols: [
            { name: '_b', type: 0x0f, section: 1, desc: 0x80, value: 0x4004n },
            { name: '_a', type: 0x0e, section: 1, value: 0x4000n },
          ],
          data: [{ command: 0x26, bytes: Uint8Array.from([2, 4, 0, 0]) }],
        });
        assert.deepEqual([object.pointerSize, object.littleEndian], [width, littleEndian]);
        assert.equal(object.arch, is64 ? 'ppc64' : 'ppc');
        assert.equal(object.ids.uuid, '00112233445566778899aabbccddeeff');
        assert.equal(object.readPointer(0x4000 + width), 0x4008);
        assert.deepEqual(functions(object), [
          { name: 'a', start: 0x4000, size: 2, binding: 0 }, // up to the function start at +2
          { name: 'b', start: 0x4004, size: 2, binding: 2 }, // and at +6
        ]);
      });
    }
  }
});

describe('universal files', () => {
  for (const name of ['universal', 'universal64', 'dsym-universal'] as const) {
    test(`${name}: both parts, the first without being asked`, () => {
      const source = new BufferSource(machoBytes(name));
      const slices = fatSlices(source)!;
      assert.deepEqual(
        slices.map((s) => [s.arch, s.appleArch]),
        [
          ['amd64', 'x86_64'],
          ['arm64', 'arm64'],
        ],
      );
      const single = (arch: 'x86_64' | 'arm64') =>
        name === 'dsym-universal' ? (`dsym-${arch}` as const) : (`program-${arch}` as const);
      const uuids = [machoFile(single('x86_64')).ids.uuid, machoFile(single('arm64')).ids.uuid];
      assert.deepEqual(
        slices.map((slice) => openSlice(source, slice).ids.uuid),
        uuids,
      );
      assert.equal(openObject(source).ids.uuid, uuids[0]);
      for (const arch of ['amd64', 'x86_64']) assert.equal(openObject(source, { arch }).ids.uuid, uuids[0]);
      const arm64 = openObject(source, { arch: 'arm64' });
      assert.equal(arm64.ids.uuid, uuids[1]);
      assert.equal(arm64.source.size, machoBytes(single('arm64')).length);
      assert.deepEqual(functions(arm64), functions(machoFile(single('arm64'))));
      assert.throws(
        () => openObject(source, { arch: 's390x' }),
        /no program for s390x; it has those for x86_64, arm64/,
      );
    });
  }

  test('which part is chosen', () => {
    const thin = (cpuType: number) => craftMacho({ cpuType });
    const parts = [7, ARM64, AMD64, ARM64].map((cpuType, i) => ({
      cpuType,
      cpuSubtype: i === 1 ? 2 : 0,
      bytes: thin(cpuType),
    }));
    for (const wide of [false, true]) {
      const slices = fatSlices(new BufferSource(craftFat(parts, wide)))!;
      assert.deepEqual(
        slices.map((s) => s.appleArch),
        ['i386', 'arm64e', 'x86_64', 'arm64'],
      );
      assert.equal(chooseSlice(slices), slices[1]);
      assert.equal(chooseSlice(slices, 'arm64'), slices[3]);
      assert.equal(chooseSlice(slices.slice(0, 3), 'arm64'), slices[1]);
      assert.equal(chooseSlice(slices, 'arm64e'), slices[1]);
      assert.equal(chooseSlice(slices, 'amd64'), slices[2]);
      assert.equal(chooseSlice(slices.slice(0, 1)), slices[0]);
      assert.equal(chooseSlice(slices, '386'), slices[0]);
    }
  });

  test('parts that are not what the table says', () => {
    const program = craftMacho({ cpuType: AMD64 });
    const fat = (cpuType: number, bytes: Uint8Array) => () => open(craftFat([{ cpuType, bytes }]));
    assert.equal(fat(AMD64, program)().arch, 'amd64');
    assert.throws(fat(ARM64, program), /says arm64 of a slice that is for amd64/);
    assert.throws(fat(ARM64, Buffer.from('!<arch>\nmember')), /archive/);
    assert.throws(fat(ARM64, craftFat([{ cpuType: AMD64, bytes: program }])), { name: 'FormatError' });
    assert.throws(() => open(craftFat([])), /no architectures/);
    const whole = craftFat([{ cpuType: AMD64, bytes: program }]);
    assert.throws(() => open(whole.subarray(0, 40)), /bytes at 32 of a file of 40/);
    assert.throws(() => open(whole.subarray(0, 20)), /1 architectures in 20 bytes/);
  });

  test('a Java class is none', () =>
    assert.equal(fatSlices(new BufferSource(Buffer.from('cafebabe00000034', 'hex'))), null));
});

describe('damaged headers', () => {
  const program = machoBytes('program-x86_64');
  const changed = (at: number, value: number) => {
    const bytes = new Uint8Array(program);
    new DataView(bytes.buffer).setUint32(at, value, true);
    return () => open(bytes);
  };
  test('cut short', () => {
    assert.throws(() => open(program.subarray(0, 8)), /truncated/);
    assert.throws(() => open(program.subarray(0, 200)), /load commands in a file of 200 bytes/);
    open(program.subarray(0, 0x450)); // the commands are all there: what they point to is refused when it is read
    assert.throws(() => open(program.subarray(0, 0x500)).functionSymbols(), { name: 'FormatError' });
  });
  test('commands', () => {
    assert.throws(changed(16, 0xffffffff), /load commands/);
    assert.throws(changed(20, 0xffffffff), /truncated or damaged/);
    assert.throws(changed(36, 0), /load command 0 of 0 bytes/);
    assert.throws(changed(36, 0xfffffff8), { name: 'FormatError' });
    assert.throws(changed(32 + 64, 0xffff), /sections in/);
  });
});

const GO_PROGRAMS = ['amd64', 'arm64'] as const;

describe('as LLVM reads them', { skip: needsTools('llvm-nm-19', 'llvm-readobj-19') }, () => {
  const check = async (path: string, object: ObjectFile, arch: string): Promise<void> => {
    const run = async (command: string, ...args: string[]) =>
      (await exec(command, [...args, path], { maxBuffer: 1 << 28 })).stdout;
    const nm = await run('llvm-nm-19', '--format=posix', '--defined-only', '--no-sort', `--arch=${arch}`);
    const theirs = nm.split('\n').flatMap((line) => {
      const match = /^(.*) ([a-zA-Z]) ([0-9a-f]+) /.exec(line);
      return match === null ? [] : [match.slice(1)];
    });
    const ours = object.symbols();
    assert.deepEqual(
      ours.map((s) => `${s.name} ${(object.bias + BigInt(s.address)).toString(16)}`),
      theirs.map(([name, , value]) => `${name} ${BigInt(`0x${value}`).toString(16)}`),
    );
    const text = object.section('__text');
    const inCode = (value: number) => text !== undefined && value >= text.address && value < text.address + text.size;
    const code = theirs.filter(([, kind, value]) => /t/i.test(kind) && inCode(Number.parseInt(value, 16)));
    const named = functions(object).filter((f) => inCode(f.start));
    assert.deepEqual(named.map((f) => f.name).sort(), code.map(([name]) => name.replace(/^_/, '')).sort());

    const listed = await run('llvm-readobj-19', '--sections');
    const field = (name: string) =>
      [...listed.matchAll(new RegExp(`^ +${name}: (\\S*)`, 'gm'))].map(([, value]) => value);
    const dwarf = field('Segment').map((segment) => segment === '__DWARF');
    assert.deepEqual(
      object.sections.map((s) => [s.name, s.size, s.fileOffset]),
      field('Name').map((name, i) => [name, Number(field('Size')[i]), Number(field('Offset')[i])]),
    );
    const addresses = field('Address').map((address, i) => (dwarf[i] ? 0n : BigInt(address)));
    assert.deepEqual(
      object.sections.map((s) => object.bias + BigInt(s.address)),
      addresses,
    );
  };

  for (const name of MACHO_FILES.filter((file) => !file.includes('universal'))) {
    test(name, async () => {
      const dir = mkdtempSync(join(tmpdir(), 'resym-macho-'));
      try {
        const path = join(dir, 'file');
        writeFileSync(path, machoBytes(name));
        const arch = name.includes('x86_64') ? 'x86_64' : name.includes('arm64') ? 'arm64' : name.replace('.o', '');
        await check(path, machoFile(name), arch);
      } finally {
        rmSync(dir, { recursive: true });
      }
    });
  }

  for (const arch of GO_PROGRAMS) {
    test(`a Go program for darwin/${arch}`, { skip: anyGo() === null && 'needs go' }, async () => {
      const dir = fileURLToPath(new URL('../fixtures/go/oracle', import.meta.url));
      const path = await buildGo({
        toolchain: anyGo()!,
        dir,
        mode: 'exe',
        package: 'small',
        env: { GOOS: 'darwin', GOARCH: arch },
      });
      await check(path, open(readFileSync(path)), arch === 'amd64' ? 'x86_64' : 'arm64');
    });
  }
});
