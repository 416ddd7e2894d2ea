import type { U64Column } from './u64.ts';

/**
 * From the id of a record to its index, for one kind of record.
 *
 * Three ways, picked from the ids themselves:
 *  - dense: ids are 1, 2, 3 ... in file order, as every Go runtime writes them. No table at all.
 *  - table: the largest id is not much larger than the number of records. One Int32Array.
 *  - sorted: anything else, up to 2^64 - 1. Binary search. Not a hash table, so that no choice of ids makes it slow.
 *
 * When two records share an id the later one is found, as in google/pprof.
 */
export class IdIndex {
  /** True when ids are 1..N in file order. */
  readonly dense: boolean;
  /** Index of the first record whose id an earlier record has already; -1 when ids are unique. */
  readonly duplicate: number;
  readonly #count: number;
  readonly #table: Int32Array | null;
  readonly #sorted: U64Column | null;
  /** For each position in #sorted that starts a run of equal ids, the index of the last record with that id. */
  readonly #indexes: Int32Array;

  constructor(ids: U64Column) {
    const count = ids.length;
    this.#count = count;
    this.#table = null;
    this.#sorted = null;
    this.#indexes = NO_INDEXES;
    let dense = true;
    let largest = 0;
    for (let i = 0; i < count; i++) {
      const low = ids.low(i);
      const high = ids.high(i);
      if (high !== 0) largest = Infinity;
      else if (low > largest) largest = low;
      if (low !== i + 1 || high !== 0) dense = false;
    }
    this.dense = dense;
    let duplicate = -1;
    if (!dense) {
      if (largest <= count * TABLE_RATIO + TABLE_FLOOR) {
        const table = new Int32Array(largest + 1).fill(-1);
        for (let i = 0; i < count; i++) {
          const id = ids.low(i);
          if (table[id] !== -1 && duplicate < 0) duplicate = i;
          table[id] = i;
        }
        this.#table = table;
      } else {
        this.#sorted = ids.sorted();
        this.#indexes = new Int32Array(count).fill(-1);
        for (let i = 0; i < count; i++) {
          const rank = this.#rank(this.#sorted, ids.low(i), ids.high(i));
          if (this.#indexes[rank] !== -1 && duplicate < 0) duplicate = i;
          this.#indexes[rank] = i;
        }
      }
    }
    this.duplicate = duplicate;
  }

  /** Index of the record with this id, given as two 32-bit halves; -1 when there is none. */
  find(low: number, high: number): number {
    if (this.dense) return high === 0 && low !== 0 && low <= this.#count ? low - 1 : -1;
    const table = this.#table;
    if (table !== null) return high === 0 && low < table.length ? table[low] : -1;
    const sorted = this.#sorted!;
    const rank = this.#rank(sorted, low, high);
    if (rank === this.#count || sorted.low(rank) !== low || sorted.high(rank) !== high) return -1;
    return this.#indexes[rank];
  }

  /** The first position in `sorted` whose id is not less than the one asked for. */
  #rank(sorted: U64Column, low: number, high: number): number {
    let from = 0;
    let to = this.#count;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const h = sorted.high(middle);
      if (h < high || (h === high && sorted.low(middle) < low)) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** A table may be this many times longer than the number of records (4 bytes an entry, so at most 16 bytes a record). */
const TABLE_RATIO = 4;
/** A table this long costs nothing worth avoiding. */
const TABLE_FLOOR = 1024;
const NO_INDEXES = new Int32Array(0);
