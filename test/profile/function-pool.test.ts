import assert from 'node:assert/strict';
import test from 'node:test';
import { FunctionPool, type NewFunction } from '../../src/profile/function-pool.ts';

test('functions are one when all their fields are equal', () => {
  const base: NewFunction = { name: 'f', systemName: '_f', filename: 'f.c', startLine: 3 };
  const variants = [
    base,
    { ...base, name: 'g' },
    { ...base, systemName: 'f' },
    { ...base, systemName: '' },
    { ...base, filename: '' },
    { ...base, startLine: 4 },
    { ...base, startLine: 2 ** 40 + 3 },
  ];
  const pool = new FunctionPool();
  const numbers = variants.map((f) => pool.number({ ...f }));
  assert.deepEqual(numbers, [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(
    variants.map((f) => pool.number(f)),
    numbers,
  );
  const { strings } = pool;
  for (const [i, f] of variants.entries()) {
    const [name, systemName, filename] = [pool.name(i), pool.systemName(i), pool.filename(i)].map((n) =>
      strings.text(n),
    );
    assert.deepEqual({ name, systemName, filename, startLine: pool.startLine(i) }, f);
  }
});

test('many functions of one name', () => {
  const pool = new FunctionPool();
  const f = (i: number): NewFunction => {
    return { name: 'init', systemName: '', filename: `p${i % 1000}.go`, startLine: Math.floor(i / 1000) };
  };
  const began = performance.now();
  for (let pass = 0; pass < 2; pass++) for (let i = 0; i < 200_000; i++) assert.equal(pool.number(f(i)), i);
  assert.equal(pool.count, 200_000);
  assert.ok(performance.now() - began < 5000, 'chains are short');
});
