import { crc32 } from 'node:zlib';
import { Cursor } from '../bytes/cursor.ts';
import { lastAtOrBelow } from '../bytes/search.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError } from '../errors.ts';
import type { Frame, Resolution } from './frame.ts';
import {
  BLOCK_BYTES,
  blocksOf,
  COLUMNS,
  FUNCTIONS,
  INDEX_MAGIC,
  INDEX_VERSION,
  MAX_HEAD_BYTES,
  PLACES,
  PREFIX_BYTES,
  RANGES,
  rowsPerBlock,
  SCOPES,
  strideOf,
  TABLES,
  type TableShape,
} from './index-layout.ts';

const SECTION = 'symbol index';
/** Calls inlined into each other, one by one: compilers stop long before. */
const MAX_FRAMES = 4096;
/** Blocks read at once: four times as many take as long for a thousand random addresses, and more memory. */
const RUN_BLOCKS = 4;
/** Mangled names of templates reach some 100 KiB. */
const MAX_STRING_BYTES = 1 << 20;

/** A persisted index (index-layout.ts), read by position: a lookup touches some six blocks. */
export class SymbolIndex {
  /** Which files it was made of. */
  readonly stamp: string;
  readonly #base: number;
  /** The start in each block of ranges. */
  readonly #firsts: Float64Array;
  readonly #tables: readonly Table[];
  readonly #strings: Blocks;
  /** By row. */
  readonly #functions: (Called | undefined)[];
  readonly #files = new Map<number, string>();

