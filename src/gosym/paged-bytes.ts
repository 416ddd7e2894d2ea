/**
 * Random access to one range of a file without holding all of it.
 *
 * A range of at most `MAX_BYTES_IN_MEMORY` is read once, whole. A larger one is read in windows of `PAGE_BYTES`, as they
 * are touched, and at most `MAX_BYTES_HELD` of them are kept: a lookup in a 186 MB table then costs a few pages.
 *
 * Offsets are relative to the start of the range. All bounds checks are in `seek`; reads outside the range throw
 * FormatError with the name of the range.
 */
import { Buffer } from 'node:buffer';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError } from '../errors.ts';

/** Reading 32 MiB at once takes as long as the scattered windows of some thousand lookups, and then every read is a plain one. */
export const MAX_BYTES_IN_MEMORY = 32 << 20;
/** Lookups come in ascending order: more would be held for nothing, and a server has many large binaries open. */
export const MAX_BYTES_HELD = 4 << 20;
/** Windows of 1 KiB read half as much but need more reads; 64 KiB read five times as much. Power of two. */
export const PAGE_BYTES = 4096;
/** Bytes asked for at once when a string is longer than what is left of a window. */
const MAX_STRING_BYTES = 1 << 20; // the longest symbol names are nested generics of some 10 KiB

interface Page {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Offset of bytes[0] within the range. */
  readonly start: number;
  used: boolean;
}

export class PagedBytes {
  /** Bytes in the range. */
  readonly length: number;
  readonly littleEndian: boolean;
  /** Name for errors. */
  readonly section: string;
  /** The current window: `bytes[0]` is at offset `base`. Valid after `seek`. */
  bytes: Uint8Array;
  base = 0;
  #view: DataView;
  readonly #source: ByteSource;
  readonly #fileOffset: number;
  /** Windows by number; null when the range is in memory whole. */
  readonly #pages: (Page | undefined)[] | null;
  /** Numbers of the windows held, in the order they came. */
  readonly #held: number[] = [];
  readonly #maxHeld: number;
  #hand = 0;

  /** Throws FormatError when the range is not inside the source. */
  constructor(
    source: ByteSource,
    fileOffset: number,
    length: number,
    littleEndian: boolean,
    section: string,
    maxBytes = MAX_BYTES_IN_MEMORY,
  ) {
    if (!(fileOffset >= 0 && length >= 0 && fileOffset + length <= source.size)) {
      throw new FormatError(section, 0, `${length} bytes at file offset ${fileOffset}, the file has ${source.size}`);
    }
    this.length = length;
    this.littleEndian = littleEndian;
    this.section = section;
    this.#source = source;
    this.#fileOffset = fileOffset;
    this.#maxHeld = Math.max(4, Math.floor(Math.min(maxBytes, MAX_BYTES_HELD) / PAGE_BYTES));
    if (length <= maxBytes) {
      this.#pages = null;
      this.bytes = source.read(fileOffset, length);
    } else {
      this.#pages = new Array<Page | undefined>(Math.ceil(length / PAGE_BYTES));
      this.bytes = new Uint8Array(0);
    }
    this.#view = viewOf(this.bytes);
  }

  /** Bytes held in memory for this range. */
  get heldBytes(): number {
    return this.#pages === null ? this.bytes.length : this.#held.length * PAGE_BYTES;
  }

  /** Gives the memory back. What is asked for from now on is read again. */
  release(): void {
    this.bytes = new Uint8Array(0);
    this.base = 0;
    this.#view = viewOf(this.bytes);
    this.#pages?.fill(undefined);
    this.#held.length = 0;
    this.#hand = 0;
  }

