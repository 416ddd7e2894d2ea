import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { FormatError, isParseError, isSystemError, LimitError, UnsupportedError } from '../../src/errors.ts';
import { StoreError } from '../../src/store/store.ts';
import { packError, unpackError } from '../../src/workers/thread-error.ts';

/** As between threads. */
function sent(error: unknown): Error {
  return unpackError(structuredClone(packError(error)));
}

test('the errors of parsers stay what they are', () => {
  const format = new FormatError('.debug_line', 4711, 'no opcode', { cause: new RangeError('beyond') });
  const back = sent(format);
  assert.ok(back instanceof FormatError && isParseError(back));
  assert.deepEqual([back.section, back.offset, back.message], [format.section, format.offset, format.message]);
  assert.equal(back.stack, format.stack);
  assert.ok(back.cause instanceof Error);
  assert.deepEqual([back.cause.name, back.cause.message], ['RangeError', 'beyond']);
  for (const error of [new LimitError('too many'), new UnsupportedError('version 9')]) {
    const same = sent(error);
    assert.equal(same.constructor, error.constructor);
    assert.deepEqual([same.message, same.name, same.stack], [error.message, error.name, error.stack]);
  }
});

test('other errors keep what programs tell them by', () => {
  let system: unknown;
  try {
    readFileSync('/no/such/file');
  } catch (error) {
    system = error;
  }
  const back = sent(system);
  assert.ok(isSystemError(back));
  assert.deepEqual([back.code, back.syscall, back.path], ['ENOENT', 'open', '/no/such/file']);
  const store = sent(new StoreError('no-store', 'there is none'));
  assert.deepEqual(
    [store.name, (store as StoreError).code, store.message],
    ['StoreError', 'no-store', 'there is none'],
  );
  assert.equal(isParseError(store), false);
});

test('whatever is thrown arrives as an Error', () => {
  for (const thrown of ['text', undefined, null, 4n, { message: 1 }]) assert.ok(sent(thrown) instanceof Error);
  assert.equal(sent('text').message, 'text');
  const ring = new Error('ring');
  ring.cause = ring;
  assert.equal(sent(ring).message, 'ring');
});
