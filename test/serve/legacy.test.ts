/** Profiles of gperftools and its like from targets and in uploads; brpc's /pprof/ beside Go's /debug/pprof/. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { convertLegacy } from '../../src/legacy/legacy.ts';
import { openEngine } from '../../src/open-engine.ts';
import { goPprof } from '../support/go-pprof.ts';
import { toolchain } from '../support/toolchains.ts';
import { ask, FakeTarget, sendText, startResym } from './harness.ts';

const fixture = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../fixtures/legacy/${name}`, import.meta.url)));
const HEAP = fixture('cppbench.heap');
const CPU = fixture('cppbench.cpu');

/** Answers as brpc does, in pieces as small as they come. */
const send =
  (body: Uint8Array, pieces: readonly number[] = [3, 20]): ((_req: unknown, res: ServerResponse) => void) =>
  (_req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/plain', ETag: '"x"', 'X-From': 'target' });
    let at = 0;
    for (const size of pieces) {
      res.write(body.subarray(at, at + size));
      at += size;
    }
    setTimeout(() => res.end(body.subarray(at)), 20);
  };

test('profiles below /pprof/ and /debug/pprof/ become gzipped protobuf', async (t) => {
  const target = await FakeTarget.start(t, {
    '/pprof/heap': send(HEAP),
    '/pprof/profile': send(CPU),
    '/pprof/growth': send(gzipSync(fixture('cppbench.growth')), [2]),
    '/pprof/contention': send(fixture('cppbench.contention')),
    '/debug/pprof/heap': send(HEAP),
  });
  const { url } = await startResym(t, { api: target.url }, { resymbolizer: await openEngine([]) });
  for (const [path, body] of [
    ['/targets/api/pprof/heap', HEAP],
    ['/pprof/heap', HEAP],
    ['/targets/api/pprof/profile?seconds=1', CPU],
    ['/targets/api/pprof/growth', fixture('cppbench.growth')],
    ['/targets/api/pprof/contention', fixture('cppbench.contention')],
    ['/targets/api/debug/pprof/heap', HEAP],
    ['/targets/api/debug/pprof/heap?debug=0', HEAP],
  ] as const) {
    const answer = await ask(url, path);
    assert.equal(answer.status, 200, path);
    assert.equal(answer.headers['content-type'], 'application/octet-stream');
    assert.equal(answer.headers['etag'], undefined, 'it speaks of the bytes that were sent');
    assert.equal(answer.headers['x-from'], 'target');
    assert.match(answer.headers['resym-status'] as string, /^unchanged; /);
    assert.deepEqual(new Uint8Array(gunzipSync(answer.body)), new Uint8Array(convertLegacy(body)), path);
  }
});

test('what people read passes through untouched', async (t) => {
  const goroutines = fixture('go.godoc.thread');
  const goHeap = fixture('gobench.heap');
  const mutex = Buffer.from('--- mutex:\ncycles/second=1\nsampling period=1\n1 1 @ 0x1\n');
  const target = await FakeTarget.start(t, {
    '/debug/pprof/heap': send(goHeap),
    '/debug/pprof/goroutine': send(goroutines),
    '/debug/pprof/mutex': send(mutex),
    '/pprof/heap': send(HEAP),
    '/pprof/cmdline': sendText(200, '/bin/app\0-x'),
  });
  const { url, engine } = await startResym(t, { api: target.url });
  for (const [path, body] of [
    ['/debug/pprof/heap?debug=1', goHeap],
    ['/debug/pprof/heap', goHeap],
    ['/debug/pprof/goroutine?debug=1', goroutines],
    ['/debug/pprof/mutex', mutex],
    ['/pprof/heap?debug=1', HEAP],
    ['/pprof/cmdline', Buffer.from('/bin/app\0-x')],
  ] as const) {
    const answer = await ask(url, `/targets/api${path}`);
    assert.deepEqual(answer.body, Buffer.from(body), path);
    assert.match(answer.headers['content-type'] as string, /^text\/plain/);
    assert.equal(answer.headers['resym-status'], undefined);
  }
  assert.equal(engine.bodies.length, 0);
});

