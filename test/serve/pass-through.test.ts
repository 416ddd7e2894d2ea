/** Everything that is no profile goes through as it came; what is one goes through the engine. Contract 3.1 and 3.2. */
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { ask, FakeTarget, PROFILE, result, sendProfile, sendText, startResym, until } from './harness.ts';

const RAW = gunzipSync(PROFILE);
const HEAP = '/targets/api/debug/pprof/heap';

test('a profile nothing was done to is the same, byte for byte, with its headers', async (t) => {
  const target = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE, { 'X-Service': 'orders' }) });
  const { url, engine } = await startResym(t, { api: target.url });
  const answer = await ask(url, HEAP);
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, PROFILE);
  assert.deepEqual(Buffer.from(engine.bodies[0]), PROFILE);
  assert.equal(answer.headers['content-type'], 'application/octet-stream');
  assert.equal(answer.headers['content-disposition'], 'attachment; filename="heap"');
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  assert.equal(answer.headers['content-length'], String(PROFILE.length));
  assert.equal(answer.headers['x-service'], 'orders');
  assert.equal(answer.headers['content-encoding'], undefined);
  assert.match(answer.headers['resym-status'] as string, /^unchanged; /);
});

test('an enriched profile: new length, status with a reason, timings per stage, nothing said of the old bytes', async (t) => {
  const target = await FakeTarget.start(t, {
    '/debug/pprof/heap': sendProfile(PROFILE, {
      ETag: '"1"',
      'Last-Modified': 'now',
      Digest: 'x',
      'Accept-Ranges': 'bytes',
    }),
  });
  const { url, engine } = await startResym(t, { api: target.url });
  const enriched = gzipSync(RAW, { level: 9 });
  engine.answer = () =>
    result({
      body: enriched,
      status: 'partial',
      reason: `2 of 3 locations unnamed:\nno binary for "бинарь" ${'x'.repeat(1000)}`,
      timings: [
        { stage: 'decode', ms: 1.25 },
        { stage: 'odd stage;', ms: 30 },
      ],
    });
  const { status, body, headers } = await ask(url, HEAP);
  assert.equal(status, 200);
  assert.deepEqual(body, enriched);
  assert.equal(headers['content-length'], String(enriched.length));
  const said = headers['resym-status'] as string;
  assert.match(said, /^partial; 2 of 3 locations unnamed: no binary for "\?{6}" x+\.\.\.$/);
  assert.ok(said.length < 450);
  assert.match(headers['server-timing'] as string, /^upstream;dur=[\d.]+, decode;dur=1\.\d, odd-stage-;dur=30\.0$/);
  for (const name of ['etag', 'last-modified', 'digest', 'accept-ranges']) assert.equal(headers[name], undefined, name);
});

test('what is a profile is told by its content, whatever the path and the type say', async (t) => {
  const target = await FakeTarget.start(t);
  const { url, engine } = await startResym(t, { api: target.url });
  engine.answer = () => result({ body: Buffer.from('seen'), status: 'enriched' });
  const profiles: Record<string, [Buffer, string]> = {
    gzip: [PROFILE, 'application/octet-stream'],
    'raw protobuf': [RAW, 'application/octet-stream'],
    'as text': [PROFILE, 'text/plain'],
    'as google says': [RAW, 'application/x-protobuf'],
    'gzip in gzip': [gzipSync(PROFILE), 'application/gzip'],
    'without a type': [PROFILE, ''],
  };
  for (const [name, [body, type]] of Object.entries(profiles)) {
    target.routes['/debug/pprof/custom'] = sendProfile(body, { 'Content-Type': type });
    const answer = await ask(url, '/targets/api/debug/pprof/custom');
    assert.equal(answer.text, 'seen', name);
    assert.equal(answer.headers['resym-status'], 'enriched; 3 of 3 locations named', name);
    assert.equal(answer.headers['content-type'], 'application/octet-stream', name);
  }

  const others: Record<string, [string | Buffer, string]> = {
    'the index': ['<html>\n<head>', 'text/html; charset=utf-8'],
    'a login page with status 200': ['\n\n<!doctype html>\n<title>Log in</title>', 'application/octet-stream'],
    'debug=1': ['heap profile: 2: 4576 [691: 4268512] @ heap/1048576\n0: 0 [1: 65536] @ 0x4877b3\n', 'text/plain'],
    'debug=2': ['goroutine 1 [running]:\nmain.main()\n', 'text/plain; charset=utf-8'],
    'a trace': [Buffer.from('go 1.26 trace\0\0\0\x01\x02'), 'application/octet-stream'],
    cmdline: ['/srv/api\0-token\0x', 'text/plain'],
    json: ['{"error":"no"}', 'application/json'],
    'compressed text': [gzipSync('goroutine profile: total 3\n'.repeat(50)), 'application/octet-stream'],
    nothing: ['', 'text/plain'],
  };
  for (const [name, [body, type]] of Object.entries(others)) {
    const seen = engine.bodies.length;
    target.routes['/debug/pprof/custom'] = sendProfile(Buffer.from(body), { 'Content-Type': type });
    const answer = await ask(url, '/targets/api/debug/pprof/custom?debug=1');
    assert.deepEqual(answer.body, Buffer.from(body), name);
    assert.equal(answer.headers['content-type'], type, name);
    assert.equal(answer.headers['resym-status'], undefined, name);
    assert.equal(engine.bodies.length, seen, `${name} went through the engine`);
  }
});

