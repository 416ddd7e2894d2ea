/**
 * The main job on real parts: a stripped Go service with C on a thread of its own, under load; `resym serve` in front of
 * it with an archive; `go tool pprof` of the oldest and the newest Go in front of that. Then the ways in which it can go
 * wrong, each of which must still give the client its profile, or an error it can show.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { buildGo, cached, type BuildMode } from './support/build.ts';
import { resym } from './support/cli.ts';
import { decodeProfile, framesOf } from './support/decode.ts';
import { goPprof, goPprofPath, type PprofRun } from './support/go-pprof.ts';
import { parcaRefusal } from './support/parca-rule.ts';
import { freePort, startProgram, startServe, startTarget } from './support/serve.ts';
import { SERVICE_DIR } from './support/service.ts';
import { needsTools, toolchains, type Toolchain } from './support/toolchains.ts';
import { assertUntouched } from './support/untouched.ts';

const exec = promisify(execFile);

const ALL = toolchains();
/** The oldest and the newest; one where there is one. */
const ENDS = [...new Set([ALL[0], ALL[ALL.length - 1]])].filter((go) => go !== undefined);
const NEEDS = ENDS.length === 0 ? 'needs go' : needsTools('gcc', 'strip');
const PPROF = '/debug/pprof';

/** What pprof says when it has tried to name frames itself, or lost something on the way. That Graphviz is missing is no matter. */
const COMPLAINTS =
  /Local symbolization failed|binary filenames not available|build-id mismatch|unrecognized profile|server response|Failed to(?! execute dot)/i;

/** `partial` when a sample happened to hit libc, which is not in the archive. */
const ENRICHED = /^(enriched|partial)$/;

/** Reasons in Resym-Status. */
const NOT_THERE = /build ID [0-9a-f]{40}\) is not in the archive/;
const UNUSABLE = /is not in the archive|damaged|changed|differs|cannot be read/;

const root = mkdtempSync(join(tmpdir(), 'resym-live-'));
after(() => rmSync(root, { recursive: true, force: true }));

for (const go of ENDS) {
  describe(`a stripped cgo service of go ${go.version}`, { skip: NEEDS }, () => {
    for (const client of ENDS) {
      test(`go tool pprof ${client.version}: every C frame named, no complaints`, async (t) => {
        const { full, stripped } = await service(go, 'cgo');
        const host = await startProgram(t, stripped);
        const served = await startServe(t, ['--target', `api=http://${host}`, '--store', await archive(full)]);
        await useClient(t, client, served.url, served.host);
        assert.doesNotMatch(served.log(), /"level":(50|60)/, 'errors in the log');
      });
    }

    test('position independent, over both of its URLs', async (t) => {
      const { full, stripped } = await service(go, 'cgo-pie');
      const host = await startProgram(t, stripped);
      const { url } = await startServe(t, ['--target', `api=http://${host}`, '--store', await archive(full)]);
      for (const base of [url, `${url}/targets/api`]) {
        const { body, status } = await fetchProfile(`${base}${PPROF}/profile?seconds=1`);
        assert.match(status, ENRICHED);
        assertEnriched(body);
      }
    });
  });
}

