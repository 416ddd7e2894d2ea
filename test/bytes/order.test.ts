import assert from 'node:assert/strict';
import test from 'node:test';
import { ascendingOrder } from '../../src/bytes/order.ts';

/** Pseudo-random integers below `range`, the same in every run; some twice. */
function keysOf(count: number, range: number): Float64Array {
  let seed = 12345;
  const next = (): number => (seed = (seed * 48271) % 0x7fffffff) / 0x7fffffff;
  const keys = Float64Array.from({ length: count }, () => Math.floor(next() * range));
  for (let i = 0; i + 7 < count; i += 5) keys[i] = keys[i + 7];
  return keys;
}

// Each way of sorting: few and many, keys that leave room for their places and such that do not.
for (const count of [0, 1, 2, 100, 5000, 40_000]) {
  for (const range of [1, 1000, 2 ** 32, 2 ** 47, Number.MAX_SAFE_INTEGER]) {
    test(`${count} keys below ${range}: ascending, equals in their old order`, () => {
      const keys = keysOf(count, range);
      const wanted = Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b] || a - b);
      assert.deepEqual(Array.from(ascendingOrder(keys)), wanted);
      assert.deepEqual(Array.from(ascendingOrder(keys.sort())), Array.from(keys.keys()));
    });
  }
}
