/** Clients that leave and targets that break at any moment: nothing crashes, nothing leaks, the next one is served. */
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, FakeTarget, PROFILE, result, sendProfile, startResym, until } from './harness.ts';

const REQUESTS = 600;

/** Numbers from 0 to 1, the same in every run (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

test('everything at once', async (t) => {
  const next = random(20260101);
  const large = Buffer.alloc(3 << 20, 'go 1.26 trace');
  const target = await FakeTarget.start(t, {
    '/debug/pprof/heap': (req, res) => void setTimeout(() => sendProfile(PROFILE)(req, res), next() * 20),
    '/debug/pprof/trace': (_req, res) => res.end(large),
    '/debug/pprof/symbol': (_req, res) => void setTimeout(() => res.end('num_symbols: 1\n0x1 f\n'), next() * 20),
    '/debug/pprof/breaks': (_req, res) => {
      res.writeHead(200, { 'Content-Length': '100000' });
      res.write(next() < 0.5 ? PROFILE.subarray(0, 500) : 'go 1.26 trace');
      setTimeout(() => res.destroy(), next() * 20);
    },
  });
  const running = await startResym(t, { api: target.url }, { limits: { budgetMs: 1000 } });
  running.engine.answer = async (body, { signal }) => {
    await sleep(next() * 30);
    signal!.throwIfAborted();
    return result({ body, status: 'enriched' });
  };
  const stray: unknown[] = [];
  const keep = (error: unknown): void => void stray.push(error);
  process.on('uncaughtException', keep);
  process.on('unhandledRejection', keep);
  t.after(() => {
    process.off('uncaughtException', keep);
    process.off('unhandledRejection', keep);
  });

  const paths = ['heap', 'trace', 'breaks', 'symbol?0x1', 'nope', 'x%00', '../x'];
  const { hostname, port } = new URL(running.url);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  t.after(() => agent.destroy());
  const one = (index: number): Promise<void> =>
    new Promise((resolve) => {
      const upload = index % 7 === 0;
      const path = upload ? '/symbolize' : `/debug/pprof/${paths[index % paths.length]}`;
      const method = upload ? 'POST' : index % 5 === 0 ? 'HEAD' : 'GET';
      const request = http.request({ hostname, port, path, method, agent }, (res) => {
        res.on('error', () => undefined);
        if (next() < 0.2) res.destroy();
        else res.resume();
      });
      request.on('error', () => undefined);
      request.on('close', resolve);
      if (next() < 0.5) setTimeout(() => request.destroy(), next() * 40);
      request.end(upload ? PROFILE : undefined);
    });
  for (let from = 0; from < REQUESTS; from += 30)
    await Promise.all(Array.from({ length: 30 }, (_, i) => one(from + i)));

  const answer = await ask(running.url, '/debug/pprof/heap');
  assert.deepEqual(answer.body, PROFILE);
  await until('connections to the target to end', () => target.sockets.size === 0);
  assert.deepEqual(stray, []);
  const defects = running.log.filter(({ msg }) => msg === 'defect');
  assert.deepEqual(defects, []);
  assert.ok(running.log.some(({ status }) => status === 499));
});
