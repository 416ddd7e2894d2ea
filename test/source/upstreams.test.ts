/** Builds that the archive lacks, from debuginfod servers: elfutils' own, another resym, and ones that mean no good. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Debuginfod, type DebuginfodLimits } from '../../src/source/debuginfod.ts';
import { Upstreams } from '../../src/source/upstreams.ts';
import { Archive } from '../../src/workers/archive.ts';
import { cProgram } from '../store/samples.ts';
import { resym } from '../support/cli.ts';
import { addressProfile, buildIdOf, compiled, framesByAddress, runHost } from '../support/mapped.ts';
import { freePort, startServe, startTarget } from '../support/serve.ts';
import { needsTools } from '../support/toolchains.ts';

const THREAD = new URL('../workers/thread.mjs', import.meta.url);
const LIBC = '/lib/x86_64-linux-gnu/libc.so.6';

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'resym-upstream-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** elfutils' server over a directory; ready when it has found a file. */
async function elfutils(t: TestContext, dir: string, buildId: string): Promise<string> {
  const port = await freePort();
  const child = spawn('debuginfod', ['-p', String(port), '-d', ':memory:', '-F', dir], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries++) {
    await delay(100);
    const found = await fetch(`${url}/buildid/${buildId}/debuginfo`).then(
      async (response) => (await response.arrayBuffer(), response.ok),
      () => false,
    );
    if (found) return url;
  }
  throw new Error('debuginfod has not found its file');
}

/** What a program says of itself, as a profile of bare addresses with build IDs. */
async function profileOf(): Promise<{
  profile: Uint8Array;
  host: string;
  hostId: string;
  notes: ReadonlyMap<bigint, string>;
}> {
  const host = await compiled('host', 'gcc', '-DLOADS', '-O2', '-rdynamic', '@host.c', '@work.c', '-ldl');
  const library = await compiled('libplain.so', 'gcc', '-shared', '-fPIC', '-O2', '-DWORK_RUN=library_run', '@work.c');
  const told = await runHost(host, library);
  const maps = told.maps
    .filter(({ name }) => name === host || name.includes('libc.so'))
    .map(({ start, limit, offset, name }) => ({ start, limit, offset, name, buildId: buildIdOf(name) }));
  const inMaps = (address: bigint): boolean => maps.some(({ start, limit }) => address >= start && address < limit);
  const stacks = told.stacks.map((stack) => stack.filter(inMaps)).filter((stack) => stack.length > 0);
  const notes = told.notes
    .filter(({ address }) => inMaps(address))
    .map((note) => [note.address, note.function] as const);
  return { profile: addressProfile(maps, stacks), host, hostId: buildIdOf(host), notes: new Map(notes) };
}

function debugOfLibc(): string | null {
  if (!existsSync(LIBC)) return null;
  const id = buildIdOf(LIBC);
  const path = `/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`;
  return existsSync(path) ? path : null;
}

const needsDebuginfod = needsTools('debuginfod', 'gcc', 'readelf');
const needsLibc = needsDebuginfod || (debugOfLibc() === null ? 'needs libc6-dbg' : false);

test("frames of libc and of a program, named from a distribution's server", { skip: needsLibc }, async (t) => {
  const dir = folder(t);
  const { profile, host, hostId } = await profileOf();
  const served = join(dir, 'served');
  mkdirSync(served);
  copyFileSync(debugOfLibc()!, join(served, 'libc.debug'));
  copyFileSync(host, join(served, 'host'));
  const url = await elfutils(t, served, hostId);
  await elfutilsHas(url, buildIdOf(LIBC));
  writeFileSync(join(dir, 'in.pb'), profile);
  const env = { XDG_CACHE_HOME: join(dir, 'cache'), XDG_DATA_HOME: join(dir, 'data') };
  const out = join(dir, 'out.pb');
  const done = await resym(['symbolize', join(dir, 'in.pb'), '-o', out, '--debuginfod', url], { env });
  assert.equal(done.code, 0, done.stderr);
  const frames = framesByAddress(readFileSync(out));
  const names = [...frames.values()].flat().map(({ function: name }) => name);
  assert.ok(names.includes('main'), names.join(' '));
  assert.ok(
    names.some((name) => name.startsWith('__libc_start')),
    names.join(' '),
  );
  assert.ok(
    [...frames.values()].flat().some(({ function: name, line }) => name.startsWith('__libc_start') && line > 0),
  );

  // What was fetched is kept: without the server the answer is the same.
  const again = join(dir, 'again.pb');
  await resym(['symbolize', join(dir, 'in.pb'), '-o', again, '--debuginfod', 'http://127.0.0.1:9'], { env });
  assert.deepEqual([...framesByAddress(readFileSync(again)).keys()], [...frames.keys()]);
});