  /** Throws FormatError when it is damaged or of another version. */
  constructor(source: ByteSource) {
    const prefix = new Cursor(source.read(0, PREFIX_BYTES), true, SECTION);
    for (const char of INDEX_MAGIC)
      if (prefix.u8() !== char.charCodeAt(0)) throw new FormatError(SECTION, 0, 'is none');
    const version = prefix.u32();
    if (version !== INDEX_VERSION) throw new FormatError(SECTION, 8, `version ${version}, known is ${INDEX_VERSION}`);
    const headBytes = prefix.u32();
    if (headBytes < PREFIX_BYTES || headBytes > Math.min(MAX_HEAD_BYTES, source.size)) {
      throw new FormatError(SECTION, 12, `head of ${headBytes} bytes in a file of ${source.size}`);
    }
    const checksum = prefix.u32();
    const head = new Cursor(source.read(PREFIX_BYTES, headBytes - PREFIX_BYTES), true, SECTION, PREFIX_BYTES);
    if (crc32(head.sub(0, head.length).take(head.length)) !== checksum)
      throw new FormatError(SECTION, 16, 'damaged head');
    this.stamp = new TextDecoder().decode(head.take(head.u32()));
    this.#base = float(head);
    const stringBytes = head.u32();
    const shapes: TableShape[] = [];
    for (let i = 0; i < TABLES; i++) {
      const rows = head.u32();
      const widths = Array.from({ length: COLUMNS }, () => head.u8());
      if (widths.some((width) => width < 1 || width > 6)) throw head.error('a column that is not 1 to 6 bytes wide');
      shapes.push({ rows, widths });
    }
    const blocks = shapes.reduce((sum, shape) => sum + blocksOf(shape), Math.ceil(stringBytes / BLOCK_BYTES));
    if (head.remaining !== 8 * blocksOf(shapes[RANGES]) + 4 * blocks) throw head.error('the head has another length');
    this.#firsts = Float64Array.from({ length: blocksOf(shapes[RANGES]) }, () => float(head));
    const checksums = Uint32Array.from({ length: blocks }, () => head.u32());

    let offset = headBytes;
    let block = 0;
    const next = (size: number, blockBytes: number): Blocks => {
      const count = Math.ceil(size / blockBytes);
      const made = new Blocks(source, offset, size, blockBytes, checksums.subarray(block, block + count));
      offset += size;
      block += count;
      return made;
    };
    this.#tables = shapes.map((shape) => {
      const stride = strideOf(shape);
      return new Table(shape, next(shape.rows * stride, rowsPerBlock(shape) * stride));
    });
    this.#strings = next(stringBytes, BLOCK_BYTES);
    this.#functions = new Array<Called | undefined>(shapes[FUNCTIONS].rows);
    if (offset !== source.size) throw new FormatError(SECTION, 0, `${source.size} bytes, its tables have ${offset}`);
  }

  /** Frames at a file address; null when nothing is known of it. Throws FormatError when a block is damaged. */
  lookup(address: number): Resolution | null {
    const ranges = this.#tables[RANGES];
    const scopes = this.#tables[SCOPES];
    if (!this.#seekRange(address - this.#base)) return null;
    let scope = ranges.second();
    if (scope === 0) return null;
    let place = ranges.third();
    let fromTable: boolean | null = null;
    const frames: Frame[] = [];
    while (scope !== 0) {
      scopes.seek(scope - 1);
      const called = this.#functionOf(scopes.first());
      fromTable ??= called.fromTable;
      frames.push(this.#frame(called, place));
      if (frames.length > MAX_FRAMES) throw new FormatError(SECTION, 0, `scope ${scope - 1} is inside itself`);
      scope = scopes.second();
      place = scopes.third();
    }
    return { source: fromTable === true ? 'symtab' : 'dwarf', frames };
  }

  /** Gives back what lookups have taken. */
  release(): void {
    for (const table of this.#tables) table.release();
    this.#strings.release();
    this.#functions.fill(undefined);
    this.#files.clear();
  }

  /** Goes to the last range that starts at or below an offset; false when there is none. */
  #seekRange(offset: number): boolean {
    const block = lastAtOrBelow(this.#firsts, offset);
    if (block < 0) return false;
    const ranges = this.#tables[RANGES];
    const perBlock = rowsPerBlock(ranges.shape);
    let low = block * perBlock;
    let high = Math.min(low + perBlock, ranges.shape.rows);
    // The first row is not above the offset; it is never asked.
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      ranges.seek(middle);
      if (ranges.first() <= offset) low = middle;
      else high = middle;
    }
    ranges.seek(low);
    return true;
  }

  #frame({ name, systemName, startLine }: Called, place: number): Frame {
    if (place === 0) return { name, systemName, file: '', line: 0, column: 0, startLine };
    const places = this.#tables[PLACES];
    places.seek(place - 1);
    return {
      name,
      systemName,
      file: this.#file(places.first()),
      line: places.second(),
      column: places.third(),
      startLine,
    };
  }

  #functionOf(number: number): Called {
    return (this.#functions[number] ??= this.#function(number));
  }

  #function(number: number): Called {
    const functions = this.#tables[FUNCTIONS];
    functions.seek(number);
    const readable = functions.second();
    const systemName = this.#string(functions.first());
    return {
      name: readable < 2 ? systemName : this.#string(Math.floor(readable / 2)),
      systemName,
      startLine: functions.third(),
      fromTable: readable % 2 === 1,
    };
  }

  #file(offset: number): string {
    let path = this.#files.get(offset);
    if (path === undefined) this.#files.set(offset, (path = this.#string(offset)));
    return path;
  }

  #string(offset: number): string {
    const head = this.#strings.bytes(offset, 4);
    const length = head[0] + head[1] * 0x100 + head[2] * 0x10000 + head[3] * 0x1000000;
    if (length > MAX_STRING_BYTES) throw new FormatError(SECTION, offset, `a string of ${length} bytes`);
    return utf8.decode(this.#strings.bytes(offset + 4, length));
  }
}

const utf8 = new TextDecoder();

/** A function of a frame. */
interface Called extends Pick<Frame, 'name' | 'systemName' | 'startLine'> {
  /** Only a symbol table has it. */
  readonly fromTable: boolean;
}

