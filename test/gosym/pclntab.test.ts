import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import type { ByteSource } from '../../src/bytes/source.ts';
import { BufferSource } from '../../src/bytes/source.ts';
import { FormatError, UnsupportedError } from '../../src/errors.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { pclntabSha256 } from '../../src/gosym/table-hash.ts';
import { openObject } from '../../src/object/open.ts';
import { boundaries, random } from './boundaries.ts';
import { ELF_BINARIES, fixture, fixtureAnswers, fixtureBytes, objectOf } from './fixtures.ts';

const NEWEST = 'tiny-go1.26-linux-amd64';
const PIE = 'tiny-go1.24-linux-amd64-pie';

function open(bytes: Uint8Array): GoSymbols {
  const symbols = GoSymbols.open(objectOf(bytes));
  assert.ok(symbols);
  return symbols;
}

for (const [binary, answers] of ELF_BINARIES) {
  if (answers === null) continue;
  test(`answers as known: ${binary}`, () => {
    const symbols = open(fixtureBytes(binary));
    // Up to Go 1.20 the answers keep an outermost frame that is a wrapper; stacks, and so profiles, do not have it.
    const keepsWrappers = /go1\.(1\d|20)-/.test(binary);
    let wrappers = 0;
    const all = fixtureAnswers(answers);
    for (const { address, frames } of all) {
      const found = symbols.frames(address);
      if (keepsWrappers && found?.length === frames.length - 1) {
        assert.deepEqual(found, frames.slice(0, -1));
        wrappers++;
      } else assert.deepEqual(found, frames, `at 0x${address.toString(16)}`);
    }
    assert.ok(all.length > 1000 && wrappers < all.length / 50, `${wrappers} of ${all.length}`);
  });
}

test('a position independent file answers the same with its relocated words zeroed', () => {
  const applied = open(fixtureBytes(PIE));
  const zeroed = open(fixtureBytes(`${PIE}-zeroed-relocs`));
  assert.notDeepEqual(fixtureBytes(PIE), fixtureBytes(`${PIE}-zeroed-relocs`));
  const inlined = sameAnswers(applied, zeroed);
  assert.ok(inlined > 1000, `${inlined} addresses in inlined code`);
  // The PIE is the same program as the plain one: the same functions, at other addresses.
  const names = namesOf(applied);
  const plain = new Set(namesOf(open(fixtureBytes('tiny-go1.24-linux-amd64'))));
  assert.ok(names.filter((name) => plain.has(name)).length > names.length * 0.99);
});

test('stripped and unstripped builds answer the same and share the hash of the table', () => {
  const stripped = open(fixtureBytes(NEWEST));
  const whole = open(fixtureBytes(`${NEWEST}.unstripped`));
  sameAnswers(stripped, whole);
  assert.equal(pclntabSha256(stripped), pclntabSha256(whole));
  const hashes = ELF_BINARIES.map(([name]) => pclntabSha256(open(fixtureBytes(name))));
  assert.equal(new Set(hashes).size, 5, 'other programs have other hashes');
});

test('a table read in small windows answers the same', () => {
  for (const [binary] of ELF_BINARIES) {
    const whole = open(fixtureBytes(binary));
    let bytesRead = 0;
    const source = new BufferSource(fixtureBytes(binary));
    const counting: ByteSource = {
      size: source.size,
      read(offset, length) {
        bytesRead += length;
        return source.read(offset, length);
      },
    };
    const paged = GoSymbols.open(openObject(counting), 64 << 10);
    assert.ok(paged);
    sameAnswers(whole, paged);
    assert.equal(pclntabSha256(paged), pclntabSha256(whole));
    // A lookup touches a few windows, not the table. (Not so the one that finds out which functions are wrappers.)
    const fresh = GoSymbols.open(openObject(counting), 64 << 10);
    const costs = Array.from({ length: 9 }, (_, i) => {
      bytesRead = 0;
      fresh?.frames(whole.functionStart((i * 100) % whole.functionCount));
      return bytesRead;
    });
    const usual = costs.sort((a, b) => a - b)[4];
    assert.ok(usual > 0 && usual <= 80 << 10, `${usual} bytes for a lookup in a table of ${whole.table.length}`);
  }
});

