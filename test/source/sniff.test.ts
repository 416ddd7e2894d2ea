/** Profile or not, from the first bytes. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { deflateRawSync, gunzipSync, gzipSync } from 'node:zlib';
import { hold } from '../../src/source/hold.ts';
import { sniff } from '../../src/source/sniff.ts';

const DIR = fileURLToPath(new URL('../fixtures/profiles/', import.meta.url));
const profiles = readdirSync(DIR).filter((name) => name.endsWith('.pb.gz'));

test('every profile is one, gzipped, bare and gzipped twice, however little of it is there', () => {
  assert.ok(profiles.length >= 10);
  for (const name of profiles) {
    const body = readFileSync(DIR + name);
    for (const form of [body, gunzipSync(body), gzipSync(body)]) {
      for (let length = 0; length < Math.min(form.length, 600); length++)
        assert.notEqual(sniff(form.subarray(0, length)), 'other', `${name}, ${length} bytes`);
      assert.equal(sniff(form), 'profile', name);
    }
  }
});

test('what net/http/pprof sends besides is none, decided within a line', () => {
  const others = [
    '<html>\n<head>\n<title>/debug/pprof/</title>',
    '<!doctype html>',
    'heap profile: 2: 4576 [691: 4268512] @ heap/1048576\n',
    'goroutine profile: total 7\n',
    'goroutine 1 [running]:\nmain.main()\n',
    'threadcreate profile: total 9\n',
    '--- mutex:\ncycles/second=2000000000\n',
    '--- contention:\n',
    'go 1.26 trace\0\0\0',
    'num_symbols: 1\n',
    '/usr/bin/service\0-listen\0:80',
    'Unknown profile\n',
    '{"message":"not found"}',
    '[1,2]',
    '<?xml version="1.0"?>',
    '\ufeffhello',
    'PK\x03\x04',
    '\x7fELF',
    '\0\0\0\0',
  ];
  for (const text of others) {
    const bytes = Buffer.from(text);
    assert.equal(sniff(bytes), 'other', text);
    assert.equal(sniff(bytes.subarray(0, 12)), 'other', text);
    assert.equal(sniff(gzipSync(text.repeat(3))), 'other', `gzip of ${text}`);
  }
});

test('what cannot be told for long is taken for a profile', () => {
  assert.equal(sniff(new Uint8Array(0)), 'undecided');
  assert.equal(sniff(Uint8Array.of(0x1f)), 'undecided');
  const oneLongField = Buffer.concat([Buffer.from([0x12, 0xff, 0xff, 0x7f]), Buffer.alloc(5000)]);
  assert.equal(sniff(oneLongField.subarray(0, 4095)), 'undecided');
  assert.equal(sniff(oneLongField), 'profile');
  assert.equal(sniff(Buffer.from('1f8b08000000000000ff', 'hex')), 'undecided');
  assert.equal(sniff(Buffer.from('1f8b0800000000000000ffffffff', 'hex')), 'profile', 'damaged: for the reader to say');
});

test('a bomb costs little', () => {
  const deflated = deflateRawSync(Buffer.alloc(64 << 20));
  const bomb = Buffer.concat([Buffer.from('1f8b080000000000000a', 'hex'), deflated]);
  const started = performance.now();
  for (let i = 0; i < 20; i++) sniff(bomb);
  assert.ok(performance.now() - started < 1000);
});

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

test('a body is held when it is a profile, and handed on from the first bytes when it is not', async () => {
  const profile = readFileSync(DIR + profiles[0]);
  const text = Buffer.from('goroutine profile: total 7\n'.repeat(1000));
  for (const size of [1, 7, 100_000]) {
    const held = await hold(pieces(profile, size), 1 << 20);
    assert.ok(held.kind === 'profile');
    assert.deepEqual(Buffer.from(held.body), profile);

    const other = await hold(pieces(text, size), 1 << 20);
    assert.ok(other.kind === 'other');
    assert.ok(other.start.length <= 3);
    assert.deepEqual(Buffer.concat([...other.start, await collect(other.rest)]), text);

    const large = await hold(pieces(profile, size), 500);
    assert.ok(large.kind === 'too-large');
    const start = Buffer.concat([...large.start]);
    assert.ok(start.length > 500 && start.length <= 500 + size);
    assert.deepEqual(Buffer.concat([start, await collect(large.rest)]), profile);
  }
  const empty = await hold(pieces(new Uint8Array(0), 1), 10);
  assert.ok(empty.kind === 'profile' && empty.body.length === 0);
});
