import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferSource, type ByteSource } from '../../src/bytes/source.ts';
import { SourceWindow } from '../../src/object/window.ts';

const names = Array.from({ length: 50_000 }, (_, i) => `symbol_${i}`);
const table = Buffer.from(names.map((name) => `${name}\0`).join(''));
const offsets: number[] = [];
for (let at = 0, i = 0; i < names.length; at += names[i].length + 1, i++) offsets.push(at);

function counted(bytes: Uint8Array): ByteSource & { read: ByteSource['read']; bytesRead: number } {
  const inner = new BufferSource(bytes);
  return {
    size: bytes.length,
    bytesRead: 0,
    read(offset, length) {
      this.bytesRead += length;
      return inner.read(offset, length);
    },
  };
}

test('a few names cost a few blocks', () => {
  const source = counted(Buffer.concat([new Uint8Array(100), table, new Uint8Array(100)]));
  const window = new SourceWindow(source, 100, table.length, 'names');
  for (const i of [40_000, 7, 20_000]) assert.equal(window.string(offsets[i], 100), names[i]);
  assert.ok(source.bytesRead <= 4 * 4096, `${source.bytesRead}`);
});

test('all names cost the table once in order, twice at random', () => {
  const ordered = counted(table);
  let window = new SourceWindow(ordered, 0, table.length, 'names');
  for (const [i, name] of names.entries()) assert.equal(window.string(offsets[i], 100), name);
  assert.ok(ordered.bytesRead < 1.2 * table.length, `${ordered.bytesRead} of ${table.length}`);

  const shuffled = counted(table);
  window = new SourceWindow(shuffled, 0, table.length, 'names');
  for (let i = 0; i < names.length; i++) {
    const index = (i * 7919) % names.length;
    assert.equal(window.string(offsets[index], 100), names[index]);
  }
  assert.ok(shuffled.bytesRead < 2.2 * table.length, `${shuffled.bytesRead} of ${table.length}`);
});

test('nothing outside the range, and no name without its end', () => {
  const source = new BufferSource(Buffer.from('ab\0secret\0'));
  const window = new SourceWindow(source, 0, 5, 'names');
  assert.equal(window.string(1, 10), 'b');
  assert.equal(window.label(3, 10), 'se');
  assert.equal(window.label(9, 10), '');
  assert.throws(() => window.string(3, 10), { name: 'FormatError', section: 'names', offset: 3 });
  assert.throws(() => window.string(5, 10), { name: 'FormatError' });
  assert.throws(() => window.string(0, 1), { name: 'FormatError' }, 'longer than the limit');
  assert.throws(() => window.read(4, 2), { name: 'FormatError' });
  assert.throws(() => new SourceWindow(source, 6, 5, 'names'), { name: 'FormatError' });
});