test('found without section headers, and with garbage for section names', () => {
  for (const [binary] of ELF_BINARIES) {
    const symbols = open(fixtureBytes(binary));
    const bare = open(withoutSections(fixtureBytes(binary)));
    assert.equal(bare.tableAddress, symbols.tableAddress);
    sameAnswers(symbols, bare);
    const garbled = open(withGarbageNames(fixtureBytes(binary)));
    assert.equal(garbled.tableAddress, symbols.tableAddress);
    sameAnswers(symbols, garbled);
    assert.equal(pclntabSha256(garbled), pclntabSha256(symbols));
  }
});

test('the function table covers [minPc, maxPc) and its functions fill it without gaps', () => {
  for (const [binary] of ELF_BINARIES) {
    const symbols = open(fixtureBytes(binary));
    assert.equal(symbols.functionStart(0), symbols.minPc);
    assert.equal(symbols.functionEnd(symbols.functionCount - 1), symbols.maxPc);
    for (let i = 0; i < symbols.functionCount; i++) {
      const [start, end] = [symbols.functionStart(i), symbols.functionEnd(i)];
      assert.ok(start < end);
      if (i > 0) assert.equal(start, symbols.functionEnd(i - 1));
      assert.equal(symbols.findFunction(start), i);
      assert.equal(symbols.findFunction(end - 1), i);
      assert.ok(symbols.functionName(i).length > 0);
    }
    for (const outside of [symbols.minPc - 1, symbols.maxPc, 0, -1, NaN, Infinity, 2 ** 53, 1.5 * symbols.maxPc]) {
      assert.equal(symbols.covers(outside), false);
      assert.equal(symbols.findFunction(outside), -1);
      assert.equal(symbols.frames(outside), null);
    }
    assert.throws(() => symbols.functionName(symbols.functionCount), RangeError);
    assert.throws(() => symbols.functionStart(-1), RangeError);
  }
});

test('answers do not depend on what was asked before', () => {
  const symbols = open(fixtureBytes(NEWEST));
  const addresses = boundaries(symbols, 3000, 3000);
  const inOrder = addresses.map((address) => symbols.frames(address));
  const next = random(7);
  const again = open(fixtureBytes(NEWEST));
  for (let i = 0; i < 20_000; i++) {
    const k = next(addresses.length);
    assert.deepEqual(again.frames(addresses[k]), inOrder[k]);
  }
});

test('the name at offset 0 is a name', () => {
  const symbols = open(fixtureBytes(NEWEST));
  const first = symbols.table.cstring(symbols.header.funcname, symbols.header.cu);
  const i = namesOf(symbols).indexOf(first);
  assert.ok(i >= 0, first);
  assert.equal(symbols.frames(symbols.functionStart(i))?.at(-1)?.function, first);
});

test('several text sections: offsets continue where the addresses jump', () => {
  // The linker splits only text of more than 32 MB, on some platforms: here the map of a small program is rewritten.
  const plain = open(fixtureBytes('tiny-go1.24-linux-amd64'));
  const split = plain.functionStart(plain.functionCount >> 1) - plain.textStart;
  const gap = 0x1000;
  const symbols = open(withTextSplitAt('tiny-go1.24-linux-amd64', split, gap));
  assert.equal(symbols.functionCount, plain.functionCount);
  for (const address of boundaries(plain, 4000, 1000)) {
    const moved = address - plain.textStart < split ? address : address + gap;
    assert.deepEqual(symbols.frames(moved), plain.frames(address), address.toString(16));
  }
  for (let hole = 0; hole < gap; hole += 16) {
    const address = plain.textStart + split + hole;
    assert.equal(symbols.covers(address), false);
    assert.equal(symbols.frames(address), null);
  }
});

