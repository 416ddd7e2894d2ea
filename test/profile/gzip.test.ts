import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { FormatError, LimitError } from '../../src/errors.ts';
import { BodyDecoder, type BodyLimits, decodeBody, decodeStrictly, encodeBody } from '../../src/profile/gzip.ts';
import { needsPprof, PprofOracle } from '../support/pprof.ts';

const file = new Uint8Array(readFileSync(new URL('../fixtures/profiles/go1.26-goroutine.pb.gz', import.meta.url)));
const raw = new Uint8Array(gunzipSync(file));

function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Decodes in chunks of `size` bytes. */
function streamed(body: Uint8Array, size: number, limits?: BodyLimits) {
  const decoder = new BodyDecoder(limits);
  for (let at = 0; at < body.length; at += size) {
    // The caller may reuse its buffer.
    const chunk = Buffer.from(body.subarray(at, at + size));
    decoder.push(chunk);
    chunk.fill(0xaa);
  }
  return decoder.finish();
}

/** Both ways of decoding must agree; this is what they say. */
function outcome(body: Uint8Array, limits?: BodyLimits): string {
  const say = (decode: () => { raw: Uint8Array; wrapping: string }) => {
    try {
      const { raw: bytes, wrapping } = decode();
      return `${wrapping} ${Buffer.from(bytes).toString('hex')}`;
    } catch (error) {
      if (error instanceof FormatError || error instanceof LimitError) return `${error.name}: ${error.message}`;
      throw error;
    }
  };
  const whole = say(() => decodeBody(body, limits));
  for (const size of [1, 2, 7, 1000]) {
    const pieces = say(() => streamed(body, size, limits));
    // Offsets and counts in messages depend on the chunk at hand.
    assert.equal(pieces.replace(/\d+/g, 'N').slice(0, 10), whole.replace(/\d+/g, 'N').slice(0, 10));
    if (!/Error/.test(whole)) assert.equal(pieces, whole);
  }
  return whole;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('decoding', () => {
  test('a profile as the runtime wrote it', () => {
    assert.equal(outcome(file), `gzip ${hex(raw)}`);
  });

  test('a bare protobuf is returned as it is', () => {
    assert.equal(decodeBody(raw).raw, raw);
    assert.equal(outcome(raw), `none ${hex(raw)}`);
    assert.equal(outcome(new Uint8Array(0)), 'none ');
    assert.equal(outcome(Uint8Array.of(0x1f)), 'none 1f');
  });

  test('two members, split at every position of the profile', () => {
    for (let at = 0; at <= raw.length; at++) {
      const body = concat(gzipSync(raw.subarray(0, at)), gzipSync(raw.subarray(at)));
      assert.equal(hex(decodeBody(body).raw), hex(raw));
    }
  });

  test('three members, every chunk border', () => {
    const part = Math.floor(raw.length / 3);
    const members = [raw.subarray(0, part), raw.subarray(part, 2 * part), raw.subarray(2 * part)].map((r) =>
      gzipSync(r),
    );
    const body = concat(...members);
    for (let border = 0; border <= body.length; border++) {
      const decoder = new BodyDecoder();
      decoder.push(body.subarray(0, border));
      decoder.push(body.subarray(border));
      assert.equal(hex(decoder.finish().raw), hex(raw), `border ${border}`);
    }
    for (let size = 1; size <= body.length; size++)
      assert.equal(hex(streamed(body, size).raw), hex(raw), `size ${size}`);
  });

  test('an empty member in between, a header with name, comment and extra field', () => {
    const named = concat(
      Uint8Array.of(0x1f, 0x8b, 8, 4 | 8 | 16, 0, 0, 0, 0, 0, 255, 2, 0, 9, 9),
      Buffer.from('profile.pb\0a comment\0'),
      gzipSync(raw).subarray(10),
    );
    assert.equal(outcome(concat(gzipSync(''), named, gzipSync(''))), `gzip ${hex(raw)}`);
  });

  test('gzip in gzip is unwrapped, once', () => {
    assert.equal(outcome(gzipSync(file)), `double-gzip ${hex(raw)}`);
    assert.equal(outcome(gzipSync(gzipSync(file))), `double-gzip ${hex(file)}`);
    assert.match(outcome(gzipSync(file.subarray(0, -1))), /^FormatError: gzip in gzip/);
  });

  test('cut short at every byte', () => {
    for (let length = 2; length < file.length; length++) {
      assert.throws(() => decodeBody(file.subarray(0, length)), FormatError, `${length} bytes`);
      assert.throws(() => streamed(file.subarray(0, length), 5), FormatError, `${length} bytes`);
    }
  });

  test('cut short at every byte of a second member', () => {
    for (let length = 1; length < file.length; length++) {
      assert.throws(() => decodeBody(concat(file, file.subarray(0, length))), FormatError, `${length} bytes`);
    }
  });

  test('bytes after the last member, zeros included', () => {
    for (const tail of [[0], [0, 0, 0, 0], [0x0a], [0x1f], [0x1f, 0x8b], [0x1f, 0x00], [0x78, 0x9c]]) {
      assert.match(outcome(concat(file, Uint8Array.from(tail))), /^FormatError/, `tail ${tail.join()}`);
    }
  });

  test('every flipped bit of the trailer is noticed', () => {
    for (let bit = 0; bit < 64; bit++) {
      const damaged = Uint8Array.from(file);
      damaged[file.length - 8 + (bit >> 3)] ^= 1 << (bit & 7);
      assert.match(outcome(damaged), /^FormatError/);
    }
  });
});

describe('limits', () => {
  const limits = { maxCompressedBytes: 100_000, maxRawBytes: 1_000_000 };

  test('a bomb stops at the limit', () => {
    const bomb = gzipSync(Buffer.alloc(200_000_000), { level: 9 });
    const before = process.memoryUsage().arrayBuffers;
    assert.throws(() => decodeBody(bomb, { maxCompressedBytes: bomb.length, maxRawBytes: 10_000_000 }), LimitError);
    assert.ok(process.memoryUsage().arrayBuffers - before < 40_000_000);
  });

  test('of two members together', () => {
    const half = gzipSync(Buffer.alloc(600_000));
    assert.equal(decodeBody(half, limits).raw.length, 600_000);
    assert.match(outcome(concat(half, half), limits), /^LimitError/);
  });

  test('of the inner one of two wrappings', () => {
    assert.match(outcome(gzipSync(gzipSync(Buffer.alloc(2_000_000))), limits), /^LimitError/);
  });

  test('exactly at the limit, and one more', () => {
    assert.equal(decodeBody(gzipSync(Buffer.alloc(1_000_000)), limits).raw.length, 1_000_000);
    assert.match(outcome(gzipSync(Buffer.alloc(1_000_001)), limits), /^LimitError/);
    assert.equal(decodeBody(new Uint8Array(1_000_000), limits).raw.length, 1_000_000);
    assert.match(outcome(new Uint8Array(1_000_001), limits), /^LimitError/);
  });

  test('of the compressed bytes', () => {
    assert.match(outcome(file, { ...limits, maxCompressedBytes: file.length - 1 }), /^LimitError: gzip/);
    assert.match(outcome(file, { ...limits, maxCompressedBytes: file.length }), /^gzip/);
  });
});

describe('encoding', () => {
  test('one member without time stamp, at every size around those of buffers', () => {
    for (const size of [0, 1, 1000, 2047, 2048, 2049, 65535, 65536, 65537, 800_000]) {
      const bytes = Uint8Array.from({ length: size }, (_, i) => (i * i) >> 3);
      const body = encodeBody(bytes);
      assert.deepEqual([...body.subarray(0, 8)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
      assert.equal(Buffer.compare(gunzipSync(body), bytes), 0);
      assert.equal(Buffer.compare(decodeBody(body).raw, bytes), 0);
      // ISIZE: the last four bytes are the length, so nothing follows the member.
      assert.equal(Buffer.from(body).readUInt32LE(body.length - 4), size);
    }
  });

  test('there and back', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 5000 }).filter((b) => !(b[0] === 0x1f && b[1] === 0x8b)),
        (bytes) => {
          assert.equal(hex(decodeBody(encodeBody(bytes)).raw), hex(bytes));
        },
      ),
      { numRuns: 200, seed: 6 },
    );
  });
});

