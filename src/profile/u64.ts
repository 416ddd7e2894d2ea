/** Whether the host stores the low word of a 64-bit integer first. */
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
const LOW = LITTLE_ENDIAN ? 0 : 1;
const HIGH = 1 - LOW;

/**
 * A column of unsigned 64-bit integers of fixed length, readable as two 32-bit halves (fast, no allocation) or as
 * bigint (exact, slow).
 */
export class U64Column {
  readonly length: number;
  readonly values: BigUint64Array;
  readonly #words: Uint32Array;

  constructor(length: number) {
    this.length = length;
    this.values = new BigUint64Array(length);
    this.#words = new Uint32Array(this.values.buffer);
  }

  set(index: number, low: number, high: number): void {
    this.#words[2 * index + LOW] = low;
    this.#words[2 * index + HIGH] = high;
  }

  /** Bits 0 to 31. */
  low(index: number): number {
    return this.#words[2 * index + LOW];
  }

  /** Bits 32 to 63. */
  high(index: number): number {
    return this.#words[2 * index + HIGH];
  }

  big(index: number): bigint {
    return this.values[index];
  }

  /** The same values in ascending order. */
  sorted(): U64Column {
    const copy = new U64Column(this.length);
    copy.values.set(this.values);
    copy.values.sort();
    return copy;
  }
}
