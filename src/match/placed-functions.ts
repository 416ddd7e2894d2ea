/** Functions and where their code lies, in flat columns: a large program has half a million, and an object of each takes three times as much. */
export interface PlacedFunction {
  /** As `nameHash` gives it. */
  readonly hash: number;
  /** In the file's own addresses. */
  readonly address: number;
  /** Places. */
  readonly start: number;
  readonly end: number;
}

const FIRST_ROOM = 4096;

export class PlacedFunctions implements Iterable<PlacedFunction> {
  length = 0;
  #hashes = new Uint32Array(FIRST_ROOM);
  #addresses = new Float64Array(FIRST_ROOM);
  #starts = new Float64Array(FIRST_ROOM);
  #ends = new Float64Array(FIRST_ROOM);

  push(hash: number, address: number, start: number, end: number): void {
    if (this.length === this.#hashes.length) this.#grow();
    const at = this.length++;
    this.#hashes[at] = hash;
    this.#addresses[at] = address;
    this.#starts[at] = start;
    this.#ends[at] = end;
  }

  *[Symbol.iterator](): Generator<PlacedFunction> {
    for (let i = 0; i < this.length; i++) {
      yield { hash: this.#hashes[i], address: this.#addresses[i], start: this.#starts[i], end: this.#ends[i] };
    }
  }

  #grow(): void {
    const room = this.#hashes.length * 2;
    const hashes = new Uint32Array(room);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const larger = (column: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const grown = new Float64Array(room);
      grown.set(column);
      return grown;
    };
    this.#addresses = larger(this.#addresses);
    this.#starts = larger(this.#starts);
    this.#ends = larger(this.#ends);
  }
}