describe('node:zlib first, pako to judge', () => {
  const say = (decode: () => { raw: Uint8Array; wrapping: string }): string => {
    try {
      const { raw: bytes, wrapping } = decode();
      return `${wrapping} ${hex(bytes)}`;
    } catch (error) {
      if (error instanceof FormatError || error instanceof LimitError) return `${error.name}: ${error.message}`;
      throw error;
    }
  };
  const agree = (body: Uint8Array, limits?: BodyLimits): string => {
    const quick = say(() => decodeBody(body, limits));
    assert.equal(
      quick,
      say(() => decodeStrictly(body, limits)),
      hex(body.subarray(0, 400)),
    );
    return quick.slice(0, 10);
  };

  test('one verdict on every body, sound or not', () => {
    const part = fc.uint8Array({ maxLength: 3000 });
    const member = fc
      .tuple(fc.oneof(part, fc.constant(raw)), fc.integer({ min: 0, max: 9 }))
      .map(([bytes, level]) => new Uint8Array(gzipSync(bytes, { level })));
    const tail = fc.oneof(
      fc.constant(Uint8Array.of()),
      fc.constant(Uint8Array.of(0)),
      fc.constant(new Uint8Array(30)),
      fc.constant(Uint8Array.of(0x1f)),
      fc.constant(Uint8Array.of(0x1f, 0x8b)),
      fc.constant(Uint8Array.of(0x1f, 0x8b, 8, 0, 0)),
      fc.uint8Array({ maxLength: 30 }),
      member.map((bytes) => bytes.subarray(0, -1)),
    );
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(
        fc.array(member, { minLength: 1, maxLength: 3 }),
        tail,
        fc.record({
          cut: fc.option(fc.nat(), { freq: 3 }),
          flip: fc.option(fc.nat(), { freq: 3 }),
          again: fc.boolean(),
          limit: fc.option(fc.nat({ max: 7000 }), { freq: 3 }),
        }),
        (members, rest, { cut, flip, again, limit }) => {
          let body = concat(...members, rest);
          if (again) body = new Uint8Array(gzipSync(body));
          if (flip !== null) body[(flip >> 3) % body.length] ^= 1 << (flip & 7);
          if (cut !== null) body = body.subarray(0, cut % (body.length + 1));
          // Bytes around a view are not its own.
          const view = concat(Uint8Array.of(1, 2, 3), body, body).subarray(3, 3 + body.length);
          const limits =
            limit === null ? undefined : { maxRawBytes: limit, maxCompressedBytes: (limit & 1) === 0 ? 1e6 : limit };
          const verdict = agree(view, limits);
          seen.set(verdict.slice(0, 6), (seen.get(verdict.slice(0, 6)) ?? 0) + 1);
        },
      ),
      { numRuns: Number(process.env.RESYM_FUZZ_RUNS ?? 2000), seed: 11 },
    );
    for (const kind of ['gzip ', 'double', 'none ', 'Format', 'LimitE']) {
      assert.ok(
        [...seen.keys()].some((verdict) => verdict.startsWith(kind)),
        kind,
      );
    }
  });

  test('members that lie about their size', () => {
    for (const size of [0, 1, raw.length - 1, raw.length + 1, 0x7fffffff, 0xffffffff]) {
      const lying = Uint8Array.from(file);
      new DataView(lying.buffer).setUint32(lying.length - 4, size, true);
      assert.match(agree(lying), /^FormatErro/);
      const first = concat(lying, file);
      assert.match(agree(first), /^FormatErro/);
    }
    // The size at the end is the last member's, not the whole body's.
    const long = gzipSync(Buffer.alloc(3_000_000, 'abc'));
    assert.match(agree(concat(long, file)), /^gzip/);
    assert.match(agree(concat(long, gzipSync(''))), /^gzip/);
  });
});

