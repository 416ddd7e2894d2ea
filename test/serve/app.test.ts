/** Routes around the proxy: targets and their default, the page, health, metrics, the log. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { ask, deadUrl, FakeTarget, PROFILE, sendProfile, startResym, targetConfig, until } from './harness.ts';

test('targets and the default target', async (t) => {
  const one = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE) });
  const two = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE) });
  const alone = await startResym(t, { one: one.url });
  assert.equal((await ask(alone.url, '/debug/pprof/heap')).status, 200);

  const both = await startResym(t, { one: one.url, two: two.url });
  const none = await ask(both.url, '/debug/pprof/heap');
  assert.equal(none.status, 404);
  assert.equal(none.text, 'no target is the default; ask for /targets/<name>/debug/pprof/heap: targets: one, two\n');
  assert.equal(none.headers['x-go-pprof'], '1');

  const named = await startResym(t, { one: one.url, two: two.url }, { defaultTarget: 'two' });
  const before = two.requests.length;
  assert.equal((await ask(named.url, '/debug/pprof/heap')).status, 200);
  assert.equal(two.requests.length, before + 1);

  const unknown = await ask(both.url, '/targets/three/debug/pprof/heap');
  assert.equal(unknown.status, 404);
  assert.equal(unknown.text, 'there is no target "three"; targets: one, two\n');
  assert.equal((await ask(both.url, '/targets/__proto__/debug/pprof/heap')).status, 404);
  assert.equal((await ask(both.url, '/TARGETS/one/debug/pprof/heap')).status, 404);
  assert.equal((await ask(both.url, '/targets')).status, 404);
  const odd = await ask(both.url, '/targets/%ff/debug/pprof/heap');
  assert.equal(odd.status, 400);
  assert.equal(odd.headers['x-go-pprof'], '1');
  const empty = await startResym(t, {});
  assert.match((await ask(empty.url, '/debug/pprof/heap')).text, /no targets are configured/);
});

test("a target's bare address leads to its profile, or to its list for a browser", async (t) => {
  const { url } = await startResym(t, { api: await deadUrl() });
  for (const path of ['/targets/api', '/targets/api/']) {
    const pprof = await ask(url, `${path}?seconds=5`);
    assert.equal(pprof.status, 302);
    assert.equal(pprof.headers.location, '/targets/api/debug/pprof/profile?seconds=5');
    const browser = await ask(url, path, { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
    assert.equal(browser.headers.location, '/targets/api/debug/pprof/');
  }
});

test('credentials of a target reach it; those of the client only when told so', async (t) => {
  const target = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE) });
  const withUser = target.url.replace('://', '://us%40er:p%3Ass@');
  const { url } = await startResym(t, {
    plain: target.url,
    basic: withUser,
    token: targetConfig(withUser, { token: 'tok', headers: { 'X-Org': '7', 'User-Agent': 'resym' } }),
    forward: targetConfig(withUser, { forwardAuthorization: true }),
  });
  const sent = async (name: string, authorization?: string) => {
    await ask(url, `/targets/${name}/debug/pprof/heap`, {
      headers: { 'User-Agent': 'pprof', ...(authorization !== undefined && { Authorization: authorization }) },
    });
    return target.requests.at(-1)!.headers;
  };
  const basic = `Basic ${Buffer.from('us@er:p:ss').toString('base64')}`;
  assert.equal((await sent('plain', 'Bearer mine')).authorization, undefined);
  assert.equal((await sent('basic', 'Bearer mine')).authorization, basic);
  const token = await sent('token', 'Bearer mine');
  assert.equal(token.authorization, 'Bearer tok');
  assert.equal(token['x-org'], '7');
  assert.equal(token['user-agent'], 'resym');
  assert.equal((await sent('forward', 'Bearer mine')).authorization, 'Bearer mine');
  assert.equal((await sent('forward')).authorization, basic);
});

test('the page lists targets with commands that can be copied, and lets nothing in', async (t) => {
  const { url } = await startResym(t, { api: 'http://user:s3cret@127.0.0.1:1/base', web: 'http://127.0.0.1:2' });
  const { status, headers, text } = await ask(url, '/', { headers: { Host: 'resym.example.com:7070' } });
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'text/html; charset=utf-8');
  assert.match(
    text,
    /go tool pprof -http=: 'http:\/\/resym\.example\.com:7070\/targets\/api\/debug\/pprof\/profile\?seconds=10'/,
  );
  assert.match(text, /http:\/\/127\.0\.0\.1:1\/base/);
  assert.doesNotMatch(text, /s3cret/);
  for (const [, link] of text.matchAll(/href="([^"]*)"/g)) assert.doesNotMatch(link, /^\/|:/, 'links are relative');

  const policy = headers['content-security-policy'] as string;
  const style = /<style>([\s\S]*?)<\/style>/.exec(text)![1];
  assert.ok(policy.includes(`'sha256-${createHash('sha256').update(style).digest('base64')}'`));
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(text, /<script|style="|\son\w+=/);

  for (const host of ['a"><script>', "x'y", 'evil host', 'a/b']) {
    const forged = await ask(url, '/', { headers: { Host: host } });
    assert.doesNotMatch(forged.text, /<script|evil|x'y|a\/b/);
    assert.match(forged.text, /http:\/\/localhost:7070\/targets/);
  }
  assert.match((await ask((await startResym(t, {})).url, '/')).text, /No targets/);
  assert.equal((await ask(url, '/', { method: 'POST' })).headers.allow, 'GET, HEAD');
});

test('health, readiness, metrics', async (t) => {
  const target = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE) });
  let draining = false;
  const running = await startResym(t, { api: target.url, down: await deadUrl() }, { isDraining: () => draining });
  const { url } = running;
  assert.equal((await ask(url, '/healthz')).text, 'ok\n');
  assert.equal((await ask(url, '/healthz', { method: 'HEAD' })).status, 200);
  assert.equal((await ask(url, '/readyz')).status, 200);
  draining = true;
  assert.equal((await ask(url, '/readyz')).status, 503);
  assert.equal((await ask(url, '/healthz')).status, 200);

  await ask(url, '/targets/api/debug/pprof/heap');
  await ask(url, '/targets/api/debug/pprof/heap');
  await ask(url, '/targets/down/debug/pprof/heap');
  await until('the log', () => running.log.filter(({ target }) => target !== undefined).length === 3);
  const { headers, text } = await ask(url, '/metrics');
  assert.match(headers['content-type'] as string, /^text\/plain; version=0\.0\.4/);
  assert.match(text, /^resym_http_requests_total\{route="proxy",target="api",code="200"\} 2$/m);
  assert.match(text, /^resym_http_requests_total\{route="proxy",target="down",code="502"\} 1$/m);
  assert.match(text, /^resym_profiles_total\{target="api",status="unchanged"\} 2$/m);
  assert.match(text, /^resym_upstream_errors_total\{target="down",error="upstream-refused"\} 1$/m);
  assert.match(text, /^resym_stage_seconds_count\{stage="upstream"\} 2$/m);
  for (const line of text.trimEnd().split('\n'))
    assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)*\})? [\d.e+-]+)$/);
  const typed = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
  assert.equal(new Set(typed).size, typed.length);
});

test('one line in the log per request, and foreign strings cannot forge another', async (t) => {
  const target = await FakeTarget.start(t, { '/debug/pprof/heap': sendProfile(PROFILE) });
  const running = await startResym(t, { api: target.url });
  await ask(running.url, '/targets/api/debug/pprof/heap?gc=1');
  await ask(running.url, '/targets/x%0a%7b%22level%22:60%7d%9b/debug/pprof/heap');
  await ask(running.url, '/healthz');
  await until('three lines', () => running.log.length === 3);
  const [profile, forged, health] = running.log;
  assert.equal(profile['url'], '/targets/api/debug/pprof/heap?gc=1');
  assert.equal(profile['target'], 'api');
  assert.equal(profile['status'], 200);
  assert.equal(profile['upstreamStatus'], 200);
  assert.equal(profile['resym'], 'unchanged');
  assert.equal(profile['bytes'], PROFILE.length);
  assert.ok((profile['stages'] as Record<string, number>)['upstream'] >= 0);
  assert.equal(forged['status'], 400);
  assert.equal(running.logText().split('\n').length, 4);
  // eslint-disable-next-line no-control-regex
  assert.doesNotMatch(running.logText().replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f]/);
  assert.equal(health['level'], 20, 'probes are for debugging');
});
