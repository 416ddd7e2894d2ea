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
/** Blocks read at once: of random addresses a thousand touch every run of a large index, a profile's a few. */
const RUN_BLOCKS = 16;
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
  readonly #functions = new Map<number, Pick<Frame, 'name' | 'systemName' | 'startLine'>>();
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
    if (offset !== source.size) throw new FormatError(SECTION, 0, `${source.size} bytes, its tables have ${offset}`);
  }

  /** Frames at a file address; null when nothing is known of it. Throws FormatError when a block is damaged. */
  lookup(address: number): Resolution | null {
    const range = this.#rangeAt(address - this.#base);
    if (range < 0) return null;
    const ranges = this.#tables[RANGES];
    const scopes = this.#tables[SCOPES];
    const functions = this.#tables[FUNCTIONS];
    let scope = ranges.get(range, 1);
    if (scope === 0) return null;
    let place = ranges.get(range, 2);
    const fromTable = functions.get(scopes.get(scope - 1, 0), 1) % 2 === 1;
    const frames: Frame[] = [];
    while (scope !== 0) {
      frames.push(this.#frame(scopes.get(scope - 1, 0), place));
      if (frames.length > MAX_FRAMES) throw new FormatError(SECTION, 0, `scope ${scope - 1} is inside itself`);
      place = scopes.get(scope - 1, 2);
      scope = scopes.get(scope - 1, 1);
    }
    return { source: fromTable ? 'symtab' : 'dwarf', frames };
  }

  /** Row of the last range that starts at or below an offset, or -1. */
  #rangeAt(offset: number): number {
    const block = lastAtOrBelow(this.#firsts, offset);
    if (block < 0) return -1;
    const ranges = this.#tables[RANGES];
    const perBlock = rowsPerBlock(ranges.shape);
    let low = block * perBlock;
    let high = Math.min(low + perBlock, ranges.shape.rows);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranges.get(middle, 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #frame(number: number, place: number): Frame {
    let known = this.#functions.get(number);
    if (known === undefined) this.#functions.set(number, (known = this.#function(number)));
    const { name, systemName, startLine } = known;
    if (place === 0) return { name, systemName, file: '', line: 0, column: 0, startLine };
    const places = this.#tables[PLACES];
    const file = this.#file(places.get(place - 1, 0));
    return { name, systemName, file, line: places.get(place - 1, 1), column: places.get(place - 1, 2), startLine };
  }

  #function(number: number): Pick<Frame, 'name' | 'systemName' | 'startLine'> {
    const functions = this.#tables[FUNCTIONS];
    const systemName = this.#string(functions.get(number, 0));
    const readable = Math.floor(functions.get(number, 1) / 2);
    return {
      name: readable === 0 ? systemName : this.#string(readable),
      systemName,
      startLine: functions.get(number, 2),
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

/** Rows of a table. */
class Table {
  readonly shape: TableShape;
  readonly #blocks: Blocks;
  readonly #perBlock: number;
  readonly #stride: number;
  readonly #offsets: readonly number[];

  constructor(shape: TableShape, blocks: Blocks) {
    this.shape = shape;
    this.#blocks = blocks;
    this.#perBlock = rowsPerBlock(shape);
    this.#stride = strideOf(shape);
    this.#offsets = shape.widths.map((_, i) => shape.widths.slice(0, i).reduce((sum, width) => sum + width, 0));
  }

  /** Throws FormatError when there is no such row or its block is damaged. */
  get(row: number, column: number): number {
    if (row >= this.shape.rows) throw new FormatError(SECTION, 0, `row ${row} of ${this.shape.rows}`);
    const block = Math.floor(row / this.#perBlock);
    const bytes = this.#blocks.block(block);
    const at = (row - block * this.#perBlock) * this.#stride + this.#offsets[column];
    switch (this.shape.widths[column]) {
      case 1:
        return bytes[at];
      case 2:
        return bytes[at] | (bytes[at + 1] << 8);
      case 3:
        return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
      default: {
        let value = 0;
        for (let i = this.shape.widths[column] - 1; i >= 0; i--) value = value * 256 + bytes[at + i];
        return value;
      }
    }
  }
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