test('Content-Encoding: the layer around a profile comes off, around anything else it stays', async (t) => {
  const target = await FakeTarget.start(t);
  const { url, engine } = await startResym(t, { api: target.url });
  const fetchAs = (body: Uint8Array, encoding: string) => {
    target.routes['/debug/pprof/heap'] = sendProfile(body, { 'Content-Encoding': encoding });
    return ask(url, HEAP);
  };
  for (const encoding of ['gzip', 'X-GZIP']) {
    const twice = await fetchAs(gzipSync(PROFILE), encoding);
    assert.deepEqual(twice.body, PROFILE, 'gzip around gzip');
    assert.equal(twice.headers['content-encoding'], undefined);
  }
  assert.deepEqual(Buffer.from(engine.bodies[0]), PROFILE);
  const once = await fetchAs(PROFILE, 'gzip');
  assert.deepEqual(once.body, PROFILE, 'gzip around a bare message is what profiles are');
  assert.equal(once.headers['content-encoding'], undefined);
  const identity = await fetchAs(RAW, 'identity');
  assert.deepEqual(identity.body, RAW);

  target.routes['/debug/pprof/heap'] = sendProfile(gzipSync(PROFILE));
  assert.deepEqual((await ask(url, HEAP)).body, PROFILE, 'a layer nobody tells of');

  const seen = engine.bodies.length;
  const text = gzipSync('goroutine profile: total 3\n'.repeat(50));
  const passed = await fetchAs(text, 'gzip');
  assert.deepEqual(passed.body, text);
  assert.equal(passed.headers['content-encoding'], 'gzip');
  const deflated = deflateSync(RAW);
  const unknown = await fetchAs(deflated, 'deflate');
  assert.deepEqual(unknown.body, deflated);
  assert.equal(unknown.headers['content-encoding'], 'deflate');
  assert.equal(engine.bodies.length, seen);

  assert.equal(target.requests[0].headers['accept-encoding'], 'identity', 'compression is not asked for');
});

test("the target's own errors pass verbatim", async (t) => {
  const target = await FakeTarget.start(t);
  const { url, engine } = await startResym(t, { api: target.url });
  const pprof = { 'X-Go-Pprof': '1', 'X-Content-Type-Options': 'nosniff' };
  const cases: [number, string, Record<string, string>][] = [
    [404, 'Unknown profile\n', pprof],
    [500, 'Could not enable CPU profiling: cpu profiling already in use\n', pprof],
    [500, 'Could not enable tracing: execution tracer already enabled\n', pprof],
    [400, 'invalid value for "seconds" - must be a positive integer\n', pprof],
    [400, 'seconds and debug params are incompatible\n', pprof],
    [405, 'Method Not Allowed\n', { Allow: 'GET, HEAD' }],
    [401, 'who are you\n', { 'WWW-Authenticate': 'Basic realm="x"' }],
    [503, PROFILE.toString('latin1'), {}],
  ];
  for (const [status, body, headers] of cases) {
    target.routes['/debug/pprof/profile'] = sendText(status, body, headers);
    const answer = await ask(url, '/targets/api/debug/pprof/profile?seconds=1');
    assert.equal(answer.status, status);
    assert.equal(answer.text, body);
    for (const [name, value] of Object.entries(headers)) assert.equal(answer.headers[name.toLowerCase()], value);
    assert.equal(answer.headers['x-go-pprof'], headers['X-Go-Pprof']);
    assert.equal(answer.headers['resym-status'], undefined);
  }
  assert.equal(engine.bodies.length, 0);
});

