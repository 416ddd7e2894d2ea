/** Many replicas over one bucket of a real S3 server: uploads and profiles at once, and the server dead, silent, and back. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { StoredBinary } from '../../src/store/store.ts';
import { variant } from '../store/samples.ts';
import { s3Server } from '../store/places.ts';
import { bareProfile } from '../support/bare-profile.ts';
import { resym } from '../support/cli.ts';
import { framesByAddress } from '../support/mapped.ts';
import { needsS3 } from '../support/s3-server.ts';
import { type Served, startServe, startTarget } from '../support/serve.ts';

const REPLICAS = 3;
const UPLOADS = 100;
const PROFILES = 100;
/** Long enough for a machine with other things to do; what is asserted is that nothing waits for the bucket without end. */
const BUDGET_MS = 2000;
const SLACK_MS = 7000;

interface Program {
  readonly file: string;
  readonly key: string;
  /** Of some of its functions, bare. */
  readonly profile: Uint8Array;
  readonly names: readonly string[];
}

/** As many builds as wanted, each with a profile that only its own binary explains. */
function programs(t: TestContext, count: number, from = 0): Program[] {
  const dir = mkdtempSync(join(tmpdir(), 'resym-replicas-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return Array.from({ length: count }, (_, i) => {
    const file = join(dir, `api-${from + i}`);
    const key = variant(file, from + i + 1, 'full');
    return { file, key, ...bareProfile(file, [10, 200, 900]) };
  });
}

function namesIn(profile: Uint8Array): string[] {
  return [...framesByAddress(profile).values()].flat().map(({ function: name }) => name);
}

async function post(served: Served, profile: Uint8Array): Promise<{ names: string[]; ms: number }> {
  const began = performance.now();
  const response = await fetch(`${served.url}/symbolize`, { method: 'POST', body: profile });
  const body = new Uint8Array(await response.arrayBuffer());
  assert.equal(response.status, 200);
  return { names: namesIn(body), ms: performance.now() - began };
}

