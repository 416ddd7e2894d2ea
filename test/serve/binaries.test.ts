/** Uploads and the archive over HTTP: what comes in, what is refused, and that nothing stays behind. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Limits } from '../../src/serve/limits.ts';
import type { AddResult, StoredBinary } from '../../src/store/store.ts';
import { Archive } from '../../src/workers/archive.ts';
import { GO_124, TWIN_FULL, TWIN_STRIPPED, variant } from '../store/samples.ts';
import { needsTools } from '../support/toolchains.ts';
import { ask, startResym, until, type Answer } from './harness.ts';

const THREAD = new URL('../workers/thread.mjs', import.meta.url);
const GO = readFileSync(GO_124);

async function serving(t: TestContext, limits: Partial<Limits> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'resym-uploads-'));
  const archive = new Archive({ place: dir, file: THREAD });
  const added: string[] = [];
  const running = await startResym(t, {}, { archive, limits, onAdded: (key) => void added.push(key) });
  t.after(async () => {
    await running.server.close(0);
    await archive.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const put = (path: string, body: Uint8Array, headers: Record<string, string> = {}): Promise<Answer> =>
    ask(running.url, path, { method: 'PUT', body, headers });
  const list = async (query = ''): Promise<StoredBinary[]> =>
    (json(await ask(running.url, `/binaries${query}`)) as { binaries: StoredBinary[] }).binaries;
  /** Nothing on its way in. */
  const isClean = (): boolean => {
    const incoming = join(dir, '.resym', 'incoming');
    return !existsSync(incoming) || readdirSync(incoming).length === 0;
  };
  const audits = () => running.log.filter((line) => 'audit' in line);
  return { url: running.url, audits, dir, added, put, list, isClean };
}

function json(answer: Answer): unknown {
  return JSON.parse(answer.text);
}

test('a binary comes in, is listed, shown and removed', async (t) => {
  const { put, list, url, added, audits, isClean } = await serving(t);
  const first = await put('/binaries/api', GO);
  assert.equal(first.status, 201, first.text);
  const { binary, outcome } = json(first) as AddResult;
  assert.equal(outcome, 'added');
  assert.equal(binary.name, 'api');
  assert.equal(binary.sha256, createHash('sha256').update(GO).digest('hex'));
  assert.deepEqual(added, [binary.key]);

  const again = await put('/binaries', GO);
  assert.equal(again.status, 200);
  assert.equal((json(again) as AddResult).outcome, 'already-there');
  assert.deepEqual(added, [binary.key]);
  assert.equal((await list()).length, 1);

  const { version } = binary.identity.go!.main!;
  for (const query of ['?program=api', `?version=${version}`, `?id=${binary.key.slice(0, 6)}`, '?limit=1'])
    assert.equal((await list(query)).length, 1, query);
  for (const query of ['?program=ap', '?version=go1.1', '?revision=abc', '?id=ffff'])
    assert.equal((await list(query)).length, 0, query);

  const shown = json(await ask(url, `/binaries/${binary.key.slice(0, 8)}`)) as { binaries: StoredBinary[] };
  assert.equal(shown.binaries[0].path, binary.path);
  assert.equal((await ask(url, `/binaries/${binary.sha256}`)).status, 200);
  assert.equal((await ask(url, `/binaries/${binary.path}`)).status, 200);
  const gone = await ask(url, `/binaries/${binary.key}`, { method: 'DELETE' });
  assert.equal(gone.status, 200);
  assert.equal((await list()).length, 0);
  assert.equal((await ask(url, `/binaries/${binary.key}`)).status, 404);
  assert.equal((await ask(url, `/binaries/${binary.key}`, { method: 'DELETE' })).status, 404);
  assert.ok(isClean());
  const audited = audits().map(({ audit, outcome }) => [audit, outcome]);
  assert.deepEqual(audited, [
    ['upload', 'added'],
    ['upload', 'already-there'],
    ['delete', undefined],
  ]);
});

test('better replaces worse, in either order, and pages follow one another', async (t) => {
  const { put, list, url } = await serving(t);
  const [full, stripped] = [TWIN_FULL, TWIN_STRIPPED].map((path) => readFileSync(path));
  assert.equal((await put('/binaries/tiny', stripped)).status, 201);
  assert.equal((await put('/binaries/tiny', full)).status, 201);
  for (let number = 1; number <= 5; number++) {
    const path = join(mkdtempSync(join(tmpdir(), 'resym-variant-')), 'v');
    variant(path, number);
    assert.equal((await put(`/binaries/v${number}`, readFileSync(path))).status, 201);
  }
  assert.equal((await list()).length, 7);
  const seen: string[] = [];
  for (let next: string | null = '/binaries?limit=3'; next !== null;) {
    const answer: Answer = await ask(url, next);
    const page = json(answer) as { binaries: StoredBinary[]; next: string | null };
    seen.push(...page.binaries.map(({ path }) => path));
    assert.equal(page.next !== null, answer.headers.link !== undefined);
    next = /<([^>]+)>; rel="next"/.exec(String(answer.headers.link))?.[1] ?? null;
  }
  assert.equal(new Set(seen).size, 7);
  assert.equal(seen.length, 7);
});

