import type { ByteSource } from '../bytes/source.ts';
import { FormatError } from '../errors.ts';

/** Bytes fetched where the last read went on: walking through a range costs few reads. */
const AHEAD_BYTES = 1 << 16;

/** Bytes fetched elsewhere: a name or a word is asked for, not its neighbourhood. */
const BLOCK_BYTES = 1 << 12;

/** A range up to this size is held whole once as many bytes have been fetched as it has: names in random order cost it twice. */
const HOLD_BYTES = 1 << 25;

const utf8 = new TextDecoder('utf-8');

/**
 * Many small reads in one range of a source, such as a string table, with one window of it in memory: what is asked
 * for seldom is not read whole, and neighbours cost no second read.
 */
export class SourceWindow {
  /** Name for errors. */
  readonly name: string;
  /** Bytes in the range. */
  readonly size: number;
  readonly #source: ByteSource;
  readonly #start: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #fetched = 0;

  /** Throws FormatError when `[start, start + size)` is not inside the source. */
  constructor(source: ByteSource, start: number, size: number, name: string) {
    if (!(start >= 0 && size >= 0 && start + size <= source.size)) {
      throw new FormatError(
        name,
        0,
        `${size} bytes at ${start} of a file of ${source.size} bytes: truncated or damaged`,
      );
    }
    this.#source = source;
    this.#start = start;
    this.size = size;
    this.name = name;
  }

  /** Exactly `length` bytes at `offset` of the range; a view that is valid until the next call. */
  read(offset: number, length: number): Uint8Array {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) {
      throw new FormatError(
        this.name,
        Math.max(0, Math.min(offset, this.size)),
        `need ${length} bytes, have ${this.size}`,
      );
    }
    if (offset < this.#at || offset + length > this.#at + this.#bytes.length) this.#fetch(offset, length);
    return this.#bytes.subarray(offset - this.#at, offset - this.#at + length);
  }

  #fetch(offset: number, length: number): void {
    const goesOn = offset >= this.#at && offset <= this.#at + this.#bytes.length;
    const whole = !goesOn && this.#fetched >= this.size && this.size <= HOLD_BYTES;
    const at = whole ? 0 : offset - (offset % BLOCK_BYTES); // aligned, so that walking backwards shares reads too
    const end = whole ? this.size : Math.max(offset + length, at + (goesOn ? AHEAD_BYTES : BLOCK_BYTES));
    this.#bytes = this.#source.read(this.#start + at, Math.min(end, this.size) - at);
    this.#fetched += this.#bytes.length;
    this.#at = at;
  }

  /** The NUL-terminated string at `offset`. Throws FormatError when it is longer than `limit` bytes or has no end. */
  string(offset: number, limit: number): string {
    const bytes = this.#until(offset, limit);
    if (bytes === undefined || offset + bytes.length >= this.size) {
      const at = Math.max(0, Math.min(offset, this.size));
      throw new FormatError(this.name, at, `no string of at most ${limit} bytes at offset ${offset} of ${this.size}`);
    }
    return utf8.decode(bytes);
  }

  /** For names that are no more than labels: "" when there is none, and the end of the range may end it too. */
  label(offset: number, limit: number): string {
    return utf8.decode(this.#until(offset, limit));
  }

  /** The bytes up to a NUL or the end of the range; undefined outside the range or when that is too long. */
  #until(offset: number, limit: number): Uint8Array | undefined {
    if (!(offset >= 0 && offset < this.size)) return undefined;
    for (let length = 64; ; length *= 8) {
      const wanted = Math.min(length, limit + 1, this.size - offset);
      const bytes = this.read(offset, wanted);
      const end = bytes.indexOf(0);
      if (end >= 0) return bytes.subarray(0, end);
      if (wanted < length) return wanted > limit ? undefined : bytes;
    }
  }
}
