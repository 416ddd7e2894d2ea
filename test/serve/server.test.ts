/** Listening, and ending in order. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { HttpServer } from '../../src/serve/server.ts';
import { ask, FakeTarget, PROFILE, sendProfile, startResym, until } from './harness.ts';

test('a port that is taken is an error of the system', async (t) => {
  const { server } = await startResym(t, {});
  const second = new HttpServer();
  await assert.rejects(
    second.listen(() => undefined, { host: '127.0.0.1', port: server.port }),
    { code: 'EADDRINUSE' },
  );
});

test('closing: answers under way finish, idle connections go, new ones are refused', async (t) => {
  let answer: () => void = () => undefined;
  const target = await FakeTarget.start(t, {
    '/debug/pprof/heap': (req, res) => (answer = () => sendProfile(PROFILE)(req, res)),
  });
  const { url, server } = await startResym(t, { api: target.url });
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  await new Promise<void>((resolve, reject) => {
    http.get(`${url}/healthz`, { agent }, (res) => res.resume().on('end', resolve)).on('error', reject);
  });
  const underWay = ask(url, '/debug/pprof/heap', { headers: { Connection: 'keep-alive' } });
  await until('the request to arrive', () => target.requests.length === 1);

  const closed = server.close(5000);
  assert.equal(server.draining, true);
  await assert.rejects(ask(url, '/healthz'), { code: 'ECONNREFUSED' });
  await sleep(50);
  answer();
  const { body, headers } = await underWay;
  assert.deepEqual(body, PROFILE);
  assert.equal(headers.connection, 'close');
  const started = performance.now();
  assert.equal(await closed, true);
  assert.ok(performance.now() - started < 1000);
});

test('closing: a connection kept alive before it was known goes as soon as it is idle', async (t) => {
  let goOn: () => void = () => undefined;
  const target = await FakeTarget.start(t, {
    '/debug/pprof/trace': (_req, res) => {
      res.write('go 1.26 trace');
      goOn = () => res.end();
    },
  });
  const { url, server } = await startResym(t, { api: target.url });
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  let closed: Promise<boolean> | undefined;
  await new Promise<void>((resolve, reject) => {
    const request = http.get(`${url}/debug/pprof/trace`, { agent }, (res) => {
      assert.equal(res.headers.connection, 'keep-alive');
      closed = server.close(5000);
      res.resume().on('end', resolve);
      goOn();
    });
    request.on('error', reject);
  });
  const started = performance.now();
  assert.equal(await closed, true);
  assert.ok(performance.now() - started < 1000);
});

test('closing takes no longer than it may', async (t) => {
  const target = await FakeTarget.start(t, { '/debug/pprof/heap': () => undefined });
  const { url, server } = await startResym(t, { api: target.url });
  const cut = ask(url, '/debug/pprof/heap');
  cut.catch(() => undefined);
  await until('the request to arrive', () => target.requests.length === 1);
  const started = performance.now();
  assert.equal(await server.close(200), false);
  assert.ok(performance.now() - started < 1000);
  await assert.rejects(cut);
  await until('the target to be let go', () => target.sockets.size === 0);
});

test('SIGTERM drains, a second signal cuts off', async () => {
  const script = `
    import { HttpServer, closeOnSignal } from '../../src/serve/server.ts';
    const server = new HttpServer();
    await server.listen((req, res) => { if (req.url === '/soon') setTimeout(() => res.end('done'), 700); }, { host: '127.0.0.1', port: 0 });
    process.stdout.write(server.url + '\\n');
    process.stdout.write('ended by ' + await closeOnSignal(server, { onStop: () => process.stdout.write('stopping\\n') }) + '\\n');
  `;
  for (const [path, second] of [
    ['/soon', null],
    ['/never', 'SIGINT'],
  ] as const) {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
    await until('the server to listen', () => said.includes('\n'), 15_000);
    const answer = ask(said.trim(), path).then(
      ({ text }) => text,
      () => 'cut off',
    );
    await sleep(100);
    child.kill('SIGTERM');
    await until('the first signal to arrive', () => said.includes('stopping'));
    if (second !== null) child.kill(second);
    assert.equal(await answer, second === null ? 'done' : 'cut off');
    assert.equal(await exit, 0);
    assert.match(said, /ended by SIGTERM\n$/);
  }
});
