/** Sorting flat columns: the permutation that puts a key column in ascending order, to be applied to its neighbours. */

/** Up to this, shifting is faster than anything that must be set up. */
const FEW = 48;
/** Below this V8's own sort of plain numbers is faster than the radix passes with their 65,536 counters, and needs no warming up. */
const MANY = 2 ** 15;
/** Where that cannot be, below this a comparison sort is faster than they are. */
const SMALL = 4096;
/** Integers up to here are exact. */
const EXACT = 2 ** 53;

/**
 * The stable ascending order of `keys`: result[i] is the index of the i-th smallest key, equals in their old order.
 * Keys are integers in [0, 2^53). One million keys in random order take some 0.2 s,
 * a fraction of what a comparator over an index takes.
 */
export function ascendingOrder(keys: Float64Array): Uint32Array {
  const count = keys.length;
  const order = new Uint32Array(count);
  let sorted = true;
  let largest = 0;
  let smallest = Infinity;
  for (let i = 0; i < count; i++) {
    order[i] = i;
    const key = keys[i];
    if (key < largest) sorted = false;
    else largest = key;
    if (key < smallest) smallest = key;
  }
  if (sorted) return order;
  if (count <= FEW) return byInsertion(keys, order);
  const scale = 2 ** Math.ceil(Math.log2(count));
  if (count < MANY && (largest - smallest + 1) * scale <= EXACT) return packed(keys, order, smallest, scale);
  return count < SMALL ? order.sort((a, b) => keys[a] - keys[b] || a - b) : byDigits(keys, order, largest);
}

function byInsertion(keys: Float64Array, order: Uint32Array): Uint32Array {
  for (let i = 1; i < order.length; i++) {
    const key = keys[i];
    let at = i;
    for (; at > 0 && keys[order[at - 1]] > key; at--) order[at] = order[at - 1];
    order[at] = i;
  }
  return order;
}

/** Keys with their places behind them are sorted as plain numbers. */
function packed(keys: Float64Array, order: Uint32Array, smallest: number, scale: number): Uint32Array {
  const both = new Float64Array(keys.length);
  for (let i = 0; i < both.length; i++) both[i] = (keys[i] - smallest) * scale + i;
  both.sort();
  for (let i = 0; i < both.length; i++) order[i] = both[i] % scale;
  return order;
}

/** Least significant digit first, 16 bits a pass; keys of up to 2^32 as they mostly are, as integers. */
function byDigits(keys: Float64Array, from: Uint32Array, largest: number): Uint32Array {
  const count = keys.length;
  const small = largest <= 0xffffffff ? Uint32Array.from(keys) : null;
  let order = from;
  let other: Uint32Array = new Uint32Array(count);
  const next = new Uint32Array(0x10000);
  for (let scale = 1, shift = 0; scale <= largest; scale *= 0x10000, shift += 16) {
    next.fill(0);
    if (small === null) for (let i = 0; i < count; i++) next[digit(keys[i], scale)]++;
    else for (let i = 0; i < count; i++) next[(small[i] >>> shift) & 0xffff]++;
    let position = 0;
    for (let d = 0; d < 0x10000; d++) {
      const n = next[d];
      next[d] = position;
      position += n;
    }
    for (let i = 0; i < count; i++) {
      const index = order[i];
      const d = small === null ? digit(keys[index], scale) : (small[index] >>> shift) & 0xffff;
      other[next[d]++] = index;
    }
    [order, other] = [other, order];
  }
  return order;
}

function digit(key: number, scale: number): number {
  return Math.floor(key / scale) % 0x10000;
}

/** The elements of `column` in `order`, in a new array. */
export function reordered<T extends Float64Array | Uint32Array | Uint8Array>(column: T, order: Uint32Array): T {
  const result = new (column.constructor as new (length: number) => T)(order.length);
  for (let i = 0; i < order.length; i++) result[i] = column[order[i]];
  return result;
}
