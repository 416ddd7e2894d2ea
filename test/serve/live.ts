/**
 * resym between real Go services and real `go tool pprof`, with whatever engine it is given. Everything here must hold for an
 * engine that finds nothing as well as for one that finds everything.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Resymbolizer } from '../../src/pipeline.ts';
import { buildGo } from '../support/build.ts';
import { decodeProfile } from '../support/decode.ts';
import { goPprof, goPprofPath } from '../support/go-pprof.ts';
import { needsGo, toolchain, toolchains, type Toolchain } from '../support/toolchains.ts';
import { ask, deadUrl, startResym, until } from './harness.ts';

const SERVICE = fileURLToPath(new URL('../fixtures/go/httpservice', import.meta.url));

/** The first and the last, and both sides of what changed for a proxy: /symbol by POST, build IDs by default. */
const VERSIONS = ['1.15', '1.19', '1.24', '1.26'];

/** Profiles that need no time to be made. */
const INSTANT = ['heap', 'allocs', 'goroutine', 'block', 'mutex', 'threadcreate', 'example.com/orders'];

/** A running service; its URL. It ends with the test. */
export async function startService(t: TestContext, go: Toolchain, args: readonly string[] = []): Promise<string> {
  const binary = await buildGo({ toolchain: go, dir: SERVICE, mode: 'exe', strip: 's-w' });
  // As in a program whose go.mod says 1.22 or later: POST is not allowed on /symbol.
  const service = spawn(binary, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, GODEBUG: 'httpmuxgo121=0' },
  });
  t.after(() => service.kill());
  let said = '';
  service.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until(`${binary} to listen`, () => said.includes('\n'));
  return `http://${/^listening on (\S+)/.exec(said)![1]}`;
}

/** What was allocated is told from the next garbage collection on, and a busy machine takes a while to allocate enough. */
async function allocating(service: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if ((await ask(service, '/debug/pprof/heap?gc=1&debug=1')).text.includes('main.(*ledger).book')) return;
    await sleep(50);
  }
  throw new Error(`${service} has allocated nothing`);
}

