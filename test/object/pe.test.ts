import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { BufferSource } from '../../src/bytes/source.ts';
import { fileCrc, readDebugLink } from '../../src/object/debug-link.ts';
import { undecorated } from '../../src/object/pe-symbols.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { FunctionTable } from '../../src/symbolize/function-table.ts';
import { needsTools, tool } from '../support/toolchains.ts';
import { COFF_HEADER, CODE, craftPe, DATA, OPTIONAL_HEADER, type CraftedPe } from './craft-pe.ts';
import { answersOf, openBytes, openPeFile, PE_FILES, peBytes, pePath, WITH_DWARF } from './pe-fixtures.ts';

function craft(crafted: CraftedPe): ObjectFile {
  return openBytes(craftPe(crafted));
}

function functionsOf(object: ObjectFile): [name: string, start: number, size: number][] {
  const functions = object.functionSymbols();
  return Array.from({ length: functions.length }, (_, i) => [functions.name(i), functions.start[i], functions.size[i]]);
}

function namesOf(object: ObjectFile): string[] {
  return functionsOf(object).map(([name]) => name);
}

describe('what linkers make', () => {
  const facts = {
    'parts64.dll': ['amd64', 8, 0x3b83e0000, '0b0a752bc54c6e6fed0c135aa81115c01', false],
    'parts32.dll': ['386', 4, 0x63e40000, '8ca2c81f8010c4fb5a1279fbc265181f1', false],
    'partsarm64.dll': ['arm64', 8, 0x180000000, '5665e4c4c99ee2224c4c44205044422e1', false],
    'partsarm.dll': ['arm', 4, 0x10000000, 'a4a45af0c775bbc74c4c44205044422e1', false],
    'partsmsvc.dll': ['amd64', 8, 0x180000000, 'badd28f584d750424c4c44205044422e1', false],
    'parts64.debug': ['amd64', 8, 0x3b83e0000, '0b0a752bc54c6e6fed0c135aa81115c01', true],
    'parts64-stripped.dll': ['amd64', 8, 0x3b83e0000, '0b0a752bc54c6e6fed0c135aa81115c01', false],
  } as const;
  for (const name of PE_FILES) {
    test(name, () => {
      const object = openPeFile(name);
      const { arch, pointerSize, segments, ids, debugOnly } = object;
      assert.deepEqual([arch, pointerSize, segments[0].address, ids.pe, debugOnly], facts[name]);
      assert.deepEqual([object.format, object.type, object.bias, object.littleEndian], ['pe', 'dyn', 0n, true]);
      assert.deepEqual([ids.gnu, ids.uuid, object.notes().length], [null, null, 0]);
      assert.equal(object.section('.text')?.noBits, debugOnly);
    });
  }

  for (const [name, answers] of WITH_DWARF) {
    test(`functions of ${name} are where debug info has them`, () => {
      const table = FunctionTable.of(openPeFile(name));
      assert.ok(table);
      let named = 0;
      for (const { start, end, frames } of answersOf(answers)) {
        const outermost = frames.at(-1);
        if (outermost === undefined) continue;
        // lld leaves the Thumb bit in debug info, which then is a byte late.
        for (const address of [start, Math.max(start, end - 2)])
          assert.equal(table.find(address), undecorated(outermost.name));
        named++;
      }
      assert.ok(named > 10);
    });
  }

  test('padding is no part of a function where the exception table says so', () => {
    const table = FunctionTable.of(openPeFile('parts64.dll'))!;
    const twice = functionsOf(openPeFile('parts64.dll')).find(([name]) => name === 'twice')!;
    assert.deepEqual([table.find(twice[1] + twice[2] - 1), table.find(twice[1] + twice[2])], ['twice', null]);
  });

  test('without symbols, functions are those exported, as long as the exception table says', () => {
    const whole = functionsOf(openPeFile('parts64.dll')).filter(([name]) => name === 'add' || name === 'twice');
    assert.deepEqual(functionsOf(openPeFile('parts64-stripped.dll')), whole);
    assert.deepEqual(functionsOf(openPeFile('partsmsvc.dll')), [
      ['add', 0x180001120, 58],
      ['twice', 0x180001160, 47],
    ]);
  });

  test('exports; one that is in another DLL is none of this file', () => {
    for (const name of ['parts32.dll', 'parts64.dll', 'partsarm.dll', 'partsarm64.dll', 'partsmsvc.dll']) {
      const symbols = openPeFile(name).dynamicSymbols();
      const kinds = symbols.map((symbol) => [symbol.name, symbol.kind, symbol.binding]);
      assert.deepEqual(kinds, [
        ['add', 'function', 'global'],
        ['answer', 'object', 'global'],
        ['table', 'object', 'global'],
        ['twice', 'function', 'global'],
        ['zeroed', 'object', 'global'],
      ]);
    }
  });

  test('pointers, and who points somewhere', () => {
    for (const name of ['parts32.dll', 'parts64.dll', 'partsarm64.dll', 'partsmsvc.dll']) {
      const object = openPeFile(name);
      const at = (wanted: string) => object.dynamicSymbols().find((symbol) => symbol.name === wanted)!.address;
      const [add, table] = [at('add'), at('table')];
      assert.equal(object.readPointer(table), add);
      assert.equal(object.readPointer(table + object.pointerSize), add);
      assert.deepEqual(object.relocationsTo(add), [table, table + object.pointerSize]);
      assert.deepEqual(object.relocationsTo(add + 1), []);
    }
  });

  test('zeroed memory is mapped but not in the file', () => {
    const object = openPeFile('parts64.dll');
    const bss = object.section('.bss')!;
    assert.deepEqual([bss.noBits, bss.size], [true, 1024]);
    assert.equal(object.fileOffsetOf(bss.address, 1), -1);
    assert.throws(() => object.sectionData(bss), { name: 'FormatError', message: /no bytes/ });
  });

  test('a stripped DLL says where its debug info is', () => {
    const link = readDebugLink(openPeFile('parts64-stripped.dll'));
    assert.deepEqual(link, { name: 'parts64.debug', crc: fileCrc(new BufferSource(peBytes('parts64.debug'))) });
    assert.equal(readDebugLink(openPeFile('parts64.dll')), null);
  });
});

