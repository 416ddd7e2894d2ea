import assert from 'node:assert/strict';
import test from 'node:test';
import { AddressMemory } from '../../src/rewrite/address-memory.ts';

test('numbers of addresses below 4 GB, above, and at the end of the range', () => {
  const memory = new AddressMemory();
  const addresses = [0, 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 47 + 12345, Number.MAX_SAFE_INTEGER];
  for (const [i, address] of addresses.entries()) {
    assert.equal(memory.get(address), undefined);
    memory.set(address, i - 1);
  }
  assert.deepEqual(
    addresses.map((address) => memory.get(address)),
    [-1, 0, 1, 2, 3, 4, 5],
  );
});

test('of a hundred thousand addresses of one program nearly all are kept, and none is taken for another', () => {
  const memory = new AddressMemory();
  let kept = 0;
  for (let i = 0; i < 100_000; i++) memory.set(0x401000 + 7 * i, i);
  for (let i = 0; i < 100_000; i++) {
    const number = memory.get(0x401000 + 7 * i);
    if (number !== undefined) assert.equal(number, i);
    if (number !== undefined) kept++;
    assert.equal(memory.get(0x401001 + 7 * i), undefined);
  }
  assert.ok(kept > 99_900, `${kept}`);
});

test('addresses made up to share one place cost a few steps each', () => {
  const memory = new AddressMemory();
  const began = performance.now();
  // The same low half, and upper halves that undo each other.
  for (let i = 0; i < 100_000; i++) memory.set(i * 2 ** 32 + i, i);
  for (let i = 0; i < 100_000; i++) assert.ok([undefined, i].includes(memory.get(i * 2 ** 32 + i)));
  assert.ok(performance.now() - began < 5000);
});