/** Rows of a table, and one at which it stands. */
class Table {
  readonly shape: TableShape;
  readonly #blocks: Blocks;
  readonly #rows: number;
  readonly #perBlock: number;
  readonly #stride: number;
  readonly #widths: readonly [number, number, number];
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(shape: TableShape, blocks: Blocks) {
    this.shape = shape;
    this.#blocks = blocks;
    this.#rows = shape.rows;
    this.#perBlock = rowsPerBlock(shape);
    this.#stride = strideOf(shape);
    this.#widths = [shape.widths[0], shape.widths[1], shape.widths[2]];
  }

  /** Goes to a row. Throws FormatError when there is none of that number or its block is damaged. */
  seek(row: number): void {
    if (row >= this.#rows) throw new FormatError(SECTION, 0, `row ${row} of ${this.#rows}`);
    const block = Math.floor(row / this.#perBlock);
    this.#bytes = this.#blocks.block(block);
    this.#at = (row - block * this.#perBlock) * this.#stride;
  }

  release(): void {
    this.#bytes = new Uint8Array(0);
    this.#blocks.release();
  }

  first(): number {
    return read(this.#bytes, this.#at, this.#widths[0]);
  }

  second(): number {
    return read(this.#bytes, this.#at + this.#widths[0], this.#widths[1]);
  }

  third(): number {
    return read(this.#bytes, this.#at + this.#widths[0] + this.#widths[1], this.#widths[2]);
  }
}

function read(bytes: Uint8Array, at: number, width: number): number {
  if (width === 3) return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
  let value = bytes[at + width - 1];
  for (let i = width - 2; i >= 0; i--) value = value * 256 + bytes[at + i];
  return value;
}

/** A part of the file in blocks, each read and checked when first needed, and kept. */
class Blocks {
  readonly #source: ByteSource;
  readonly #offset: number;
  readonly #size: number;
  readonly #blockBytes: number;
  readonly #checksums: Uint32Array;
  /** Checked. */
  readonly #read: (Uint8Array | undefined)[];
  /** Read, not checked yet: RUN_BLOCKS at a time. */
  readonly #runs: (Uint8Array | undefined)[] = [];

  constructor(source: ByteSource, offset: number, size: number, blockBytes: number, checksums: Uint32Array) {
    this.#source = source;
    this.#offset = offset;
    this.#size = size;
    this.#blockBytes = blockBytes;
    this.#checksums = checksums;
    this.#read = new Array<Uint8Array | undefined>(checksums.length);
  }

  release(): void {
    this.#read.fill(undefined);
    this.#runs.length = 0;
  }

  block(number: number): Uint8Array {
    return this.#read[number] ?? this.#load(number);
  }

  #load(number: number): Uint8Array {
    const run = Math.floor(number / RUN_BLOCKS);
    const runStart = run * RUN_BLOCKS * this.#blockBytes;
    const runBytes = Math.min(RUN_BLOCKS * this.#blockBytes, this.#size - runStart);
    const read = (this.#runs[run] ??= this.#source.read(this.#offset + runStart, runBytes));
    const start = number * this.#blockBytes - runStart;
    const bytes = read.subarray(start, start + this.#blockBytes);
    if (crc32(bytes) !== this.#checksums[number]) {
      throw new FormatError(SECTION, this.#offset + runStart + start, 'damaged block');
    }
    this.#read[number] = bytes;
    return bytes;
  }

  /** Exactly `length` bytes, wherever blocks end. Throws FormatError outside. */
  bytes(offset: number, length: number): Uint8Array {
    if (!(offset >= 0 && offset + length <= this.#size)) {
      throw new FormatError(SECTION, this.#offset + offset, `need ${length} bytes, have ${this.#size - offset}`);
    }
    const first = Math.floor(offset / this.#blockBytes);
    const start = offset - first * this.#blockBytes;
    if (length === 0) return new Uint8Array(0);
    if (start + length <= this.#blockBytes) return this.block(first).subarray(start, start + length);
    const result = new Uint8Array(length);
    for (let filled = 0, number = first, at = start; filled < length; number++, at = 0) {
      const part = this.block(number).subarray(at, at + length - filled);
      result.set(part, filled);
      filled += part.length;
    }
    return result;
  }
}

function float(cursor: Cursor): number {
  const bytes = cursor.take(8);
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
}
