import { FormatError } from '../errors.ts';

const utf8 = new TextDecoder('utf-8');

/**
 * A bounds-checked reader over bytes: the one cursor of the code base. Every read that does not fit throws
 * FormatError with the name of what is being read and the offset in it.
 */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  /** Name for errors: a section or a record. */
  readonly section: string;
  /** Offset of `bytes[0]` within `section`. */
  readonly base: number;
  /** Next byte to read, an index into `bytes`. */
  offset = 0;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, littleEndian: boolean, section: string, base = 0) {
    this.bytes = bytes;
    this.littleEndian = littleEndian;
    this.section = section;
    this.base = base;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  /** All bounds checks happen here: claims `n` bytes and returns their index. */
  #take(n: number): number {
    const at = this.offset;
    if (!(n >= 0 && at >= 0 && at + n <= this.bytes.length)) {
      throw this.error(`need ${n} bytes, have ${Math.max(0, this.bytes.length - at)}`);
    }
    this.offset = at + n;
    return at;
  }

  /** A FormatError at the current offset. */
  error(problem: string): FormatError {
    return new FormatError(this.section, Math.max(0, this.base + this.offset), problem);
  }

  seek(offset: number): this {
    if (!(offset >= 0 && offset <= this.bytes.length)) {
      throw new FormatError(this.section, this.base, `offset ${offset} outside ${this.bytes.length} bytes`);
    }
    this.offset = offset;
    return this;
  }

  skip(n: number): this {
    this.#take(n);
    return this;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  i8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), this.littleEndian);
  }

  i16(): number {
    return this.#view.getInt16(this.#take(2), this.littleEndian);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), this.littleEndian);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), this.littleEndian);
  }

  /** A u64 as bigint: exact, slow. For headers and anything that may exceed 2^53. */
  u64n(): bigint {
    return this.#view.getBigUint64(this.#take(8), this.littleEndian);
  }

  /** A u64 as number. Throws FormatError above 2^53 - 1 instead of rounding. */
  u64(): number {
    const at = this.#take(8);
    const low = this.#view.getUint32(this.littleEndian ? at : at + 4, this.littleEndian);
    const high = this.#view.getUint32(this.littleEndian ? at + 4 : at, this.littleEndian);
    if (high > 0x1fffff) {
      this.offset = at;
      throw this.error('64-bit value above 2^53 where an offset, size or address was expected');
    }
    return high * 0x100000000 + low;
  }

  /** A word of 4 or 8 bytes as number. */
  word(size: 4 | 8): number {
    return size === 8 ? this.u64() : this.u32();
  }

  /** Unsigned LEB128 as number, exact to 2^53 - 1; over-long encodings are accepted, larger values throw. */
  uleb(): number {
    let byte = this.u8();
    if (byte < 0x80) return byte;
    let result = byte & 0x7f;
    let shift = 7;
    while (shift < 28) {
      byte = this.u8();
      result |= (byte & 0x7f) << shift;
      if (byte < 0x80) return result;
      shift += 7;
    }
    let scale = 2 ** 28;
    for (let i = 0; i < 12; i++) {
      byte = this.u8();
      result += (byte & 0x7f) * scale;
      if (result > Number.MAX_SAFE_INTEGER) throw this.error('LEB128 value above 2^53');
      if (byte < 0x80) return result;
      scale *= 128;
    }
    throw this.error('LEB128 longer than 16 bytes');
  }

  /**
   * Unsigned LEB128 of 64 bits as a signed number: what a writer means that subtracts the larger from the smaller. Throws beyond
   * ±2^53.
   */
  ulebAsSigned(): number {
    const start = this.offset;
    let byte = this.u8();
    if (byte < 0x80) return byte;
    let result = BigInt(byte & 0x7f);
    for (let shift = 7n; shift < 70n; shift += 7n) {
      byte = this.u8();
      result |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      const signed = Number(BigInt.asIntN(64, result));
      if (Number.isSafeInteger(signed)) return signed;
      throw this.seek(start).error('LEB128 value above 2^53');
    }
    throw this.seek(start).error('LEB128 longer than 10 bytes');
  }

  /** Signed LEB128 as number, exact within ±2^53; larger values throw. */
  sleb(): number {
    let result = 0;
    let scale = 1;
    for (let i = 0; i < 16; i++) {
      const byte = this.u8();
      if (byte >= 0x80) {
        result += (byte & 0x7f) * scale;
        scale *= 128;
        if (result > Number.MAX_SAFE_INTEGER && i < 9) continue; // may still be the padding of a negative number
      } else {
        const last = byte & 0x40 ? (byte & 0x7f) - 0x80 : byte & 0x7f;
        const value = result + last * scale;
        if (Number.isSafeInteger(value)) return value;
        return this.#slebSlow(i + 1);
      }
    }
    throw this.error('LEB128 longer than 16 bytes');
  }

  /** The last `length` bytes again, in bigint: rounding in doubles can hide a value that does fit. */
  #slebSlow(length: number): number {
    let value = 0n;
    const start = this.offset - length;
    for (let i = 0; i < length; i++) value |= BigInt(this.bytes[start + i] & 0x7f) << BigInt(7 * i);
    const signed = BigInt.asIntN(7 * length, value);
    if (signed < BigInt(Number.MIN_SAFE_INTEGER) || signed > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw this.error('signed LEB128 value beyond 2^53');
    }
    return Number(signed);
  }

  /** A view of the next `n` bytes. */
  take(n: number): Uint8Array {
    const at = this.#take(n);
    return this.bytes.subarray(at, at + n);
  }

  /** The bytes up to a NUL, which is consumed. Throws when there is none. */
  cstringBytes(): Uint8Array {
    const end = this.bytes.indexOf(0, this.offset);
    if (end < 0) throw this.error('string without terminating NUL');
    const view = this.bytes.subarray(this.offset, end);
    this.offset = end + 1;
    return view;
  }

  cstring(): string {
    return utf8.decode(this.cstringBytes());
  }

  /** A cursor over `[offset, offset + length)` of this one, so that a record cannot read its neighbour. */
  sub(offset: number, length: number, section = this.section): Cursor {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.bytes.length)) {
      throw new FormatError(
        this.section,
        this.base + Math.max(0, Math.min(offset, this.bytes.length)),
        `need ${length} bytes at ${offset}, have ${this.bytes.length}`,
      );
    }
    const base = section === this.section ? this.base + offset : 0;
    return new Cursor(this.bytes.subarray(offset, offset + length), this.littleEndian, section, base);
  }
}