test('path and query arrive as they were sent; the base path is put in front', async (t) => {
  const target = await FakeTarget.start(t);
  for (const base of ['', '/', '/base', '/base/', '/base/debug/pprof', '/base/debug/pprof/']) {
    const { url } = await startResym(t, { api: target.url + base });
    const prefix = base.startsWith('/base') ? '/base' : '';
    for (const asked of [
      '/debug/pprof/heap',
      '/debug/pprof/heap?debug=&gc=1&seconds=5',
      '/debug/pprof/x?a=1&a=2&x[y]=%2F%zz&&plus=a+b',
      '/debug/pprof/example.com/orders',
      '/debug/pprof/example.com%2Forders',
      '/debug/pprof/heap/',
      '/debug/pprof//heap',
      '/debug/pprof/%D1%84',
      '/debug/pprof/',
      '/debug/pprof',
      '/debug/pprof?x=1',
    ]) {
      await ask(url, `/targets/api${asked}`);
      assert.equal(target.requests.at(-1)!.url, prefix + asked);
      await ask(url, asked);
      assert.equal(target.requests.at(-1)!.url, prefix + asked, 'as the default target');
    }
  }
});

test('no path leads out of /debug/pprof', async (t) => {
  const target = await FakeTarget.start(t);
  const { url } = await startResym(t, { api: `${target.url}/base` });
  for (const path of [
    '/debug/pprof/../secret',
    '/debug/pprof/..',
    '/debug/pprof/./heap',
    '/debug/pprof/..%2f..%2fsecret',
    '/debug/pprof/%2e%2e/secret',
    '/debug/pprof/%2E./secret',
    '/debug/pprof/..%5csecret',
    '/debug/pprof/a%5c..%5csecret',
    '/debug/pprof/x%00y',
    '/debug/pprof/x%0d%0ay',
    '/debug/pprof/%',
    '/debug/pprof/%ff',
  ]) {
    for (const mount of ['/targets/api', '']) {
      const answer = await ask(url, mount + path);
      assert.equal(answer.status, 400, mount + path);
      assert.equal(answer.headers['x-go-pprof'], '1');
    }
  }
  for (const path of [
    '/targets/api/secret',
    '/targets/api/debug/pprofx',
    '/targets/api/debug',
    '/targets/api/../api/x',
  ])
    assert.equal((await ask(url, path)).status, 404, path);
  assert.equal(target.requests.length, 0);
});

test('redirects of the target lead back through resym', async (t) => {
  const target = await FakeTarget.start(t);
  const { url } = await startResym(t, { api: `${target.url}/base`, bare: target.url });
  const cases: [string, string, string][] = [
    ['/targets/api', '/debug/pprof/', '/targets/api/debug/pprof/'],
    ['/targets/api', '/base/debug/pprof/?x=1', '/targets/api/debug/pprof/?x=1'],
    ['/targets/api', `${target.url}/base/debug/pprof/heap#top`, '/targets/api/debug/pprof/heap#top'],
    ['/targets/api', 'heap', `${target.url}/base/debug/heap`],
    ['/targets/bare', '/debug/pprof/', '/targets/bare/debug/pprof/'],
    ['/targets/bare', 'pprof/', '/targets/bare/debug/pprof/'],
    ['/targets/bare', '/login?back=/debug/pprof', `${target.url}/login?back=/debug/pprof`],
    ['/targets/bare', 'https://sso.example.com/login', 'https://sso.example.com/login'],
    ['/targets/bare', '//elsewhere.example.com/debug/pprof/', '//elsewhere.example.com/debug/pprof/'],
  ];
  for (const [mount, location, expected] of cases) {
    const redirect = sendText(301, 'moved\n', { Location: location });
    target.routes['/base/debug/pprof'] = redirect;
    target.routes['/debug/pprof'] = redirect;
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(url, `${mount}/debug/pprof`, { method });
      assert.equal(answer.status, 301);
      assert.equal(answer.headers.location, expected, `${method} ${location}`);
    }
  }
});

test('headers of one connection stay there; what the client sends is chosen', async (t) => {
  const target = await FakeTarget.start(t, {
    '/debug/pprof/heap': sendProfile(PROFILE, {
      Connection: 'close, X-Hop',
      'X-Hop': '1',
      'Proxy-Authenticate': 'Basic',
      'X-End': 'caf\xe9',
      'Set-Cookie': 'a=1',
    }),
  });
  const { url } = await startResym(t, { api: target.url });
  const answer = await ask(url, HEAP, {
    headers: {
      Authorization: 'Bearer mine',
      Cookie: 'session=1',
      Range: 'bytes=0-9',
      'If-None-Match': '"1"',
      'Accept-Encoding': 'gzip',
      Referer: 'http://a/',
      Connection: 'X-Up, close',
      'X-Up': '1',
      'User-Agent': 'Go-http-client/1.1',
      traceparent: '00-1-2-03',
      Accept: '*/*',
    },
  });
  assert.equal(answer.headers['x-hop'], undefined);
  assert.equal(answer.headers['proxy-authenticate'], undefined);
  assert.equal(answer.headers['x-end'], 'caf\xe9');
  assert.deepEqual(answer.headers['set-cookie'], ['a=1']);
  const { via, host, ...sent } = target.requests[0].headers;
  assert.match(via!, /^1\.1 resym-[0-9a-f]{12}$/);
  assert.equal(host, new URL(target.url).host);
  assert.deepEqual(sent, {
    accept: '*/*',
    'accept-encoding': 'identity',
    connection: 'close',
    traceparent: '00-1-2-03',
    'user-agent': 'Go-http-client/1.1',
  });
});

