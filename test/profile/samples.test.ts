import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import fc from 'fast-check';
import { decodeBody } from '../../src/profile/gzip.ts';
import { Profile } from '../../src/profile/profile.ts';
import { IS_CALLER, IS_LEAF } from '../../src/profile/samples.ts';
import { fieldsOf, lengthField, numbersOf, numberOf, varint } from '../support/fields.ts';
import { messageField, numberField, textField } from '../support/profile-model.ts';

/** Positions by another reader: where each location occurs, leaf or caller. */
function expected(raw: Uint8Array): number[] {
  const fields = fieldsOf(raw);
  const ids = fields.filter(({ number }) => number === 4).map(({ body }) => numberOf(fieldsOf(body), 1));
  const positions = ids.map(() => 0);
  for (const { body } of fields.filter(({ number }) => number === 2)) {
    numbersOf(fieldsOf(body), 1).forEach((id, i) => {
      const at = ids.lastIndexOf(id);
      if (at >= 0) positions[at] |= i === 0 ? IS_LEAF : IS_CALLER;
    });
  }
  return positions;
}

test('positions in profiles of Go runtimes', () => {
  const dir = new URL('../fixtures/profiles/', import.meta.url);
  for (const name of readdirSync(dir).filter((each) => each.endsWith('.pb.gz'))) {
    const { raw } = decodeBody(readFileSync(new URL(name, dir)));
    assert.deepEqual([...Profile.scan(raw).positions()], expected(raw), name);
  }
});

test('positions and counts in samples written in every way', () => {
  const id = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom(127, 128, 300, 16384, 2 ** 21, 2 ** 31));
  /** Canonical, or padded with zero bits. */
  const number = fc.tuple(id, fc.nat({ max: 12 })).map(([value, padding]) => {
    const bytes = [...varint(BigInt(value))];
    if (padding > 10 && bytes.length < 9) bytes.push((bytes.pop() as number) | 0x80, 0x80, 0x00);
    return bytes;
  });
  const field = fc.oneof(
    fc.array(number, { maxLength: 6 }).map((list) => lengthField(1, Uint8Array.from(list.flat()))),
    number.map((bytes) => Uint8Array.from([0x08, ...bytes])),
    number.map((bytes) => Uint8Array.from([0x10, ...bytes])),
    fc.nat({ max: 300 }).map((length) => lengthField(3, numberField(3, length))),
    fc.nat({ max: 20000 }).map((length) => lengthField(15, new Uint8Array(length))),
    fc.constant(Uint8Array.from([0x7d, 1, 2, 3, 4])),
  );
  const isDense = fc.boolean();
  fc.assert(
    fc.property(fc.array(fc.array(field, { maxLength: 5 }), { maxLength: 8 }), isDense, (samples, dense) => {
      const locations = Array.from({ length: 400 }, (_, i) => messageField(4, numberField(1, dense ? i + 1 : 400 - i)));
      const raw = new Uint8Array(
        Buffer.concat([
          messageField(1, numberField(1, 0), numberField(2, 0)),
          ...samples.map((fields) => messageField(2, ...fields)),
          textField(6, ''),
          ...locations,
          ...samples.slice(0, 2).map((fields) => messageField(2, ...fields)),
        ]),
      );
      const profile = Profile.scan(raw);
      assert.equal(profile.sampleCount, samples.length + Math.min(2, samples.length));
      assert.deepEqual([...profile.positions()], expected(raw));
    }),
    { numRuns: 500, seed: 3 },
  );
});

test('positions in the first mebibyte of samples, however they are written', () => {
  const strings = [textField(6, ''), textField(6, 'f')];
  const location = (id: number): Uint8Array => messageField(4, numberField(1, id), numberField(3, 0x1000 * id));
  for (const ids of [
    [1, 2, 3, 4],
    [7, 2 ** 21, 2 ** 40, 9],
  ]) {
    const [first, second, third, last] = ids;
    const sample = (...stack: number[]): Uint8Array =>
      messageField(2, ...stack.map((id) => numberField(1, id)), lengthField(2, new Uint8Array(1000)));
    const early = Array.from({ length: 900 }, () => sample(first, second));
    const late = Array.from({ length: 300 }, () => sample(second, third));
    const raw = Buffer.concat([...strings, ...ids.map(location), ...early, ...late, sample(last)]);
    const profile = Profile.scan(raw);
    assert.deepEqual([...profile.somePositions()], [IS_LEAF, IS_LEAF | IS_CALLER, IS_CALLER, 0]);
    assert.deepEqual([...profile.positions()], [IS_LEAF, IS_LEAF | IS_CALLER, IS_CALLER, IS_LEAF]);
    assert.deepEqual([...profile.somePositions()], [...profile.positions()], 'what is known is not counted again');
    const short = Profile.scan(Buffer.concat([...strings, ...ids.map(location), sample(first, second), sample(last)]));
    assert.deepEqual([...short.somePositions()], [...short.positions()]);
  }
});
