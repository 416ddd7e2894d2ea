/**
 * Functions of a .gopclntab, one at a time: `enter` one, then ask for the line, file number and inline index `at` an offset.
 *
 * A function met for the first time is read in place: its three pc-value streams are followed up to the offset. Met again, it is
 * decoded into rows and kept, since profiles come back to the same functions. A row is a range of addresses with one answer,
 * merged from the three tables; all functions' rows share one typed array:
 *
 *     HEADER ints: row count, name offset, start line, funcID, compilation unit, inline tree (high, low), has a line table
 *     then per row: end (bytes from the entry, exclusive), line, file number, inline index; -1 where there is none
 *
 * When the array is full, everything is forgotten: what is in use comes back at once.
 */
import { FormatError } from '../errors.ts';
import type { PclntabHeader } from './layout.ts';
import type { PagedBytes } from './paged-bytes.ts';
import { type PcRange, PcValues, valueAt } from './pc-values.ts';

const HEADER = 8;
const ROW = 4;
/** Ints kept: 16 MiB, the rows of some 10,000 functions of usual size. */
const MAX_KEPT = 4 << 20;
const FIRST_KEPT = 1 << 14;
/** The compilation unit of functions that have none (C code linked internally). */
const NO_UNIT = 0xffffffff;

export class FunctionRows {
  // The function entered last.
  nameOffset = 0;
  /** 1-based; 0 when the release has none. */
  startLine = 0;
  funcId = 0;
  /** First entry of its compilation unit in the cu table; -1 none. */
  unit = -1;
  /** As `treeOf` said; -1 none. */
  inlineTree = -1;
  hasLines = false;

  // The answer of `at`.
  /** 1-based; below 0 there is none. */
  line = -1;
  fileNumber = -1;
  inlineIndex = -1;
  /** The answer holds for offsets in [start, end). */
  start = 0;
  end = 0;

  readonly #table: PagedBytes;
  readonly #header: PclntabHeader;
  readonly #treeOf: (record: FunctionRecord) => number;
  #size = 0;
  /** Of the function's rows, -1 while it has none; then the offsets of its streams count, 0 = no such table. */
  #position = -1;
  #lineTable = 0;
  #fileTable = 0;
  #inlineTable = 0;

  /** One bit a function: it was entered before. */
  readonly #met: Uint8Array;
  readonly #positions = new Map<number, number>();
  #kept = new Int32Array(FIRST_KEPT);
  #used = 0;
  readonly #lines = new PcValues();
  readonly #files = new PcValues();
  readonly #inlines = new PcValues();
  readonly #range: PcRange = { value: -1, start: 0, end: 0 };

  /** `treeOf` gives a function's inline tree as an offset in whatever holds the trees; -1 none. */
  constructor(table: PagedBytes, header: PclntabHeader, treeOf: (record: FunctionRecord) => number) {
    this.#table = table;
    this.#header = header;
    this.#treeOf = treeOf;
    this.#met = new Uint8Array((header.functionCount + 7) >>> 3);
  }

  get heldBytes(): number {
    return this.#kept.byteLength + this.#met.byteLength;
  }

