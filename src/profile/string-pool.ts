/**
 * Strings that new records may need, over many profiles: each is a number, and lies here as the bytes that will be written.
 *
 *   bytes    UTF-8, string after string; string n ends at ends[n]; 0 is ""
 *   heads    by hash of the bytes: the last string with it; `next` leads to the ones before
 */

/** Strings of one hash that are compared. Beyond, which only made-up names reach, a string may get a second number. */
const MAX_CHAIN = 256;
const FEWEST_HEADS = 256;
const NONE = -1;

export class StringPool {
  count = 0;
  #bytes: Buffer = Buffer.allocUnsafe(4096);
  #ends = new Uint32Array(64);
  #hashes = new Int32Array(64);
  #next = new Int32Array(64);
  #heads = new Int32Array(FEWEST_HEADS).fill(NONE);
  readonly #texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  constructor() {
    this.number('');
  }

  /** Bytes of all strings. */
  get size(): number {
    return this.count === 0 ? 0 : this.#ends[this.count - 1];
  }

  /** The string's number: equal exactly when the bytes are. */
  number(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const start = this.size;
    // Only ASCII is as long in bytes as in characters.
    const length = Buffer.byteLength(text);
    this.#reserve(start + length);
    this.#bytes.write(text, start, length, length === text.length ? 'latin1' : 'utf8');
    const hash = hashOf(this.#bytes, start, start + length);
    let number = this.#find(this.#bytes, start, start + length, hash);
    // Texts that are no proper UTF-16 become the same bytes as others.
    if (number === NONE) number = this.#enter(text, start + length, hash);
    this.#numbers.set(text, number);
    return number;
  }

  /** The number of a string that is here; undefined for others. */
  known(text: string): number | undefined {
    return this.#numbers.get(text);
  }

  text(number: number): string {
    return this.#texts[number];
  }

  /** The number of the string `from[start, end)`; -1 when it is not here. */
  find(from: Uint8Array, start: number, end: number): number {
    return this.#find(from, start, end, hashOf(from, start, end));
  }

  byteLength(number: number): number {
    return this.#ends[number] - this.#start(number);
  }

  /** A view of the string's bytes; good until the next string is taken. */
  bytes(number: number): Uint8Array {
    return this.#bytes.subarray(this.#start(number), this.#ends[number]);
  }

  #start(number: number): number {
    return number === 0 ? 0 : this.#ends[number - 1];
  }

  #find(from: Uint8Array, start: number, end: number, hash: number): number {
    let left = MAX_CHAIN;
    for (let n = this.#heads[hash & (this.#heads.length - 1)]; n !== NONE && left > 0; n = this.#next[n], left--) {
      if (this.#hashes[n] === hash && this.#equals(n, from, start, end)) return n;
    }
    return NONE;
  }

  #equals(number: number, from: Uint8Array, start: number, end: number): boolean {
    const own = this.#start(number);
    if (this.#ends[number] - own !== end - start) return false;
    const bytes = this.#bytes;
    for (let i = start, j = own; i < end; i++, j++) if (bytes[j] !== from[i]) return false;
    return true;
  }

  #enter(text: string, end: number, hash: number): number {
    const number = this.count++;
    if (number === this.#ends.length) {
      this.#ends = longer(this.#ends);
      this.#hashes = longer(this.#hashes);
      this.#next = longer(this.#next);
    }
    this.#ends[number] = end;
    this.#hashes[number] = hash;
    this.#texts.push(text);
    if (this.count > this.#heads.length) this.#rehash(4 * this.#heads.length);
    else this.#link(number);
    return number;
  }

  #link(number: number): void {
    const slot = this.#hashes[number] & (this.#heads.length - 1);
    this.#next[number] = this.#heads[slot];
    this.#heads[slot] = number;
  }

  #rehash(heads: number): void {
    this.#heads = new Int32Array(heads).fill(NONE);
    for (let n = 0; n < this.count; n++) this.#link(n);
  }

  #reserve(end: number): void {
    if (end <= this.#bytes.length) return;
    const bytes = Buffer.allocUnsafe(Math.max(end, 2 * this.#bytes.length));
    bytes.set(this.#bytes.subarray(0, this.size));
    this.#bytes = bytes;
  }
}

/** The same numbers in an array of twice the length. */
export function longer<T extends Uint32Array | Int32Array | Float64Array>(array: T): T {
  const copy = new (array.constructor as new (length: number) => T)(2 * array.length);
  copy.set(array);
  return copy;
}

/** Four bytes a step. */
function hashOf(from: Uint8Array, start: number, end: number): number {
  let hash = Math.imul(end - start, 0x9e3779b1);
  let i = start;
  for (const last = end - 3; i < last; i += 4) {
    const word = from[i] | (from[i + 1] << 8) | (from[i + 2] << 16) | (from[i + 3] << 24);
    hash = Math.imul(hash ^ word, 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  for (; i < end; i++) hash = Math.imul(hash ^ from[i], 0xc2b2ae35);
  hash ^= hash >>> 16;
  return hash ^ (hash >>> 9);
}
