/** openElf against binutils' readelf and objcopy on real files. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { prepareZstd } from '../../src/bytes/inflate.ts';
import { BufferSource } from '../../src/bytes/source.ts';
import { needsZstd } from '../../src/object/compressed.ts';
import type { ObjectFile, ObjectSymbol } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';
import { needsTools } from '../support/toolchains.ts';
import {
  asciiName,
  readelf,
  readelfBytes,
  readelfHeader,
  readelfLoads,
  readelfRelocations,
  readelfSections,
  readelfSymbols,
  type ReadelfSymbol,
} from './readelf.ts';
import {
  compressedSamples,
  plugin,
  fileSource,
  fixtureSamples,
  goSamples,
  otherSamples,
  pointerSamples,
  withoutSectionHeaders,
  type Sample,
} from './samples.ts';

const MACHINES: Readonly<Record<string, string>> = {
  'Advanced Micro Devices X86-64': 'amd64',
  'Intel 80386': '386',
  AArch64: 'arm64',
  ARM: 'arm',
  'RISC-V': 'riscv64',
  LoongArch: 'loong64',
  'IBM S/390': 's390x',
};
const TYPES: Readonly<Record<string, string>> = { EXEC: 'exec', DYN: 'dyn', REL: 'rel', CORE: 'core' };

const noReadelf = needsTools('readelf');

function each(samples: readonly Sample[], run: (path: string) => void | Promise<void>): void {
  for (const sample of samples) {
    test(sample.name, { skip: noReadelf || sample.skip }, async () => run(await sample.build()));
  }
}

const all = [...goSamples, ...pointerSamples, ...fixtureSamples, ...otherSamples];

describe('header, segments and sections equal readelf', () => {
  each(all, (path) => {
    const object = openObject(fileSource(path));
    const header = readelfHeader(path);
    assert.equal(object.pointerSize, header.get('Class') === 'ELF64' ? 8 : 4);
    assert.equal(object.littleEndian, header.get('Data')?.includes('little endian'));
    assert.equal(object.type, TYPES[header.get('Type')?.split(' ')[0] ?? '']);
    const machine = MACHINES[header.get('Machine') ?? ''];
    if (machine !== undefined) assert.equal(object.arch.replace(/be$/, ''), machine);
    else assert.match(object.arch, /^(mips|ppc)/);

    const flags = (s: ObjectFile['segments'][number]) =>
      (s.readable ? 'R' : ' ') + (s.writable ? 'W' : ' ') + (s.executable ? 'E' : ' ');
    assert.deepEqual(
      object.segments.map((s) => [
        s.fileOffset,
        object.bias + BigInt(s.address),
        s.fileSize,
        s.size,
        flags(s),
        s.align,
      ]),
      readelfLoads(path),
    );

    const expected = readelfSections(path);
    assert.equal(object.sections.length, expected.length);
    for (const [i, section] of object.sections.entries()) {
      const want = expected[i];
      assert.equal(section.name, want.name);
      assert.equal(section.fileOffset, want.offset);
      assert.equal(section.size, want.size);
      assert.equal(section.executable, want.flags.includes('X'), section.name);
      assert.equal(section.writable, want.flags.includes('W'), section.name);
      assert.equal(section.noBits, want.type === 'NOBITS' || want.type === 'NULL', section.name);
      if (want.flags.includes('A')) assert.equal(object.bias + BigInt(section.address), want.address, section.name);
      assert.equal(
        section.compression === 'zlib' || section.compression === 'zstd',
        want.flags.includes('C'),
        section.name,
      );
    }
  });
});

/** What nm --defined-only would show: readelf's rows without empty, section, file and TLS symbols. */
function defined(symbols: readonly ReadelfSymbol[]): ReadelfSymbol[] {
  return symbols.filter((s) => s.section !== 'UND' && !['SECTION', 'FILE', 'TLS'].includes(s.type));
}

function asRow(object: ObjectFile, s: ObjectSymbol): string {
  return `${(object.bias + BigInt(s.address)).toString(16)} ${s.size} ${s.kind} ${s.binding} ${asciiName(s.name.replace(/@.*$/, ''))}`;
}

function expectedRow(s: ReadelfSymbol): string {
  const kind = { FUNC: 'function', IFUNC: 'function', OBJECT: 'object', COMMON: 'object' }[s.type] ?? 'other';
  const binding = { LOCAL: 'local', WEAK: 'weak' }[s.binding] ?? 'global';
  return `${s.value.toString(16)} ${s.size} ${kind} ${binding} ${s.name}`;
}