  /**
   * Turns to function number `index`, whose record is at `recordOffset` of the table and which has `size` bytes of code.
   * Throws FormatError and LimitError.
   */
  enter(index: number, recordOffset: number, size: number): void {
    const position = this.#positions.get(index);
    if (position !== undefined) {
      const kept = this.#kept;
      this.nameOffset = kept[position + 1] >>> 0;
      this.startLine = kept[position + 2];
      this.funcId = kept[position + 3];
      this.unit = kept[position + 4] === -1 ? -1 : kept[position + 4] >>> 0;
      this.inlineTree = kept[position + 5] * 0x100000000 + (kept[position + 6] >>> 0);
      this.hasLines = kept[position + 7] === 1;
      this.#position = position;
      this.#size = size;
      return;
    }
    if (!(size > 0 && size <= 0x7fffffff)) {
      throw new FormatError(this.#table.section, recordOffset, `a function of ${size} bytes`);
    }
    const record = readRecord(this.#table, this.#header, recordOffset);
    this.nameOffset = record.name;
    this.startLine = record.startLine;
    this.funcId = record.funcId;
    this.unit = record.unit === NO_UNIT ? -1 : record.unit;
    const { inlineIndex } = this.#header.layout;
    this.inlineTree = record.pcdataCount > inlineIndex ? this.#treeOf(record) : -1;
    this.hasLines = record.pcln !== 0;
    this.#position = -1;
    this.#size = size;
    this.#lineTable = record.pcln;
    this.#fileTable = record.pcfile;
    this.#inlineTable = this.inlineTree < 0 ? 0 : this.#table.u32(record.pcdata + 4 * inlineIndex);
    const bit = 1 << (index & 7);
    if ((this.#met[index >>> 3] & bit) !== 0) this.#decode(index);
    else this.#met[index >>> 3] |= bit;
  }

  /** Sets line, fileNumber, inlineIndex and the range they hold for. `offset` is in the function, bytes from its entry. */
  at(offset: number): void {
    if (this.#position < 0) {
      const range = this.#range;
      this.start = 0;
      this.end = this.#size;
      this.#follow(this.#lineTable, offset);
      this.line = range.value;
      this.#follow(this.#fileTable, offset);
      this.fileNumber = range.value;
      this.#follow(this.#inlineTable, offset);
      this.inlineIndex = range.value;
      return;
    }
    const kept = this.#kept;
    const rows = this.#position + HEADER;
    let low = 0;
    let high = kept[this.#position] - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (kept[rows + middle * ROW] <= offset) low = middle + 1;
      else high = middle;
    }
    const row = rows + low * ROW;
    this.start = low === 0 ? 0 : kept[row - ROW];
    this.end = kept[row];
    this.line = kept[row + 1];
    this.fileNumber = kept[row + 2];
    this.inlineIndex = kept[row + 3];
  }

  /** The value of one stream in `#range`; narrows start and end to where it holds. */
  #follow(stream: number, offset: number): void {
    const range = this.#range;
    if (stream === 0) {
      range.value = -1;
      return;
    }
    const { quantum, layout, pctab, pcln } = this.#header;
    const base = layout.separateTables ? pctab : 0;
    const limit = layout.separateTables ? pcln : this.#table.length;
    valueAt(range, this.#table, base + stream, limit, quantum, this.#size, offset);
    if (range.start > this.start) this.start = range.start;
    if (range.end < this.end) this.end = range.end;
  }

  /** Makes rows of the function just entered. */
  #decode(index: number): void {
    this.#decodeStream(this.#lines, this.#lineTable);
    this.#decodeStream(this.#files, this.#fileTable);
    this.#decodeStream(this.#inlines, this.#inlineTable);
    const most = this.#lines.count + this.#files.count + this.#inlines.count + 1;
    const position = this.#reserve(HEADER + most * ROW);
    const kept = this.#kept;
    const rows = this.#merge(kept, position + HEADER);
    kept[position] = rows;
    kept[position + 1] = this.nameOffset;
    kept[position + 2] = this.startLine;
    kept[position + 3] = this.funcId;
    kept[position + 4] = this.unit; // -1 and NO_UNIT are the same 32 bits
    kept[position + 5] = Math.floor(this.inlineTree / 0x100000000);
    kept[position + 6] = this.inlineTree;
    kept[position + 7] = this.hasLines ? 1 : 0;
    this.#used = position + HEADER + rows * ROW;
    this.#positions.set(index, position);
    this.#position = position;
  }

  #decodeStream(into: PcValues, stream: number): void {
    into.clear();
    if (stream === 0) return;
    const { quantum, layout, pctab, pcln } = this.#header;
    const base = layout.separateTables ? pctab : 0;
    const limit = layout.separateTables ? pcln : this.#table.length;
    into.decode(this.#table, base + stream, limit, quantum, this.#size);
  }

  /** Writes the rows at `at` and returns how many; the last one ends at the function's end. */
  #merge(kept: Int32Array, at: number): number {
    const { ends: lineEnds, values: lines, count: lineCount } = this.#lines;
    const { ends: fileEnds, values: files, count: fileCount } = this.#files;
    const { ends: inlineEnds, values: inlines, count: inlineCount } = this.#inlines;
    const size = this.#size;
    let [l, f, t, rows, reached] = [0, 0, 0, 0, 0];
    while (reached < size) {
      // Ranges may be empty: the value that counts is that of the first range ending after `reached`.
      while (l < lineCount && lineEnds[l] <= reached) l++;
      while (f < fileCount && fileEnds[f] <= reached) f++;
      while (t < inlineCount && inlineEnds[t] <= reached) t++;
      reached = size;
      if (l < lineCount && lineEnds[l] < reached) reached = lineEnds[l];
      if (f < fileCount && fileEnds[f] < reached) reached = fileEnds[f];
      if (t < inlineCount && inlineEnds[t] < reached) reached = inlineEnds[t];
      kept[at] = reached;
      kept[at + 1] = l < lineCount ? lines[l] : -1;
      kept[at + 2] = f < fileCount ? files[f] : -1;
      kept[at + 3] = t < inlineCount ? inlines[t] : -1;
      at += ROW;
      rows++;
    }
    return rows;
  }

  /** Room for `ints` more; returns where. */
  #reserve(ints: number): number {
    const needed = this.#used + ints;
    if (needed <= this.#kept.length) return this.#used;
    if (needed <= MAX_KEPT) {
      let length = this.#kept.length;
      while (length < needed) length *= 2;
      const larger = new Int32Array(length);
      larger.set(this.#kept.subarray(0, this.#used));
      this.#kept = larger;
      return this.#used;
    }
    this.#positions.clear();
    this.#used = 0;
    // One function may need more than the usual room; the next time, it is given back.
    if (ints > this.#kept.length || this.#kept.length > MAX_KEPT) this.#kept = new Int32Array(Math.max(ints, MAX_KEPT));
    return 0;
  }
}

/** The fields of a function record that are of use here. */
export interface FunctionRecord {
  readonly name: number;
  readonly pcfile: number;
  readonly pcln: number;
  /** ~0 = none. */
  readonly unit: number;
  readonly startLine: number;
  readonly funcId: number;
  /** Offset of the pcdata array in the table, and its length. */
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
  // Pointers are aligned in memory, and so is the table.
  if (layout.absoluteEntries && funcdataCount > 0) funcdata = Math.ceil(funcdata / pointerSize) * pointerSize;
  const end = funcdata + funcdataCount * (layout.absoluteEntries ? pointerSize : 4);
  if (end > table.length) {
    throw new FormatError(table.section, offset, `a function record of ${end - offset} bytes at the end of the table`);
  }
  const name = table.u32(field);
  const pcfile = table.u32(field + 16);
  const pcln = table.u32(field + 20);
  return { name, pcfile, pcln, unit, startLine, funcId, pcdata, pcdataCount, funcdata, funcdataCount, end };
}
