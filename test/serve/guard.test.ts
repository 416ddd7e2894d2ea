/** Who may do what: every route with every kind of caller; tokens, certificates, signed tokens, and credentials that are not good. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import test, { type TestContext } from 'node:test';
import * as jose from 'jose';
import { type AccessConfig, loadConfig, type Scope, SCOPES, type TokenConfig } from '../../src/config.ts';
import { createApp } from '../../src/serve/app.ts';
import { scopesFor } from '../../src/serve/scopes.ts';
import { HttpServer } from '../../src/serve/server.ts';
import { ServerCertificate } from '../../src/serve/tls.ts';
import type { ArchiveCalls } from '../../src/workers/archive-thread.ts';
import { resym } from '../support/cli.ts';
import { goPprof } from '../support/go-pprof.ts';
import { anyGo, needsTools } from '../support/toolchains.ts';
import { ask, FakeEngine, FakeTarget, PROFILE, sendProfile, startResym, targetConfig, until } from './harness.ts';

/** Every route of the server, the request that tries it, and the scopes that let it in: "" for none. A new one belongs here. */
const ROUTES: readonly [method: string, path: string, scopes: readonly Scope[] | ''][] = [
  ['GET', '/healthz', ''],
  ['GET', '/readyz', ''],
  ['GET', '/', ['read']],
  ['GET', '/metrics', ['read']],
  ['POST', '/symbolize', ['symbolize']],
  ['POST', '/explain', ['symbolize']],
  ['PUT', '/binaries', ['upload']],
  ['PUT', '/binaries/', ['upload']],
  ['PUT', '/binaries/:name', ['upload']],
  ['GET', '/binaries', ['read']],
  ['GET', '/binaries/', ['read']],
  ['GET', '/binaries/*id', ['read']],
  ['DELETE', '/binaries/*id', ['admin']],
  ['GET', '/buildid/:id/debuginfo', ['read']],
  ['GET', '/buildid/:id/executable', ['read']],
  ['GET', '/buildid/:id/section/:section', ['read']],
  ['GET', '/buildid/:id/source/*path', ['read']],
  // below handlers that take more than one path
  ['GET', '/targets/api/debug/pprof/heap', ['read']],
  ['GET', '/targets/api', ['read']],
  ['GET', '/debug/pprof/heap', ['read']],
  ['GET', '/debug/pprof/', ['read']],
  ['GET', '/pprof/heap', ['read']],
  ['POST', '/targets/api/debug/pprof/symbol', ['read', 'symbolize']],
  ['POST', '/symbolz', ['read', 'symbolize']],
  ['POST', '/targets/symbolz', ['read', 'symbolize']],
  // of what is no route yet, or none at all
  ['POST', '/captures', ['capture']],
  ['POST', '/hooks/alertmanager', ['capture']],
  ['GET', '/captures/1/cpu', ['read']],
  ['GET', '/sd/targets', ['read']],
  ['GET', '/nothing', ['admin']],
  ['POST', '/binaries', ['admin']],
  ['DELETE', '/targets/api', ['admin']],
];

const tokenOf = (scope: string): string => `token-for-${scope}`;
const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const token = (name: string, more: Partial<TokenConfig> = {}): TokenConfig => ({
  name,
  sha256: hashOf(tokenOf(name)),
  scopes: [],
  ...more,
});

function access(parts: Partial<AccessConfig>): AccessConfig {
  return { anonymous: [], tokens: [], oidc: [], certificates: [], ...parts };
}

/** Answers everything with nothing. */
const ARCHIVE: ArchiveCalls = {
  incoming: () => Promise.resolve(join(tmpdir(), randomUUID())),
  add: () => Promise.reject(new Error('not in this test')),
  page: () => Promise.resolve({ binaries: [], next: null }),
  select: () => Promise.resolve([]),
  find: () => Promise.resolve([]),
  section: () => Promise.resolve(null),
  used: () => Promise.resolve(),
  part: () => Promise.resolve(new Uint8Array(0)),
  remove: () => Promise.resolve([]),
  trim: () => Promise.resolve(0),
};

