import { FormatError } from '../errors.ts';

/**
 * "Read me this range": the only way bytes reach a parser. The same parser then serves a file, a buffer
 * and a range of an object store. Reads are positional and synchronous.
 */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /**
   * Exactly `length` bytes at `offset`. The result may be a view: treat it as read-only.
   * Throws FormatError when the range is not wholly inside the source.
   */
  read(offset: number, length: number): Uint8Array;
}

/** A source over bytes already in memory. */
export class BufferSource implements ByteSource {
  readonly size: number;
  readonly #bytes: Uint8Array;
  readonly #name: string;

  constructor(bytes: Uint8Array, name = 'buffer') {
    this.#bytes = bytes;
    this.#name = name;
    this.size = bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this.#name, offset, length, this.size);
    return this.#bytes.subarray(offset, offset + length);
  }
}

/** A part of another source as one of its own: offset 0 is the part's first byte. */
export class RangeSource implements ByteSource {
  readonly size: number;
  readonly #source: ByteSource;
  readonly #start: number;
  readonly #name: string;

  /** Throws FormatError when the part is not wholly inside the source. */
  constructor(source: ByteSource, start: number, size: number, name: string) {
    checkRange(name, start, size, source.size);
    this.#source = source;
    this.#start = start;
    this.#name = name;
    this.size = size;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this.#name, offset, length, this.size);
    return this.#source.read(this.#start + offset, length);
  }
}

/** Throws FormatError unless `[offset, offset + length)` lies inside `[0, size)`. */
export function checkRange(name: string, offset: number, length: number, size: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
    throw new FormatError(name, Math.max(0, Math.min(offset, size)), `need ${length} bytes at ${offset}, have ${size}`);
  }
}
