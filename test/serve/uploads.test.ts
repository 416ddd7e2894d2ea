/** POST /symbolize and POST /explain. */
import assert from 'node:assert/strict';
import net from 'node:net';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { FormatError, LimitError } from '../../src/errors.ts';
import { ask, PROFILE, result, startResym } from './harness.ts';

const post = (url: string, path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  ask(url, path, { method: 'POST', body, headers });

test('a profile comes back enriched', async (t) => {
  const { url, engine } = await startResym(t, {});
  engine.answer = (_body, { deadline }) => {
    assert.ok(deadline! > performance.now() + 10_000, 'someone waits for this one: it has more time');
    return result({ body: Buffer.from('new'), status: 'enriched', timings: [{ stage: 'decode', ms: 1 }] });
  };
  const answer = await post(url, '/symbolize', PROFILE, { 'Content-Type': 'application/x-www-form-urlencoded' });
  assert.equal(answer.status, 200);
  assert.equal(answer.text, 'new');
  assert.equal(answer.headers['content-type'], 'application/octet-stream');
  assert.equal(answer.headers['resym-status'], 'enriched; 3 of 3 locations named');
  assert.match(answer.headers['server-timing'] as string, /^decode;dur=1\.0$/);
  assert.deepEqual(Buffer.from(engine.bodies[0]), PROFILE);
});

test('an encoding of the upload comes off, the profile stays', async (t) => {
  const { url } = await startResym(t, {});
  assert.deepEqual((await post(url, '/symbolize', PROFILE)).body, PROFILE);
  assert.deepEqual((await post(url, '/symbolize', PROFILE, { 'Content-Encoding': 'gzip' })).body, PROFILE);
  assert.deepEqual((await post(url, '/symbolize', gzipSync(PROFILE), { 'Content-Encoding': 'gzip' })).body, PROFILE);
  const raw = gunzipSync(PROFILE);
  assert.deepEqual((await post(url, '/symbolize', raw)).body, raw);
  const unknown = await post(url, '/symbolize', PROFILE, { 'Content-Encoding': 'br' });
  assert.equal(unknown.status, 415);
});

test('the report as JSON', async (t) => {
  const { url, engine } = await startResym(t, {});
  const { report } = result({ body: PROFILE });
  engine.answer = (body) => result({ body, report });
  const answer = await post(url, '/explain', PROFILE);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
  assert.deepEqual(JSON.parse(answer.text), report);
});

test('what is no profile is 400, what is too large 413, both in words', async (t) => {
  const { url, engine } = await startResym(t, {}, { limits: { maxProfileBytes: 10_000 } });
  for (const path of ['/symbolize', '/explain']) {
    engine.answer = () => Promise.reject(new FormatError('profile', 3, 'no field 0'));
    const bad = await post(url, path, 'hello');
    assert.equal(bad.status, 400);
    assert.equal(bad.text, 'the body is no profile: profile+0x3: no field 0\n');
    assert.equal(bad.headers['x-go-pprof'], '1');
    engine.answer = () => Promise.reject(new LimitError('profile larger than the limit of 5 bytes'));
    assert.equal((await post(url, path, PROFILE)).status, 413);
    assert.equal((await post(url, path, '')).status, 400);
    const large = await post(url, path, Buffer.alloc(20_000));
    assert.equal(large.status, 413);
    assert.match(large.text, /larger than the limit of 10000 bytes/);
    const seen = engine.bodies.length;
    const chunked = await post(url, path, Buffer.alloc(5 << 20), { 'Transfer-Encoding': 'chunked' });
    assert.equal(chunked.status, 413);
    assert.equal(engine.bodies.length, seen);
    const got = await ask(url, path);
    assert.equal(got.status, 405);
    assert.equal(got.headers.allow, 'POST');
  }
});

test('an engine that fails: the profile back, no report', async (t) => {
  const running = await startResym(t, {}, { limits: { uploadBudgetMs: 50 } });
  running.engine.answer = () => Promise.reject(new TypeError('boom'));
  const failed = await post(running.url, '/symbolize', PROFILE);
  assert.equal(failed.status, 200);
  assert.deepEqual(failed.body, PROFILE);
  assert.match(failed.headers['resym-status'] as string, /^unchanged; resym failed/);
  assert.equal((await post(running.url, '/explain', PROFILE)).status, 503);
  assert.match(running.logText(), /boom/);
  running.engine.answer = async (body) => {
    await sleep(2000, undefined, { ref: false });
    return result({ body });
  };
  const late = await post(running.url, '/symbolize', PROFILE);
  assert.deepEqual(late.body, PROFILE);
  assert.match(late.headers['resym-status'] as string, /^unchanged; budget/);
});

test('an upload that breaks off leaves nothing behind', async (t) => {
  const running = await startResym(t, {});
  const { hostname, port } = new URL(running.url);
  await new Promise<void>((resolve) => {
    const socket = net.connect(Number(port), hostname, () => {
      socket.write('POST /symbolize HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nhalf');
      setTimeout(() => socket.destroy(), 50);
    });
    socket.on('close', () => resolve());
  });
  await sleep(100);
  assert.equal(running.engine.bodies.length, 0);
  assert.doesNotMatch(running.logText(), /defect/);
  assert.deepEqual((await post(running.url, '/symbolize', PROFILE)).body, PROFILE);
});
