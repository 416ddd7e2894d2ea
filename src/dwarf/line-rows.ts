/**
 * Running a line number program (DWARF 5, 6.2.5): a byte code that makes a table "from this address on, it is that file,
 * line and column", in sequences, each a stretch of code with an end of its own.
 *
 *     0             extended: uleb length, opcode, operands (end_sequence, set_address, ...)
 *     1 to 12       standard: copy, advance_pc, advance_line, set_file, set_column, ...
 *     opcode_base.. special: adjusted = opcode - opcode_base; address += adjusted / line_range;
 *                   line += line_base + adjusted % line_range; then a row
 *
 * Example, opcode_base 13, line_base -5, line_range 14: 4b is 62: address += 4, line += 1, row.
 *
 * Only what can be seen from an address is kept: of rows at one address the last, and rows that say something new.
 */
import type { Cursor } from '../bytes/cursor.ts';
import { ascendingOrder } from '../bytes/order.ts';
import { lastAtOrBelow } from '../bytes/search.ts';
import { FormatError } from '../errors.ts';
import type { AddressSpace } from '../object/elf-address.ts';
import type { CodeRanges } from './code-ranges.ts';
import * as dw from './constants.ts';
import { readAddress } from './die.ts';
import { type FileEntry, type LineHeader, inlineString, restOfFile } from './line-header.ts';

/** Columns are kept in 16 bits; what lies beyond (generated code in one line) is unknown. */
const MAX_COLUMN = 0xffff;

/** The rows of one unit, in flat columns. */
export class LineRows {
  /** File addresses of the sequences, ascending. */
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  /** Number of the first row of each sequence, and one more: the number of rows. */
  readonly #firstRows: Uint32Array;
  /** Of the last row of each sequence. */
  readonly #lastRows: Uint32Array;
  /** Bytes from the start of the row's sequence, ascending in it. */
  readonly #offsets: Uint32Array;
  readonly files: Uint32Array;
  readonly lines: Uint32Array;
  readonly columns: Uint16Array;

  constructor(building: RowBuilder) {
    const order = ascendingOrder(Float64Array.from(building.sequenceStarts));
    this.#starts = Float64Array.from(order, (i) => building.sequenceStarts[i]);
    this.#ends = Float64Array.from(order, (i) => building.sequenceEnds[i]);
    this.#firstRows = Uint32Array.from(order, (i) => building.firstRows[i]);
    this.#lastRows = Uint32Array.from(order, (i) => building.lastRows[i]);
    this.#offsets = building.offsets.slice(0, building.length);
    this.files = building.files.slice(0, building.length);
    this.lines = building.lines.slice(0, building.length);
    this.columns = building.columns.slice(0, building.length);
  }

  get byteLength(): number {
    return 14 * this.lines.length + 24 * this.#starts.length;
  }