describe('never in the way', { skip: NEEDS }, () => {
  const go = ENDS[ENDS.length - 1];

  /** A profile of the stripped service, once; and a target that gives it again and again. */
  const recorded = once(async (t: TestContext): Promise<Buffer> => {
    const host = await startProgram(t, (await service(go, 'cgo')).stripped);
    const body = await (await fetch(`http://${host}${PPROF}/profile?seconds=1`)).arrayBuffer();
    return Buffer.from(body);
  });

  async function targetOf(t: TestContext, body: Uint8Array): Promise<string> {
    return startTarget(t, (_, response) => {
      response.writeHead(200, {
        'content-type': 'application/octet-stream',
        'content-disposition': 'attachment; filename="profile"',
      });
      response.end(body);
    });
  }

  /** Serves the recorded profile over this archive; what the client gets must be what the target gave. */
  async function passesThrough(t: TestContext, store: string, why: RegExp): Promise<void> {
    const profile = await recorded(t);
    const { url, log } = await startServe(t, ['--target', `api=${await targetOf(t, profile)}`, '--store', store]);
    for (let round = 0; round < 2; round++) {
      const { body, status, header } = await fetchProfile(`${url}${PPROF}/profile`);
      assert.equal(status, 'unchanged', `${header}\n${log()}`);
      assert.match(header, why);
      assert.deepEqual(body, profile);
    }
    const run = await goPprof(go, ['-top', `${url}${PPROF}/profile`]);
    assert.equal(run.code, 0, run.stderr);
  }

  test('the right archive, for comparison: the same profile comes out enriched', async (t) => {
    const profile = await recorded(t);
    const store = await archive((await service(go, 'cgo')).full);
    const { url } = await startServe(t, ['--target', `api=${await targetOf(t, profile)}`, '--store', store]);
    const { body, status } = await fetchProfile(`${url}${PPROF}/profile`);
    assert.match(status, ENRICHED);
    assertEnriched(body);
    assertUntouched(profile, body);
    assert.equal(parcaRefusal(body), null);
  });

  test('no archive', async (t) => {
    await passesThrough(t, join(fresh(), 'nowhere'), /is not in the archive/);
  });

  test('an empty archive', async (t) => {
    await passesThrough(t, fresh(), NOT_THERE);
  });

  test('an archive that does not know the build ID', async (t) => {
    await passesThrough(t, await archive((await service(go, 'cgo-pie')).full), NOT_THERE);
  });

  test('a binary that was cut short after it was archived', async (t) => {
    const store = await archive((await service(go, 'cgo')).full);
    const file = archived(store);
    truncateSync(file, Math.floor(statSync(file).size / 3));
    await passesThrough(t, store, UNUSABLE);
  });

  test('a binary whose bytes were overwritten after it was archived', async (t) => {
    const store = await archive((await service(go, 'cgo')).full);
    const file = archived(store);
    writeFileSync(file, readFileSync(file).fill(0xa5, 4096));
    await passesThrough(t, store, UNUSABLE);
  });

  test('another binary under the build ID of this one: a deploy in place', async (t) => {
    const store = await archive((await service(go, 'cgo')).full);
    const other = await buildGo({ toolchain: go, dir: SERVICE_DIR, mode: 'cgo' });
    copyFileSync(other, archived(store));
    await passesThrough(t, store, UNUSABLE);
  });

  test('a binary that claims this build ID and is another', async (t) => {
    const { full } = await service(go, 'cgo');
    const impostor = join(fresh(), 'impostor');
    // Linked with the ID of the real one.
    const id = await gnuBuildId(full);
    copyFileSync(await buildGo({ toolchain: go, dir: SERVICE_DIR, mode: 'cgo', ldflags: ['-B', `0x${id}`] }), impostor);
    assert.equal(await gnuBuildId(impostor), id);
    await passesThrough(t, await archive(impostor), /names other functions than the profile: \d+ of \d+ frames agree/);
  });

  test('a binary that is cut short while it is in use', async (t) => {
    const profile = await recorded(t);
    const store = await archive((await service(go, 'cgo')).full);
    const { url } = await startServe(t, ['--target', `api=${await targetOf(t, profile)}`, '--store', store]);
    assert.match((await fetchProfile(`${url}${PPROF}/profile`)).status, ENRICHED);
    truncateSync(archived(store), 100_000);
    // Enriched still, from what is in memory, or as it came: whole in any case.
    for (let round = 0; round < 3; round++)
      assertUntouched(profile, (await fetchProfile(`${url}${PPROF}/profile`)).body);
  });

  test('no time at all for symbolization', async (t) => {
    const profile = await recorded(t);
    const config = join(fresh(), 'resym.yaml');
    const store = await archive((await service(go, 'cgo')).full);
    writeFileSync(
      config,
      `budgetSeconds: 0\nstore: ${store}\ntargets:\n  api:\n    url: ${await targetOf(t, profile)}\n`,
    );
    const { url } = await startServe(t, ['--config', config]);
    const { body } = await fetchProfile(`${url}${PPROF}/profile`);
    assertUntouched(profile, body);
  });

  test('a target that is down: an error that pprof shows', async (t) => {
    const { url } = await startServe(t, ['--target', `api=http://127.0.0.1:${await freePort()}`, '--store', fresh()]);
    const response = await fetch(`${url}${PPROF}/heap`);
    assert.equal(response.status, 502);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain/);
    assert.equal(response.headers.get('x-go-pprof'), '1');
    const message = (await response.text()).trim();
    for (const client of ENDS) {
      const run = await goPprof(client, ['-top', `${url}${PPROF}/heap`]);
      assert.notEqual(run.code, 0);
      assert.ok(run.stderr.includes(message), `${run.stderr}\ndoes not show\n${message}`);
    }
  });

  test('a target that takes its time', async (t) => {
    const profile = await recorded(t);
    const target = await startTarget(t, (_, response) => {
      setTimeout(() => response.end(profile), 3000);
    });
    const { url } = await startServe(t, [
      '--target',
      `api=${target}`,
      '--store',
      await archive((await service(go, 'cgo')).full),
    ]);
    // The client allows 1.5 × 1 s + 5 s.
    const run = await goPprof(go, ['-top', '-seconds', '1', `${url}${PPROF}/profile`]);
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /native_burn/);
  });

  test('a login page instead of a profile goes through as it is', async (t) => {
    const page = '<!DOCTYPE html><html><body>Sign in</body></html>';
    const target = await startTarget(t, (_, response) => {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(page);
    });
    const { url } = await startServe(t, ['--target', `api=${target}`, '--store', fresh()]);
    const response = await fetch(`${url}${PPROF}/heap`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.equal(await response.text(), page);
  });

  test('the client leaves: the next one gets its profile', async (t) => {
    const host = await startProgram(t, (await service(go, 'cgo')).stripped);
    const { url } = await startServe(t, ['--target', `api=http://${host}`, '--store', fresh()]);
    await assert.rejects(fetch(`${url}${PPROF}/profile?seconds=30`, { signal: AbortSignal.timeout(1000) }));
    // The service has one CPU profiler; it is free again once the first request is gone there too.
    const until = Date.now() + 5000;
    let response = await fetch(`${url}${PPROF}/profile?seconds=1`);
    while (response.status !== 200 && Date.now() < until) {
      await delay(100);
      response = await fetch(`${url}${PPROF}/profile?seconds=1`);
    }
    assert.equal(response.status, 200, await response.text());
  });
});

