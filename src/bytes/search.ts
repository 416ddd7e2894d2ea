/**
 * Binary search over ascending numbers: the one place where it is written.
 *
 * The question is always the same, "the last start <= needle": the function, line row, segment or range that
 * begins at or before an address. Whether it also reaches the address is the caller's to check against an end.
 *
 *   starts   10  20  20  40
 *   needle    9 -> -1     10 -> 0     19 -> 0     20 -> 2 (the last of equals)     99 -> 3
 */

/** Anything indexable with ascending numbers (equal neighbours allowed). */
export type Ascending = ArrayLike<number>;

/**
 * Index of the last element of `starts` that is <= `needle`, or -1 when `needle` is below the first.
 * Looks only at `[from, to)`, default all; the result is then in that range or `from - 1`.
 */
export function lastAtOrBelow(starts: Ascending, needle: number, from = 0, to = starts.length): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle] <= needle) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Index of the first element that is >= `needle`, or `to` when all are below it. */
export function firstAtOrAbove(starts: Ascending, needle: number, from = 0, to = starts.length): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle] < needle) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The same as `lastAtOrBelow` over what `startAt(i)` says, for tables that are read in place. */
export function lastAtOrBelowBy(count: number, startAt: (index: number) => number, needle: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (startAt(middle) <= needle) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