  /** Makes the window hold `offset` and returns its index in `bytes`. Throws FormatError outside the range. */
  seek(offset: number): number {
    const at = offset - this.base;
    if (at >= 0 && at < this.bytes.length) return at;
    if (!(offset >= 0 && offset < this.length)) {
      throw new FormatError(this.section, Math.max(0, offset || 0), `outside its ${this.length} bytes`);
    }
    const pages = this.#pages;
    if (pages === null) {
      this.bytes = this.#source.read(this.#fileOffset, this.length);
      this.#view = viewOf(this.bytes);
      return offset;
    }
    const number = Math.floor(offset / PAGE_BYTES);
    const page = pages[number] ?? this.#load(number);
    page.used = true;
    this.bytes = page.bytes;
    this.#view = page.view;
    this.base = page.start;
    return offset - page.start;
  }

  u8(offset: number): number {
    const at = this.seek(offset);
    return this.bytes[at];
  }

  u16(offset: number): number {
    const at = this.seek(offset);
    if (at + 2 <= this.bytes.length) return this.#view.getUint16(at, this.littleEndian);
    return this.#acrossWindows(offset, 2).getUint16(0, this.littleEndian);
  }

  u32(offset: number): number {
    const at = this.seek(offset);
    if (at + 4 <= this.bytes.length) return this.#view.getUint32(at, this.littleEndian);
    return this.#acrossWindows(offset, 4).getUint32(0, this.littleEndian);
  }

  i32(offset: number): number {
    return this.u32(offset) | 0;
  }

  /** A u64 as number; throws FormatError above 2^53 - 1. */
  u64(offset: number): number {
    const first = this.u32(offset);
    const second = this.u32(offset + 4);
    const high = this.littleEndian ? second : first;
    const low = this.littleEndian ? first : second;
    if (high > 0x1fffff) throw new FormatError(this.section, offset, '64-bit value above 2^53');
    return high * 0x100000000 + low;
  }

  /** A word of 4 or 8 bytes as number. */
  word(offset: number, size: 4 | 8): number {
    return size === 8 ? this.u64(offset) : this.u32(offset);
  }

  /** The UTF-8 text from `offset` to its NUL, which must come before `end`. */
  cstring(offset: number, end: number): string {
    const at = this.seek(offset);
    const nul = this.bytes.indexOf(0, at);
    if (nul >= 0 && this.base + nul < end) return utf8(this.bytes, at, nul);
    return this.#longString(offset, end);
  }

  #longString(offset: number, end: number): string {
    const limit = Math.min(end, this.length, offset + MAX_STRING_BYTES);
    const parts: Uint8Array[] = [];
    for (let next = offset; next < limit;) {
      const at = this.seek(next);
      const nul = this.bytes.indexOf(0, at);
      const stop = nul < 0 ? this.bytes.length : nul;
      if (this.base + stop >= limit) break;
      parts.push(this.bytes.subarray(at, stop));
      if (nul >= 0) {
        const whole = Buffer.concat(parts);
        return utf8(whole, 0, whole.length);
      }
      next = this.base + stop;
    }
    throw new FormatError(this.section, offset, 'string without terminating NUL');
  }

  #acrossWindows(offset: number, size: number): DataView {
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) bytes[i] = this.u8(offset + i);
    return viewOf(bytes);
  }

  #load(number: number): Page {
    const start = number * PAGE_BYTES;
    const length = Math.min(PAGE_BYTES, this.length - start);
    const read = this.#source.read(this.#fileOffset + start, length);
    // A copy, where the source's answer is a view that keeps a larger block alive.
    const bytes = read.buffer.byteLength === length ? read : new Uint8Array(read);
    const page: Page = { bytes, view: viewOf(bytes), start, used: true };
    this.#pages![number] = page;
    if (this.#held.length < this.#maxHeld) this.#held.push(number);
    else this.#replaceOne(number);
    return page;
  }

  /** Second chance: the first window not used since the hand last passed makes room. */
  #replaceOne(number: number): void {
    const pages = this.#pages!;
    for (;;) {
      const candidate = this.#held[this.#hand];
      const page = pages[candidate]!;
      if (page.used) page.used = false;
      else {
        pages[candidate] = undefined;
        this.#held[this.#hand] = number;
        this.#hand = (this.#hand + 1) % this.#held.length;
        return;
      }
      this.#hand = (this.#hand + 1) % this.#held.length;
    }
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function utf8(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8');
}