test('an inline tree entry that names itself ends there', () => {
  const bytes = Buffer.from(fixtureBytes('tiny-go1.24-linux-amd64'));
  const symbols = open(bytes);
  const { header, module, table } = symbols;
  const object = objectOf(bytes);
  // Of the first function with inlined code at an offset above 0: its tree's entry there is made its own call site.
  for (let i = 0; i < symbols.functionCount; i++) {
    const start = symbols.functionStart(i);
    const inlined = [...Array(symbols.functionEnd(i) - start).keys()].find(
      (offset) => (symbols.frames(start + offset)?.length ?? 0) > 1,
    );
    if (inlined === undefined) continue;
    const record = symbols.recordOffset(i);
    const pcdataCount = table.u32(record + header.fieldSize + 24);
    const tree =
      module.gofunc + table.u32(record + header.fieldSize + 40 + 4 * (pcdataCount + header.layout.inlineTree));
    for (let entry = 0; entry < 8; entry++) {
      const at = object.fileOffsetOf(tree + 16 * entry + 8, 4);
      bytes.writeInt32LE(inlined, at);
      const frames = open(bytes).frames(start + inlined);
      assert.ok(frames !== null && frames.length >= 1 && frames.length <= 9);
      assert.equal(frames.at(-1)?.function, symbols.functionName(i));
    }
    return;
  }
  assert.fail('no inlined code');
});

test('an altered or unknown magic is said, never guessed', () => {
  for (const [binary] of ELF_BINARIES) {
    const bytes = Buffer.from(fixtureBytes(binary));
    const { tableFileOffset, header } = open(bytes);
    bytes.writeUInt32LE(0xfffffff2, tableFileOffset);
    const release = /go(1\.\d+)/.exec(binary)?.[1] ?? '';
    assert.throws(
      () => GoSymbols.open(objectOf(bytes)),
      (error: unknown) => error instanceof UnsupportedError && error.message.includes(`build info says go${release}`),
    );
    assert.throws(() => GoSymbols.open(objectOf(withoutSections(bytes))), UnsupportedError);
    // The magic of another header does not fit what follows it.
    const other = header.layout.absoluteEntries ? 0xfffffff1 : 0xfffffffa;
    bytes.writeUInt32LE(other, tableFileOffset);
    assert.throws(() => GoSymbols.open(objectOf(bytes)), FormatError);
  }
  const bytes = Buffer.from(fixtureBytes(NEWEST));
  bytes.writeUInt32LE(0x12345678, open(bytes).tableFileOffset);
  assert.throws(() => GoSymbols.open(objectOf(bytes)), /\.gopclntab begins with 7856341200000108/);
});

test('a file packed by UPX is told apart', () => {
  const bytes = Buffer.from(withoutSections(fixtureBytes(NEWEST)));
  const { tableFileOffset, header } = open(bytes);
  bytes.fill(0xcc, tableFileOffset, tableFileOffset + header.functab);
  bytes.write('UPX!', bytes.length - 36, 'latin1');
  assert.throws(() => GoSymbols.open(objectOf(bytes)), /UPX/);
});

test('no Go: null', () => {
  const bytes = Buffer.alloc(4096);
  fixtureBytes(NEWEST)
    .slice(0, 64 + 56)
    .forEach((byte, i) => (bytes[i] = byte));
  bytes.writeUInt16LE(1, 56); // one program header: the file's first page, without code
  bytes.writeUInt32LE(1, 64); // PT_LOAD
  bytes.writeBigUInt64LE(0n, 64 + 8);
  bytes.writeBigUInt64LE(4096n, 64 + 32);
  bytes.writeBigUInt64LE(4096n, 64 + 40);
  assert.equal(GoSymbols.open(objectOf(withoutSections(bytes))), null);
  if (process.platform === 'linux') {
    assert.equal(GoSymbols.open(openObject(new BufferSource(readFileSync(process.execPath)))), null);
  }
});