test('the table above has every route of the server', () => {
  const app = createApp({ targets: new Map(), resymbolizer: new FakeEngine(), archive: ARCHIVE });
  interface Layer {
    route?: { path: string | string[]; methods: Record<string, boolean> };
  }
  const found = new Set<string>();
  for (const { route } of (app.router as unknown as { stack: Layer[] }).stack) {
    if (route === undefined || route.methods['purge'] === true) continue; // `all`: refuses

    for (const method of Object.keys(route.methods))
      for (const path of [route.path].flat()) found.add(`${method.toUpperCase()} ${path}`);
  }
  const known = new Set(ROUTES.map(([method, path]) => `${method} ${path}`));
  assert.ok(found.size >= 15);
  assert.deepEqual(
    [...found].filter((route) => !known.has(route)),
    [],
  );
});

test('every route refuses whom it should, and nobody else', async (t) => {
  const target = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE) });
  const tokens = [
    ...SCOPES.map((scope) => token(scope, { scopes: [scope] })),
    token('none'),
    token('old', { scopes: ['admin'], expires: '2020-01-01T00:00:00Z' }),
  ];
  const { url, logText } = await startResym(t, { api: target.url }, { access: access({ tokens }), archive: ARCHIVE });
  const callers: [name: string, headers: Record<string, string>][] = [
    ['nobody', {}],
    ['wrong', { Authorization: 'Bearer wrong' }],
    ...[...SCOPES, 'none', 'old'].map((name): [string, Record<string, string>] => [
      name,
      { Authorization: `Bearer ${tokenOf(name)}` },
    ]),
  ];
  for (const [method, pattern, scopes] of ROUTES) {
    const path = pattern.replace(/[:*]\w+/g, 'abcd');
    assert.deepEqual(scopesFor(method, path), scopes === '' ? [] : scopes, `${method} ${path}`);
    for (const [caller, headers] of callers) {
      const {
        status,
        headers: said,
        text,
      } = await ask(url, path, { method, headers, ...(method.startsWith('P') && { body: 'x' }) });
      const where = `${caller}: ${method} ${path}: ${status} ${text}`;
      const isAllowed = scopes === '' || caller === 'admin' || scopes.includes(caller as Scope);
      if (isAllowed) assert.ok(status !== 401 && status !== 403, where);
      else if (caller === 'nobody' || caller === 'wrong' || caller === 'old') {
        assert.equal(status, 401, where);
        assert.match(String(said['www-authenticate']), /^Bearer realm="resym"/);
      } else {
        assert.equal(status, 403, where);
        assert.match(text, new RegExp(`needs the scope .*, which token:${caller} does not have`));
      }
      if (!isAllowed) assert.equal(said['x-go-pprof'], '1');
    }
  }
  const lines = logText();
  assert.doesNotMatch(lines, /token-for-/);
  assert.match(lines, /"caller":"token:read"/);
  assert.ok(lines.split('"audit":"refused"').length <= 60, 'refusals fill no disk');
});

test('credentials in every shape', async (t) => {
  const target = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE) });
  const tokens = [token('read', { scopes: ['read'] }), token('other', { scopes: ['read'], targets: ['api'] })];
  const { url } = await startResym(
    t,
    { api: target.url, web: target.url },
    { access: access({ tokens }), defaultTarget: 'web' },
  );
  const status = async (authorization: string, path = '/targets/api/debug/pprof/heap') =>
    (await ask(url, path, { headers: { Authorization: authorization } })).status;
  const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;
  const mine = tokenOf('read');
  for (const good of [`Bearer ${mine}`, `bearer ${mine}`, `BEARER   ${mine} `, basic(`any:${mine}`), basic(`:${mine}`)])
    assert.equal(await status(good), 200, good);
  for (const bad of [
    '',
    'Bearer',
    'Bearer ',
    `Bearer ${mine}x`,
    `Bearer ${mine} x`,
    `Token ${mine}`,
    mine,
    basic(mine.slice(1)),
    basic('a:b:c'),
    basic('a:'),
    'Basic !!!',
    `Bearer ${'x'.repeat(10_000)}`,
  ])
    assert.equal(await status(bad), 401, bad);
  assert.equal((await ask(url, `/targets/api/debug/pprof/heap?token=${mine}`)).status, 401);

  // A token for some targets.
  const others = `Bearer ${tokenOf('other')}`;
  assert.equal(await status(others), 200);
  assert.equal(await status(others, '/targets/web/debug/pprof/heap'), 403);
  assert.equal(await status(others, '/debug/pprof/heap'), 403);
  assert.ok(
    target.requests.every(({ headers }) => headers.authorization === undefined),
    "resym's credentials went to a target",
  );
});

