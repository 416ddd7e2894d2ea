/**
 * Functions of a .gopclntab, one at a time: `enter` one, then ask for the line, file number and inline index `at` an offset.
 *
 * A function is decoded when it is first entered, and kept, since profiles come back to the same functions. All of them share one
 * array of ints:
 *
 *     HEADER ints: name offset, start line, funcID, compilation unit, inline tree (high, low), has a line table
 *     then three tables as PcValueStore lays them out: lines, file numbers, inline indexes
 *
 * When there are too many, all are forgotten: those in use come back at once.
 */
import { FormatError } from '../errors.ts';
import type { PclntabHeader } from './layout.ts';
import type { PagedBytes } from './paged-bytes.ts';
import { PcValueStore } from './pc-values.ts';

const HEADER = 7;
/** Ints kept: 16 MiB, some 20,000 functions of usual size. */
const MAX_KEPT = 4 << 20;
/** The compilation unit of functions that have none (C code linked internally). */
const NO_UNIT = 0xffffffff;

export class FunctionTables {
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
  #store = new PcValueStore();
  readonly #positions = new Map<number, number>();
  #size = 0;
  /** Of the entered function's tables in the store. */
  #lines = 0;
  #files = 0;
  #inlines = 0;

  /** `treeOf` gives a function's inline tree as an offset in whatever holds the trees; -1 none. */
  constructor(table: PagedBytes, header: PclntabHeader, treeOf: (record: FunctionRecord) => number) {
    this.#table = table;
    this.#header = header;
    this.#treeOf = treeOf;
  }

  get heldBytes(): number {
    return this.#store.ints.byteLength;
  }

  /** Gives the memory back; `at` may not be asked before the next `enter`. */
  release(): void {
    this.#store = new PcValueStore();
    this.#positions.clear();
  }

  /**
   * Turns to function number `index`, whose record is at `recordOffset` of the table and which has `size` bytes of code.
   * Throws FormatError and LimitError.
   */
  enter(index: number, recordOffset: number, size: number): void {
    const position = this.#positions.get(index) ?? this.#decode(index, recordOffset, size);
    const { ints } = this.#store;
    this.nameOffset = ints[position] >>> 0;
    this.startLine = ints[position + 1];
    this.funcId = ints[position + 2];
    this.unit = ints[position + 3] === -1 ? -1 : ints[position + 3] >>> 0;
    this.inlineTree = ints[position + 4] * 0x100000000 + (ints[position + 5] >>> 0);
    this.hasLines = ints[position + 6] === 1;
    this.#size = size;
    this.#lines = position + HEADER;
    this.#files = this.#lines + 1 + 2 * ints[this.#lines];
    this.#inlines = this.#files + 1 + 2 * ints[this.#files];
  }

  /** Sets line, fileNumber, inlineIndex and the range they hold for. `offset` is in the function, bytes from its entry. */
  at(offset: number): void {
    this.start = 0;
    this.end = this.#size;
    this.line = this.#valueAt(this.#lines, offset);
    this.fileNumber = this.#valueAt(this.#files, offset);
    this.inlineIndex = this.#valueAt(this.#inlines, offset);
  }

  /** The value of one table, -1 past its last range; narrows start and end to where it holds. */
  #valueAt(table: number, offset: number): number {
    const { ints } = this.#store;
    const count = ints[table];
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ints[table + 1 + 2 * middle] <= offset) low = middle + 1;
      else high = middle;
    }
    const pair = table + 1 + 2 * low;
    if (low > 0 && ints[pair - 2] > this.start) this.start = ints[pair - 2];
    if (low === count) return -1;
    if (ints[pair] < this.end) this.end = ints[pair];
    return ints[pair + 1];
  }

  #decode(index: number, recordOffset: number, size: number): number {
    if (!(size > 0 && size <= 0x7fffffff)) {
      throw new FormatError(this.#table.section, recordOffset, `a function of ${size} bytes`);
    }
    const record = readRecord(this.#table, this.#header, recordOffset);
    const { inlineIndex } = this.#header.layout;
    const tree = record.pcdataCount > inlineIndex ? this.#treeOf(record) : -1;
    const inlines = tree < 0 ? 0 : this.#table.u32(record.pcdata + 4 * inlineIndex);

    const store = this.#store;
    if (store.used > MAX_KEPT) {
      store.clear();
      this.#positions.clear();
    }
    const position = store.reserve(HEADER);
    try {
      for (const stream of [record.pcln, record.pcfile, inlines]) this.#add(stream, size);
    } catch (error) {
      store.used = position;
      throw error;
    }
    const { ints } = store;
    ints[position] = record.name;
    ints[position + 1] = record.startLine;
    ints[position + 2] = record.funcId;
    ints[position + 3] = record.unit; // -1 and NO_UNIT are the same 32 bits
    ints[position + 4] = Math.floor(tree / 0x100000000);
    ints[position + 5] = tree;
    ints[position + 6] = record.pcln === 0 ? 0 : 1;
    this.#positions.set(index, position);
    return position;
  }

  /** Decodes one stream; offset 0 is "no table". */
  #add(stream: number, size: number): void {
    if (stream === 0) {
      this.#store.addEmpty();
      return;
    }
    const { quantum, layout, pctab, pcln } = this.#header;
    const base = layout.separateTables ? pctab : 0;
    const limit = layout.separateTables ? pcln : this.#table.length;
    this.#store.add(this.#table, base + stream, limit, quantum, size);
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