test('what is no binary, or not the one it is said to be, is refused with a reason', async (t) => {
  const { put, list, isClean } = await serving(t);
  const key = (json(await put('/binaries/x', GO)) as AddResult).binary.key;
  const sha256 = createHash('sha256').update(GO).digest('hex');
  const cases: [path: string, body: Uint8Array, status: number, said: RegExp, headers?: Record<string, string>][] = [
    ['/binaries/a', Buffer.from('#!/bin/sh\n'), 422, /not an object file/],
    ['/binaries/a', Buffer.alloc(0), 422, /not an object file/],
    ['/binaries/a', GO.subarray(0, 3000), 422, /is not added/],
    [`/binaries?sha256=${'0'.repeat(64)}`, GO, 422, new RegExp(`has sha256 ${sha256}`)],
    ['/binaries?sha256=zz', GO, 400, /64 hex digits/],
    ['/binaries?buildId=abcd1234', GO, 422, new RegExp(`not abcd1234 as was said; it has ${key}`)],
    ['/binaries?name=..%2f..%2fetc%2fpasswd', GO, 400, /without directories/],
    ['/binaries/..%2f..%2fetc%2fpasswd', GO, 400, /without directories/],
    ['/binaries/%00', GO, 400, /without directories/],
    [`/binaries/${'n'.repeat(300)}`, GO, 400, /at most 255/],
    ['/binaries/a', GO, 415, /send gzip/, { 'Content-Encoding': 'br' }],
    ['/binaries/a', GO, 400, /compression is damaged/, { 'Content-Encoding': 'gzip' }],
    ['/binaries/a', gzipSync(GO).subarray(0, -9), 400, /damaged|too early/, { 'Content-Encoding': 'gzip' }],
    ['/binaries/a', GO, 400, /needs \?sha256=/, { 'Content-Encoding': 'zstd' }],
  ];
  for (const [path, body, status, said, headers = {}] of cases) {
    const answer = await put(path, body, headers);
    assert.equal(answer.status, status, `${path}: ${answer.text}`);
    assert.match(answer.text, said);
    assert.equal(answer.headers['x-go-pprof'], '1');
    assert.ok(isClean(), path);
  }
  assert.equal((await put(`/binaries?buildId=${key.toUpperCase()}&sha256=${sha256}`, GO)).status, 200);
  assert.equal((await put('/binaries/a', gzipSync(GO), { 'Content-Encoding': 'gzip' })).status, 200);
  assert.equal((await list()).length, 1);
});

test('no more is taken than the limits say', async (t) => {
  const { put, url, isClean, list } = await serving(t, { maxBinaryBytes: 1 << 20, uploadStallMs: 400 });
  const bomb = gzipSync(Buffer.alloc(64 << 20));
  const answer = await put('/binaries/bomb', bomb, { 'Content-Encoding': 'gzip' });
  assert.equal(answer.status, 413);
  assert.match(answer.text, /larger than the limit of 1048576 bytes/);
  assert.ok(isClean());

  // Asked first, nothing is sent.
  const { port } = new URL(url);
  const early = await new Promise<number>((resolve, reject) => {
    const request = http.request({
      port,
      path: '/binaries/x',
      method: 'PUT',
      agent: false,
      headers: { Expect: '100-continue', 'Content-Length': 2 << 20 },
    });
    request.on('continue', () => reject(new Error('told to go on')));
    request.on('response', (response) => resolve(response.statusCode!));
    request.on('error', reject);
    request.flushHeaders();
  });
  assert.equal(early, 413);

  // One byte every now and then, then none.
  const began = performance.now();
  const socket = net.connect(Number(port), '127.0.0.1');
  let said = '';
  socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
  socket.write('PUT /binaries/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nab');
  await until('the slow sender is told', () => said.startsWith('HTTP/1.1 408'), 8000);
  assert.match(said, /nothing has come for 0.4 s/);
  assert.ok(performance.now() - began < 8000);
  socket.destroy();
  await until('nothing is left', isClean);
  assert.equal((await list()).length, 0);
});

test('a connection that ends anywhere leaves nothing', async (t) => {
  const { url, isClean, list, put } = await serving(t);
  const { port } = new URL(url);
  const head = (length: number): string => `PUT /binaries/cut HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;
  for (let part = 0; part < 20; part++) {
    const socket = net.connect(Number(port), '127.0.0.1');
    socket.write(head(GO.length));
    const bytes = GO.subarray(0, Math.floor((GO.length * part) / 20));
    await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
    if (part % 2 === 0) socket.end();
    else socket.resetAndDestroy();
    await new Promise<void>((resolve) => socket.once('close', () => resolve()).resume());
  }
  await until('nothing is left', isClean);
  assert.equal((await list()).length, 0);
  assert.equal((await put('/binaries/whole', GO)).status, 201);
});

test('twenty senders of one file, and of different ones', async (t) => {
  const { put, list, isClean } = await serving(t);
  const same = await Promise.all(Array.from({ length: 16 }, () => put('/binaries/same', GO)));
  assert.deepEqual([...new Set(same.map(({ status }) => status))].sort(), [200, 201]);
  assert.equal(same.filter(({ status }) => status === 201).length, 1);
  const files = Array.from({ length: 16 }, (_, number) => {
    const path = join(mkdtempSync(join(tmpdir(), 'resym-variant-')), 'v');
    variant(path, number + 100);
    return readFileSync(path);
  });
  const others = await Promise.all(files.map((file) => put('/binaries/other', file)));
  assert.ok(others.every(({ status }) => status === 201));
  const all = await list();
  assert.equal(all.length, 17);
  assert.ok(all.every(({ problem }) => problem === ''));
  assert.ok(isClean());
});

test('curl -T', { skip: needsTools('curl') }, async (t) => {
  const { url, list, dir } = await serving(t);
  const file = join(dir, '..', `resym-curl-${process.pid}`);
  writeFileSync(file, GO);
  t.after(() => rmSync(file));
  const { stdout } = await promisify(execFile)('curl', ['-sS', '-f', '-T', file, `${url}/binaries/`]);
  assert.equal((JSON.parse(stdout) as AddResult).outcome, 'added');
  assert.equal((await list())[0].name, `resym-curl-${process.pid}`);
});
