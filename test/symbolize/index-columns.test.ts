import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IndexStrings, numberIn, textAt, UniqueRows } from '../../src/symbolize/index-columns.ts';

const words = fc.array(fc.oneof(fc.string({ maxLength: 8 }), fc.string({ unit: 'grapheme', maxLength: 4 })), {
  maxLength: 200,
});

/** What UTF-8 cannot say is what it becomes. */
const wellFormed = (text: string): string => new TextDecoder().decode(new TextEncoder().encode(text));

test('each text is kept once, in the order they came, and found under its number', () => {
  fc.assert(
    fc.property(words, (texts) => {
      const strings = new IndexStrings();
      const expected = new Map([['', 0]]);
      let next = 4;
      for (const text of texts.map(wellFormed)) {
        if (!expected.has(text)) {
          expected.set(text, next);
          next += 4 + Buffer.byteLength(text);
        }
        assert.equal(strings.of(text), expected.get(text));
      }
      for (const [text, number] of expected) assert.equal(strings.at(number), text);
      assert.equal(strings.bytes.length, next);
    }),
  );
});

test('strings taken over are those that would have come one by one', () => {
  fc.assert(
    fc.property(words, words, (first, second) => {
      const [one, other, all] = [new IndexStrings(), new IndexStrings(), new IndexStrings()];
      for (const text of first) one.of(wellFormed(text));
      const numbers = second.map((text) => other.of(wellFormed(text)));
      for (const text of [...first, ...second]) all.of(wellFormed(text));
      const taken = other.bytes;
      one.take(taken);
      assert.deepEqual(one.bytes, all.bytes);
      const view = new DataView(taken.buffer, taken.byteOffset, taken.byteLength);
      second.forEach((text, i) => {
        assert.equal(textAt(one.bytes, numberIn(view, numbers[i])), wellFormed(text));
      });
    }),
  );
});

test('so many texts and rows that the tables grow', () => {
  const strings = new IndexStrings();
  const rows = new UniqueRows();
  const offsets = Array.from({ length: 40_000 }, (_, i) => strings.of(`function number ${i}`));
  for (let i = 0; i < offsets.length; i++) {
    assert.equal(strings.of(`function number ${i}`), offsets[i]);
    assert.equal(rows.of(i % 7, i, 1), i);
    assert.equal(rows.of(i % 7, i, 1), i);
  }
});