/** readelf shows st_value as it is: with bit 0 set for a Thumb function. */
function clearThumb(symbol: ReadelfSymbol, index: number, rows: ReadelfSymbol[]): void {
  if (symbol.type === 'FUNC') rows[index] = { ...symbol, value: symbol.value & ~1n };
}

describe('symbols equal readelf', () => {
  each(all, (path) => {
    const object = openObject(fileSource(path));
    const tables = readelfSymbols(path);
    if (object.arch === 'arm') for (const rows of tables.values()) rows.forEach(clearThumb);
    const dynamic = defined(tables.get('.dynsym') ?? []);
    const chosen = tables.has('.symtab') ? defined(tables.get('.symtab')!) : dynamic;
    assert.deepEqual(
      object.symbols().map((s) => asRow(object, s)),
      chosen.map(expectedRow),
    );
    if (!object.debugOnly) {
      assert.deepEqual(
        object.dynamicSymbols().map((s) => asRow(object, s)),
        dynamic.map(expectedRow),
      );
    }

    const names = new Map(readelfSections(path).map((s) => [String(s.index), s.name]));
    const functions = chosen
      .filter((s) => s.type === 'FUNC' || s.type === 'IFUNC')
      .filter((s) => object.type !== 'rel' || names.get(s.section) === '.text')
      .sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0));
    const columns = object.functionSymbols();
    assert.equal(columns.length, functions.length);
    assert.equal(columns.length, columns.start.length);
    for (const [i, want] of functions.entries()) {
      assert.equal(object.bias + BigInt(columns.start[i]), want.value);
      assert.equal(columns.size[i], want.size);
      assert.equal(asciiName(columns.name(i).replace(/@.*$/, '')), want.name);
      assert.equal(columns.binding[i], { LOCAL: 0, GLOBAL: 1, WEAK: 2 }[want.binding]);
    }
  });
});

describe('notes and build IDs equal readelf', () => {
  each(all, (path) => {
    const object = openObject(fileSource(path));
    const text = readelf(path, '-n');
    assert.equal(object.ids.gnu, /Build ID: ([0-9a-f]+)/.exec(text)?.[1] ?? null);
    const rows = [...text.matchAll(/^ {2}(\S+) +0x([0-9a-f]{8})\t/gm)].map((m) => `${m[1]} ${parseInt(m[2], 16)}`);
    assert.deepEqual(
      object.notes().map((n) => `${n.name} ${n.desc.length}`),
      rows,
    );
  });
});

describe('bytes at addresses', () => {
  each(all, (path) => {
    const object = openObject(fileSource(path));
    const file = readFileSync(path);
    if (object.type === 'rel') return assert.equal(object.fileOffsetOf(0, 1), -1);
    for (const section of readelfSections(path)) {
      if (!section.flags.includes('A') || section.flags.includes('T') || section.size === 0) continue;
      const address = Number(section.address - object.bias);
      const at = object.fileOffsetOf(address, section.size);
      if (section.type === 'NOBITS') {
        assert.throws(() => object.readAddress(address, section.size), { code: 'format' });
        continue;
      }
      assert.equal(at, section.offset, section.name);
      const bytes = file.subarray(section.offset, section.offset + section.size);
      assert.ok(bytes.equals(object.readAddress(address, section.size)), section.name);
    }
    for (const segment of object.segments) {
      if (object.debugOnly) break;
      assert.equal(object.fileOffsetOf(segment.address, segment.fileSize + 1), -1);
    }
    assert.equal(object.fileOffsetOf(-1, 1), -1);
    assert.equal(object.fileOffsetOf(NaN, 1), -1);
    assert.equal(object.fileOffsetOf(2 ** 53 - 1, 1), -1);
  });
});

/** Relocation types whose result readelf's own columns give: addend, or symbol value plus addend. */
const PLAIN = /_RELATIVE$|^R_(X86_64|RISCV|390)_64$|^R_AARCH64_ABS64$|^R_PPC64_ADDR64$/;

describe('relocated pointers equal readelf', () => {
  each([...goSamples, ...pointerSamples, ...fixtureSamples], (path) => {
    const object = openObject(fileSource(path));
    const defined = new Set(
      (readelfSymbols(path).get('.dynsym') ?? []).filter((s) => s.section !== 'UND').map((s) => s.name),
    );
    const relocations = readelfRelocations(path);
    const targets = new Map<number, number[]>();
    for (const { address, type, value, symbol } of relocations) {
      const at = Number(address - object.bias);
      const pointer = object.readPointer(at);
      if (PLAIN.test(type) && value !== undefined) {
        assert.equal(
          pointer,
          symbol === '' || defined.has(symbol) ? Number(value) : -1,
          `${type} at ${at.toString(16)}`,
        );
      }
      if (type.endsWith('_RELATIVE') || type === 'RELR') targets.set(pointer, [...(targets.get(pointer) ?? []), at]);
    }
    let tried = 0;
    for (const [target, addresses] of targets) {
      if (target < 0 || ++tried > 50) continue;
      assert.deepEqual(
        object.relocationsTo(target),
        addresses.sort((a, b) => a - b),
      );
    }
  });
});