test("a target's own credentials pass where anybody may read", async (t) => {
  const target = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE) });
  const config = targetConfig(target.url, { forwardAuthorization: true });
  const { url } = await startResym(
    t,
    { api: config },
    { access: access({ anonymous: ['read'], tokens: [token('admin', { scopes: ['admin'] })] }) },
  );
  const sent = async (authorization: string) => {
    assert.equal((await ask(url, '/debug/pprof/heap', { headers: { Authorization: authorization } })).status, 200);
    return target.requests.at(-1)!.headers.authorization;
  };
  assert.equal(await sent('Bearer of the target'), 'Bearer of the target');
  assert.equal(await sent(`Bearer ${tokenOf('admin')}`), undefined);
  assert.equal((await ask(url, '/metrics', { headers: { Authorization: 'Bearer of the target' } })).status, 401);
  // One of resym's that is no longer known, or no longer good, goes nowhere.
  const asked = target.requests.length;
  for (const old of ['Bearer resym_removed', `Basic ${Buffer.from('x:resym_removed').toString('base64')}`])
    assert.equal((await ask(url, '/debug/pprof/heap', { headers: { Authorization: old } })).status, 401);
  assert.equal(target.requests.length, asked);
});

test('without access control a page of another site can change nothing', async (t) => {
  const { url } = await startResym(t, {}, { archive: ARCHIVE });
  const del = async (headers: Record<string, string>) =>
    (await ask(url, '/binaries/abcd', { method: 'DELETE', headers })).status;
  assert.equal(await del({}), 404);
  assert.equal(await del({ Host: 'resym.internal:7070' }), 404);
  assert.equal(await del({ Origin: url, Host: new URL(url).host }), 404);
  assert.equal(await del({ 'Sec-Fetch-Site': 'none' }), 404);
  assert.equal(await del({ Origin: 'https://evil.example' }), 403);
  assert.equal(await del({ Origin: 'null' }), 403);
  assert.equal(await del({ 'Sec-Fetch-Site': 'cross-site' }), 403);
  // its name leads here now
  assert.equal(await del({ Origin: 'http://evil.example', Host: 'evil.example' }), 403);
  assert.equal((await ask(url, '/', { headers: { 'Sec-Fetch-Site': 'cross-site' } })).status, 200);
  const read = async (Host: string, agent = 'Mozilla/5.0 (X11; Linux x86_64)') =>
    (await ask(url, '/binaries', { headers: { Host, 'User-Agent': agent } })).status;
  for (const host of ['localhost:7070', '127.0.0.1:7070', '[::1]:7070', '10.1.2.3:80', '[2001:db8::1]', 'x.localhost'])
    assert.equal(await read(host), 200, host);
  for (const host of ['evil.example', 'evil.example:7070', '127.0.0.1.evil.example', 'localhost.evil.example'])
    assert.equal(await read(host), 403, host);
  assert.equal(await read('resym.internal:7070', 'Go-http-client/1.1'), 200, 'no browser');
});

test('where others can reach it, a server says who may do what, or does not start', async () => {
  const load = (flags: Parameters<typeof loadConfig>[0], env: NodeJS.ProcessEnv = {}) =>
    loadConfig({ config: '/dev/null', ...flags }, env);
  await assert.rejects(
    load({ listen: '0.0.0.0:7070' }),
    /listening on 0\.0\.0\.0 would let everybody in: make a token/,
  );
  await assert.rejects(load({ listen: '[::]:7070' }), /let everybody in/);
  for (const listen of ['127.0.0.1:1', 'localhost:1', '[::1]:1', ':1'])
    assert.equal((await load({ listen })).access, null, listen);
  const told = await load({ listen: '0.0.0.0:7070', anonymous: 'read,symbolize' });
  assert.deepEqual(told.access?.anonymous, ['read', 'symbolize']);
  assert.deepEqual((await load({ listen: '0.0.0.0:7070', anonymous: 'all' })).access?.anonymous, ['admin']);
  await assert.rejects(load({ anonymous: 'write' }), /--anonymous wants all, or some of/);
  const env = { RESYM_AUTH_TOKENS: `ci:${hashOf('x')}:upload+read` };
  const { access: fromEnv } = await load({ listen: '0.0.0.0:7070' }, env);
  assert.deepEqual(fromEnv, access({ tokens: [{ name: 'ci', sha256: hashOf('x'), scopes: ['upload', 'read'] }] }));
  await assert.rejects(
    load({}, { RESYM_AUTH_TOKENS: 'ci:secret:upload' }),
    (error: Error) => !error.message.includes('secret'),
  );
  const refused = await resym(['serve', '--listen', '0.0.0.0:0']);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /let everybody in/);
});

