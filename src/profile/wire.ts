/**
 * The protobuf wire format as far as pprof uses it, on protobufjs's Reader and Writer.
 *
 * A message is a run of fields. A field is a tag (varint: number << 3 | wire type) and a payload:
 *
 *   0  varint     1 to 10 bytes, 7 bits each, low bits first, top bit set on all but the last
 *   1  8 bytes
 *   2  length     varint n, then n bytes: a string, a message, or varints packed together
 *   5  4 bytes
 *
 * 3 and 4 (groups) are errors, as is everything else. What is accepted is what google/pprof's decoder accepts, which differs
 * from protobufjs's own methods: tags and lengths may be padded to 10 bytes, field number 0 is an unknown field, the bits of a
 * tenth byte beyond the 64th are dropped. Hence the methods here instead of `tag()`, `size()` and `uint64()`.
 */
import protobuf from 'protobufjs/minimal.js';
import { FormatError } from '../errors.ts';

/** Name used in errors; offsets count from the start of the uncompressed profile. */
export const SECTION = 'profile';

const TWO_32 = 0x100000000;

/** Stands for a string index that no table can have. */
const NO_STRING = TWO_32;

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH = 2;
export const FIXED32 = 5;

/**
 * Reads fields in place. `pos` and `len` bound the message being read: to read a nested message set `len` to its end, and
 * restore it afterwards. Every error is a FormatError with the offset in the whole profile.
 */
export class WireReader extends protobuf.Reader {
  /** Low 32 bits of the varint read last. */
  low = 0;
  /** High 32 bits of the varint read last. */
  high = 0;
  /** Number of the field read last; beyond 2^53 not exact, which no known field is. */
  field = 0;
  /** Wire type of the field read last. */
  wire = 0;
  /** Where the tag of the field read last starts. */
  fieldStart = 0;
  /** Message being read, for errors. */
  message = 'Profile';

  constructor(bytes: Uint8Array) {
    // A Buffer's methods are slower than a plain view's, and its views pin pools.
    super(Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes);
  }

  error(problem: string, at = this.pos): FormatError {
    return new FormatError(SECTION, at, `${this.message}: ${problem}`);
  }

  /** Reads a varint into `low` and `high`. */
  varint(): void {
    const { buf, len, pos } = this;
    if (pos < len) {
      const first = buf[pos];
      if (first < 0x80) {
        this.pos = pos + 1;
        this.low = first;
        this.high = 0;
        return;
      }
      if (pos + 2 < len) {
        // Two and three bytes: most ids.
        const second = buf[pos + 1];
        if (second < 0x80) {
          this.pos = pos + 2;
          this.low = (first & 0x7f) | (second << 7);
          this.high = 0;
          return;
        }
        const third = buf[pos + 2];
        if (third < 0x80) {
          this.pos = pos + 3;
          this.low = (first & 0x7f) | ((second & 0x7f) << 7) | (third << 14);
          this.high = 0;
          return;
        }
      }
    }
    this.#longVarint();
  }

  #longVarint(): void {
    const { buf, len } = this;
    let pos = this.pos;
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      if (pos >= len) throw this.error('varint cut short');
      const byte = buf[pos++];
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i === 4) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (7 * i - 32);
      if (byte < 0x80) {
        this.pos = pos;
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw this.error('varint longer than 10 bytes');
  }

  /** The varint read last as unsigned number; rounded above 2^53. */
  unsigned(): number {
    return this.high * TWO_32 + this.low;
  }

  /** The varint read last as signed number (int64); rounded beyond ±2^53. */
  signed(): number {
    return (this.high | 0) * TWO_32 + this.low;
  }

  /** The varint read last as signed bigint (int64). */
  bigSigned(): bigint {
    return (BigInt(this.high | 0) << 32n) | BigInt(this.low);
  }

  /** The varint read last as unsigned bigint (uint64). */
  bigUnsigned(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }

  /** Reads the next field's tag, up to `len`. False at the end of the message. */
  next(): boolean {
    const pos = this.pos;
    if (pos >= this.len) return false;
    this.fieldStart = pos;
    const byte = this.buf[pos];
    if (byte < 0x80) {
      this.pos = pos + 1;
      this.field = byte >>> 3;
      this.wire = byte & 7;
      return true;
    }
    this.#longVarint();
    this.wire = this.low & 7;
    this.field = this.high * (TWO_32 / 8) + (this.low >>> 3);
    return true;
  }

  /** Reads a length prefix and returns the position where its bytes end. */
  end(): number {
    this.varint();
    const length = this.unsigned();
    if (length > this.len - this.pos) {
      throw this.error(`need ${length} bytes, have ${this.len - this.pos}`, this.fieldStart);
    }
    return this.pos + length;
  }

  /** Reads the payload of a field that must be a varint. */
  value(): void {
    if (this.wire !== VARINT) throw this.mistyped('a varint');
    this.varint();
  }

  /** Reads the length of a field that must be a string or message, and returns where it ends. */
  body(): number {
    if (this.wire !== LENGTH) throw this.mistyped('a length');
    return this.end();
  }

  /** Bounds reading to the content of the length-delimited field whose tag starts at `start` and which ends at `end`. */
  enter(start: number, end: number): void {
    this.pos = start;
    this.len = end;
    this.varint();
    this.varint();
  }

  /**
   * Prepares reading a repeated varint field, packed or not: bounds `len` to it when packed, and returns the position up to
   * which to call `varint()`. The caller restores `len`.
   */
  numbers(): number {
    if (this.wire === VARINT) return this.pos + 1;
    return (this.len = this.body());
  }

  /** Reads the payload of a string index; see `stringIndex`. */
  index(): number {
    this.value();
    return this.high === 0 ? this.low : NO_STRING;
  }

  /** Reads a string index from packed numbers. */
  packedIndex(): number {
    this.varint();
    return this.high === 0 ? this.low : NO_STRING;
  }

  /** Passes a string index below `count`; throws FormatError on any other. */
  stringIndex(index: number, count: number): number {
    if (index >= count) {
      throw this.error(`string index ${index === NO_STRING ? 'negative or above 2^32' : index} of ${count}`);
    }
    return index;
  }

  /** The error for a known field of another wire type. */
  mistyped(expected: string): FormatError {
    return this.error(`field ${this.field} has wire type ${this.wire} where ${expected} is expected`, this.fieldStart);
  }

  /** Steps over fields with this tag, of one byte, as far as one follows the other and none is longer than 2^14 bytes. How many. */
  skipRun(tag: number): number {
    const { buf, len } = this;
    let count = 0;
    let { pos } = this;
    for (;;) {
      if (pos + 2 >= len || buf[pos] !== tag) break;
      const low = buf[pos + 1];
      const high = low < 0x80 ? 0 : buf[pos + 2];
      const end = low < 0x80 ? pos + 2 + low : pos + 3 + ((low & 0x7f) | (high << 7));
      if (high >= 0x80 || end > len) break;
      pos = end;
      count++;
    }
    this.pos = pos;
    return count;
  }

  /** Steps over the payload of the field read last. */
  skipField(): void {
    switch (this.wire) {
      case VARINT:
        this.varint();
        return;
      case LENGTH:
        this.pos = this.end();
        return;
      case FIXED64:
        this.#advance(8);
        return;
      case FIXED32:
        this.#advance(4);
        return;
      default:
        throw this.error(`field ${this.field} has wire type ${this.wire}, which pprof does not use`, this.fieldStart);
    }
  }

  #advance(bytes: number): void {
    if (bytes > this.len - this.pos) throw this.error(`need ${bytes} bytes, have ${this.len - this.pos}`);
    this.pos += bytes;
  }
}

