/**
 * The promise "samples, addresses, ids, header fields and unknown fields are byte for byte what came in", as a function to
 * call on every output. Shares nothing with the code that writes profiles.
 */
import assert from 'node:assert/strict';
import { uncompressed } from './erase.ts';
import { fieldsOf, numberOf, type Field } from './fields.ts';

const MAPPING = 3;
const LOCATION = 4;
const FUNCTION = 5;
const STRING_TABLE = 6;
const COMMENT = 13;
const DOC_URL = 15;

/**
 * Asserts that `after` is `before` with nothing changed but
 *  - the lines of locations, and is_folded gone where lines changed,
 *  - has_* flags of mappings set,
 *  - Function records, strings, and comments (resym's own unless told) added at the end, and a doc_url where there was none.
 * All fields of `before` must be there in the same order. Takes profiles gzipped or not.
 */
export function assertUntouched(before: Uint8Array, after: Uint8Array, comments = /^resym: /): void {
  const old = fieldsOf(uncompressed(before));
  const now = fieldsOf(uncompressed(after));
  assert.ok(now.length >= old.length, `${old.length - now.length} fields are gone`);
  for (let i = 0; i < old.length; i++) {
    const a = old[i];
    const b = now[i];
    if (Buffer.compare(a.bytes, b.bytes) === 0) continue;
    const what = `field ${i} (number ${a.number})`;
    assert.equal(b.number, a.number, `${what} became another field`);
    assert.ok(a.number === MAPPING || a.number === LOCATION, `${what} changed`);
    if (a.number === MAPPING) assertMapping(what, fieldsOf(a.body), fieldsOf(b.body));
    else assertLocation(what, fieldsOf(a.body), fieldsOf(b.body));
  }
  const strings = now.filter(({ number }) => number === STRING_TABLE);
  for (const { number, value } of now.slice(old.length)) {
    if (number === COMMENT) assert.match(Buffer.from(strings[Number(value)].body).toString(), comments);
    else if (number === DOC_URL)
      assert.equal(strings[Number(numberOf(old, DOC_URL))].body.length, 0, 'doc_url changed');
    else assert.ok(number === FUNCTION || number === STRING_TABLE, `field ${number} was added`);
  }
}

function isFlag({ number }: Field): boolean {
  return number >= 7 && number <= 10;
}

function assertMapping(what: string, old: Field[], now: Field[]): void {
  assertSame(
    `${what}: mapping`,
    old.filter((field) => !isFlag(field)),
    now.filter((field) => !isFlag(field)),
  );
  for (let number = 7; number <= 10; number++) {
    const a = old.filter((field) => field.number === number);
    const b = now.filter((field) => field.number === number);
    if (a.length > 0 && a[a.length - 1].value !== 0n)
      assert.notEqual(b.at(-1)?.value, 0n, `${what}: flag ${number} is gone`);
    assert.ok(b.length <= Math.max(1, a.length), `${what}: flag ${number} is there ${b.length} times`);
    if (b.length > 0)
      assert.ok(a.length > 0 || b[0].value === 1n, `${what}: flag ${number} was added without being set`);
  }
}

function assertLocation(what: string, old: Field[], now: Field[]): void {
  const kept = ({ number }: Field) => number !== 4 && number !== 5;
  assertSame(`${what}: location`, old.filter(kept), now.filter(kept));
  for (const line of now.filter(({ number }) => number === 4)) {
    const numbers = fieldsOf(line.body).map(({ number }) => number);
    assert.equal(new Set(numbers).size, numbers.length, `${what}: a line has a field twice`);
  }
}

function assertSame(what: string, old: Field[], now: Field[]): void {
  assert.deepEqual(
    now.map((field) => Buffer.from(field.bytes).toString('hex')),
    old.map((field) => Buffer.from(field.bytes).toString('hex')),
    `${what}: fields that must stay differ`,
  );
}
