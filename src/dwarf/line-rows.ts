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
import type { AddressSpace } from '../object/address.ts';
import type { CodeRanges } from './code-ranges.ts';
import * as dw from './constants.ts';
import { readAddress } from './die.ts';
import { type LineHeader, inlineString, restOfFile } from './line-header.ts';

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
    return this.#rowIn(sequence, address);
  }

  #rowIn(sequence: number, address: number): number {
    const first = this.#firstRows[sequence];
    const row = lastAtOrBelow(this.#offsets, address - this.#starts[sequence], first, this.#lastRows[sequence] + 1);
    return row < first ? -1 : row;
  }

  /** Where the last `seek` was. */
  #sequence = -1;
  #row = -1;
  /** The first address above that of the last `seek` where the answer may be another; Infinity above the last. */
  end = Infinity;

  /** As `find`, and `end` then is as `changesAfter`: both at once, and with little search where addresses follow each other. */
  seek(address: number): number {
    const starts = this.#starts;
    const offsets = this.#offsets;
    let sequence = this.#sequence;
    if (sequence < 0 || address < starts[sequence] || address >= this.#startAfter(sequence)) {
      sequence = lastAtOrBelow(starts, address);
      this.#sequence = sequence;
      this.#row = -1;
    }
    const next = this.#startAfter(sequence);
    if (sequence < 0 || address >= this.#ends[sequence]) {
      this.end = next;
      return -1;
    }
    const offset = address - starts[sequence];
    const last = this.#lastRows[sequence];
    let row = this.#row;
    if (row < 0 || offsets[row] > offset || (row < last && offsets[row + 1] <= offset)) {
      // The next one, mostly.
      if (row >= 0 && row < last && offsets[row + 1] <= offset && (row + 1 === last || offsets[row + 2] > offset))
        row++;
      else row = this.#rowIn(sequence, address);
      this.#row = row;
    }
    const following = row < 0 ? this.#firstRows[sequence] : row + 1;
    const end = row === last ? this.#ends[sequence] : starts[sequence] + offsets[following];
    this.end = Math.min(end, next);
    return row;
  }

  #startAfter(sequence: number): number {
    return sequence + 1 < this.#starts.length ? this.#starts[sequence + 1] : Infinity;
  }

  /** The first address above this one where `find` may say something else; Infinity above the last. */
  changesAfter(address: number): number {
    const sequence = lastAtOrBelow(this.#starts, address);
    const next = sequence + 1 < this.#starts.length ? this.#starts[sequence + 1] : Infinity;
    if (sequence < 0 || address >= this.#ends[sequence]) return next;
    const row = this.#rowIn(sequence, address);
    const isLast = row === this.#lastRows[sequence];
    const following = row < 0 ? this.#firstRows[sequence] : row + 1;
    const end = isLast ? this.#ends[sequence] : this.#starts[sequence] + this.#offsets[following];
    return Math.min(end, next);
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

  clear(): void {
    this.length = 0;
    this.sequenceStarts = [];
    this.sequenceEnds = [];
    this.firstRows = [];
    this.lastRows = [];
  }

  /** Ends a sequence of the rows [first, length). */
  addSequence(start: number, end: number, first: number, length: number): void {
    this.sequenceStarts.push(start);
    this.sequenceEnds.push(end);
    this.firstRows.push(first);
    this.lastRows.push(length - 1);
  }

  /** Addresses only ever grow in a sequence, says the standard; some assemblers disagree. */
  sort(first: number, end: number): void {
    const order = ascendingOrder(Float64Array.from(this.offsets.subarray(first, end)));
    for (const column of [this.offsets, this.files, this.lines, this.columns]) {
      const old = column.slice(first, end);
      for (let i = 0; i < order.length; i++) column[first + i] = old[order[i]];
    }
  }

  grow(): void {
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
  building.clear();
  let { offsets, files, lines, columns } = building;
  let length = 0;
  /** First row of the sequence under way, its address, and what is wrong with it. */
  let first = 0;
  let start = 0;
  let sorted = true;
  let dead = false;
  // The state machine; everything in locals, without closures: this loop is most of what a first lookup costs.
  let address = 0;
  let operation = 0;
  let file = 1;
  let line = 1;
  let column = 0;
  let p = header.programStart;
  while (p < end) {
    const opcode = bytes[p++];
    let operations: number;
    if (opcode >= opcodeBase) {
      operations = operationSteps[opcode];
      line += lineSteps[opcode];
    } else {
      operations = 0;
      switch (opcode) {
        case dw.DW_LNS_copy:
          break;
        case dw.DW_LNS_set_column:
        case dw.DW_LNS_set_file:
        case dw.DW_LNS_advance_pc: {
          let byte = bytes[p++];
          let value = byte & 0x7f;
          for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
            byte = bytes[p++];
            value += (byte & 0x7f) * scale;
          }
          if (opcode === dw.DW_LNS_set_column) column = value > MAX_COLUMN ? 0 : value;
          else if (opcode === dw.DW_LNS_set_file) file = value;
          else if (maxOperations === 1) address += value * minInstructionLength;
          else {
            address += minInstructionLength * Math.floor((operation + value) / maxOperations);
            operation = (operation + value) % maxOperations;
          }
          continue;
        }
        case dw.DW_LNS_advance_line: {
          let byte = bytes[p++];
          let value = byte & 0x7f;
          let bits = 7;
          for (; byte >= 0x80; bits += 7) {
            byte = bytes[p++];
            if (bits < 32) value |= (byte & 0x7f) << bits;
          }
          line += bits < 32 ? (value << (32 - bits)) >> (32 - bits) : value;
          continue;
        }
        case dw.DW_LNS_const_add_pc:
          if (maxOperations === 1) address += operationSteps[255] * minInstructionLength;
          else {
            address += minInstructionLength * Math.floor((operation + operationSteps[255]) / maxOperations);
            operation = (operation + operationSteps[255]) % maxOperations;
          }
          continue;
        case dw.DW_LNS_fixed_advance_pc:
          address += cursor.seek(Math.min(p, end)).u16();
          operation = 0;
          p += 2;
          continue;
        case 0: {
          cursor.seek(Math.min(p, end));
          const size = cursor.uleb();
          p = cursor.offset + size;
          if (p > end) throw cursor.error(`extended opcode of ${size} bytes`);
          const extended = size === 0 ? 0 : cursor.u8();
          if (extended === dw.DW_LNE_end_sequence) {
            const bytesOfCode = address - start;
            const alive = !dead && bytesOfCode > 0 && bytesOfCode <= 0xffffffff && code.has(start);
            if (length > first && alive) {
              if (!sorted) building.sort(first, length);
              building.addSequence(start, address, first, length);
              first = length;
            } else length = first;
            sorted = true;
            dead = false;
            address = 0;
            operation = 0;
            file = 1;
            line = 1;
            column = 0;
          } else if (extended === dw.DW_LNE_set_address) {
            if (size !== 9 && size !== 5 && size !== 3 && size !== 2)
              throw cursor.error(`address of ${size - 1} bytes`);
            address = readAddress(cursor, size - 1, space);
            operation = 0;
            if (address < 0) dead = true; // of code left out, up to the end of the sequence
          } else if (extended === dw.DW_LNE_define_file) {
            const path = inlineString(cursor);
            if (path !== null && header.version < 5) header.files.push(restOfFile(cursor, path));
          }
          continue;
        }
        default:
          for (let n = opcodeLengths[opcode]; n > 0; n--) while (bytes[p++] >= 0x80);
          continue;
      }
    }
    if (maxOperations === 1) address += operations * minInstructionLength;
    else {
      address += minInstructionLength * Math.floor((operation + operations) / maxOperations);
      operation = (operation + operations) % maxOperations;
    }
    // A row.
    let i = length;
    if (i === first) start = address;
    else {
      const offset = address - start;
      const last = offsets[i - 1];
      if (offset === last) i--;
      else if (offset < last) {
        sorted = false;
        if (offset < 0) dead = true;
      }
      if (i > first && lines[i - 1] === line && files[i - 1] === file && columns[i - 1] === column) {
        length = i;
        continue;
      }
    }
    if (i === offsets.length) {
      building.grow();
      ({ offsets, files, lines, columns } = building);
    }
    offsets[i] = address - start;
    files[i] = file;
    lines[i] = line;
    columns[i] = column;
    length = i + 1;
  }
  if (p > end) throw new FormatError(cursor.section, cursor.base + end, 'line program ends inside an instruction');
  building.length = first;
  return new LineRows(building);
}