export function liveTests(label: string, makeEngine: () => Resymbolizer): void {
  for (const version of VERSIONS) {
    test(`${label}: Go ${version} service, every endpoint`, { skip: needsGo(version) }, async (t) => {
      const service = await startService(t, toolchain(version)!);
      const { url } = await startResym(t, { api: service }, { resymbolizer: makeEngine() });
      const both = async (path: string, options = {}) => [
        await ask(service, `/debug/pprof${path}`, options),
        await ask(url, `/targets/api/debug/pprof${path}`, options),
      ];

      for (const name of [...INSTANT, 'profile?seconds=1', 'heap?seconds=1', 'heap?gc=1', 'allocs?debug=0']) {
        const answer = await ask(url, `/targets/api/debug/pprof/${name}`);
        assert.equal(answer.status, 200, name);
        assert.equal(answer.headers['content-type'], 'application/octet-stream');
        assert.equal(answer.headers['x-content-type-options'], 'nosniff');
        assert.equal(answer.headers['content-length'], String(answer.body.length));
        assert.match(answer.headers['content-disposition']!, /^attachment; filename="/);
        assert.match(answer.headers['resym-status'] as string, /^(unchanged|partial|enriched); /);
        decodeProfile(answer.body);
      }
      for (const path of [
        '',
        '/cmdline',
        '/nope',
        '/heap?seconds=abc',
        '/heap?seconds=1&debug=1',
        '/symbol',
        '/threadcreate?debug=1',
      ]) {
        const [direct, through] = await both(path);
        assert.equal(through.status, direct.status, path);
        assert.deepEqual(through.body, direct.body, path);
        for (const header of ['content-type', 'x-go-pprof', 'x-content-type-options', 'content-disposition'])
          assert.equal(through.headers[header], direct.headers[header], `${header} of ${path}`);
      }
      const [, redirect] = await both('');
      assert.ok([301, 307].includes(redirect.status));
      assert.equal(redirect.headers.location, '/targets/api/debug/pprof/');
      for (const path of ['/heap?debug=1', '/goroutine?debug=2', '/mutex?debug=1', '/', '/trace?seconds=0.2']) {
        const [direct, through] = await both(path);
        assert.equal(through.status, 200);
        assert.equal(through.headers['content-type'], direct.headers['content-type'], path);
        assert.deepEqual(through.body.subarray(0, 7), direct.body.subarray(0, 7), path);
        assert.equal(through.headers['resym-status'], undefined, path);
      }
      const [, index] = await both('/');
      const links = [...index.text.matchAll(/href=["']?([^"'> ]+)/g)].map(([, link]) => link.replaceAll('&amp;', '&'));
      assert.ok(links.length >= 7);
      for (const link of links.filter((link) => !link.startsWith('#') && !/^(profile|trace)/.test(link))) {
        const resolved = new URL(link, `${url}/targets/api/debug/pprof/`);
        assert.equal((await ask(url, resolved.pathname + resolved.search)).status, 200, link);
      }
      const [directHead, head] = await both('/heap', { method: 'HEAD' });
      assert.equal(head.status, directHead.status);
      assert.equal(head.headers['content-type'], directHead.headers['content-type']);

      const addresses = /@ (0x[0-9a-f]+) (0x[0-9a-f]+)/.exec((await both('/goroutine?debug=1'))[1].text)!.slice(1, 3);
      const direct = await ask(service, `/debug/pprof/symbol?${addresses.join('+')}`);
      for (const method of ['GET', 'POST']) {
        const body = addresses.join('+');
        const path = `/targets/api/debug/pprof/symbol${method === 'GET' ? `?${body}` : ''}`;
        const through = await ask(url, path, { method, body: method === 'GET' ? '' : body });
        assert.equal(through.status, 200);
        assert.equal(through.text, direct.text, method);
      }
    });
  }

  const clients = [...new Set([toolchains().at(0), toolchains().at(-1)].filter((found) => found !== undefined))];
  for (const client of clients) {
    test(`${label}: go tool pprof ${client.version}`, async (t) => {
      const newest = clients.at(-1)!;
      const [old, young] = [await startService(t, clients[0]), await startService(t, newest, ['-base', '/api'])];
      const { url } = await startResym(
        t,
        { old, young: `${young}/api/debug/pprof`, down: await deadUrl() },
        { defaultTarget: 'old', resymbolizer: makeEngine() },
      );
      const dir = mkdtempSync(join(tmpdir(), 'resym-live-'));
      t.after(() => rmSync(dir, { recursive: true }));
      const host = new URL(url).host;
      const run = async (...args: string[]) => {
        const done = await goPprof(client, args);
        assert.equal(done.code, 0, `pprof ${args.join(' ')}\n${done.stderr}`);
        return done;
      };

      for (const target of ['old', 'young']) {
        const base = `${url}/targets/${target}/debug/pprof`;
        assert.match((await run('-raw', `${base}/heap`)).stdout, /main\.work/);
        assert.match((await run('-top', '-cum', `${base}/allocs`)).stdout, /main\.\(\*ledger\)\.book/);
        assert.match((await run('-top', '-cum', '-symbolize=remote', `${base}/goroutine`)).stdout, /main\.work/);
        const text = await run('-top', '-cum', '-symbolize=remote', `${base}/goroutine?debug=1`);
        assert.match(text.stdout, /main\.work/, 'text has addresses only: the names came by /symbol');
        await run('-proto', `-output=${join(dir, 'p.pb.gz')}`, `${base}/heap`);
        decodeProfile(readFileSync(join(dir, 'p.pb.gz')));
        assert.match((await run('-raw', join(dir, 'p.pb.gz'))).stdout, /main\.work/);
        await run('-top', '-diff_base', `${base}/allocs`, `${base}/allocs`);
        await run('-raw', `${base}/heap`, `${base}/heap`);
      }
      // The forms an address can have. All at once, but one CPU profile per service.
      const cpu = async (...args: string[]) =>
        assert.match((await run('-top', '-seconds', '1', ...args)).stdout, /Duration: (1(\.\d+)?s|9\d\d(\.\d+)?ms)/);
      await Promise.all([cpu(`${url}/targets/young/debug/pprof/profile`), cpu(host)]);
      await Promise.all([cpu(`${url}/targets/young`), cpu(`${url}/`)]);
      await Promise.all([cpu(`${host}/targets/young/`), cpu(`${url}/debug/pprof/profile?seconds=9&debug`)]);
      await run('-top', `http://user:p%40ss@${host}/targets/young/debug/pprof/heap?gc=1`);

      const down = await goPprof(client, ['-top', `${url}/targets/down/debug/pprof/heap`]);
      assert.notEqual(down.code, 0);
      assert.match(down.stderr, /502 Bad Gateway - target down .* refuses connections/);
      const unknown = await goPprof(client, ['-top', `${url}/targets/nope/debug/pprof/heap`]);
      assert.match(unknown.stderr, /404 Not Found - there is no target "nope"; targets: old, young, down/);
    });

    test(`${label}: go tool pprof ${client.version} -http`, async (t) => {
      const service = await startService(t, client);
      await allocating(service);
      const running = await startResym(t, { api: service }, { resymbolizer: makeEngine() });
      const dir = mkdtempSync(join(tmpdir(), 'resym-live-'));
      t.after(() => rmSync(dir, { recursive: true }));
      const ui = await deadUrl();
      const args = [`-http=${new URL(ui).host}`, '-no_browser', `${running.url}/targets/api/debug/pprof/allocs`];
      const pprof = spawn(await goPprofPath(client), args, {
        stdio: 'ignore',
        env: { ...client.env, HOME: dir, PPROF_TMPDIR: dir },
      });
      t.after(() => pprof.kill());
      let top = '';
      for (let tries = 0; tries < 100 && top === ''; tries++) {
        await sleep(100);
        top = await ask(ui, '/ui/top').then(
          ({ text }) => text,
          () => '',
        );
      }
      assert.match(top, /main\.\(\*ledger\)\.book/);
      assert.equal(running.log.filter(({ target }) => target === 'api').length, 1, 'one request');
    });
  }

  const newest = toolchains().at(-1);
  test(`${label}: one CPU profile at a time`, { skip: newest === undefined && 'needs go' }, async (t) => {
    const service = await startService(t, newest!);
    const { url } = await startResym(t, { api: service }, { resymbolizer: makeEngine() });
    const first = ask(url, '/debug/pprof/profile?seconds=2');
    await sleep(300);
    const second = await ask(url, '/debug/pprof/profile?seconds=1');
    assert.equal(second.status, 500);
    assert.equal(second.text, 'Could not enable CPU profiling: cpu profiling already in use\n');
    assert.equal(second.headers['x-go-pprof'], '1');
    const said = await goPprof(newest!, ['-top', '-seconds', '1', url]);
    assert.match(said.stderr, /cpu profiling already in use/);
    assert.equal((await first).status, 200);
  });

  test(`${label}: who leaves frees the profiler`, { skip: newest === undefined && 'needs go' }, async (t) => {
    const service = await startService(t, newest!);
    const { url } = await startResym(t, { api: service }, { resymbolizer: makeEngine() });
    const stop = new AbortController();
    const long = ask(url, '/debug/pprof/profile?seconds=30', { signal: stop.signal }).catch(() => undefined);
    await sleep(500);
    stop.abort();
    await long;
    await sleep(200);
    const next = await ask(url, '/debug/pprof/profile?seconds=1');
    assert.equal(next.status, 200, next.text);
  });
}
