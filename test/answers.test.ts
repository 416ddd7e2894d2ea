import assert from 'node:assert/strict';
import test from 'node:test';
import { Answers } from '../src/answers.ts';

const bytes = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill);

function answer(body: Uint8Array, { reason = '', mappingReason = '', unindexed = [] as string[] } = {}) {
  return { reason, unindexed, body, timings: [], report: { mappings: [{ reason: '' }, { reason: mappingReason }] } };
}

test('the same bytes under the same options have the same answer, each in memory of its own', () => {
  const answers = new Answers();
  const body = bytes(1000);
  const key = answers.key(body, [['a'], true]);
  assert.equal(answers.get(key, body), null);
  const given = answer(bytes(3000, 1));
  answers.keep(key, body, given);
  given.body.fill(9); // as a buffer that was moved to another thread
  const first = answers.get(key, body)!;
  assert.deepEqual(first.body, bytes(3000, 1));
  first.body.fill(9);
  assert.deepEqual(answers.get(key, body)!.body, bytes(3000, 1));
  assert.equal(answers.key(bytes(1000), [['a'], true]), key);
  for (const other of [answers.key(body, [['b'], true]), answers.key(body, [['a'], undefined])]) {
    assert.equal(answers.get(other, body), null);
  }
  assert.equal(answers.get(answers.key(bytes(1000, 8), [['a'], true]), body), null);
});

test('what came out as it came in comes out as it came in', () => {
  const answers = new Answers();
  const [body, again] = [bytes(10), bytes(10)];
  const key = answers.key(body, []);
  answers.keep(key, body, answer(body));
  assert.equal(answers.get(key, again)!.body, again);
});

test('an answer that could become better is not kept', () => {
  for (const doubt of [{ reason: '2 unnamed' }, { mappingReason: 'named without lines' }, { unindexed: ['ab'] }]) {
    const answers = new Answers();
    const body = bytes(10);
    const key = answers.key(body, []);
    answers.keep(key, body, answer(bytes(20), doubt));
    assert.equal(answers.get(key, body), null, JSON.stringify(doubt));
  }
});

test('large ones are not kept, many are not all kept', () => {
  const answers = new Answers();
  assert.equal(answers.key(bytes(3e6), []), null);
  const small = bytes(10);
  const tooLarge = answers.key(small, ['large']);
  answers.keep(tooLarge, small, answer(bytes(3e6)));
  assert.equal(answers.get(tooLarge, small), null);
  const keys = Array.from({ length: 12 }, (_, i) => answers.key(small, [i]));
  for (const key of keys) answers.keep(key, small, answer(bytes(1e6)));
  const kept = keys.filter((key) => answers.get(key, small) !== null);
  assert.deepEqual(kept, keys.slice(-kept.length));
  assert.ok(kept.length >= 7 && kept.length <= 8, `${kept.length}`);
});
