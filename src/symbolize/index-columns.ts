/** Rows of three numbers, each kept once: the numbers of rows are what other rows refer to. */
export class UniqueRows {
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
    if (this.count * 2 > this.#slots.length) this.#rehash();
    return row;
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
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
export class RangeRows {
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
    const length = new DataView(this.#bytes.buffer).getUint32(offset, true);
    return decoder.decode(this.#bytes.subarray(offset + 4, offset + 4 + length));
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
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
