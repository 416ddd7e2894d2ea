/**
 * Address ranges in flat columns, and which of them counts where they overlap.
 *
 *     ranges, in order    A [10,50)  B [20,30)  C [25,40)
 *     segments            A [10,20)  B [20,25)  C [25,40)  A [40,50)         the later range wins
 *
 * In a tree of functions that is read top-down, later means inner: the segment at an address belongs to the innermost.
 */
import { ascendingOrder } from '../bytes/order.ts';
import { lastAtOrBelow } from '../bytes/search.ts';
import { LimitError } from '../errors.ts';
import type { CodeRanges } from './code-ranges.ts';

/** All functions of the largest link-time optimised unit, or all units of the largest file, many times over. */
const MAX_RANGES = 1 << 22;

/** Ranges as they are read, in one buffer that is used again and again. */
export class RangeColumns {
  length = 0;
  starts = new Float64Array(64);
  ends = new Float64Array(64);
  /** Whom the range belongs to: a number of the caller's. */
  owners = new Uint32Array(64);
  /** Set before ranges are read for an owner. */
  owner = 0;
  readonly #code: CodeRanges;

  constructor(code: CodeRanges) {
    this.#code = code;
  }

  clear(): void {
    this.length = 0;
    this.owner = 0;
  }

  /** Adds [start, end), unless it is empty or not code of this file. */
  add(start: number, end: number): void {
    if (!(end > start) || !this.#code.has(start)) return;
    const i = this.length;
    if (i === this.starts.length) this.#grow();
    this.starts[i] = start;
    this.ends[i] = end;
    this.owners[i] = this.owner;
    this.length = i + 1;
  }

  #grow(): void {
    const length = this.length * 2;
    if (length > MAX_RANGES) throw new LimitError(`more than ${MAX_RANGES} address ranges in one place`);
    const starts = new Float64Array(length);
    starts.set(this.starts);
    this.starts = starts;
    const ends = new Float64Array(length);
    ends.set(this.ends);
    this.ends = ends;
    const owners = new Uint32Array(length);
    owners.set(this.owners);
    this.owners = owners;
  }
}

/** Disjoint ascending segments, each with its owner. */
export class Segments {
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly owners: Uint32Array;

  constructor(starts: Float64Array, ends: Float64Array, owners: Uint32Array) {
    this.starts = starts;
    this.ends = ends;
    this.owners = owners;
  }

  static readonly NONE = new Segments(new Float64Array(0), new Float64Array(0), new Uint32Array(0));

  get byteLength(): number {
    return this.starts.byteLength + this.ends.byteLength + this.owners.byteLength;
  }

  /** Index of the segment that holds an address, or -1. */
  find(address: number): number {
    const found = lastAtOrBelow(this.starts, address);
    return found >= 0 && address < this.ends[found] ? found : -1;
  }

  /** Where ranges overlap, the one added last counts; with `firstWins` the one added first. */
  static of({ length, starts, ends, owners }: RangeColumns, firstWins = false): Segments {
    if (length === 0) return Segments.NONE;
    let sorted = true;
    for (let i = 1; i < length && sorted; i++) sorted = starts[i] >= ends[i - 1];
    if (sorted) return new Segments(starts.slice(0, length), ends.slice(0, length), owners.slice(0, length));
    const order = ascendingOrder(starts.subarray(0, length));
    let disjoint = true;
    for (let i = 1; i < length && disjoint; i++) disjoint = starts[order[i]] >= ends[order[i - 1]];
    return disjoint ? inOrder(starts, ends, owners, order) : sweep(starts, ends, owners, order, firstWins);
  }
}

function inOrder(starts: Float64Array, ends: Float64Array, owners: Uint32Array, order: Uint32Array): Segments {
  const length = order.length;
  const result = new Segments(new Float64Array(length), new Float64Array(length), new Uint32Array(length));
  for (let i = 0; i < length; i++) {
    const range = order[i];
    result.starts[i] = starts[range];
    result.ends[i] = ends[range];
    result.owners[i] = owners[range];
  }
  return result;
}

/** From left to right, with a heap of the ranges begun, the one that counts on top. At most twice as many segments as ranges. */
function sweep(
  starts: Float64Array,
  ends: Float64Array,
  owners: Uint32Array,
  order: Uint32Array,
  firstWins: boolean,
): Segments {
  // The heap holds numbers of ranges, mirrored when the smallest is to come up.
  const mirror = firstWins ? order.length - 1 : 0;
  const flip = firstWins ? -1 : 1;
  const outStarts = new Float64Array(2 * order.length);
  const outEnds = new Float64Array(2 * order.length);
  const outOwners = new Uint32Array(2 * order.length);
  let count = 0;
  const heap = new Uint32Array(order.length);
  let size = 0;
  let next = 0;
  let position = 0;
  for (;;) {
    while (size > 0 && ends[mirror + flip * heap[0]] <= position) size = pop(heap, size);
    if (size === 0) {
      if (next === order.length) break;
      position = starts[order[next]];
    }
    while (next < order.length && starts[order[next]] <= position) {
      size = push(heap, size, mirror + flip * order[next++]);
    }
    const top = mirror + flip * heap[0];
    if (ends[top] <= position) continue;
    let stop = ends[top];
    if (next < order.length && starts[order[next]] < stop) stop = starts[order[next]];
    const owner = owners[top];
    if (count > 0 && outOwners[count - 1] === owner && outEnds[count - 1] === position) outEnds[count - 1] = stop;
    else {
      outStarts[count] = position;
      outEnds[count] = stop;
      outOwners[count++] = owner;
    }
    position = stop;
  }
  return new Segments(outStarts.slice(0, count), outEnds.slice(0, count), outOwners.slice(0, count));
}

function push(heap: Uint32Array, size: number, item: number): number {
  let i = size;
  while (i > 0) {
    const parent = (i - 1) >>> 1;
    if (heap[parent] >= item) break;
    heap[i] = heap[parent];
    i = parent;
  }
  heap[i] = item;
  return size + 1;
}

function pop(heap: Uint32Array, size: number): number {
  const last = heap[size - 1];
  const length = size - 1;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= length) break;
    if (child + 1 < length && heap[child + 1] > heap[child]) child++;
    if (heap[child] <= last) break;
    heap[i] = heap[child];
    i = child;
  }
  heap[i] = last;
  return length;
}
