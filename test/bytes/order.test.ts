import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascendingOrder } from '../../src/bytes/order.ts';
import { seededRandom } from '../fuzz/mutate.ts';

test('the order is ascending and keeps equals as they were, by every method', () => {
  const random = seededRandom(7);
  for (const count of [0, 1, 2, 3, 47, 48, 49, 500, 4095, 4096, 32_767, 32_768, 40_000]) {
    for (const span of [3, count + 1, 2 ** 32, 2 ** 53]) {
      const keys = Float64Array.from({ length: count }, () => Math.floor(random() * span));
      const expected = Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b] || a - b);
      assert.deepEqual([...ascendingOrder(keys)], expected, `${count} below ${span}`);
    }
  }
});