/** Below this many bytes a loop copies faster than a view and `set`. */
const SMALL_COPY = 24;

/** Room that protobufjs's Writer reserves ahead of a varint; without it the last fields would double the buffer. */
const RESERVE = 16;

/** A Writer over one buffer of known size. Nothing written to it may be larger than announced, or the buffer is doubled. */
export class WireWriter extends protobuf.Writer {
  constructor(capacity: number) {
    super();
    this.buf = new Uint8Array(capacity + RESERVE);
  }

  /** Copies `from[start, end)`. */
  copy(from: Uint8Array, start: number, end: number): void {
    if (end - start >= SMALL_COPY) {
      this.raw(from.subarray(start, end));
      return;
    }
    if (this.pos + end - start > this.buf.length) throw new RangeError('WireWriter is full');
    const { buf } = this;
    let { pos } = this;
    for (let i = start; i < end; i++) buf[pos++] = from[i]!;
    this.pos = pos;
  }

  /** Writes a 64-bit varint. Integers only; negative ones as int64, in 10 bytes. */
  varint(value: number | bigint): void {
    if (typeof value !== 'bigint') {
      if (value >= 0 && value < TWO_32) this.#small(value);
      else this.int64(value);
      return;
    }
    // protobufjs writes 0 for a bigint.
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.byte(Number(rest));
  }

  /** Writes an integer from 0 to 2^32 - 1. */
  #small(value: number): void {
    const { buf } = this;
    let { pos } = this;
    if (pos + 5 > buf.length) {
      this.uint32(value);
      return;
    }
    let rest = value >>> 0;
    while (rest >= 0x80) {
      buf[pos++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buf[pos++] = rest;
    this.pos = pos;
  }

  /** Begins a message of unknown length: gives what `end` takes. @param tag one byte */
  begin(tag: number): number {
    this.byte(tag);
    this.byte(0);
    return this.pos;
  }

  /** Ends it. @param content where it begins */
  end(content: number): void {
    const length = this.pos - content;
    if (length >= 0x80) {
      // The length takes more than the byte that was left for it.
      const more = varintSize(length) - 1;
      if (this.pos + more > this.buf.length) throw new RangeError('WireWriter is full');
      this.buf.copyWithin(content + more, content, this.pos);
      this.pos = content - 1;
      this.varint(length);
      this.pos += length;
    } else this.buf[content - 1] = length;
  }

  /** Writes one byte. */
  byte(value: number): void {
    if (this.pos >= this.buf.length) throw new RangeError('WireWriter is full');
    this.buf[this.pos++] = value;
  }

  /** What was written, as a view of the buffer. */
  written(): Uint8Array {
    return this.buf.subarray(0, this.pos);
  }
}

/** Bytes of `value` as varint. */
export function varintSize(value: number | bigint): number {
  if (typeof value === 'bigint') {
    let rest = BigInt.asUintN(64, value);
    let size = 1;
    while (rest >= 0x80n) {
      rest >>= 7n;
      size++;
    }
    return size;
  }
  if (value < 0) return 10;
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  let size = 5;
  for (let rest = value / 2 ** 35; rest >= 1; rest /= 128) size++;
  return size;
}