/** Everything people do with the client. */
async function useClient(t: TestContext, client: Toolchain, url: string, host: string): Promise<void> {
  const base = `${url}/targets/api${PPROF}`;
  const pprof = async (...args: string[]): Promise<PprofRun> => {
    const run = await goPprof(client, args);
    const command = `pprof ${args.join(' ')}`;
    assert.equal(run.code, 0, `${command}\n${run.stderr}`);
    assert.doesNotMatch(run.stderr, COMPLAINTS, command);
    return run;
  };

  await t.test('-raw', async () => {
    const { stdout } = await pprof('-raw', `${base}/profile?seconds=1`);
    assert.match(stdout, /native_burn/);
    // 1: 0x402000/0x5c6000/0x2000 /path/live ID [FN][FL][LN][IN]
    const mapping = /^1: .*$/m.exec(stdout.slice(stdout.indexOf('\nMappings')))?.[0] ?? '';
    assert.match(mapping, /\[FN\]\[FL\]\[LN\]\[IN\]/);
  });
  await t.test('-top', async () => {
    const { stdout } = await pprof('-top', `${base}/profile?seconds=1`);
    assert.match(stdout, /^ .*native_burn$/m);
    assert.doesNotMatch(stdout, /\[live\]|<unknown>/, 'frames shown as their binary');
  });
  await t.test('-seconds, and the bare address: the default target', async () => {
    const { stdout } = await pprof('-seconds', '1', '-top', host);
    assert.match(stdout, /native_burn/);
  });
  await t.test('-proto, and the copy read again', async () => {
    const copy = join(fresh(), 'copy.pb.gz');
    await pprof('-proto', '-output', copy, `${base}/profile?seconds=1`);
    assertEnriched(readFileSync(copy));
    const { stdout } = await pprof('-top', copy);
    assert.match(stdout, /native_burn/);
  });
  await t.test('-symbolize=remote', async () => {
    for (const name of ['heap', 'goroutine']) {
      const { stdout } = await pprof('-symbolize=remote', '-raw', `${base}/${name}`);
      assert.match(stdout, /service\/work\./, name);
    }
  });
  await t.test('-diff_base with itself: nothing is left', async () => {
    const copy = join(fresh(), 'base.pb.gz');
    await pprof('-proto', '-output', copy, `${base}/goroutine`);
    const { stdout } = await pprof('-top', '-diff_base', `${base}/goroutine`, `${base}/goroutine`);
    assert.match(stdout, /Type: goroutine/);
    const same = await pprof('-top', '-diff_base', copy, copy);
    assert.match(same.stdout, /Showing nodes accounting for 0, 0% of/);
  });
  await t.test('every other profile', async () => {
    for (const name of ['heap', 'allocs', 'mutex', 'block', 'goroutine', 'threadcreate', 'heap?seconds=1']) {
      await pprof('-top', `${base}/${name}`);
    }
  });
  await t.test('-http', async (t) => {
    const port = await freePort();
    const child = spawn(
      await goPprofPath(client),
      [`-http=127.0.0.1:${port}`, '-no_browser', `${base}/profile?seconds=1`],
      {
        env: { ...client.env, HOME: fresh(), PPROF_TMPDIR: fresh() },
      },
    );
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const top = await pageOf(port, ['/ui/top', '/top'], () => said);
    assert.match(top, /native_burn/);
    const flames = await pageOf(port, ['/ui/flamegraph', '/flamegraph'], () => said);
    assert.match(flames, /native_burn/);
    assert.doesNotMatch(said, COMPLAINTS);
  });
}

