import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { execFileSync } from 'node:child_process';
import * as zlib from 'node:zlib';
import { inflateZlib, inflateZstd, prepareZstd, zstdReady } from '../../src/bytes/inflate.ts';
import { needsTools } from '../support/toolchains.ts';

const text = Buffer.from(Array.from({ length: 40_000 }, (_, i) => `line ${(i * 7919) % 1009}\n`).join(''));
const format = { name: 'FormatError', section: '.debug_x' };

describe('zlib', () => {
  const stream = zlib.deflateSync(text);
  test('exactly the size, as a plain array', () => {
    const out = inflateZlib(stream, text.length, '.debug_x');
    assert.equal(out.constructor, Uint8Array);
    assert.equal(Buffer.compare(out, text), 0);
    assert.equal(inflateZlib(zlib.deflateSync(Buffer.alloc(0)), 0, '.debug_x').length, 0);
    assert.equal(inflateZlib(zlib.deflateSync(Buffer.from('a')), 1, '.debug_x')[0], 97);
  });
  test('any other size, damage and truncation', () => {
    const damaged = Buffer.from(stream);
    damaged.fill(0xff, 100, 140);
    for (const [bytes, size] of [
      [stream, text.length - 1],
      [stream, text.length + 1],
      [stream, 0],
      [stream, NaN],
      [stream, -1],
      [stream.subarray(0, stream.length - 5), text.length],
      [damaged, text.length],
      [new Uint8Array(0), 10],
      [stream, stream.length * 1033],
    ] as const) {
      assert.throws(() => inflateZlib(bytes, size, '.debug_x'), format, `${bytes.length} to ${size}`);
    }
  });
});

test('a bomb is refused before it is inflated', () => {
  const bomb = zlib.deflateSync(Buffer.alloc(1 << 25));
  assert.throws(() => inflateZlib(bomb, 1 << 25, '.debug_x'), { name: 'LimitError' });
  const small = zlib.deflateSync(Buffer.alloc(1 << 20));
  assert.equal(inflateZlib(small, 1 << 20, '.debug_x').length, 1 << 20);
});

describe('zstd', { skip: needsTools('zstd') }, () => {
  const compress = (bytes: Uint8Array, ...flags: string[]) =>
    execFileSync('zstd', ['-q', '-c', ...flags], { input: bytes, maxBuffer: 1 << 28 });
  const stream = compress(text, '--no-check', `--stream-size=${text.length}`);
  const native = 'zstdDecompressSync' in zlib;

  test('before prepareZstd() it says so', { skip: native && 'this node decodes zstd itself' }, () => {
    assert.equal(zstdReady(), false);
    assert.throws(() => inflateZstd(stream, text.length, '.debug_x'), { name: 'UnsupportedError' });
  });

  test('exactly the size', async () => {
    await Promise.all([prepareZstd(), prepareZstd()]);
    assert.equal(zstdReady(), true);
    const sized = compress(text, '--check', `--stream-size=${text.length}`);
    const unsized = compress(text, '--no-check');
    const two = Buffer.concat([compress(text.subarray(0, 1000)), compress(text.subarray(1000))]);
    for (const bytes of [stream, sized, unsized, two]) {
      const out = inflateZstd(bytes, text.length, '.debug_x');
      assert.equal(out.constructor, Uint8Array);
      assert.equal(Buffer.compare(out, text), 0);
    }
    assert.equal(inflateZstd(compress(Buffer.alloc(0)), 0, '.debug_x').length, 0);
  });

  test('any other size, damage and truncation', async () => {
    await prepareZstd();
    const checked = compress(text, '--check');
    const damaged = Buffer.from(checked);
    damaged.fill(0x55, 200, 240);
    for (const [bytes, size] of [
      [stream, text.length - 1],
      [stream, text.length + 1],
      [stream, 0],
      [stream, NaN],
      [stream.subarray(0, stream.length - 5), text.length],
      [stream.subarray(0, 5), text.length],
      [damaged, text.length],
      [Buffer.from('not zstd at all'), 10],
      [new Uint8Array(0), 10],
      [stream, 2 ** 40],
    ] as const) {
      assert.throws(() => inflateZstd(bytes, size, '.debug_x'), format, `${bytes.length} to ${size}`);
    }
    assert.equal(Buffer.compare(inflateZstd(stream, text.length, '.debug_x'), text), 0, 'still works after errors');
  });
});
