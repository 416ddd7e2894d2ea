/** Never in the way: whatever fails, the client gets its profile, or the reason in the shape that pprof shows. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { FormatError, LimitError } from '../../src/errors.ts';
import {
  type Answer,
  ask,
  deadUrl,
  FakeTarget,
  PROFILE,
  rawTarget,
  result,
  sendProfile,
  sendText,
  startResym,
  targetConfig,
  until,
} from './harness.ts';

const HEAP = '/debug/pprof/heap';

/** net/http/pprof's own shape; pprof shows no other. */
function assertPprofError(answer: Answer, status: number, message: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.text, message);
  assert.match(answer.text, /^[^\n]+\n$/);
  assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
  assert.equal(answer.headers['x-go-pprof'], '1');
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  assert.equal(answer.headers['content-disposition'], undefined);
  assert.equal(answer.headers['content-length'], String(answer.body.length));
}

test('a target that is not there', async (t) => {
  const url = (await startResym(t, { api: await deadUrl() })).url;
  assertPprofError(await ask(url, HEAP), 502, /^target api \(http:\/\/127\.0\.0\.1:\d+\) refuses connections/);
  const head = await ask(url, HEAP, { method: 'HEAD' });
  assert.equal(head.status, 502);
  assert.equal(head.text, '');
});

test('a target whose name does not resolve', async (t) => {
  const { url } = await startResym(t, { api: 'http://resym-test.invalid:6060' });
  assertPprofError(await ask(url, HEAP), 502, /does not resolve \((ENOTFOUND|EAI_AGAIN)\)/);
});

test('a target that takes the request and says nothing', async (t) => {
  const { url } = await startResym(t, { api: await rawTarget(t, () => undefined) }, { limits: { patienceMs: 300 } });
  const started = performance.now();
  assertPprofError(await ask(url, HEAP), 504, /did not answer in time/);
  assert.ok(performance.now() - started < 4000);
});

test('the wait follows `seconds`', async (t) => {
  const target = await FakeTarget.start(t, {
    '/debug/pprof/profile': (req, res) => void sleep(2500).then(() => sendProfile(PROFILE)(req, res)),
  });
  const { url } = await startResym(t, { api: target.url }, { limits: { patienceMs: 300 } });
  const [asked, without] = await Promise.all([
    ask(url, '/debug/pprof/profile?seconds=2'),
    ask(url, '/debug/pprof/profile'),
  ]);
  assert.equal(asked.status, 200);
  assert.deepEqual(asked.body, PROFILE);
  assert.equal(without.status, 504);
});