/** The first of these pages that pprof's server has, once it listens. */
async function pageOf(port: number, paths: readonly string[], said: () => string): Promise<string> {
  for (const until = Date.now() + 30_000; Date.now() < until; await delay(50)) {
    for (const path of paths) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => null);
      if (response?.status === 200) return response.text();
      await response?.body?.cancel();
    }
  }
  throw new Error(`none of ${paths.join(' ')} is there\n${said()}`);
}

/** The service as it is archived and as it runs: stripped after linking, so that both have one build ID. */
async function service(go: Toolchain, mode: BuildMode): Promise<{ full: string; stripped: string }> {
  const full = await buildGo({ toolchain: go, dir: SERVICE_DIR, mode, package: 'live' });
  const key = createHash('sha256').update(`stripped ${full}`).digest('hex');
  const stripped = await cached(key, 'live', async (path) => {
    await exec('strip', ['-o', path, full]);
  });
  return { full, stripped };
}

/** A new archive that holds one binary. */
async function archive(binary: string): Promise<string> {
  const dir = join(fresh(), 'archive');
  const { code, stderr } = await resym(['store', 'add', binary, '--store', dir]);
  assert.equal(code, 0, stderr);
  return dir;
}

/** The one binary of an archive: the largest file below it. */
function archived(store: string): string {
  const files = readdirSync(store, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  files.sort((a, b) => statSync(b).size - statSync(a).size);
  assert.ok(files.length > 0 && statSync(files[0]).size > 1 << 20, `no binary in ${files.join(' ')}`);
  return files[0];
}

async function gnuBuildId(file: string): Promise<string> {
  const { stdout } = await exec('readelf', ['-nW', file]);
  return /Build ID: ([0-9a-f]+)/.exec(stdout)?.[1] ?? assert.fail(`${file} has no build ID`);
}

interface Fetched {
  readonly body: Buffer;
  /** The first word of Resym-Status. */
  readonly status: string;
  /** All of it. */
  readonly header: string;
}

async function fetchProfile(url: string): Promise<Fetched> {
  const response = await fetch(url);
  const body = Buffer.from(await response.arrayBuffer());
  assert.equal(response.status, 200, body.toString('latin1', 0, 300));
  assert.match(response.headers.get('content-type') ?? '', /^application\/octet-stream/);
  const header = response.headers.get('resym-status') ?? '';
  return { body, header, status: /^\w*/.exec(header)?.[0] ?? '' };
}

/** No location of the service's own mapping is without a name, and C is among the names. */
function assertEnriched(body: Uint8Array): void {
  const profile = decodeProfile(body);
  const main = profile.mappings[0];
  const names = profile.locations
    .filter(({ mappingId }) => mappingId === main.id)
    .map((location) => framesOf(profile, location).map((frame) => frame.function));
  assert.deepEqual(
    names.filter((frames) => !frames.some((name) => name !== '')),
    [],
    `nameless in ${main.file}`,
  );
  assert.ok(names.flat().includes('native_burn'), 'no C function');
  assert.ok(main.hasFunctions && main.hasFilenames && main.hasLineNumbers, 'flags');
}

/** A new directory below the test's own. */
function fresh(): string {
  return mkdtempSync(join(root, 'd-'));
}

function once<A, R>(make: (argument: A) => Promise<R>): (argument: A) => Promise<R> {
  let made: Promise<R> | undefined;
  return (argument) => (made ??= make(argument));
}
