import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { BufferSource, type ByteSource } from '../../src/bytes/source.ts';
import { FormatError, LimitError, UnsupportedError } from '../../src/errors.ts';
import { MAX_BYTES_IN_MEMORY } from '../../src/gosym/paged-bytes.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { pclntabSha256 } from '../../src/gosym/table-hash.ts';
import { openObject } from '../../src/object/open.ts';
import { random } from './boundaries.ts';
import { FUNCTION_BYTES, syntheticProgram } from './synthetic.ts';

const FUNCTIONS = 450_000;
const program = syntheticProgram(FUNCTIONS);

function counting(bytes: Uint8Array): ByteSource & { bytesRead: number; largest: number } {
  const source = new BufferSource(bytes);
  return {
    size: source.size,
    bytesRead: 0,
    largest: 0,
    read(offset, length) {
      this.bytesRead += length;
      this.largest = Math.max(this.largest, length);
      return source.read(offset, length);
    },
  };
}

function check(symbols: GoSymbols, i: number): void {
  const { names, text } = program;
  const start = text + i * FUNCTION_BYTES;
  const itself = { function: names(i), file: 'huge.go', line: i + 1, startLine: i };
  const inlined = { function: 'inlined', file: 'huge.go', line: 7, startLine: 5 };
  assert.deepEqual(symbols.frames(start), [itself]);
  assert.deepEqual(symbols.frames(start + 40), i % 10 === 9 ? [inlined] : [inlined, itself]);
  assert.deepEqual(symbols.frames(start + 55), [itself]);
  assert.equal(symbols.frames(start + 56), null);
}

test('a table of 60 MB costs what its touched windows cost', () => {
  assert.ok(program.tableLength > MAX_BYTES_IN_MEMORY * 1.5, `${program.tableLength}`);
  const source = counting(program.bytes);
  const object = openObject(source);
  const symbols = GoSymbols.open(object);
  assert.ok(symbols);
  assert.equal(symbols.functionCount, FUNCTIONS);
  // Without section headers, opening is a search; it stops at the table, and reads on for moduledata in pieces.
  assert.ok(source.largest <= 2 << 20, `one read of ${source.largest} bytes`);

  source.bytesRead = 0;
  const next = random(3);
  for (let k = 0; k < 1000; k++) check(symbols, next(FUNCTIONS));
  assert.ok(source.bytesRead < 24 << 20, `${source.bytesRead} bytes for 1,000 functions`);
  assert.ok(source.largest <= 2 << 20);

  // A hundred thousand more: memory stays bounded, whatever is asked.
  for (let k = 0; k < 100_000; k++) check(symbols, next(FUNCTIONS));
  assert.ok(symbols.heldBytes < 100 << 20, `${symbols.heldBytes} bytes held`);
  for (const i of [0, 1, FUNCTIONS >> 1, FUNCTIONS - 1]) check(symbols, i);
  symbols.release();
  assert.equal(symbols.table.heldBytes, 0);
  assert.ok(symbols.heldBytes < 1 << 20, `${symbols.heldBytes} bytes held`);
  for (const i of [FUNCTIONS - 1, 0, 1, FUNCTIONS >> 1]) check(symbols, i);
});

test('its hash is taken in pieces and is that of the bytes', () => {
  const source = counting(program.bytes);
  const symbols = GoSymbols.open(openObject(source));
  assert.ok(symbols);
  const { header, tableFileOffset } = symbols;
  const table = program.bytes.subarray(tableFileOffset);
  const recordEnd = header.pcln + 8 * FUNCTIONS + 8 + 72 * FUNCTIONS;
  const expected = createHash('sha256')
    .update(table.subarray(0, 24))
    .update(table.subarray(header.funcname, recordEnd))
    .digest('hex');
  assert.equal(pclntabSha256(symbols), expected);
  assert.ok(source.largest <= 2 << 20);
});

test('the same small table read whole and in windows', () => {
  const { bytes } = syntheticProgram(3000);
  const whole = GoSymbols.open(openObject(new BufferSource(bytes)));
  const paged = GoSymbols.open(openObject(new BufferSource(bytes)), 0);
  assert.ok(whole && paged);
  for (let i = 0; i < 3000; i++) {
    check(whole, i);
    check(paged, i);
  }
});

test('a function that would take forever to decode is refused', () => {
  // A stream without end: pairs that advance nothing, over the whole table.
  const { bytes } = syntheticProgram(60_000);
  const hostile = Buffer.from(bytes);
  const symbols = GoSymbols.open(openObject(new BufferSource(hostile)));
  assert.ok(symbols);
  const { header, tableFileOffset } = symbols;
  for (let at = header.pctab + 40; at + 2 <= header.pcln; at += 2) {
    hostile[tableFileOffset + at] = 2;
    hostile[tableFileOffset + at + 1] = 0;
  }
  const start = performance.now();
  const again = GoSymbols.open(openObject(new BufferSource(hostile)));
  assert.ok(again);
  for (let i = 100; i < 150; i++) {
    assert.throws(() => again.frames(again.functionStart(i)), FormatError);
  }
  assert.ok(performance.now() - start < 5000);
  assert.ok(again.heldBytes < 40 << 20, `${again.heldBytes}`);
});

test('a file full of tables, or mapped again and again, is refused in time', () => {
  const { bytes } = syntheticProgram(100);
  const table = 0x1000;
  const header = bytes.subarray(table, table + 0x48);
  const many = Buffer.concat([bytes.subarray(0, table), ...Array<Buffer>(200_000).fill(header), bytes.subarray(table)]);
  // The first segment holds all of it; what follows each header is no table's.
  many.writeBigUInt64LE(BigInt(many.length - table), 0x40 + 32);
  many.writeBigUInt64LE(BigInt(many.length - table), 0x40 + 40);
  const start = performance.now();
  assert.throws(
    () => GoSymbols.open(openObject(new BufferSource(many))),
    (error: unknown) => error instanceof LimitError || error instanceof UnsupportedError,
  );

  const segments = 5000;
  const again = Buffer.concat([bytes.subarray(0, 0x40), Buffer.alloc(56 * segments), Buffer.alloc(1 << 20)]);
  for (let i = 0; i < segments; i++) {
    const at = 0x40 + 56 * i;
    bytes.copy(again, at, 0x40, 0x40 + 56);
    again.writeBigUInt64LE(0n, at + 8);
    again.writeBigUInt64LE(BigInt(0x400000 + i * (2 << 20)), at + 16);
    again.writeBigUInt64LE(BigInt(again.length), at + 32);
    again.writeBigUInt64LE(BigInt(again.length), at + 40);
  }
  again.writeUInt16LE(segments, 0x38);
  assert.throws(() => GoSymbols.open(openObject(new BufferSource(again))), LimitError);
  assert.ok(performance.now() - start < 5000);
});