test('HEAD asks with HEAD, and promises no length', async (t) => {
  const target = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE, { 'Content-Length': '99' }) });
  const { url, engine } = await startResym(t, { api: target.url });
  const answer = await ask(url, HEAP, { method: 'HEAD' });
  assert.equal(answer.status, 200);
  assert.equal(target.requests[0].method, 'HEAD');
  assert.equal(answer.headers['content-type'], 'application/octet-stream');
  assert.equal(answer.headers['content-length'], undefined);
  assert.equal(answer.headers['content-disposition'], 'attachment; filename="heap"');
  assert.equal(answer.body.length, 0);
  assert.equal(engine.bodies.length, 0);
  assert.equal((await ask(url, '/targets/api/debug/pprof/nope', { method: 'HEAD' })).status, 404);
});

test('other methods are refused with what is allowed', async (t) => {
  const target = await FakeTarget.start(t);
  const { url } = await startResym(t, { api: target.url });
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const answer = await ask(url, HEAP, { method, body: method === 'OPTIONS' ? '' : 'x'.repeat(1000) });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.allow, 'GET, HEAD');
    assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
    assert.equal(answer.headers['x-go-pprof'], '1');
  }
  const symbol = await ask(url, '/targets/api/debug/pprof/symbol', { method: 'PUT' });
  assert.equal(symbol.status, 405);
  assert.equal(symbol.headers.allow, 'GET, HEAD, POST');
  assert.equal(target.requests.length, 0);
});

test('text and traces stream: each piece arrives while the rest is not written yet', async (t) => {
  for (const [first, type] of [
    ['go 1.26 trace\0\0\0', 'application/octet-stream'],
    ['gor', 'text/plain'],
    ['<ht', 'text/html'],
  ] as const) {
    let goOn: () => void = () => undefined;
    const target = await FakeTarget.start(t, {
      '/debug/pprof/trace': (_req, res) => {
        res.writeHead(200, { 'Content-Type': type });
        res.write(first);
        goOn = () => res.end('the rest');
      },
    });
    const { url } = await startResym(t, { api: target.url });
    let seen = '';
    const answer = ask(url, '/targets/api/debug/pprof/trace?seconds=1', {
      onChunk: (chunk) => (seen += chunk.toString()),
    });
    await until('the first piece', () => seen === first, 2000);
    goOn();
    assert.equal((await answer).text, `${first}the rest`);
  }
});

test('a stream may last longer than a profile', async (t) => {
  const target = await FakeTarget.start(t, {
    '/debug/pprof/trace': (_req, res) => {
      let left = 20;
      const timer = setInterval(() => {
        if (left-- > 0) return void res.write('go 1.26 trace');
        clearInterval(timer);
        res.end();
      }, 50);
    },
  });
  const { url } = await startResym(t, { api: target.url }, { limits: { patienceMs: 400, transferMs: 100 } });
  const answer = await ask(url, '/debug/pprof/trace');
  assert.equal(answer.complete, true);
  assert.equal(answer.body.length, 20 * 13);
});

test('a long stream is read no faster than the client reads', async (t) => {
  let written = 0;
  const target = await FakeTarget.start(t, {
    '/debug/pprof/trace': (_req, res) => {
      const piece = Buffer.alloc(1 << 20, 'go 1.26 trace');
      const more = (): void => {
        if (written >= 200 << 20) return void res.end();
        written += piece.length;
        if (res.write(piece)) setImmediate(more);
        else res.once('drain', more);
      };
      more();
    },
  });
  const { url } = await startResym(t, { api: target.url });
  const stop = new AbortController();
  let response = false;
  const { hostname, port } = new URL(url);
  const request = http.get({ hostname, port, path: '/debug/pprof/trace', agent: false, signal: stop.signal }, (res) => {
    response = true;
    res.pause();
    res.on('error', () => undefined);
  });
  request.on('error', () => undefined);
  await until('an answer', () => response);
  for (let quiet = 0, before = -1; quiet < 4; before = written) {
    await sleep(100);
    quiet = written === before ? quiet + 1 : 0;
  }
  stop.abort();
  assert.ok(written < 64 << 20, `${written >> 20} MiB were read for a client that reads nothing`);
});
