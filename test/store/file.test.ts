import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import fc from 'fast-check';
import { FormatError, LimitError } from '../../src/errors.ts';
import { BLOCK_BYTES, CACHE_BYTES, cachedBytes } from '../../src/store/cached-source.ts';
import { FileSource } from '../../src/store/file.ts';
import { needsTools } from '../support/toolchains.ts';

const dir = fs.mkdtempSync(join(tmpdir(), 'resym-file-'));
after(() => fs.rmSync(dir, { recursive: true, force: true }));

/** Bytes that differ from one block to the next and within one. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + Math.floor(i / 251) + Math.floor(i / BLOCK_BYTES) * 7) & 0xff;
  return bytes;
}

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(dir, name);
  fs.writeFileSync(path, bytes);
  return path;
}

test('any range reads as the file has it, at block borders and the end too', () => {
  const bytes = pattern(5 * BLOCK_BYTES + 123);
  const source = FileSource.open(fileOf('ranges', bytes));
  assert.equal(source.size, bytes.length);
  const check = (offset: number, length: number) =>
    assert.deepEqual(Buffer.from(source.read(offset, length)), bytes.subarray(offset, offset + length));
  for (let block = 0; block <= 5; block++) {
    for (const before of [0, 1, 2, 4095]) {
      for (const length of [0, 1, 3, 4094, 4095, 4096, BLOCK_BYTES, 2 * BLOCK_BYTES]) {
        const offset = block * BLOCK_BYTES - before;
        if (offset >= 0 && offset + length <= bytes.length) check(offset, length);
      }
    }
  }
  fc.assert(
    fc.property(fc.nat(bytes.length), fc.nat(3 * BLOCK_BYTES), (offset, length) =>
      check(offset, Math.min(length, bytes.length - offset)),
    ),
    { numRuns: 500 },
  );
  source.close();
});

test('ranges that are not inside the file are refused', () => {
  const source = FileSource.open(fileOf('outside', pattern(1000)));
  for (const [offset, length] of [
    [0, 1001],
    [1000, 1],
    [-1, 1],
    [1, -1],
    [NaN, 1],
    [0, NaN],
    [2 ** 53, 1],
  ] as const) {
    assert.throws(() => source.read(offset, length), FormatError, `${offset} ${length}`);
  }
  assert.equal(source.read(1000, 0).length, 0);
  source.close();
});

test('a read above 2 GiB is a limit, not a crash', () => {
  const path = join(dir, 'sparse');
  fs.writeFileSync(path, '');
  fs.truncateSync(path, 3 * 2 ** 30);
  const source = FileSource.open(path);
  assert.throws(() => source.read(0, 2 ** 31), LimitError);
  assert.deepEqual([...source.read(3 * 2 ** 30 - 2, 2)], [0, 0]);
  source.close();
});

test('a file truncated while open is an error that says so', () => {
  for (const length of [100, 8000]) {
    const path = fileOf('truncated', pattern(10 * BLOCK_BYTES));
    const source = FileSource.open(path);
    source.read(0, 10);
    fs.truncateSync(path, 5 * BLOCK_BYTES + 50);
    assert.throws(() => source.read(6 * BLOCK_BYTES, length), /the file ends here/);
    assert.throws(() => source.read(5 * BLOCK_BYTES, length), FormatError);
    source.close();
  }
});

test('a file overwritten while open never yields a mixture', () => {
  const path = fileOf('overwritten', pattern(4 * BLOCK_BYTES));
  const source = FileSource.open(path);
  source.read(0, 10);
  fs.writeFileSync(path, Buffer.alloc(4 * BLOCK_BYTES, 0xee));
  fs.utimesSync(path, new Date(), new Date(Date.now() + 5000)); // beyond any clock grain
  assert.throws(() => source.read(2 * BLOCK_BYTES, 10), /written to while it was open/);
  assert.throws(() => source.read(0, 2 * BLOCK_BYTES), /written to while it was open/);
  source.close();
});

test('a file replaced by rename goes on reading as it was opened', () => {
  const bytes = pattern(2 * BLOCK_BYTES);
  const path = fileOf('replaced', bytes);
  const source = FileSource.open(path);
  fs.renameSync(fileOf('replacement', Buffer.alloc(10)), path);
  assert.deepEqual(Buffer.from(source.read(0, bytes.length)), bytes);
  fs.rmSync(path);
  assert.deepEqual(Buffer.from(source.read(100, 100)), bytes.subarray(100, 200));
  source.close();
});

test('short and interrupted reads are completed', () => {
  const bytes = pattern(3 * BLOCK_BYTES);
  const source = FileSource.open(fileOf('short', bytes));
  const real = fs.readSync.bind(fs) as (...args: unknown[]) => number;
  let calls = 0;
  const fake = mock.method(fs, 'readSync', ((
    fd: number,
    buffer: Buffer,
    at: number,
    length: number,
    position: number,
  ) => {
    if (++calls % 3 === 0) throw Object.assign(new Error('EINTR: interrupted'), { code: 'EINTR', syscall: 'read' });
    return real(fd, buffer, at, Math.min(length, 1000), position);
  }) as typeof fs.readSync);
  syncBuiltinESMExports();
  try {
    assert.deepEqual(Buffer.from(source.read(0, bytes.length)), bytes);
    assert.deepEqual(Buffer.from(source.read(BLOCK_BYTES - 5, 10)), bytes.subarray(BLOCK_BYTES - 5, BLOCK_BYTES + 5));
    assert.ok(calls > 50, `${calls} calls: the fake was not used`);
  } finally {
    fake.mock.restore();
    syncBuiltinESMExports();
    source.close();
  }
});

test('a disk error comes through as the system names it', () => {
  const source = FileSource.open(fileOf('eio', pattern(100)));
  const fake = mock.method(fs, 'readSync', (() => {
    throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' });
  }) as typeof fs.readSync);
  syncBuiltinESMExports();
  try {
    assert.throws(() => source.read(0, 10), { code: 'EIO' });
  } finally {
    fake.mock.restore();
    syncBuiltinESMExports();
    source.close();
  }
});

test('leases: the file is closed with the last owner, and only then', () => {
  const path = fileOf('leases', pattern(3 * BLOCK_BYTES));
  const source = FileSource.open(path);
  source.retain().retain();
  source.close();
  source.close();
  assert.equal(source.closed, false);
  assert.equal(source.read(2 * BLOCK_BYTES, 10).length, 10);
  source.close();
  assert.equal(source.closed, true);
  assert.throws(() => source.read(0, 10), /after it was closed/);
  assert.throws(() => source.close(), /after it was closed/);
  assert.throws(() => source.retain(), /after it was closed/);
});

test('descriptors are given back', { skip: !fs.existsSync('/proc/self/fd') && 'needs /proc' }, () => {
  const path = fileOf('descriptors', pattern(10));
  const before = fs.readdirSync('/proc/self/fd').length;
  const sources = Array.from({ length: 50 }, () => FileSource.open(path));
  assert.ok(fs.readdirSync('/proc/self/fd').length >= before + 50);
  for (const source of sources) source.close();
  assert.throws(() => FileSource.open(dir), FormatError);
  assert.equal(fs.readdirSync('/proc/self/fd').length, before);
});

test('the cache is bounded over all files, and a closed file leaves it', () => {
  const before = cachedBytes();
  const path = join(dir, 'cached');
  fs.writeFileSync(path, '');
  fs.truncateSync(path, 2 * CACHE_BYTES);
  const small = FileSource.open(fileOf('small', pattern(100)));
  const large = FileSource.open(path);
  small.read(0, 10);
  assert.ok(cachedBytes() > before);
  large.read(0, 4096);
  large.read(8 * BLOCK_BYTES, 3 * BLOCK_BYTES);
  assert.ok(cachedBytes() < before + BLOCK_BYTES, 'large reads are not cached');
  for (let at = 0; at < large.size; at += BLOCK_BYTES) large.read(at, 8);
  assert.ok(cachedBytes() <= CACHE_BYTES, `${cachedBytes()} bytes`);
  assert.ok(cachedBytes() > CACHE_BYTES / 2, `${cachedBytes()} bytes`);
  large.close();
  assert.ok(cachedBytes() <= before + BLOCK_BYTES, `${cachedBytes()} bytes left`);
  small.close();
  assert.equal(cachedBytes(), before);
});

test('what is no regular file is refused at once, a fifo too', { skip: needsTools('mkfifo') }, () => {
  const fifo = join(dir, 'fifo');
  spawnSync('mkfifo', [fifo]);
  assert.throws(() => FileSource.open(fifo), /not a regular file/);
  assert.throws(() => FileSource.open(dir), /not a regular file/);
  assert.throws(() => FileSource.open(join(dir, 'missing')), { code: 'ENOENT' });
});
