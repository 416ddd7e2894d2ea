import type { RangeRowColumns, RowColumns } from './index-part.ts';

/** Rows of three numbers, each kept once: the numbers of rows are what other rows refer to. */
export class UniqueRows implements RowColumns {
  count = 0;
  a = new Uint32Array(1 << 12);
  b = new Uint32Array(1 << 12);
  c = new Uint32Array(1 << 12);
  /** Open addressing: row + 1, 0 free. */
  #slots = new Uint32Array(1 << 13);

  /** Number of the row; added when it is new. */
  of(a: number, b: number, c: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash(a, b, c) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot] - 1;
      if (row < 0) return this.#add(slot, a, b, c);
      if (this.a[row] === a && this.b[row] === b && this.c[row] === c) return row;
    }
  }

  #add(slot: number, a: number, b: number, c: number): number {
    const row = this.count++;
    if (row === this.a.length) {
      this.a = grown(this.a);
      this.b = grown(this.b);
      this.c = grown(this.c);
    }
    this.a[row] = a;
    this.b[row] = b;
    this.c[row] = c;
    this.#slots[slot] = row + 1;
    if (this.count * 3 > this.#slots.length * 2) this.#rehash();
    return row;
  }

  /** Without what finding rows takes. */
  get columns(): RowColumns {
    return { count: this.count, a: this.a, b: this.b, c: this.c };
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 4);
    const mask = slots.length - 1;
    for (let row = 0; row < this.count; row++) {
      let slot = hash(this.a[row], this.b[row], this.c[row]) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = row + 1;
    }
    this.#slots = slots;
  }
}

/** Ranges as they come, in growing columns. */
export class RangeRows implements RangeRowColumns {
  count = 0;
  starts = new Float64Array(1 << 12);
  ends = new Float64Array(1 << 12);
  /** As in the table: 0 nothing. */
  scopes = new Uint32Array(1 << 12);
  places = new Uint32Array(1 << 12);

  /** Joined with the one before where that says the same and ends where this begins. */
  add(start: number, end: number, scope: number, place: number): void {
    const last = this.count - 1;
    if (last >= 0 && this.ends[last] === start && this.scopes[last] === scope && this.places[last] === place) {
      this.ends[last] = end;
      return;
    }
    const i = this.count++;
    if (i === this.starts.length) {
      this.starts = grown(this.starts);
      this.ends = grown(this.ends);
      this.scopes = grown(this.scopes);
      this.places = grown(this.places);
    }
    this.starts[i] = start;
    this.ends[i] = end;
    this.scopes[i] = scope;
    this.places[i] = place;
  }

  get columns(): RangeRowColumns {
    const { count, starts, ends, scopes, places } = this;
    return { count, starts, ends, scopes, places };
  }
}

/** Texts, each kept once, numbered by their offset. */
export class IndexStrings {
  readonly #offsets = new Map<string, number>([['', 0]]);
  #bytes = new Uint8Array(1 << 16);
  /** String 0: a length of 0. */
  #length = 4;

  of(text: string): number {
    let offset = this.#offsets.get(text);
    if (offset !== undefined) return offset;
    offset = this.#length;
    const most = 4 + 3 * text.length;
    while (this.#bytes.length - this.#length < most) this.#bytes = grown(this.#bytes);
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(offset + 4));
    new DataView(this.#bytes.buffer).setUint32(offset, written, true);
    this.#length = offset + 4 + written;
    this.#offsets.set(text, offset);
    return offset;
  }

  /** The text of a number that `of` gave. */
  at(offset: number): string {
    return textAt(this.#bytes, offset);
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /**
   * Takes over all strings of another, in their order, and writes into its bytes, where each string's length was, the number that it
   * has here: of what the other counts, `numberIn` then says the number.
   */
  take(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.length;) {
      const length = view.getUint32(at, true);
      const text = length === 0 ? '' : textOf(bytes, at + 4, length);
      view.setUint32(at, this.of(text), true);
      at += 4 + length;
    }
  }
}

/** The number that `take` has left in the strings of another. */
export function numberIn(taken: DataView, offset: number): number {
  return taken.getUint32(offset, true);
}

/** The text at an offset of strings as the file has them. */
export function textAt(bytes: Uint8Array, offset: number): string {
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset, true);
  return textOf(bytes, offset + 4, length);
}

function textOf(bytes: Uint8Array, start: number, length: number): string {
  return decoder.decode(bytes.subarray(start, start + length));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function hash(a: number, b: number, c: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}

function grown<T extends Float64Array | Uint32Array | Uint8Array>(from: T): T {
  const to = new (from.constructor as new (length: number) => T)(from.length * 2);
  to.set(from);
  return to;
}