async function put(served: Served, file: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${served.url}/binaries/api`, { method: 'PUT', body: readFileSync(file) });
  return { status: response.status, text: await response.text() };
}

async function listed(served: Served): Promise<StoredBinary[]> {
  const response = await fetch(`${served.url}/binaries?limit=1000`);
  return ((await response.json()) as { binaries: StoredBinary[] }).binaries;
}

async function replicas(t: TestContext, place: string, env: Readonly<Record<string, string>>): Promise<Served[]> {
  const started: Served[] = [];
  for (let i = 0; i < REPLICAS; i++) {
    const cache = mkdtempSync(join(tmpdir(), 'resym-replica-'));
    t.after(() => rmSync(cache, { recursive: true, force: true }));
    const args = ['--store', place];
    started.push(await startServe(t, args, { ...env, XDG_CACHE_HOME: cache }));
  }
  return started;
}

test('uploads and profiles at once on three replicas', { skip: needsS3, timeout: 300_000 }, async (t) => {
  const s3 = await s3Server();
  const place = s3.place('replicas');
  const served = await replicas(t, place, s3.env);
  const builds = programs(t, UPLOADS);
  const known = builds.slice(0, 5);
  for (const { file } of known) assert.equal((await put(served[0], file)).status, 201);

  const outcomes: number[] = [];
  const uploads = builds.map(async ({ file }, i) => {
    for (;;) {
      const { status, text } = await put(served[i % REPLICAS], file);
      if (status === 503)
        await delay(100); // as many as it takes at once are under way
      else {
        assert.ok(status === 200 || status === 201, `${status} ${text}`);
        return outcomes.push(status);
      }
    }
  });
  const profiles = Array.from({ length: PROFILES }, async (_, i) => {
    const { profile, names } = known[i % known.length];
    const answer = await post(served[i % REPLICAS], profile);
    assert.ok(answer.names.length === 0 || answer.names.join() === names.join(), answer.names.join());
    return answer.names.length > 0;
  });
  await Promise.all(uploads);
  const enriched = (await Promise.all(profiles)).filter(Boolean).length;
  assert.ok(enriched > 0, 'some came in time');
  assert.equal(outcomes.filter((status) => status === 201).length, UPLOADS - known.length, 'each is new once');

  for (const replica of served) {
    const keys = (await listed(replica)).map(({ key }) => key);
    assert.deepEqual(keys.sort(), builds.map(({ key }) => key).sort(), 'nothing lost, nothing doubled');
  }
  const { code, stdout, stderr } = await resym(['store', 'verify', '--store', place], { env: s3.env });
  assert.equal(code, 0, `${String(stdout)}${stderr}`);
  // What one was sent, all have.
  for (const [i, { profile, names }] of builds.slice(-REPLICAS * 2).entries())
    assert.deepEqual((await post(served[(i + 1) % REPLICAS], profile)).names, names);
});

test(
  'the bucket dead or silent: profiles pass in time, and are enriched when it is back',
  { skip: needsS3, timeout: 300_000 },
  async (t) => {
    const s3 = await s3Server();
    const served = await replicas(t, s3.place('outage'), s3.env);
    const [warm, ...cold] = programs(t, 6, 500);
    for (const { file } of [warm, ...cold]) assert.equal((await put(served[0], file)).status, 201);
    for (const replica of served) assert.deepEqual((await post(replica, warm.profile)).names, warm.names);

    const outages = [
      { begin: () => s3.kill(), end: () => s3.run(), one: cold[0], other: cold[1] },
      {
        begin: () => Promise.resolve(s3.stop()),
        end: () => Promise.resolve(s3.resume()),
        one: cold[2],
        other: cold[3],
      },
    ];
    for (const { begin, end, one, other } of outages) {
      await begin();
      try {
        for (const replica of served) {
          for (const { profile } of [one, other, one]) {
            const { names, ms } = await post(replica, profile);
            assert.deepEqual(names, [], 'unenriched');
            assert.ok(ms < BUDGET_MS + SLACK_MS, `${ms} ms`);
          }
        }
        const refused = await put(served[1], one.file);
        assert.equal(refused.status, 503, refused.text);
        assert.match(refused.text, /archive\/outage.*cannot be reached/);
        for (const replica of served) assert.equal((await fetch(`${replica.url}/healthz`)).status, 200);
      } finally {
        await end();
      }
      for (const replica of served) {
        let { names } = await post(replica, one.profile);
        for (let tries = 0; names.length === 0 && tries < 100; tries++) {
          await delay(200);
          ({ names } = await post(replica, one.profile));
        }
        assert.deepEqual(names, one.names, replica.log());
      }
    }
  },
);

test(
  'a server that starts while the bucket is down serves, and recovers',
  { skip: needsS3, timeout: 120_000 },
  async (t) => {
    const s3 = await s3Server();
    const [program] = programs(t, 1, 900);
    const place = s3.place('late');
    assert.equal((await resym(['store', 'add', program.file, '--store', place], { env: s3.env })).code, 0);
    await s3.kill();
    let served: Served;
    try {
      const target = await startTarget(t, (_req, res) => res.end(program.profile));
      served = await startServe(t, ['--store', place, '--target', `api=${target}`], {
        ...s3.env,
        XDG_CACHE_HOME: join(tmpdir(), `resym-late-${process.pid}`),
      });
      const passed = await fetch(`${served.url}/targets/api/debug/pprof/profile`);
      assert.equal(passed.status, 200);
      assert.deepEqual(namesIn(new Uint8Array(await passed.arrayBuffer())), []);
    } finally {
      await s3.run();
    }
    for (let tries = 0; ; tries++) {
      const { names } = await post(served, program.profile);
      if (names.length > 0) return assert.deepEqual(names, program.names);
      assert.ok(tries < 100, served.log());
      await delay(200);
    }
  },
);
