/**
 * Functions of a .gopclntab, decoded on demand into rows.
 *
 * A row is a range of addresses with one answer: line, file number and inline index, merged from the function's three pc-value
 * tables. Decoding costs about 10 ns a pair; most lookups fall into functions already decoded, so rows are kept, in one
 * typed array for all functions:
 *
 *     HEADER ints: row count, name offset, start line, funcID, compilation unit, inline tree (high, low), has a line table
 *     then per row: end (bytes from the entry, exclusive), line, file number, inline index; -1 where there is none
 *
 * When the array is full, everything is forgotten: what is in use comes back at once.
 */
import { FormatError } from '../errors.ts';
import { PCDATA_INL_TREE_INDEX, type PclntabHeader } from './layout.ts';
import type { PagedBytes } from './paged-bytes.ts';
import { PcValues } from './pc-values.ts';

const HEADER = 8;
const ROW = 4;
/** Ints kept: 16 MiB, the rows of some 20,000 functions of usual size. */
const MAX_KEPT = 4 << 20;
const FIRST_KEPT = 1 << 14;
/** The compilation unit of functions that have none (C code linked internally). */
const NO_UNIT = 0xffffffff;

/** What the rows of one function are read from; a position from `FunctionRows.load`. */
export class FunctionRows {
  readonly #table: PagedBytes;
  readonly #header: PclntabHeader;
  #kept = new Int32Array(FIRST_KEPT);
  #used = 0;
  readonly #positions = new Map<number, number>();
  readonly #lines = new PcValues();
  readonly #files = new PcValues();
  readonly #inlines = new PcValues();
  /** Says where a function's inline tree is: see `load`. */
  readonly #treeOf: (record: FunctionRecord) => number;

  /** `treeOf` gives a function's inline tree as an offset in whatever holds the trees; -1 none. */
  constructor(table: PagedBytes, header: PclntabHeader, treeOf: (record: FunctionRecord) => number) {
    this.#table = table;
    this.#header = header;
    this.#treeOf = treeOf;
  }

  get heldBytes(): number {
    return this.#kept.byteLength;
  }

  /**
   * Position of the rows of function number `index`, whose record is at `recordOffset` of the table and which has `size` bytes
   * of code. Valid until the next call. Throws FormatError and LimitError.
   */
  load(index: number, recordOffset: number, size: number): number {
    return this.#positions.get(index) ?? this.#decode(index, recordOffset, size);
  }

  nameOffset(position: number): number {
    return this.#kept[position + 1] >>> 0;
  }

  /** 0 when the release has none. */
  startLine(position: number): number {
    return this.#kept[position + 2];
  }

  funcId(position: number): number {
    return this.#kept[position + 3];
  }

  /** First entry of the unit in the cu table, -1 none. */
  unit(position: number): number {
    const unit = this.#kept[position + 4] >>> 0;
    return unit === NO_UNIT ? -1 : unit;
  }

  /** As `treeOf` said. */
  inlineTree(position: number): number {
    return this.#kept[position + 5] * 0x100000000 + (this.#kept[position + 6] >>> 0);
  }

  hasLines(position: number): boolean {
    return this.#kept[position + 7] === 1;
  }