test('resym token makes what the configuration takes', async () => {
  const { stdout, stderr, code } = await resym(['token', '--name', 'ci', '--scopes', 'upload']);
  assert.equal(code, 0);
  const made = stdout.toString().trim();
  assert.match(made, /^resym_[\w-]{43}$/);
  assert.match(stderr, new RegExp(`sha256: ${hashOf(made)}\\n`));
  assert.match(stderr, new RegExp(`RESYM_AUTH_TOKENS=ci:${hashOf(made)}:upload\\n`));
  assert.equal((await resym(['token', '--scopes', 'all'])).code, 2);
});

test('go tool pprof with a token in the URL', { skip: anyGo() === null ? 'needs go' : false }, async (t) => {
  const target = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE) });
  const { url } = await startResym(
    t,
    { api: target.url },
    { access: access({ tokens: [token('read', { scopes: ['read'] })] }) },
  );
  const at = (user: string): string => url.replace('://', `://${user}`) + '/debug/pprof/heap';
  const good = await goPprof(anyGo()!, ['-top', at(`me:${tokenOf('read')}@`)]);
  assert.equal(good.code, 0, good.stderr);
  const bad = await goPprof(anyGo()!, ['-top', at('')]);
  assert.notEqual(bad.code, 0);
  assert.match(bad.stderr, /needs the scope read: send a token/);
});

/** Keys and certificates of a CA, made by openssl. */
function certificates(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'resym-tls-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const at = (name: string): string => join(dir, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });
  const made = (name: string, subject: string, ca = true): { cert: string; key: string } => {
    const common = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${subject}`,
    ];
    const signed = ca ? ['-CA', at('ca.pem'), '-CAkey', at('ca.key')] : [];
    openssl(
      ...common,
      ...signed,
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.pem`),
    );
    return { cert: at(`${name}.pem`), key: at(`${name}.key`) };
  };
  made('ca', 'test CA', false);
  return { made, ca: at('ca.pem') };
}

test('https, client certificates, and a certificate that is renewed', { skip: needsTools('openssl') }, async (t) => {
  const { made, ca } = certificates(t);
  const [server, second] = [made('server', 'first'), made('second', 'second')];
  const [ci, stranger] = [made('ci', 'ci runner'), made('stranger', 'stranger')];
  const self = made('self', 'ci runner', false);
  const files = { ...server, clientCa: ca, clients: [] };
  const problems: Error[] = [];
  const http = new HttpServer(new ServerCertificate(files, 50), (error) => void problems.push(error));
  const rule = { name: 'ci', subject: 'ci runner', scopes: ['read'] as Scope[] };
  const app = createApp({
    targets: new Map(),
    resymbolizer: new FakeEngine(),
    access: access({ certificates: [rule], tokens: [token('read', { scopes: ['read'] })] }),
  });
  await http.listen(app, { host: '127.0.0.1', port: 0 });
  t.after(() => http.close(0));
  assert.match(http.url, /^https:/);
  const get = (client: { cert: string; key: string } | null, headers = {}): Promise<{ status: number; peer: string }> =>
    new Promise((resolve, reject) => {
      const own = client === null ? {} : { cert: readFileSync(client.cert), key: readFileSync(client.key) };
      const request = https.get(
        `${http.url}/metrics`,
        { ca: readFileSync(ca), agent: false, headers, ...own },
        (response) => {
          const peer = (response.socket as TLSSocket).getPeerCertificate().subject.CN;
          response.resume().on('end', () => resolve({ status: response.statusCode!, peer: String(peer) }));
        },
      );
      request.on('error', reject);
    });
  assert.deepEqual(await get(ci), { status: 200, peer: 'first' });
  assert.equal((await get(stranger)).status, 401);
  assert.equal((await get(self)).status, 401); // the same name, by nobody
  assert.equal((await get(null)).status, 401);
  assert.equal((await get(null, { Authorization: `Bearer ${tokenOf('read')}` })).status, 200);

  copyFileSync(second.cert, server.cert); // its key is not there yet
  await until('the half of a change is refused', () => problems.length > 0);
  assert.equal((await get(ci)).peer, 'first');
  copyFileSync(second.key, server.key);
  for (let peer = ''; peer !== 'second';) ({ peer } = await get(ci));
});