test('a damaged one passes through untouched, with the reason', async (t) => {
  const damaged = Buffer.concat([HEAP.subarray(0, 900), Buffer.from('\nhello\n')]);
  const target = await FakeTarget.start(t, { '/pprof/heap': send(damaged) });
  const { url } = await startResym(t, { api: target.url }, { resymbolizer: await openEngine([]) });
  const answer = await ask(url, '/targets/api/pprof/heap');
  assert.deepEqual(answer.body, damaged);
  assert.equal(answer.headers['content-type'], 'text/plain');
  assert.match(
    answer.headers['resym-status'] as string,
    /^unchanged; not read as a profile: heap profile\+0x[0-9a-f]+: line/,
  );
});

test('/pprof/symbol: the target is asked as gperftools has it', async (t) => {
  const target = await FakeTarget.start(t, { '/pprof/symbol': sendText(200, 'num_symbols: 1\n0x401000 main\n') });
  const { url } = await startResym(t, { api: target.url });
  for (const path of ['/targets/api/pprof/symbol', '/pprof/symbol', '/targets/api/pprof/symbolz']) {
    const answer = await ask(url, path, { method: 'POST', body: '0x401000+0x5' });
    assert.equal(answer.text, 'num_symbols: 1\n0x401000 main\n');
  }
  assert.deepEqual(
    target.requests.map(({ method, url, body }) => `${method} ${url} ${body}`),
    Array.from({ length: 3 }, () => 'POST /pprof/symbol 0x401000+0x5'),
  );
});

test('paths do not leave /pprof/', async (t) => {
  const target = await FakeTarget.start(t);
  const { url } = await startResym(t, { api: target.url });
  for (const path of ['/targets/api/pprof/../admin', '/targets/api/pprof/%2e%2e/admin', '/targets/api/pprofx'])
    assert.ok([400, 404].includes((await ask(url, path)).status), path);
  assert.deepEqual(target.requests, []);
});

test('uploads', async (t) => {
  const { url } = await startResym(t, {}, { resymbolizer: await openEngine([]) });
  for (const body of [CPU, HEAP, fixture('gobench.heap'), fixture('java.heap')]) {
    for (const sent of [body, gzipSync(body)]) {
      const answer = await ask(url, '/symbolize', { method: 'POST', body: sent });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(new Uint8Array(gunzipSync(answer.body)), new Uint8Array(convertLegacy(body)));
      const report = await ask(url, '/explain', { method: 'POST', body: sent });
      const { locations } = JSON.parse(report.text) as { locations: { total: number } };
      assert.ok(locations.total > 0);
    }
  }
  const refused = await ask(url, '/symbolize', { method: 'POST', body: '--- symbol\nbinary=/x\n' });
  assert.equal(refused.status, 400);
  assert.match(refused.text, /pprof --raw/);
});

const go = toolchain('1.24');
test("pprof's own client", { skip: go === null && 'needs go 1.24' }, async (t) => {
  const target = await FakeTarget.start(t, {
    '/pprof/heap': send(HEAP),
    '/pprof/symbol': sendText(200, 'num_symbols: 1\n'),
  });
  const { url } = await startResym(t, { api: target.url }, { resymbolizer: await openEngine([]) });
  const direct = await goPprof(go!, ['-top', '-symbolize=remote', `${target.url}/pprof/heap`]);
  const through = await goPprof(go!, ['-top', '-symbolize=remote', `${url}/targets/api/pprof/heap`]);
  assert.equal(through.code, 0, through.stderr);
  assert.match(through.stdout, /Showing nodes accounting for/);
  assert.equal(through.stdout, direct.stdout);
});