  /** Number of the row that speaks for a file address, or -1. */
  find(address: number): number {
    const sequence = lastAtOrBelow(this.#starts, address);
    if (sequence < 0 || address >= this.#ends[sequence]) return -1;
    const offset = address - this.#starts[sequence];
    const first = this.#firstRows[sequence];
    const row = lastAtOrBelow(this.#offsets, offset, first, this.#lastRows[sequence] + 1);
    return row < first ? -1 : row;
  }
}

/** Rows as they come, in buffers that are used again and again. */
class RowBuilder {
  length = 0;
  offsets = new Uint32Array(1 << 12);
  files = new Uint32Array(1 << 12);
  lines = new Uint32Array(1 << 12);
  columns = new Uint16Array(1 << 12);
  sequenceStarts: number[] = [];
  sequenceEnds: number[] = [];
  firstRows: number[] = [];
  lastRows: number[] = [];
  /** First row of the sequence under way. */
  first = 0;
  start = -1;
  sorted = true;
  reachesBack = false;

  clear(): void {
    this.length = 0;
    this.sequenceStarts = [];
    this.sequenceEnds = [];
    this.firstRows = [];
    this.lastRows = [];
    this.first = 0;
    this.start = -1;
    this.sorted = true;
    this.reachesBack = false;
  }

  add(address: number, file: number, line: number, column: number): void {
    let i = this.length;
    if (i === this.first) this.start = address;
    else {
      const offset = address - this.start;
      const last = this.offsets[i - 1];
      if (offset === last) i--;
      else if (offset < last) this.sorted = false;
      if (offset < 0) this.reachesBack = true;
      if (
        i > this.first &&
        this.files[i - 1] === file &&
        this.lines[i - 1] === line &&
        this.columns[i - 1] === column
      ) {
        this.length = i;
        return;
      }
    }
    if (i === this.offsets.length) this.#grow();
    this.offsets[i] = address - this.start;
    this.files[i] = file;
    this.lines[i] = line;
    this.columns[i] = column;
    this.length = i + 1;
  }

  /** Ends the sequence at `address`; it is dropped when it is not one of code in the file. */
  endSequence(address: number, code: CodeRanges): void {
    const { first, start, length } = this;
    const size = address - start;
    if (!(length > first && size > 0 && size <= 0xffffffff && code.has(start)) || this.reachesBack) this.length = first;
    else {
      if (!this.sorted) this.#sort(first, length);
      this.sequenceStarts.push(start);
      this.sequenceEnds.push(address);
      this.firstRows.push(first);
      this.lastRows.push(length - 1);
    }
    this.first = this.length;
    this.start = -1;
    this.sorted = true;
    this.reachesBack = false;
  }

  /** Addresses only ever grow in a sequence, says the standard; some assemblers disagree. */
  #sort(first: number, end: number): void {
    const order = ascendingOrder(Float64Array.from(this.offsets.subarray(first, end)));
    for (const column of [this.offsets, this.files, this.lines, this.columns]) {
      const old = column.slice(first, end);
      for (let i = 0; i < order.length; i++) column[first + i] = old[order[i]];
    }
  }

  #grow(): void {
    const length = this.offsets.length * 2;
    const grown = <T extends Uint32Array | Uint16Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.offsets = grown(this.offsets, new Uint32Array(length));
    this.files = grown(this.files, new Uint32Array(length));
    this.lines = grown(this.lines, new Uint32Array(length));
    this.columns = grown(this.columns, new Uint16Array(length));
  }
}

const building = new RowBuilder();

/** Runs the program under `header`, which the cursor's bytes hold whole. Files that it defines are added to the header's. */
export function runLineProgram(cursor: Cursor, header: LineHeader, code: CodeRanges, space: AddressSpace): LineRows {
  const { bytes } = cursor;
  const { opcodeBase, minInstructionLength, maxOperations, opcodeLengths, programEnd: end } = header;
  const lineSteps = new Int32Array(256);
  const operationSteps = new Int32Array(256);
  for (let opcode = opcodeBase; opcode < 256; opcode++) {
    lineSteps[opcode] = header.lineBase + ((opcode - opcodeBase) % header.lineRange);
    operationSteps[opcode] = Math.floor((opcode - opcodeBase) / header.lineRange);
  }
  const rows = building;
  rows.clear();
  let address = 0;
  let operation = 0;
  let file = 1;
  let line = 1;
  let column = 0;
  /** False after an address that is none: what follows, up to the end of the sequence, is of code left out. */
  let alive = true;
  let p = header.programStart;

  const advance = (operations: number): void => {
    if (maxOperations === 1) address += operations * minInstructionLength;
    else {
      const sum = operation + operations;
      address += minInstructionLength * Math.floor(sum / maxOperations);
      operation = sum % maxOperations;
    }
  };
  const uleb = (): number => {
    let byte = bytes[p++];
    if (byte < 0x80) return byte;
    let result = byte & 0x7f;
    let scale = 0x80;
    do {
      byte = bytes[p++];
      result += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80);
    return result;
  };

  while (p < end) {
    const opcode = bytes[p++];
    if (opcode >= opcodeBase) {
      if (maxOperations === 1) address += operationSteps[opcode] * minInstructionLength;
      else advance(operationSteps[opcode]);
      line += lineSteps[opcode];
      if (alive) rows.add(address, file, line, column);
      continue;
    }
    switch (opcode) {
      case 0: {
        const length = uleb();
        const next = p + length;
        if (!(next <= end)) throw new FormatError(cursor.section, cursor.base + p, `extended opcode of ${length} bytes`);
        if (length === 0) break; // padding
        const extended = bytes[p++];
        if (extended === dw.DW_LNE_end_sequence) {
          rows.endSequence(address, code);
          address = 0;
          operation = 0;
          file = 1;
          line = 1;
          column = 0;
          alive = true;
        } else if (extended === dw.DW_LNE_set_address) {
          const size = length - 1;
          if (size !== 8 && size !== 4 && size !== 2 && size !== 1) {
            throw new FormatError(cursor.section, cursor.base + p, `address of ${size} bytes`);
          }
          cursor.offset = p;
          address = readAddress(cursor, size, space);
          operation = 0;
          if (address < 0) alive = false;
        } else if (extended === dw.DW_LNE_define_file) {
          cursor.offset = p;
          const path = inlineString(cursor);
          if (path !== null) defineFile(header, restOfFile(cursor, path));
        }
        p = next;
        break;
      }
      case dw.DW_LNS_copy:
        if (alive) rows.add(address, file, line, column);
        break;
      case dw.DW_LNS_advance_pc:
        advance(uleb());
        break;
      case dw.DW_LNS_advance_line: {
        let byte = bytes[p++];
        let value = byte & 0x7f;
        let bits = 7;
        for (; byte >= 0x80; bits += 7) {
          byte = bytes[p++];
          if (bits < 32) value |= (byte & 0x7f) << bits;
        }
        line += bits < 32 ? (value << (32 - bits)) >> (32 - bits) : value;
        break;
      }
      case dw.DW_LNS_set_file:
        file = uleb();
        break;
      case dw.DW_LNS_set_column:
        column = uleb();
        if (column > MAX_COLUMN) column = 0;
        break;
      case dw.DW_LNS_const_add_pc:
        advance(operationSteps[255]);
        break;
      case dw.DW_LNS_fixed_advance_pc:
        cursor.offset = Math.min(p, end);
        address += cursor.u16();
        operation = 0;
        p += 2;
        break;
      default:
        for (let n = opcodeLengths[opcode]; n > 0; n--) {
          while (bytes[p++] >= 0x80);
        }
    }
  }
  if (p > end) throw new FormatError(cursor.section, cursor.base + end, 'line program ends inside an instruction');
  return new LineRows(rows);
}

function defineFile(header: LineHeader, file: FileEntry): void {
  if (header.version < 5) header.files.push(file);
}