test('signed tokens: what counts is who signed them, for whom, and until when', async (t) => {
  const made = await jose.generateKeyPair('RS256');
  const other = await jose.generateKeyPair('RS256');
  const next = await jose.generateKeyPair('ES256');
  const publicKey = await jose.exportJWK(made.publicKey);
  let keys = [{ ...publicKey, kid: 'one', alg: 'RS256' }];
  let answer: (req: IncomingMessage, res: ServerResponse) => void = (_req, res) => res.end(JSON.stringify({ keys }));
  const issuerServer = await FakeTarget.start(t, {
    '/.well-known/openid-configuration': (_req, res) =>
      res.end(JSON.stringify({ issuer: issuerServer.url, jwks_uri: `${issuerServer.url}/keys` })),
    '/keys': (req, res) => answer(req, res),
  });
  const issuer = issuerServer.url;
  const config = {
    issuer,
    audience: 'resym',
    insecure: true,
    rules: [{ claims: { sub: 'repo:acme/*:ref:*' }, scopes: ['upload', 'read'] as Scope[] }],
  };
  const start = () =>
    startResym(t, {}, { access: access({ oidc: [config], tokens: [token('read', { scopes: ['read'] })] }) });
  const { url, logText } = await start();
  const claims = { sub: 'repo:acme/api:ref:main', iss: issuer, aud: 'resym' };
  const sign = (
    payload: jose.JWTPayload,
    key: jose.CryptoKey | Uint8Array = made.privateKey,
    header = { alg: 'RS256', kid: 'one' },
    expires: string | number = '5m',
  ) => new jose.SignJWT(payload).setProtectedHeader(header).setIssuedAt().setExpirationTime(expires).sign(key);
  const status = async (text: string, at = url) =>
    (await ask(at, '/metrics', { headers: { Authorization: `Bearer ${text}` } })).status;

  assert.equal(await status(await sign(claims)), 200);
  assert.match(logText(), /oidc:repo:acme\/api:ref:main/);
  const now = Math.floor(Date.now() / 1000);
  const bad: Record<string, string> = {
    'another audience': await sign({ ...claims, aud: 'other' }),
    'another issuer': await sign({ ...claims, iss: 'https://evil.example' }),
    'another key': await sign(claims, other.privateKey),
    'an unknown key': await sign(claims, other.privateKey, { alg: 'RS256', kid: 'two' }),
    expired: await sign(claims, made.privateKey, undefined, now - 120),
    'not yet': await sign({ ...claims, nbf: now + 600 }),
    'no end': await new jose.SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(made.privateKey),
    'the public key as a secret': await sign(claims, new TextEncoder().encode(JSON.stringify(publicKey)), {
      alg: 'HS256',
      kid: 'one',
    }),
    'no signature': `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify({ ...claims, exp: now + 60 })).toString('base64url')}.`,
    'an empty one': '..',
    nonsense: 'a.b.c',
    huge: `${'a'.repeat(4000)}.${'b'.repeat(4000)}.${'c'.repeat(4000)}`,
  };
  for (const [what, text] of Object.entries(bad)) assert.equal(await status(text), 401, what);
  assert.equal(await status(await sign({ ...claims, sub: 'repo:evil/api:ref:main' })), 403);
  assert.equal(
    await status(await sign(claims, made.privateKey, undefined, now - 30)),
    200,
    'clocks differ by half a minute',
  );

  // Keys change, and the issuer is down, slow, redirects, or sends too much: its tokens are refused in time, others are not touched.
  keys = [{ ...(await jose.exportJWK(next.publicKey)), kid: 'next', alg: 'ES256' }];
  assert.equal(
    await status(await sign(claims, next.privateKey, { alg: 'ES256', kid: 'next' }), (await start()).url),
    200,
  );
  const broken: Record<string, typeof answer> = {
    down: (_req, res) => res.writeHead(503).end(),
    silent: () => undefined,
    elsewhere: (_req, res) => res.writeHead(302, { Location: `${issuer}/other` }).end(),
    huge: (_req, res) => res.end(JSON.stringify({ keys, more: 'x'.repeat(3 << 20) })),
    'no keys': (_req, res) => res.end('<html>'),
  };
  for (const [what, how] of Object.entries(broken)) {
    answer = how;
    const fresh = await start();
    const began = performance.now();
    assert.equal(
      await status(await sign(claims, next.privateKey, { alg: 'ES256', kid: 'next' }), fresh.url),
      401,
      what,
    );
    assert.ok(performance.now() - began < 8000, what);
    assert.equal(await status(tokenOf('read'), fresh.url), 200, what);
  }
});