async function elfutilsHas(url: string, buildId: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++, await delay(100)) {
    const response = await fetch(`${url}/buildid/${buildId}/debuginfo`);
    await response.arrayBuffer();
    if (response.ok) return;
  }
  throw new Error('debuginfod has not found all of its files');
}

test(
  'a server behind a server: the next profile is richer, or this one, and nothing is in its way',
  { skip: needsTools('gcc', 'readelf') },
  async (t) => {
    const dir = folder(t);
    const { profile, host } = await profileOf();
    const far = join(dir, 'far');
    assert.equal((await resym(['store', 'add', host, '--store', far])).code, 0);
    const upstream = await startServe(t, ['--store', far]);
    const cache = { XDG_CACHE_HOME: join(dir, 'cache') };
    const near = await startServe(t, ['--store', join(dir, 'near'), '--debuginfod', upstream.url], cache);
    const post = async (url: string) => {
      const response = await fetch(`${url}/symbolize`, { method: 'POST', body: Buffer.from(profile) });
      return framesByAddress(Buffer.from(await response.arrayBuffer()));
    };
    const frames = await post(near.url);
    assert.ok([...frames.values()].flat().some(({ function: name }) => name === 'main'));

    // One that accepts and never answers: the target's profile comes in time, and says why it is not richer.
    const silent = await startTarget(t, () => undefined);
    const target = await startTarget(t, (_req, res) => void res.end(profile));
    const stuck = await startServe(
      t,
      ['--store', join(dir, 'other'), '--debuginfod', silent, '--target', `api=${target}`],
      { XDG_CACHE_HOME: join(dir, 'cache2') },
    );
    const began = performance.now();
    const response = await fetch(`${stuck.url}/debug/pprof/profile`);
    assert.equal(response.status, 200);
    await response.arrayBuffer();
    assert.ok(performance.now() - began < 6000);
    const report = (await (
      await fetch(`${stuck.url}/explain`, {
        method: 'POST',
        body: Buffer.from(profile),
        signal: AbortSignal.timeout(60_000),
      })
    ).json()) as { mappings: { unresolved: { reason: string }[] }[] };
    const reasons = report.mappings.flatMap(({ unresolved }) => unresolved.map(({ reason }) => reason)).join('\n');
    assert.match(reasons, /asked for upstream|not at http:\/\/127\.0\.0\.1/);
  },
);