describe('as a Go client', { skip: needsPprof }, () => {
  let oracle: PprofOracle;
  before(async () => {
    oracle = await PprofOracle.start();
  });
  after(() => oracle.stop());

  test('the same bodies are taken and refused', async () => {
    const bodies = [
      file,
      concat(gzipSync(raw.subarray(0, 100)), gzipSync(raw.subarray(100))),
      concat(gzipSync(''), file),
      ...[1, 8, 9, 100].map((n) => file.subarray(0, -n)),
      ...[[0], [0, 0], [0x1f], [0x1f, 0x8b], [1, 2, 3]].map((tail) => concat(file, Uint8Array.from(tail))),
      encodeBody(raw),
    ];
    for (let i = 0; i < 300; i++) {
      // Not the flag byte: zlib refuses reserved flags, Go ignores them. Nor what both skip.
      const damaged = Uint8Array.from(file);
      damaged[10 + ((i * 7919) % (file.length - 10))] ^= 1 << (i & 7);
      bodies.push(damaged);
    }
    for (const [i, body] of bodies.entries()) {
      const theirs = await oracle.refusal(body);
      const ours = outcome(body);
      assert.equal(/^FormatError/.test(ours), theirs !== null, `body ${i}: ${ours.slice(0, 80)}; Go: ${theirs}`);
    }
  });
});