test('a file cut short is damaged, wherever it is cut', () => {
  for (const binary of ['tiny-go1.15-linux-amd64', NEWEST, PIE]) {
    const bytes = fixtureBytes(binary);
    const { tableFileOffset, table } = open(bytes);
    const inTable = tableFileOffset + (table.length >> 1);
    for (const cut of [tableFileOffset + 4, tableFileOffset + 100, inTable, tableFileOffset + table.length - 1]) {
      assert.throws(
        () => GoSymbols.open(objectOf(bytes.subarray(0, cut))),
        (error: unknown) => error instanceof FormatError || error instanceof UnsupportedError,
        `${binary} cut at ${cut}`,
      );
    }
  }
});

test('two records that contradict each other are damage, not a guess', () => {
  const bytes = Buffer.from(fixtureBytes(NEWEST));
  const symbols = open(bytes);
  const victim = symbols.functionCount >> 1;
  const other = symbols.recordOffset(victim + 1) - symbols.header.pcln;
  bytes.writeUInt32LE(other, symbols.tableFileOffset + symbols.header.functab + 8 * victim + 4);
  assert.throws(() => open(bytes).frames(symbols.functionStart(victim)), FormatError);
});

test('what is held in memory is bounded', () => {
  const symbols = GoSymbols.open(fixture(`${NEWEST}.unstripped`), 32 << 10);
  assert.ok(symbols);
  for (const address of boundaries(symbols, Infinity, 0)) symbols.frames(address);
  assert.ok(symbols.heldBytes < 12 << 20, `${symbols.heldBytes} bytes`);
});

/** Compares both at every boundary; returns how many addresses were in inlined code. */
function sameAnswers(one: GoSymbols, other: GoSymbols): number {
  assert.equal(one.version, other.version);
  assert.equal(one.functionCount, other.functionCount);
  let inlined = 0;
  for (const address of boundaries(one, 20_000, 2000)) {
    const frames = one.frames(address);
    assert.deepEqual(other.frames(address), frames);
    if (frames !== null && frames.length > 1) inlined++;
  }
  return inlined;
}

function namesOf(symbols: GoSymbols): string[] {
  return [...Array(symbols.functionCount).keys()].map((i) => symbols.functionName(i));
}

/** An ELF64 file as if section headers had been removed: e_shoff, e_shnum and e_shstrndx are 0. */
function withoutSections(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  copy.writeBigUInt64LE(0n, 0x28);
  copy.writeUInt16LE(0, 0x3c);
  copy.writeUInt16LE(0, 0x3e);
  return copy;
}

/** With every section named by a piece of another's name, as some versions of llvm-strip leave Go files. */
function withGarbageNames(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  const table = Number(copy.readBigUInt64LE(0x28));
  const count = copy.readUInt16LE(0x3c);
  const names = table + 64 * copy.readUInt16LE(0x3e);
  const size = Number(copy.readBigUInt64LE(names + 32));
  for (let i = 0; i < count; i++) {
    const at = table + 64 * i;
    copy.writeUInt32LE((copy.readUInt32LE(at) + 7) % size, at);
  }
  return copy;
}

/** A program whose text is said to be in two sections, the second `gap` bytes further up than it is. */
function withTextSplitAt(name: string, split: number, gap: number): Uint8Array {
  const bytes = Buffer.from(fixtureBytes(name));
  const symbols = open(bytes);
  const object = objectOf(bytes);
  const { address, text, textSections, maxPc } = symbols.module;
  // The map goes where the Go build ID was: mapped bytes nobody else reads. It is word 41 of the record in Go 1.20 to 1.25.
  const note = object.section('.note.go.buildid');
  assert.ok(note !== undefined && note.size >= 48);
  const map = [0, split, text, split, textSections[0].end, text + split + gap];
  const at = Math.ceil(note.address / 8) * 8;
  map.forEach((word, i) => bytes.writeBigUInt64LE(BigInt(word), object.fileOffsetOf(at + 8 * i, 8)));
  const slice = object.fileOffsetOf(address + 41 * 8, 24);
  [at, 2, 2].forEach((word, i) => bytes.writeBigUInt64LE(BigInt(word), slice + 8 * i));
  bytes.writeBigUInt64LE(BigInt(maxPc + gap), object.fileOffsetOf(address + 21 * 8, 8));
  return bytes;
}
