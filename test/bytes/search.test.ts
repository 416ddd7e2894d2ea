import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascendingOrder, reordered } from '../../src/bytes/order.ts';
import { firstAtOrAbove, lastAtOrBelow, lastAtOrBelowBy } from '../../src/bytes/search.ts';

const ascending = fc.array(fc.integer({ min: 0, max: 40 })).map((numbers) => numbers.sort((a, b) => a - b));
const needle = fc.integer({ min: -1, max: 41 });

test('equals a linear search', () => {
  fc.assert(
    fc.property(ascending, needle, (starts, value) => {
      const last = starts.findLastIndex((start) => start <= value);
      assert.equal(lastAtOrBelow(starts, value), last);
      assert.equal(lastAtOrBelow(Float64Array.from(starts), value), last);
      assert.equal(
        lastAtOrBelowBy(starts.length, (i) => starts[i] ?? NaN, value),
        last,
      );
      const first = starts.findIndex((start) => start >= value);
      assert.equal(firstAtOrAbove(starts, value), first < 0 ? starts.length : first);
    }),
  );
});

test('inside a range', () => {
  fc.assert(
    fc.property(ascending, needle, fc.nat(20), fc.nat(20), (starts, value, a, b) => {
      const from = Math.min(a, b, starts.length);
      const to = Math.min(Math.max(a, b), starts.length);
      const part = starts.slice(from, to);
      assert.equal(lastAtOrBelow(starts, value, from, to), from + part.findLastIndex((start) => start <= value));
      const first = part.findIndex((start) => start >= value);
      assert.equal(firstAtOrAbove(starts, value, from, to), first < 0 ? to : from + first);
    }),
  );
});

test('NaN is below everything', () => {
  assert.equal(lastAtOrBelow([1, 2, 3], NaN), -1);
});

test('ascendingOrder is the stable order, small and large', () => {
  const key = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.nat(), fc.maxSafeNat());
  const check = (numbers: number[]) => {
    const keys = Float64Array.from(numbers);
    const order = ascendingOrder(keys);
    const expected = numbers.map((_, i) => i).sort((a, b) => (numbers[a] ?? 0) - (numbers[b] ?? 0) || a - b);
    assert.deepEqual([...order], expected);
    assert.deepEqual(
      [...reordered(keys, order)],
      [...numbers].sort((a, b) => a - b),
    );
  };
  fc.assert(fc.property(fc.array(key), check));
  // Above the size from which digits are sorted: all digits of 2^53 in use, many equals.
  fc.assert(fc.property(fc.array(key, { minLength: 5000, maxLength: 6000 }), check), { numRuns: 10 });
  const large = Array.from({ length: 10_000 }, (_, i) =>
    i % 7 === 0 ? 42 : 2 ** 53 - 1 - ((i * 7919) % 10_000) * 2 ** 33,
  );
  check(large);
});