test('an answer that falls silent in the middle', async (t) => {
  const target = await rawTarget(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${PROFILE.length}\r\n\r\n`);
    socket.write(PROFILE.subarray(0, 100));
  });
  const { url } = await startResym(t, { api: target }, { limits: { patienceMs: 300 } });
  assertPprofError(await ask(url, HEAP), 504, /fell silent/);
});

test('a body that trickles in is a profile when it is complete', async (t) => {
  const target = await FakeTarget.start(t, {
    [HEAP]: (_req, res) => {
      res.writeHead(200, { 'Content-Type': 'application/octet-stream' });
      void (async () => {
        for (let at = 0; at < 40; at++) {
          res.write(PROFILE.subarray(at, at + 1)); // the magic, the header, the first tags: a byte at a time
          await sleep(2);
        }
        res.end(PROFILE.subarray(40));
      })();
    },
  });
  const { url, engine } = await startResym(t, { api: target.url });
  const answer = await ask(url, HEAP);
  assert.deepEqual(answer.body, PROFILE);
  assert.equal(engine.bodies.length, 1);
  assert.ok(answer.headers['resym-status']);
});

test('a body that never ends is given up', async (t) => {
  const target = await FakeTarget.start(t, {
    [HEAP]: (_req, res) => {
      let at = 0;
      const timer = setInterval(() => res.write(PROFILE.subarray(at, ++at)), 20);
      res.on('close', () => clearInterval(timer));
    },
  });
  const { url } = await startResym(t, { api: target.url }, { limits: { patienceMs: 400, transferMs: 200 } });
  const started = performance.now();
  assertPprofError(await ask(url, HEAP), 504, /did not finish its answer within 1 s/);
  assert.ok(performance.now() - started < 1500);
  await until('the target to be let go', () => target.sockets.size === 0);
});

test('a connection that ends before the answer does', async (t) => {
  const cases: Record<string, string | Buffer> = {
    'before the headers': '',
    'within the headers': 'HTTP/1.1 200 OK\r\nContent-Le',
    'before Content-Length is reached': Buffer.concat([
      Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n'),
      PROFILE.subarray(0, 300),
    ]),
    'before the last chunk': Buffer.concat([
      Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n'),
      PROFILE.subarray(0, 100),
      Buffer.from('\r\n'),
    ]),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    for (const end of ['end', 'resetAndDestroy'] as const) {
      const target = await rawTarget(t, (socket) =>
        socket.write(bytes, () => void setTimeout(() => socket[end](), 20)),
      );
      const { url, engine } = await startResym(t, { api: target });
      assertPprofError(
        await ask(url, HEAP),
        502,
        /closed the connection before its answer was complete|does not speak HTTP/,
      );
      assert.equal(engine.bodies.length, 0, name);
    }
  }
});

test('gzip that is cut short although HTTP says it is complete', async (t) => {
  const target = await FakeTarget.start(t);
  const { url, engine } = await startResym(t, { api: target.url });
  engine.answer = () => {
    throw new FormatError('gzip', 7, 'cut short');
  };
  for (const length of [11, 100, PROFILE.length - 9, PROFILE.length - 1]) {
    target.routes[HEAP] = sendProfile(PROFILE.subarray(0, length));
    assertPprofError(await ask(url, HEAP), 502, /cut short/);
  }
});

test('an empty body is no profile', async (t) => {
  const target = await FakeTarget.start(t);
  const { url } = await startResym(t, { api: target.url });
  for (const length of [0, 1, 2]) {
    target.routes[HEAP] = sendProfile(PROFILE.subarray(0, length));
    assertPprofError(await ask(url, HEAP), 502, /sent (an empty body|\d bytes) for a profile/);
  }
  target.routes[HEAP] = (_req, res) => res.writeHead(204).end();
  assert.equal((await ask(url, HEAP)).status, 204);
});

test('something that is not HTTP', async (t) => {
  const target = await rawTarget(t, (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
  const { url } = await startResym(t, { api: target });
  assertPprofError(await ask(url, HEAP), 502, /does not speak HTTP/);
});

test('https asked of a server that has none', async (t) => {
  const target = await FakeTarget.start(t);
  const { url } = await startResym(t, { api: target.url.replace('http:', 'https:') });
  assertPprofError(await ask(url, HEAP), 502, /TLS|closed the connection/);
});

test('a body the engine does not take goes out as it came', async (t) => {
  const odd = gzipSync(Buffer.concat([gunzipSync(PROFILE), Buffer.from([0xff])]));
  const target = await FakeTarget.start(t, { [HEAP]: sendProfile(odd, { 'Content-Type': 'application/x-odd' }) });
  const { url, engine } = await startResym(t, { api: target.url });
  for (const error of [new FormatError('profile', 1234, 'group\ntag'), new LimitError('too many mappings')]) {
    engine.answer = () => Promise.reject(error);
    const answer = await ask(url, HEAP);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, odd);
    assert.equal(answer.headers['content-type'], 'application/x-odd');
    assert.match(
      answer.headers['resym-status'] as string,
      /^unchanged; not read as a profile: (profile\+0x4d2: group tag|too many)/,
    );
  }
});

test('a defect of the engine costs the names, not the profile', async (t) => {
  const target = await FakeTarget.start(t, { [HEAP]: sendProfile(PROFILE) });
  const running = await startResym(t, { api: target.url });
  running.engine.resymbolize = () => {
    throw new TypeError('x is undefined');
  };
  const answer = await ask(running.url, HEAP);
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, PROFILE);
  assert.match(answer.headers['resym-status'] as string, /^unchanged; resym failed/);
  await until('the log', () => running.log.length === 2);
  assert.match(running.logText(), /"stack":"TypeError: x is undefined\\n/);
});

test('symbolization over its budget: the original in time, and the work goes on', async (t) => {
  const target = await FakeTarget.start(t, { [HEAP]: sendProfile(PROFILE) });
  const { url, engine } = await startResym(t, { api: target.url }, { limits: { budgetMs: 200 } });
  let finished = 0;
  engine.answer = async (body, { deadline, signal }) => {
    assert.ok(deadline! - performance.now() <= 200);
    await sleep(3000);
    signal!.throwIfAborted();
    finished++;
    return result({ body });
  };
  const started = performance.now();
  const answer = await ask(url, HEAP);
  const took = performance.now() - started;
  assert.ok(took > 200 && took < 2500, `took ${took} ms`);
  assert.deepEqual(answer.body, PROFILE);
  assert.match(answer.headers['resym-status'] as string, /^unchanged; budget: /);
  await until('the work to end by itself', () => finished === 1);

  // An engine that keeps to its deadline and gives a part is believed.
  engine.answer = async (_body, { deadline }) => {
    await sleep(deadline! - performance.now() + 50);
    return result({ body: Buffer.from('a part'), status: 'partial', reason: 'out of time' });
  };
  const part = await ask(url, HEAP);
  assert.equal(part.text, 'a part');
  assert.equal(part.headers['resym-status'], 'partial; out of time');
});

test('the budget begins with the last byte from the target', async (t) => {
  const target = await FakeTarget.start(t, {
    [HEAP]: (_req, res) => {
      res.write(PROFILE.subarray(0, 500));
      setTimeout(() => res.end(PROFILE.subarray(500)), 600);
    },
  });
  const { url, engine } = await startResym(t, { api: target.url }, { limits: { budgetMs: 3000 } });
  let left = 0;
  engine.answer = (body, { deadline }) => {
    left = deadline! - performance.now();
    return result({ body });
  };
  await ask(url, HEAP);
  assert.ok(left > 2500, `${left} ms left`);
});

test('a profile beyond the limit goes through unread', async (t) => {
  const large = Buffer.concat([PROFILE, Buffer.alloc(300_000, 7)]);
  const target = await FakeTarget.start(t, { [HEAP]: sendProfile(large) });
  const { url, engine } = await startResym(t, { api: target.url }, { limits: { maxProfileBytes: 100_000 } });
  const answer = await ask(url, HEAP);
  assert.deepEqual(answer.body, large);
  assert.equal(answer.headers['resym-status'], 'unchanged; larger than the limit of 100000 bytes');
  assert.equal(engine.bodies.length, 0);
});

test('half an answer never passes for a whole one', async (t) => {
  const target = await rawTarget(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ngo 1.26 t\r\n');
    setTimeout(() => socket.destroy(), 100);
  });
  const { url } = await startResym(t, { api: target });
  const answer = await ask(url, '/debug/pprof/trace');
  assert.equal(answer.status, 200);
  assert.equal(answer.text, 'go 1.26 t');
  assert.equal(answer.complete, false);
});

test('the client leaves: the target is let go at once', async (t) => {
  const running = await startResym(t, {
    waiting: await rawTarget(t, (socket) => void socket.once('close', () => (closedAt = performance.now()))),
  });
  let closedAt = 0;
  const target = await FakeTarget.start(t, {
    '/debug/pprof/trace': (_req, res) => void res.write('go 1.26 trace'),
    [HEAP]: (_req, res) => void res.write(PROFILE.subarray(0, 50)),
  });
  const streaming = await startResym(t, { api: target.url });
  const leave = async (url: string, path: string): Promise<number> => {
    const stop = new AbortController();
    const asked = ask(url, path, { signal: stop.signal }).catch(() => undefined);
    await sleep(150);
    const left = performance.now();
    stop.abort();
    await asked;
    return left;
  };

  const left = await leave(running.url, '/debug/pprof/profile?seconds=30');
  await until('the waiting connection to end', () => closedAt > 0, 1000);
  assert.ok(closedAt - left < 500, `after ${closedAt - left} ms`);

  for (const path of ['/debug/pprof/trace', HEAP]) {
    await leave(streaming.url, path);
    await until(`the connection of ${path} to end`, () => target.sockets.size === 0, 1000);
  }
  await until('the log', () => running.log.length === 1 && streaming.log.length === 2);
  assert.equal(running.log[0]['status'], 499);
  assert.equal(running.log[0]['clientLeft'], true);
  assert.doesNotMatch(running.logText() + streaming.logText(), /defect/);
});

test('the client leaves while its profile is worked on: the engine is told', async (t) => {
  const target = await FakeTarget.start(t, { [HEAP]: sendProfile(PROFILE) });
  const running = await startResym(t, { api: target.url });
  let told: unknown;
  running.engine.answer = async (body, { signal }) => {
    await new Promise((resolve) => signal!.addEventListener('abort', resolve));
    told = signal!.reason;
    return result({ body });
  };
  const stop = new AbortController();
  const asked = ask(running.url, HEAP, { signal: stop.signal }).catch(() => undefined);
  await until('the engine to begin', () => running.engine.bodies.length === 1);
  stop.abort();
  await asked;
  await until('the engine to be told', () => told !== undefined);
  await until('the log', () => running.log.length === 1);
  assert.doesNotMatch(running.logText(), /defect/);
});

test('connections to a target do not pile up', async (t) => {
  const target = await FakeTarget.start(t, {
    [HEAP]: sendProfile(PROFILE),
    '/debug/pprof/big': sendText(404, 'x'.repeat(1 << 20)),
  });
  const { url } = await startResym(t, { api: target.url });
  for (let round = 0; round < 10; round++) {
    await Promise.all([
      ask(url, HEAP),
      ask(url, HEAP, { method: 'HEAD' }),
      ask(url, '/debug/pprof/big'),
      ask(url, '/debug/pprof/big', { method: 'HEAD' }),
    ]);
  }
  await until('all connections to end', () => target.sockets.size === 0);
});

test('a target that is resym itself', async (t) => {
  const loop = await FakeTarget.start(t, {});
  const looping = await startResym(t, { self: loop.url });
  loop.routes[HEAP] = (req, res) => {
    void ask(looping.url, HEAP, { headers: { via: req.headers.via! } }).then(({ status, text }) =>
      sendText(status, text, { 'X-Go-Pprof': '1' })(req, res),
    );
  };
  assert.equal((await ask(looping.url, HEAP)).status, 508);
});

test('credentials stay out of errors and logs', async (t) => {
  const dead = await deadUrl();
  const running = await startResym(t, {
    api: targetConfig(dead.replace('://', '://user:s3cret-pass@'), { headers: { 'X-Key': 's3cret-key' } }),
  });
  const answer = await ask(running.url, `${HEAP}?seconds=1&token=s3cret-token&s3cret`, {
    headers: { Authorization: 'Bearer s3cret-client' },
  });
  assert.equal(answer.status, 502);
  await until('the log', () => running.log.length === 1);
  assert.doesNotMatch(answer.text + JSON.stringify(answer.headers), /s3cret|user/);
  assert.doesNotMatch(running.logText(), /s3cret/);
  assert.match(running.logText(), /seconds=1&token=\*\*\*&\*\*\*/);
});
