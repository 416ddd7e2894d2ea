import assert from 'node:assert/strict';
import test from 'node:test';
import { Answers } from '../src/answers.ts';

const bytes = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill);

const there = (): Promise<boolean> => Promise.resolve(true);

function answer(body: Uint8Array, { reason = '', mappingReason = '', unindexed = [] as string[] } = {}) {
  return { reason, unindexed, body, timings: [], report: { mappings: [{ reason: '' }, { reason: mappingReason }] } };
}

test('the same bytes under the same options have the same answer, each in memory of its own', async () => {
  const answers = new Answers();
  const body = bytes(1000);
  const key = answers.key(body, [['a'], true]);
  assert.equal(await answers.get(key, body), null);
  const given = answer(bytes(3000, 1));
  answers.keep(key, body, given, there);
  given.body.fill(9); // as a buffer that was moved to another thread
  const first = (await answers.get(key, body))!;
  assert.deepEqual(first.body, bytes(3000, 1));
  first.body.fill(9);
  assert.deepEqual((await answers.get(key, body))!.body, bytes(3000, 1));
  assert.equal(answers.key(bytes(1000), [['a'], true]), key);
  for (const other of [answers.key(body, [['b'], true]), answers.key(body, [['a'], undefined])]) {
    assert.equal(await answers.get(other, body), null);
  }
  assert.equal(await answers.get(answers.key(bytes(1000, 8), [['a'], true]), body), null);
});

test('what came out as it came in comes out as it came in', async () => {
  const answers = new Answers();
  const [body, again] = [bytes(10), bytes(10)];
  const key = answers.key(body, []);
  answers.keep(key, body, answer(body), there);
  assert.equal((await answers.get(key, again))!.body, again);
});

test('an answer that could become better is not kept', async () => {
  for (const doubt of [{ reason: '2 unnamed' }, { mappingReason: 'named without lines' }, { unindexed: ['ab'] }]) {
    const answers = new Answers();
    const body = bytes(10);
    const key = answers.key(body, []);
    answers.keep(key, body, answer(bytes(20), doubt), there);
    assert.equal(await answers.get(key, body), null, JSON.stringify(doubt));
  }
});

test('an answer from a binary that is gone is forgotten', async () => {
  const answers = new Answers();
  const body = bytes(10);
  const key = answers.key(body, []);
  let isThere = true;
  answers.keep(key, body, answer(bytes(20)), () => Promise.resolve(isThere));
  assert.deepEqual((await answers.get(key, body))!.body, bytes(20));
  isThere = false;
  assert.equal(await answers.get(key, body), null);
  isThere = true;
  assert.equal(await answers.get(key, body), null);
});

test('large ones are not kept, many are not all kept', async () => {
  const answers = new Answers();
  assert.equal(answers.key(bytes(3e6), []), null);
  const small = bytes(10);
  const tooLarge = answers.key(small, ['large']);
  answers.keep(tooLarge, small, answer(bytes(3e6)), there);
  assert.equal(await answers.get(tooLarge, small), null);
  const keys = Array.from({ length: 12 }, (_, i) => answers.key(small, [i]));
  for (const key of keys) answers.keep(key, small, answer(bytes(1e6)), there);
  const kept: (string | null)[] = [];
  for (const key of keys) if ((await answers.get(key, small)) !== null) kept.push(key);
  assert.deepEqual(kept, keys.slice(-kept.length));
  assert.ok(kept.length >= 7 && kept.length <= 8, `${kept.length}`);
});
