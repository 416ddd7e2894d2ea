/**
 * Which of many overlapping intervals holds an address: the one with the lowest number.
 *
 * A segment tree over the bounds, which are known beforehand. Leaf i stands for [bound i, bound i+1); an interval is noted at
 * the few nodes that make it up, and a question reads the nodes from a leaf to the root. Intervals may be added at any time.
 */
const NONE = 0x7fffffff;

export class IntervalIndex {
  /** Bounds, ascending and distinct, in halves of 32 bits. */
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #leaves: number;
  /** Lowest number noted at each node; the children of node n are 2n and 2n + 1, the root is 1. */
  readonly #lowest: Int32Array;

  /** @param bounds of all intervals ever to be added, in any order; unsigned, 64 bits */
  constructor(bounds: readonly bigint[]) {
    const sorted = BigUint64Array.from(bounds).sort();
    let count = 0;
    for (const bound of sorted) {
      if (count === 0 || sorted[count - 1] !== bound) sorted[count++] = bound;
    }
    this.#high = new Uint32Array(count);
    this.#low = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      this.#high[i] = Number(sorted[i] >> 32n);
      this.#low[i] = Number(sorted[i] & 0xffffffffn);
    }
    this.#leaves = count;
    this.#lowest = new Int32Array(2 * count).fill(NONE);
  }

  /** Adds [start, limit); nothing if it is empty. */
  add(start: bigint, limit: bigint, number: number): void {
    const lowest = this.#lowest;
    let from = this.#leaf(Number(start >> 32n), Number(start & 0xffffffffn)) + this.#leaves;
    let to = this.#leaf(Number(limit >> 32n), Number(limit & 0xffffffffn)) + this.#leaves;
    for (; from < to; from >>= 1, to >>= 1) {
      if (from & 1) note(from++);
      if (to & 1) note(--to);
    }

    function note(node: number): void {
      if (lowest[node] > number) lowest[node] = number;
    }
  }

  /** The lowest number among the intervals that hold an address, -1 if none does. */
  first(high: number, low: number): number {
    const leaf = this.#leaf(high, low);
    if (leaf === -1) return -1;
    let found = NONE;
    for (let node = leaf + this.#leaves; node > 0; node >>= 1) {
      if (this.#lowest[node] < found) found = this.#lowest[node];
    }
    return found === NONE ? -1 : found;
  }

  /** The last bound at or below an address; -1 before the first. */
  #leaf(high: number, low: number): number {
    let from = 0;
    let to = this.#leaves;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const bound = this.#high[middle];
      if (bound < high || (bound === high && this.#low[middle] <= low)) from = middle + 1;
      else to = middle;
    }
    return from - 1;
  }
}