test(
  'of an upstream that means no good nothing is taken, and it is said why',
  { skip: needsTools('gcc', 'objcopy', 'strip', 'readelf') },
  async (t) => {
    const { full, gnu } = await cProgram(['-DHOSTILE']);
    const bytes = readFileSync(full);
    const other = readFileSync((await cProgram(['-DHOSTILE', '-DOTHER'])).full);
    const limits: Partial<DebuginfodLimits> = {
      maxBytes: 1 << 20,
      connectMs: 500,
      answerMs: 500,
      stallMs: 500,
      totalMs: 3000,
      restMs: 300,
    };
    let answer: (req: IncomingMessage, res: ServerResponse) => void = () => undefined;
    let asked = 0;
    const url = await startTarget(t, (req, res) => {
      asked++;
      answer(req, res);
    });
    const elsewhere = await startTarget(t, (_req, res) => void res.end(bytes));
    const ask = async (how: typeof answer) => {
      answer = how;
      asked = 0;
      const dir = folder(t);
      const cache = new Archive({ place: dir, file: THREAD });
      const upstreams = new Upstreams({
        servers: [new Debuginfod(url.replace('://', '://user:s3cret@'), limits)],
        cache,
        maxCacheBytes: 1 << 30,
        maxCacheAgeMs: 1e9,
        absentMs: 200,
        failedMs: 100,
      });
      t.after(async () => {
        await upstreams.close();
        await cache.close();
      });
      const said = await upstreams.ask(gnu);
      const incoming = join(dir, '.resym', 'incoming');
      assert.ok(!existsSync(incoming) || readdirSync(incoming).length === 0, 'something was left behind');
      assert.doesNotMatch(said.why, /s3cret/);
      return { said, upstreams };
    };
    const cases: Record<string, [(req: IncomingMessage, res: ServerResponse) => void, RegExp]> = {
      'another build': [(_req, res) => void res.end(other), /it sent something else: .*its ID is not/],
      'no binary': [(_req, res) => void res.end('<html>log in</html>'), /it sent something else: .*not an object file/],
      'half of it': [(_req, res) => void res.end(bytes.subarray(0, 3000)), /it sent something else/],
      'a body cut off': [
        (_req, res) => (
          res.writeHead(200, { 'Content-Length': bytes.length }),
          res.write(bytes.subarray(0, 500)),
          void setTimeout(() => res.destroy(), 20)
        ),
        /closed|terminated|aborted|other side|ECONNRESET|does not match/i,
      ],
      endless: [
        (_req, res) => {
          const more = (): boolean => res.write(Buffer.alloc(1 << 16)) && !res.destroyed && more();
          res.on('drain', more);
          more();
        },
        /larger than 1048576 bytes/,
      ],
      'said to be huge': [
        (_req, res) => (res.writeHead(200, { 'Content-Length': 2 ** 40 }), void res.flushHeaders()),
        /larger than 1048576 bytes/,
      ],
      'packed, unasked': [
        (_req, res) => (
          res.writeHead(200, { 'Content-Encoding': 'gzip' }),
          void res.end(gzipSync(Buffer.alloc(1 << 24)))
        ),
        /it sends gzip, unasked/,
      ],
      silent: [() => undefined, /timed out/],
      'silent after a while': [(_req, res) => void res.write('x'), /timed out/],
      'a drop at a time': [
        (_req, res) => {
          const timer = setInterval(() => res.write('x'), 50);
          res.on('close', () => clearInterval(timer));
        },
        /timed out/,
      ],
      broken: [(_req, res) => void res.writeHead(500).end(), /HTTP 500/],
      reset: [(req) => void req.socket.resetAndDestroy(), /reset|ECONNRESET|other side/i],
      'round and round': [(req, res) => void res.writeHead(302, { Location: req.url }).end(), /more than 3 redirects/],
      'to another server': [
        (req, res) => void res.writeHead(302, { Location: elsewhere + req.url! }).end(),
        /redirects to another server/,
      ],
      'to the metadata of a cloud': [
        (_req, res) => void res.writeHead(307, { Location: 'http://169.254.169.254/latest/meta-data/' }).end(),
        /redirects to another server/,
      ],
    };
    for (const [what, [how, why]] of Object.entries(cases)) {
      const began = performance.now();
      const { said } = await ask(how);
      assert.equal(said.isThere, false, what);
      assert.match(said.why, why, what);
      assert.ok(performance.now() - began < 10_000, what);
    }

    // "No" is remembered for a while, and by whom.
    const { said, upstreams } = await ask((_req, res) => void res.writeHead(404).end());
    assert.equal(said.why, `${url} (HTTP 404)`);
    assert.equal(asked, 2); // debuginfo, executable
    await upstreams.ask(gnu);
    assert.equal(asked, 2);
    answer = (_req, res) => void res.end(bytes);
    await delay(250);
    assert.equal((await upstreams.ask(gnu)).isThere, true);

    // Many who want the same ask once.
    const { upstreams: shared } = await ask((_req, res) => void res.writeHead(503).end());
    await delay(400); // past its rest
    answer = (_req, res) => void setTimeout(() => res.end(bytes), 100);
    asked = 0;
    const all = await Promise.all(Array.from({ length: 20 }, () => shared.ask(gnu)));
    assert.ok(all.every(({ isThere }) => isThere));
    assert.equal(asked, 1);
  },
);

test('a server that fails again and again is left alone for a while', async (t) => {
  let asked = 0;
  let status = 500;
  const url = await startTarget(t, (_req, res) => {
    asked++;
    res.writeHead(status).end();
  });
  const server = new Debuginfod(url, { restMs: 300 });
  t.after(() => server.close());
  const path = join(folder(t), 'file');
  const fetched = async () => server.fetch('ab'.repeat(20), 'debuginfo', path);
  for (let i = 0; i < 3; i++) await fetched();
  const resting = await fetched();
  assert.equal(asked, 3);
  assert.equal(resting.kind, 'failed');
  assert.match(resting.kind === 'failed' ? resting.why : '', /left alone for 1 s/);
  await delay(350);
  await fetched(); // one try, and it rests again
  await fetched();
  assert.equal(asked, 4);
  await delay(350);
  status = 404;
  assert.equal((await fetched()).kind, 'absent');
  assert.equal((await fetched()).kind, 'absent');
  assert.equal(asked, 6);
});
