import { LimitError } from '../errors.ts';

/** A longer entry is no name, path or label; and V8 cannot hold a string of 512 MiB. */
export const MAX_STRING_BYTES = 64 * 1024 * 1024;

/**
 * The profile's strings, as bytes in place. Foreign producers write strings that are not UTF-8 and strings that
 * occur twice; both are kept as they are. Entry 0 is always empty.
 */
export class StringTable {
  readonly count: number;
  readonly #raw: Uint8Array;
  readonly #buffer: Buffer;
  /** Start and end of entry i in #raw at 2i and 2i + 1. */
  readonly #extents: Uint32Array;
  #texts: (string | undefined)[] | undefined;

  /** `extents` holds start and end of each entry in `raw`, bytes. */
  constructor(raw: Uint8Array, extents: Uint32Array) {
    this.#raw = raw;
    this.#buffer = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
    this.#extents = extents;
    this.count = extents.length / 2;
  }

  #check(index: number): void {
    if (!(index >= 0 && index < this.count)) throw new RangeError(`string ${index} of ${this.count}`);
  }

  /** Bytes of entry `index`, a view. */
  bytes(index: number): Uint8Array {
    this.#check(index);
    return this.#raw.subarray(this.#extents[2 * index], this.#extents[2 * index + 1]);
  }

  /** Where entry `index` begins in the profile. */
  start(index: number): number {
    this.#check(index);
    return this.#extents[2 * index];
  }

  /** Where it ends. */
  end(index: number): number {
    this.#check(index);
    return this.#extents[2 * index + 1];
  }

  /** Length of entry `index` in bytes. */
  byteLength(index: number): number {
    this.#check(index);
    return this.#extents[2 * index + 1] - this.#extents[2 * index];
  }

  /** Entry `index` with one character per byte: equal exactly when the bytes are equal. Not cached. */
  latin1(index: number): string {
    this.#check(index);
    return this.#buffer.toString('latin1', this.#extents[2 * index], this.#extents[2 * index + 1]);
  }

  /** Entry `index` for people: bytes that are not UTF-8 become U+FFFD. Cached. Throws LimitError above MAX_STRING_BYTES. */
  text(index: number): string {
    this.#texts ??= new Array<string | undefined>(this.count);
    const cached = this.#texts[index];
    if (cached !== undefined) return cached;
    if (this.byteLength(index) > MAX_STRING_BYTES) {
      throw new LimitError(`a string of ${this.byteLength(index)} bytes exceeds the limit of ${MAX_STRING_BYTES}`);
    }
    const text = this.#buffer.toString('utf8', this.#extents[2 * index], this.#extents[2 * index + 1]);
    this.#texts[index] = text;
    return text;
  }
}