  /** The row that holds `offset` (bytes from the entry, inside the function): an index for the accessors below. */
  rowAt(position: number, offset: number): number {
    const kept = this.#kept;
    let low = 0;
    let high = kept[position] - 1;
    const rows = position + HEADER;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (kept[rows + middle * ROW] <= offset) low = middle + 1;
      else high = middle;
    }
    return rows + low * ROW;
  }

  rowStart(position: number, row: number): number {
    return row === position + HEADER ? 0 : this.#kept[row - ROW];
  }

  rowEnd(row: number): number {
    return this.#kept[row];
  }

  line(row: number): number {
    return this.#kept[row + 1];
  }

  fileNumber(row: number): number {
    return this.#kept[row + 2];
  }

  inlineIndex(row: number): number {
    return this.#kept[row + 3];
  }

  #decode(index: number, recordOffset: number, size: number): number {
    if (!(size > 0 && size <= 0x7fffffff)) {
      throw new FormatError(this.#table.section, recordOffset, `a function of ${size} bytes`);
    }
    const record = readRecord(this.#table, this.#header, recordOffset);
    this.#values(this.#lines, record.pcln, size);
    this.#values(this.#files, record.pcfile, size);
    const tree = record.pcdataCount > PCDATA_INL_TREE_INDEX ? this.#treeOf(record) : -1;
    const inlineTable = tree < 0 ? 0 : this.#table.u32(record.pcdata + 4 * PCDATA_INL_TREE_INDEX);
    this.#values(this.#inlines, inlineTable, size);

    const most = this.#lines.count + this.#files.count + this.#inlines.count + 1;
    const position = this.#reserve(HEADER + most * ROW);
    const kept = this.#kept;
    const rows = this.#merge(kept, position + HEADER, size);
    kept[position] = rows;
    kept[position + 1] = record.name;
    kept[position + 2] = record.startLine;
    kept[position + 3] = record.funcId;
    kept[position + 4] = record.unit | 0;
    kept[position + 5] = Math.floor(tree / 0x100000000);
    kept[position + 6] = tree | 0;
    kept[position + 7] = record.pcln === 0 ? 0 : 1;
    this.#used = position + HEADER + rows * ROW;
    this.#positions.set(index, position);
    return position;
  }

  /** Offset 0 is "no table". */
  #values(into: PcValues, offset: number, size: number): void {
    into.clear();
    if (offset === 0) return;
    const { separateTables } = this.#header.layout;
    const start = separateTables ? this.#header.pctab : 0;
    const limit = separateTables ? this.#header.pcln : this.#table.length;
    into.decode(this.#table, start + offset, limit, this.#header.quantum, size);
  }

  /** Writes the rows at `at` and returns how many; the last one ends at `size`. */
  #merge(kept: Int32Array, at: number, size: number): number {
    const lines = this.#lines;
    const files = this.#files;
    const inlines = this.#inlines;
    let [l, f, t, rows, reached] = [0, 0, 0, 0, 0];
    while (reached < size) {
      // Ranges may be empty: the value that counts is that of the first range ending after `reached`.
      while (l < lines.count && lines.ends[l] <= reached) l++;
      while (f < files.count && files.ends[f] <= reached) f++;
      while (t < inlines.count && inlines.ends[t] <= reached) t++;
      let end = size;
      if (l < lines.count) end = Math.min(end, lines.ends[l]);
      if (f < files.count) end = Math.min(end, files.ends[f]);
      if (t < inlines.count) end = Math.min(end, inlines.ends[t]);
      kept[at] = end;
      kept[at + 1] = l < lines.count ? lines.values[l] : -1;
      kept[at + 2] = f < files.count ? files.values[f] : -1;
      kept[at + 3] = t < inlines.count ? inlines.values[t] : -1;
      at += ROW;
      rows++;
      reached = end;
    }
    return rows;
  }

  #reserve(ints: number): number {
    if (this.#used + ints <= this.#kept.length) return this.#used;
    let length = this.#kept.length;
    while (length < this.#used + ints && length < MAX_KEPT) length *= 2;
    if (this.#used + ints <= length) {
      const larger = new Int32Array(length);
      larger.set(this.#kept.subarray(0, this.#used));
      this.#kept = larger;
      return this.#used;
    }
    this.#positions.clear();
    this.#used = 0;
    // Back to the usual size after one function that needed more.
    if (length < ints || length > MAX_KEPT) this.#kept = new Int32Array(Math.max(ints, MAX_KEPT));
    else if (length !== this.#kept.length) this.#kept = new Int32Array(length);
    return 0;
  }
}

/** The fields of a function record that are of use here. */
export interface FunctionRecord {
  /** Of the record, from the header. */
  readonly offset: number;
  /** First field, as it is: an address up to Go 1.17, an offset from the text base after that; relocated in PIE. */
  readonly entry: number;
  readonly name: number;
  readonly pcfile: number;
  readonly pcln: number;
  readonly unit: number;
  readonly startLine: number;
  readonly funcId: number;
  /** Offset of the pcdata array, from the header, and its length. */
  readonly pcdata: number;
  readonly pcdataCount: number;
  readonly funcdata: number;
  readonly funcdataCount: number;
  /** Where the record with its arrays ends. */
  readonly end: number;
}

/** A function has some dozen tables; a larger count is damage. */
const MAX_PCDATA = 1024;

/** Reads the record at `offset` of the table. Throws FormatError. */
export function readRecord(table: PagedBytes, header: PclntabHeader, offset: number): FunctionRecord {
  const { layout, pointerSize } = header;
  const field = offset + header.fieldSize;
  const pcdataCount = table.u32(field + 24);
  if (pcdataCount > MAX_PCDATA) throw new FormatError(table.section, field + 24, `${pcdataCount} pcdata tables`);
  let at = field + 28;
  let unit = NO_UNIT;
  if (layout.separateTables) {
    unit = table.u32(at);
    at += 4;
  }
  let startLine = 0;
  if (layout.startLine) {
    startLine = Math.max(0, table.i32(at));
    at += 4;
  }
  const funcId = table.u8(at);
  const funcdataCount = table.u8(at + 3);
  const pcdata = at + 4;
  let funcdata = pcdata + 4 * pcdataCount;
  if (layout.absoluteEntries && funcdataCount > 0)
    funcdata += (pointerSize - ((funcdata - offset) % pointerSize)) % pointerSize;
  const end = funcdata + funcdataCount * (layout.absoluteEntries ? pointerSize : 4);
  if (end > table.length) {
    throw new FormatError(table.section, offset, `a function record of ${end - offset} bytes at the end of the table`);
  }
  return {
    offset,
    entry: table.word(offset, header.fieldSize),
    name: table.u32(field),
    pcfile: table.u32(field + 16),
    pcln: table.u32(field + 20),
    unit,
    startLine,
    funcId,
    pcdata,
    pcdataCount,
    funcdata,
    funcdataCount,
    end,
  };
}