describe('pointers to named things', () => {
  each(pointerSamples, (path) => {
    for (const object of [
      openObject(fileSource(path)),
      openObject(new BufferSource(withoutSectionHeaders(readFileSync(path)))),
    ]) {
      const rows = readelfSymbols(path).get('.symtab')!;
      const address = (name: string) => Number(rows.find((s) => s.name === name && s.section !== 'UND')!.value);
      const pointer = (table: string, i: number) => object.readPointer(address(table) + i * object.pointerSize);
      assert.equal(pointer('local_table', 0), address('local_function'));
      assert.equal(pointer('local_table', 1), address('local_function'));
      assert.equal(pointer('local_table', 2), address('implementation'));
      assert.equal(pointer('local_pointer', 0), address('counter'));
      assert.equal(pointer('global_table', 0), address('global_function'));
      assert.equal(pointer('global_table', 1), address('weak_function'));
      assert.equal(pointer('into_array', 0), address('empty_data') + 64);
      if (object.type === 'dyn' && rows.length > 0) {
        const found = object.relocationsTo(address('local_function'));
        for (const i of [0, 1]) assert.ok(found.includes(address('local_table') + i * object.pointerSize));
      }
    }
  });
});

describe('without section headers', () => {
  each([...goSamples, ...pointerSamples, ...fixtureSamples], (path) => {
    const whole = openObject(fileSource(path));
    const object = openObject(new BufferSource(withoutSectionHeaders(readFileSync(path))));
    assert.deepEqual(object.sections, []);
    assert.deepEqual(object.segments, whole.segments);
    assert.equal(object.debugOnly, false);
    // Only what is in a segment can still be found: all dynamic symbols that have a hash, and PT_NOTE's notes.
    assert.deepEqual(object.symbols(), whole.dynamicSymbols());
    const notes = whole.notes().map((n) => JSON.stringify([n.name, n.type, Buffer.from(n.desc).toString('hex')]));
    for (const n of object.notes()) {
      assert.ok(notes.includes(JSON.stringify([n.name, n.type, Buffer.from(n.desc).toString('hex')])));
    }
    for (const segment of whole.segments) {
      if (segment.fileSize < 8) continue;
      const bytes = whole.readAddress(segment.address, segment.fileSize);
      assert.ok(
        Buffer.compare(bytes.subarray(4096), object.readAddress(segment.address, segment.fileSize).subarray(4096)) ===
          0,
      );
    }
  });
});

test('names outside ASCII are UTF-8', { skip: needsTools('nm') || plugin.skip }, async () => {
  const path = await plugin.build();
  const rows = execFileSync('nm', ['--defined-only', path], { encoding: 'utf8', maxBuffer: 1 << 28 }).split('\n');
  const expected = rows.filter((row) => /[^ -~]/.test(row)).map((row) => `${parseInt(row, 16)}${row.slice(18)}`);
  const object = openObject(fileSource(path));
  const found = object.symbols().filter((s) => /[^ -~]/.test(s.name));
  assert.notEqual(found.length, 0);
  assert.deepEqual(found.map((s) => `${s.address} ${s.name}`).sort(), expected.sort());
});

describe('compressed sections inflate as readelf inflates them', () => {
  each(compressedSamples, async (path) => {
    const object = openObject(fileSource(path));
    if (needsZstd(object)) await prepareZstd();
    const compressed = object.sections.filter((section) => section.compression !== 'none');
    assert.notEqual(compressed.length, 0);
    for (const section of compressed) {
      const data = object.sectionData(section);
      assert.equal(Buffer.compare(data, readelfBytes(path, section.index)), 0, section.name);
      assert.equal(object.sectionData(section), data, 'what is held is not inflated again');
    }
  });
});

describe('debug-only files', () => {
  each(otherSamples, (path) => {
    const object = openObject(fileSource(path));
    assert.equal(
      object.debugOnly,
      path.includes('keep-debug') || readelfSections(path).every((s) => s.name !== '.text' || s.type === 'NOBITS'),
    );
    if (!object.debugOnly) return;
    assert.throws(() => object.sectionData(object.section('.text')!), { code: 'format' });
    assert.notEqual(object.sectionData(object.section('.debug_info')!).length, 0);
    assert.deepEqual(object.relocationsTo(0), []);
  });
});