/** The newest of an LLVM tool at hand. */
function llvm(name: string): string {
  return ['-19', '-18', '-17', '-16', ''].map((version) => name + version).find(tool) ?? name;
}
const [readobj, nm] = [llvm('llvm-readobj'), llvm('llvm-nm')];

describe('as llvm-readobj and llvm-nm say', { skip: needsTools(readobj, nm) }, () => {
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8' });
  for (const name of PE_FILES) {
    test(`sections and IDs of ${name}`, () => {
      const object = openPeFile(name);
      const said = run(readobj, '--sections', '--coff-debug-directory', pePath(name));
      const all = (pattern: RegExp) => [...said.matchAll(pattern)].map((match) => match[1]);
      const base = object.segments[0].address;
      assert.deepEqual(
        object.sections.map((section) => section.name),
        all(/^ {4}Name: (.*) \(/gm),
      );
      const rvas = all(/VirtualAddress: (.*)/g).map(Number);
      assert.deepEqual(
        object.sections.map(({ address }) => address - base),
        rvas,
      );
      const [memory, raw] = [all(/VirtualSize: (.*)/g).map(Number), all(/RawDataSize: (.*)/g).map(Number)];
      object.sections.forEach(({ size, noBits }, i) => {
        assert.equal(size, noBits ? memory[i] : Math.min(memory[i], raw[i]));
        assert.equal(object.segments[i + 1].size, memory[i]);
      });
      const [[guid], [age]] = [all(/PDBGUID: \{(.*)\}/g), all(/PDBAge: (.*)/g)];
      assert.equal(object.ids.pe, guid.replaceAll('-', '').toLowerCase() + Number(age).toString(16));
    });

    if (/stripped|msvc/.test(name)) continue; // they have no symbols
    test(`symbols of ${name}`, () => {
      const said = run(nm, '--defined-only', '--format=posix', pePath(name)).trimEnd().split('\n');
      const expected = said
        .map((line) => line.split(' '))
        .filter(([symbol, kind]) => !/^[Aan]$/.test(kind) && !symbol.startsWith('.'))
        .map(([symbol, , address]) => `${symbol} ${parseInt(address, 16)}`);
      const texts = openPeFile(name)
        .symbols()
        .map(({ name: symbol, address }) => `${symbol} ${address}`);
      const known = new Set(texts);
      assert.ok(expected.length >= 8);
      for (const text of expected) assert.ok(known.has(text), text);
    });
  }
});

const TEXT = { name: '.text', rva: 0x1000, data: new Uint8Array(0x100) };

describe('headers and sections', () => {
  test('PE32 and PE32+, machines, types', () => {
    const machines = {
      0x14c: '386',
      0x1c4: 'arm',
      0x8664: 'amd64',
      0xaa64: 'arm64',
      0x5064: 'riscv64',
      0x1234: 'pe:4660',
    };
    for (const [machine, arch] of Object.entries(machines))
      assert.equal(craft({ machine: Number(machine) }).arch, arch);
    assert.equal(craft({ is64: false }).pointerSize, 4);
    const types = [
      {},
      { dllCharacteristics: 0x40 },
      { dllCharacteristics: 0x40, characteristics: 1 },
      { characteristics: 0x2000 },
    ];
    assert.deepEqual(
      types.map((fields) => craft(fields).type),
      ['exec', 'dyn', 'exec', 'dyn'],
    );
  });

  test('an image linked above 2^53 has addresses all the same', () => {
    const imageBase = 0xfffff97fff000000n;
    const data = Buffer.alloc(16);
    data.writeBigUInt64LE(imageBase + 0x1008n);
    const object = craft({ imageBase, sections: [{ ...TEXT, data }] });
    assert.equal(object.bias, imageBase);
    assert.equal(object.section('.text')!.address, 0x1000);
    assert.equal(object.readPointer(0x1000), 0x1008);
  });

  test('long section names, in decimal and in base64', () => {
    const object = craft({ sections: [{ name: '.debug_info', rva: 0x1000, data: Uint8Array.of(1, 2, 3) }] });
    assert.deepEqual([...object.sectionData(object.section('.debug_info')!)], [1, 2, 3]);
    const bytes = craftPe({ sections: [{ name: '.debug_info', rva: 0x1000, data: Uint8Array.of(1) }] });
    bytes.write('//AAAAAE', bytes.indexOf('/4\0'), 'latin1');
    assert.equal(openBytes(bytes).sections[0].name, '.debug_info');
    bytes.write('/9999999', bytes.indexOf('//AAAAAE'), 'latin1');
    assert.equal(openBytes(bytes).sections[0].name, '/9999999');
  });

  test('bytes in the file, padding and zeros behind them', () => {
    const data = Uint8Array.of(1, 2, 3);
    const object = craft({
      sections: [
        { name: '.short', rva: 0x1000, data },
        { name: '.long', rva: 0x2000, data, virtualSize: 0x5000 },
        { name: '.old', rva: 0x8000, data, virtualSize: 0 },
        { name: '.bss', rva: 0x9000, virtualSize: 0x300, rawSize: 0x400 },
      ],
    });
    assert.deepEqual(
      object.sections.map(({ size }) => size),
      [3, 0x200, 0x200, 0x300],
    );
    assert.deepEqual(
      object.segments.slice(1).map(({ size }) => size),
      [3, 0x5000, 0x200, 0x300],
    );
    assert.deepEqual(
      object.sections.map(({ noBits }) => noBits),
      [false, false, false, true],
    );
    const base = object.segments[0].address;
    assert.equal(object.fileOffsetOf(base + 0x1003, 1), -1);
    assert.equal(object.fileOffsetOf(base + 0x2200, 1), -1);
    assert.deepEqual([...object.readAddress(base + 0x1000, 3)], [1, 2, 3]);
    assert.equal(object.readAddress(base, 2)[0], 0x4d);
  });

  test('.zdebug sections', () => {
    const head = Buffer.from('ZLIB\0\0\0\0\0\0\x03\xe8', 'latin1');
    const data = Buffer.concat([head, deflateSync(Buffer.alloc(1000, 7))]);
    const object = craft({ sections: [{ name: '.zdebug_info', rva: 0x1000, data }] });
    const section = object.section('.zdebug_info')!;
    assert.equal(section.compression, 'zdebug');
    const inflated = object.sectionData(section);
    assert.deepEqual([inflated.length, inflated[999]], [1000, 7]);
    assert.equal(object.sectionData(section), inflated);
  });

  const damaged: [what: string, bytes: Uint8Array, name: string, message: RegExp][] = [
    ['cut in the COFF header', craftPe({}).subarray(0, 0x90), 'FormatError', /COFF header.*truncated/],
    ['cut in the optional header', craftPe({}).subarray(0, 0xa0), 'FormatError', /optional header.*truncated/],
    [
      'cut in the sections',
      craftPe({ sections: [TEXT] }).subarray(0, 0x190),
      'FormatError',
      /section headers.*truncated/,
    ],
    ['magic', craftPe({ patch: { [OPTIONAL_HEADER]: 0x333 } }), 'FormatError', /magic 0x333/],
    ['ROM image', craftPe({ patch: { [OPTIONAL_HEADER]: 0x107 } }), 'UnsupportedError', /ROM/],
    ['no optional header', craftPe({ patch: { [COFF_HEADER + 16]: 0x220000 } }), 'UnsupportedError', /object file/],
    ['short optional header', craftPe({ patch: { [COFF_HEADER + 16]: 0x220020 } }), 'FormatError', /optional header/],
  ];
  for (const [what, bytes, name, message] of damaged) {
    test(`refused: ${what}`, () => assert.throws(() => openBytes(bytes), { name, message }));
  }

  test('more directories than there can be are not looked for', () => {
    assert.equal(craft({ directoryCount: 0xffffffff }).ids.pe, null);
    assert.equal(craft({ directoryCount: 0, directories: { 6: [0x1000, 28] } }).ids.pe, null);
  });

  test('a section outside the file costs that section only', () => {
    const object = craft({ sections: [{ ...TEXT, rawSize: 0xffffffff, virtualSize: 0xffffffff, fileOffset: 0x300 }] });
    assert.throws(() => object.sectionData(object.sections[0]), { name: 'LimitError' });
    const past = craft({ sections: [{ ...TEXT, fileOffset: 0x10000000 }] });
    assert.throws(() => past.sectionData(past.sections[0]), { name: 'FormatError', message: /truncated/ });
    assert.throws(() => past.readAddress(past.sections[0].address, 1), { name: 'FormatError' });
  });
});

describe('GUID and age', () => {
  const guid = '0123456789abcdef0123456789abcdef';
  function withRecord(record: Buffer, entry: { rva?: number; offset?: number; type?: number; size?: number } = {}) {
    const data = Buffer.alloc(0x100);
    data.writeUInt32LE(entry.type ?? 2, 12);
    data.writeUInt32LE(entry.size ?? 24, 16);
    data.writeUInt32LE(entry.rva ?? 0x1040, 20);
    data.writeUInt32LE(entry.offset ?? 0, 24);
    data.set(record, 0x40);
    return craft({ sections: [{ name: '.rdata', rva: 0x1000, data }], directories: { 6: [0x1000, 28] } });
  }
  const record = (age: number, signature = 'RSDS') => {
    const bytes = Buffer.concat([Buffer.from(signature), Buffer.from('67452301ab89efcd0123456789abcdef', 'hex')]);
    return Buffer.concat([bytes, Buffer.from(Uint32Array.of(age).buffer)]);
  };

  test('the age is in hex, without leading zeros', () => {
    assert.equal(withRecord(record(1)).ids.pe, `${guid}1`);
    assert.equal(withRecord(record(0x1a)).ids.pe, `${guid}1a`);
    assert.equal(withRecord(record(0)).ids.pe, `${guid}0`);
  });

  test('by file offset where the record is not mapped', () => {
    const object = withRecord(record(1), { rva: 0, offset: 0x200 + 0x40 });
    assert.equal(object.ids.pe, `${guid}1`);
  });

  test('anything else is no ID', () => {
    assert.equal(withRecord(record(1, 'NB10')).ids.pe, null);
    assert.equal(withRecord(record(1), { type: 13 }).ids.pe, null);
    assert.equal(withRecord(record(1), { size: 20 }).ids.pe, null);
    assert.equal(withRecord(record(1), { rva: 0xffffff00, offset: 0xffffff00 }).ids.pe, null);
    const nothing = Buffer.concat([Buffer.from('RSDS'), Buffer.alloc(16), Buffer.from([1, 0, 0, 0])]);
    assert.equal(withRecord(nothing).ids.pe, null);
    assert.equal(craft({ directories: { 6: [0x7000, 28] } }).ids.pe, null);
  });
});

describe('symbols', () => {
  test('a function ends at the next, at the next object file, at the end of its section', () => {
    const object = craft({
      sections: [TEXT, { name: '.more', rva: 0x2000, data: new Uint8Array(0x40), flags: CODE }],
      symbols: [
        { name: 'last', value: 0x80, section: 1 },
        { name: 'first', value: 0, section: 1 },
        { name: 'alias_with_a_long_name', value: 0, section: 1 },
        { name: '.text', value: 0x60, section: 1, type: 0, storageClass: 3, auxiliary: 1 },
        { name: 'label', value: 0x10, section: 1, type: 0, storageClass: 6 },
        { name: 'local', value: 0x20, section: 1, type: 0, storageClass: 3 },
        { name: 'other', value: 0x8, section: 2 },
      ],
    });
    const base = 0x140001000;
    assert.deepEqual(functionsOf(object), [
      ['first', base, 0x60],
      ['alias_with_a_long_name', base, 0x60],
      ['last', base + 0x80, 0x80],
      ['other', base + 0x1008, 0x38],
    ]);
    const all = object.symbols().map(({ name, kind, binding }) => `${name} ${kind} ${binding}`);
    assert.deepEqual(all.slice(0, 1), ['last function global']);
    assert.ok(
      all.includes('label other local') && all.includes('local other local') && !all.some((s) => s.startsWith('.text')),
    );
  });

  test('marks of the linker do not take the name of a function', () => {
    const symbols = [
      { name: '__mark', value: 0, section: 1, type: 0 },
      { name: 'main', value: 0, section: 1, storageClass: 3 },
      { name: 'memcpy', value: 0x40, section: 1, type: 0 },
    ];
    assert.deepEqual(namesOf(craft({ sections: [TEXT], symbols })), ['main', 'memcpy']);
    assert.deepEqual(namesOf(craft({ sections: [TEXT], symbols: [...symbols].reverse() })), ['main', 'memcpy']);
  });

  test('only code that is in the file', () => {
    const symbols = [
      { name: 'undefined', value: 0, section: 0 },
      { name: 'absolute', value: 0x1000, section: -1 },
      { name: 'nowhere', value: 0, section: 7 },
      { name: 'data', value: 0, section: 2 },
      { name: 'end', value: 0x100, section: 1 },
      { name: 'file', value: 0, section: 1, storageClass: 103 },
      { name: 'f', value: 8, section: 1 },
    ];
    const object = craft({ sections: [TEXT, { name: '.data', rva: 0x2000, data: new Uint8Array(8) }], symbols });
    assert.deepEqual(namesOf(object), ['f']);
    assert.deepEqual(
      object.symbols().map(({ name }) => name),
      ['data', 'end', 'f'],
    );
  });

  test('what C compilers add to names for i386', () => {
    const names = [
      '_main',
      '_WndProc@16',
      '@fast@8',
      'vector@@16',
      '?f@@YAXXZ',
      '__ZN3fooEv',
      'plain',
      '_@',
      'main.main',
      '@1',
    ];
    const expected = ['main', 'WndProc', 'fast', 'vector', '?f@@YAXXZ', '_ZN3fooEv', 'plain', '@', 'main.main', '1'];
    assert.deepEqual(names.map(undecorated), expected);
    const symbols = [{ name: '_main', value: 0, section: 1 }];
    assert.deepEqual(namesOf(craft({ is64: false, sections: [TEXT], symbols })), ['main']);
    assert.deepEqual(namesOf(craft({ sections: [TEXT], symbols })), ['_main']);
    assert.deepEqual(
      craft({ is64: false, sections: [TEXT], symbols })
        .symbols()
        .map(({ name }) => name),
      ['_main'],
    );
  });

  test('the Thumb bit is no part of an address', () => {
    const symbols = [{ name: 'thumb', value: 0x11, section: 1 }];
    const object = craft({ is64: false, machine: 0x1c4, sections: [TEXT], symbols });
    assert.deepEqual(functionsOf(object)[0].slice(0, 2), ['thumb', 0x401010]);
  });

  test('a table cut short costs the symbols only', () => {
    const bytes = craftPe({
      sections: [TEXT],
      symbols: [{ name: 'f', value: 0, section: 1 }],
      patch: { [COFF_HEADER + 12]: 1e6 },
    });
    const object = openBytes(bytes);
    assert.equal(object.section('.text')?.size, 0x100);
    assert.throws(() => object.functionSymbols(), { name: 'FormatError', message: /symbol table.*truncated/ });
  });

  test('a name outside the strings', () => {
    const bytes = craftPe({ sections: [TEXT], symbols: [{ name: 'a_name_of_some_length', value: 0, section: 1 }] });
    bytes.writeUInt32LE(0x10000, bytes.readUInt32LE(COFF_HEADER + 8) + 4);
    const functions = openBytes(bytes).functionSymbols();
    assert.equal(functions.length, 1);
    assert.throws(() => functions.name(0), { name: 'FormatError' });
  });
});

describe('exception table', () => {
  const pdata = (words: number[]) => ({
    name: '.pdata',
    rva: 0x3000,
    data: new Uint8Array(Uint32Array.from(words).buffer),
    flags: DATA,
  });
  const xdata = (...words: number[]) => ({
    name: '.xdata',
    rva: 0x4000,
    data: new Uint8Array(Uint32Array.from(words).buffer),
    flags: DATA,
  });
  const symbols = [
    { name: 'f', value: 0, section: 1 },
    { name: 'leaf', value: 0x80, section: 1 },
  ];

  test('amd64: pieces belong to the function before; a function without a symbol ends the one before', () => {
    const words = [0x1000, 0x1010, 0x4000, 0x1010, 0x1018, 0x4004, 0x1090, 0x10a0, 0x4000];
    const sections = [TEXT, pdata(words), xdata(0x01, 0x21)];
    const object = craft({ sections, symbols, directories: { 3: [0x3000, 36] } });
    assert.deepEqual(
      functionsOf(object).map(([name, , size]) => [name, size]),
      [
        ['f', 0x18],
        ['leaf', 0x10],
      ],
    );
  });

  test('arm64: lengths in the entry or in a record', () => {
    const words = [0x1000, (6 << 2) | 1, 0x1080, 0x4000, 0x10c0, (3 << 2) | 2];
    const sections = [TEXT, pdata(words), xdata(0x8000_0005)];
    const object = craft({ machine: 0xaa64, sections, symbols, directories: { 3: [0x3000, 24] } });
    assert.deepEqual(
      functionsOf(object).map(([name, , size]) => [name, size]),
      [
        ['f', 24],
        ['leaf', 20],
      ],
    );
  });

  test('entries out of order or outside the file say nothing', () => {
    const words = [0x1080, 0x1070, 0xffffffff, 0x1000, 0x1010, 0x4000];
    const object = craft({ sections: [TEXT, pdata(words)], symbols, directories: { 3: [0x3000, 24] } });
    assert.deepEqual(
      functionsOf(object).map(([name, , size]) => [name, size]),
      [
        ['f', 0x80],
        ['leaf', 0x80],
      ],
    );
    const nowhere = craft({ sections: [TEXT], symbols, directories: { 3: [0x3000, 0xfffffff0] } });
    assert.deepEqual(
      functionsOf(nowhere).map(([name, , size]) => [name, size]),
      [
        ['f', 0x80],
        ['leaf', 0x80],
      ],
    );
  });
});

describe('exports', () => {
  /** Two functions, one name each; fields are overwritten by `patch`, at offsets of the directory. */
  function exporting(patch: Record<number, number> = {}): ObjectFile {
    const data = Buffer.alloc(0x80);
    const words = {
      20: 2,
      24: 2,
      28: 0x2028,
      32: 0x2030,
      36: 0x2038,
      40: 0x1000,
      44: 0x1010,
      48: 0x2040,
      52: 0x2044,
      ...patch,
    };
    for (const [at, value] of Object.entries(words)) data.writeUInt32LE(value, Number(at));
    data.writeUInt16LE(1, 0x3a);
    data.write('one\0two\0', 0x40, 'latin1');
    const sections = [TEXT, { name: '.edata', rva: 0x2000, data, flags: DATA }];
    return craft({ sections, directories: { 0: [0x2000, 0x48] } });
  }

  test('names and addresses', () => {
    const [one, two] = exporting().dynamicSymbols();
    assert.deepEqual([one.name, one.address, two.name, two.address], ['one', 0x140001000, 'two', 0x140001010]);
    assert.deepEqual(exporting().symbols(), exporting().dynamicSymbols());
    assert.deepEqual(functionsOf(exporting()), [
      ['one', 0x140001000, 0],
      ['two', 0x140001010, 0],
    ]);
  });

  test('forwarded and empty ones are left out', () => {
    assert.deepEqual(
      exporting({ 40: 0x2044 })
        .dynamicSymbols()
        .map(({ name }) => name),
      ['two'],
    );
    assert.deepEqual(
      exporting({ 44: 0 })
        .dynamicSymbols()
        .map(({ name }) => name),
      ['one'],
    );
  });

  test('damage', () => {
    assert.throws(() => exporting({ 24: 0xffffffff }).dynamicSymbols(), { name: 'LimitError' });
    assert.throws(() => exporting({ 28: 0x9000 }).dynamicSymbols(), {
      name: 'FormatError',
      message: /export addresses/,
    });
    assert.throws(() => exporting({ 20: 1 }).functionSymbols(), { name: 'FormatError', message: /1 of 1 exports/ });
    assert.throws(() => exporting({ 48: 0x9000 }).dynamicSymbols(), { name: 'FormatError', message: /name outside/ });
  });
});

describe('base relocations', () => {
  function relocating(words: number[], size = words.length * 4): ObjectFile {
    const data = Buffer.alloc(16);
    data.writeBigUInt64LE(0x140001000n, 8);
    const reloc = new Uint8Array(Uint32Array.from(words).buffer);
    const sections = [TEXT, { name: '.data', rva: 0x2000, data }, { name: '.reloc', rva: 0x3000, data: reloc }];
    return craft({ sections, directories: { 5: [0x3000, size] } });
  }

  test('pointers of the file, not words of other kinds', () => {
    assert.deepEqual(relocating([0x2000, 12, 0x0000_a008]).relocationsTo(0x140001000), [0x140002008]);
    assert.deepEqual(relocating([0x2000, 12, 0x0000_3008]).relocationsTo(0x140001000), []);
    assert.deepEqual(relocating([0x2000, 12, 0x0000_a008, 0, 0]).relocationsTo(0x140001000), [0x140002008]);
    assert.deepEqual(relocating([0x9000, 12, 0x0000_a008]).relocationsTo(0x140001000), []);
  });

  test('damage', () => {
    assert.throws(() => relocating([0x2000, 4, 0]).relocationsTo(1), { name: 'FormatError', message: /block of 4/ });
    assert.throws(() => relocating([0x2000, 0x40, 0]).relocationsTo(1), {
      name: 'FormatError',
      message: /block of 64/,
    });
    assert.deepEqual(relocating([0x2000, 12, 0xa008], 0xffffffff).relocationsTo(0x140001000), []);
  });
});
