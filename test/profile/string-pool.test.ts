import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { StringPool } from '../../src/profile/string-pool.ts';

const encode = (text: string): Buffer => Buffer.from(text, 'utf8');

test('a string has one number, and is found by its bytes wherever they lie', () => {
  const anyText = fc.array(
    fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('', 'main.main', '\ud800')),
  );
  fc.assert(
    fc.property(anyText, anyText, (texts, others) => {
      const pool = new StringPool();
      const numbers = texts.map((text) => pool.number(text));
      const known = new Map(texts.map((text, i) => [encode(text).toString('latin1'), numbers[i]]));
      known.set('', 0);
      assert.equal(pool.count, known.size);
      assert.equal(
        pool.size,
        [...known.keys()].reduce((sum, bytes) => sum + bytes.length, 0),
      );
      for (const text of [...texts, ...others]) {
        const bytes = encode(text);
        const number = known.get(bytes.toString('latin1'));
        assert.equal(pool.find(Buffer.concat([encode('<'), bytes, encode('>')]), 1, 1 + bytes.length), number ?? -1);
        if (number === undefined) assert.equal(pool.known(text), undefined);
        else {
          assert.deepEqual(Buffer.from(pool.bytes(number)), bytes);
          assert.equal(pool.byteLength(number), bytes.length);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('a hundred thousand strings that differ in one place', () => {
  const pool = new StringPool();
  const name = (i: number): string => `example.com/some/package.(*Type).method${i}.func1`;
  const began = performance.now();
  for (let i = 0; i < 100_000; i++) assert.equal(pool.number(name(i)), i + 1);
  for (let i = 0; i < 100_000; i++) {
    const bytes = encode(name(i));
    assert.equal(pool.find(bytes, 0, bytes.length), i + 1);
    assert.equal(pool.text(i + 1), name(i));
  }
  assert.ok(performance.now() - began < 5000, 'chains are short');
});
