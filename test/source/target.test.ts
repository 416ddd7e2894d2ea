/** Ways to name a target and to be let in by it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { TargetConfig } from '../../src/config.ts';
import { ConfigError } from '../../src/flags.ts';
import { UpstreamError } from '../../src/errors.ts';
import { fetchFrom } from '../../src/source/fetch.ts';
import { patienceFor } from '../../src/source/patience.ts';
import { Target } from '../../src/source/target.ts';
import { needsTools } from '../support/toolchains.ts';

function make(t: TestContext, url: string, more: Partial<TargetConfig> = {}): Target {
  const target = new Target('api', { url, forwardAuthorization: false, binaries: [], ...more });
  t.after(() => target.close());
  return target;
}

async function fetchText(target: Target, path = '/x'): Promise<string> {
  const signal = new AbortController().signal;
  const { chunks } = await fetchFrom(target, { method: 'GET', path, silenceMs: 5000, signal });
  let text = '';
  for await (const chunk of chunks) text += Buffer.from(chunk).toString();
  return text;
}

test('a URL becomes an origin, a base path and a label without credentials', (t) => {
  const cases: [string, string, string, string][] = [
    ['http://h:6060', 'http://h:6060', '', 'http://h:6060'],
    ['http://h:80/', 'http://h', '', 'http://h'],
    ['http://h/base/', 'http://h', '/base', 'http://h/base'],
    ['http://h/debug/pprof', 'http://h', '', 'http://h'],
    ['http://h/base/debug/pprof/', 'http://h', '/base', 'http://h/base'],
    ['http://user:pa%40ss@h/b', 'http://h', '/b', 'http://h/b'],
    ['https://[::1]:8443', 'https://[::1]:8443', '', 'https://[::1]:8443'],
    ['https+insecure://h', 'https://h', '', 'https://h'],
    ['http+unix://%2Frun%2Fapp.sock/base', 'http://localhost', '/base', 'unix:/run/app.sock/base'],
  ];
  for (const [url, origin, basePath, label] of cases) {
    const target = make(t, url);
    assert.deepEqual([target.origin, target.basePath, target.label], [origin, basePath, label], url);
  }
});

test('what cannot be a target is said at once, without its credentials', (t) => {
  for (const [url, more, said] of [
    ['ftp://user:s3cret@h', {}, /ftp: is no way/],
    ['http://user:s3cret@h/?x=1', {}, /no query/],
    ['http://user:s3cret%@h/', {}, /% that is no encoding/],
    ['http://user:s3cret@h', { headers: { 'X Y': 's3cret' } }, /header "x y"/],
    ['http://h', { headers: { 'X-Y': 's3cret\r\nX: 1' } }, /header "x-y"/],
    ['http://h', { token: 's3cret\n' }, /header "authorization"/],
    ['https://h', { tls: { ca: '/no/such/file', insecure: false } }, /tls\.ca: ENOENT/],
  ] as const) {
    assert.throws(
      () => make(t, url, more),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, said);
        assert.doesNotMatch(error.message, /s3cret/);
        return true;
      },
      url,
    );
  }
});

test('patience follows `seconds`', () => {
  const patience = (query: string) => patienceFor(query, 60_000, 10_000);
  assert.equal(patience('').silenceMs, 60_000);
  assert.equal(patience('?seconds=30').silenceMs, 105_000);
  assert.equal(patience('debug=1&seconds=0.5').silenceMs, 60_750);
  for (const odd of ['?seconds=', '?seconds=abc', '?seconds=-5', '?seconds=NaN'])
    assert.equal(patience(odd).silenceMs, 60_000);
  assert.ok(patience('?seconds=1e300').silenceMs < 2 ** 31, 'timers take no more');
  assert.ok(patience('?seconds=Infinity').totalMs < 2 ** 31);
});

test('a Unix socket', { skip: process.platform === 'win32' && 'needs Unix sockets' }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'resym-sock-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'app.sock');
  const server = http.createServer((req, res) => res.end(`${req.headers.host} ${req.url}`));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => server.close());
  assert.equal(await fetchText(make(t, `http+unix://${encodeURIComponent(path)}/base`)), 'localhost /base/x');
  await assert.rejects(fetchText(make(t, `http+unix://${encodeURIComponent(`${path}.no`)}`)), {
    code: 'upstream-refused',
    message: `target api (unix:${path}.no) cannot be reached (ENOENT)`,
  });
});

test('TLS: an authority of its own, none, client certificates', { skip: needsTools('openssl') }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'resym-tls-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = (name: string) => join(dir, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority', '-days', '2');
  writeFileSync(file('san'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  for (const name of ['server', 'client']) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const sign = [
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
    ];
    openssl(...sign, '-extfile', 'san', '-out', `${name}.pem`);
  }
  const pem = (name: string) => readFileSync(file(name), 'utf8');
  const server = https.createServer(
    {
      key: pem('server.key'),
      cert: pem('server.pem'),
      ca: pem('ca.pem'),
      requestCert: true,
      rejectUnauthorized: false,
    },
    (req, res) => res.end((req.socket as TLSSocket).authorized ? 'known' : 'unknown'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;

  await assert.rejects(fetchText(make(t, url)), (error: unknown) => {
    assert.ok(error instanceof UpstreamError);
    assert.equal(error.code, 'upstream-refused');
    assert.match(error.message, /fails the TLS handshake: .*certificate/);
    return true;
  });
  assert.equal(await fetchText(make(t, url, { tls: { ca: file('ca.pem'), insecure: false } })), 'unknown');
  assert.equal(await fetchText(make(t, url, { tls: { ca: pem('ca.pem'), insecure: false } })), 'unknown');
  assert.equal(await fetchText(make(t, url, { tls: { insecure: true } })), 'unknown');
  assert.equal(await fetchText(make(t, url.replace('https', 'https+insecure'))), 'unknown');
  const client = { ca: file('ca.pem'), cert: file('client.pem'), key: file('client.key'), insecure: false };
  assert.equal(await fetchText(make(t, url, { tls: client })), 'known');
});
