/** Many saved profiles at once: what is done is not done again, nothing is lost, and the end says what is missing. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Progress } from '../../src/cli/progress.ts';
import { arrivals } from '../../src/cli/watch.ts';
import { S3Objects } from '../../src/bucket/s3.ts';
import { parseLocation } from '../../src/bucket/location.ts';
import { s3Server } from '../store/places.ts';
import { variant } from '../store/samples.ts';
import { bareProfile } from '../support/bare-profile.ts';
import { resym } from '../support/cli.ts';
import { framesByAddress } from '../support/mapped.ts';
import { needsS3 } from '../support/s3-server.ts';

interface Saved {
  readonly dir: string;
  readonly archive: string;
  /** Names below `in`. */
  readonly names: readonly string[];
}

const BUILDS = 4;

/** Profiles of several builds in a tree, one of them no profile and one of a build that nobody has. */
async function saved(t: TestContext, count: number): Promise<Saved> {
  const dir = mkdtempSync(join(tmpdir(), 'resym-batch-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const builds = Array.from({ length: BUILDS }, (_, i) => {
    const file = join(dir, `api-${i}`);
    variant(file, i + 1, 'full');
    return file;
  });
  const archive = join(dir, 'archive');
  assert.equal((await resym(['store', 'add', ...builds, '--store', archive])).code, 0);
  const stranger = join(dir, 'stranger');
  variant(stranger, 77, 'full');
  const names: string[] = [];
  const put = (name: string, bytes: Uint8Array): void => {
    fs.mkdirSync(dirname(join(dir, 'in', name)), { recursive: true });
    fs.writeFileSync(join(dir, 'in', name), bytes);
    names.push(name);
  };
  for (let i = 0; i < count - 2; i++) {
    const { profile } = bareProfile(builds[i % BUILDS], [i, 300 + i, 900]);
    put(`day-${i % 3}/api-${i}.pb.gz`, gzipSync(profile));
  }
  put('day-1/stranger.pb.gz', gzipSync(bareProfile(stranger, [5, 6]).profile));
  put('day-2/broken.pb.gz', gzipSync(Buffer.from('no profile')));
  return { dir, archive, names: names.sort() };
}

function namesBelow(dir: string): string[] {
  return (fs.readdirSync(dir, { recursive: true }) as string[])
    .filter((name) => fs.statSync(join(dir, name)).isFile())
    .sort();
}

function isNamed(file: string): boolean {
  return [...framesByAddress(fs.readFileSync(file)).values()].every(([frame]) => frame.function !== '');
}

test('a tree is mirrored; what is done is not done again, unless told; the end says what is missing', async (t) => {
  const { dir, archive, names } = await saved(t, 20);
  const run = (...more: string[]) =>
    resym([
      'symbolize',
      join(dir, 'in'),
      '-o',
      join(dir, 'out'),
      '--store',
      archive,
      '--report',
      join(dir, 'r.json'),
      ...more,
    ]);
  const first = await run();
  assert.equal(first.code, 1, 'one is none');
  assert.match(first.stderr, /20 profiles: 18 enriched, 1 unchanged, 1 failed/);
  assert.match(first.stderr, /api +0000000[1-4][0-9a-f]+ .* 100\.0 % +0\n/);
  assert.match(first.stderr, /Still missing\n {2}api: 2 locations: .*not in the archive.*resym store add/);
  const done = names.filter((name) => !name.endsWith('broken.pb.gz'));
  assert.deepEqual(namesBelow(join(dir, 'out')), done);
  for (const name of done) if (!name.includes('stranger')) assert.ok(isNamed(join(dir, 'out', name)), name);
  const report = JSON.parse(fs.readFileSync(join(dir, 'r.json'), 'utf8')) as {
    builds: { buildId: string; profiles: number; locations: number; namedBefore: number; namedAfter: number }[];
    profiles: { status: string }[];
  };
  assert.equal(report.profiles.length, 20);
  assert.equal(report.builds.length, BUILDS + 1);
  assert.equal(
    report.builds.reduce((sum, { profiles }) => sum + profiles, 0),
    19,
  );

  const times = (): number[] => done.map((name) => fs.statSync(join(dir, 'out', name)).mtimeMs);
  const before = times();
  const again = await run();
  assert.match(again.stderr, /20 profiles: 19 done before, 1 failed/);
  assert.deepEqual(times(), before);
  fs.utimesSync(join(dir, 'in', done[0]), new Date(), new Date(Date.now() + 5000));
  assert.match((await run()).stderr, /1 enriched, 18 done before, 1 failed/, 'a newer input');
  assert.match((await run('--force')).stderr, /18 enriched, 1 unchanged, 1 failed/);
});

test('in place: enriched where it was, or left as it is', async (t) => {
  const { dir, archive, names } = await saved(t, 12);
  const at = (name: string): string => join(dir, 'in', name);
  const broken = fs.readFileSync(at('day-2/broken.pb.gz'));
  const run = () => resym(['symbolize', '--in-place', join(dir, 'in'), '--store', archive]);
  assert.match((await run()).stderr, /12 profiles: 10 enriched, 1 unchanged, 1 failed/);
  assert.deepEqual(namesBelow(join(dir, 'in')), names);
  assert.deepEqual(fs.readFileSync(at('day-2/broken.pb.gz')), broken);
  const state = () => names.map((name) => fs.statSync(at(name)).mtimeMs);
  const before = state();
  assert.match((await run()).stderr, /11 unchanged, 1 failed/);
  assert.deepEqual(state(), before);
  for (const wrong of [['-o', dir], ['-']]) {
    const refused = await resym(['symbolize', '--in-place', join(dir, 'in'), ...wrong]);
    assert.equal(refused.code, 2, wrong.join());
  }
});

test('shards: each profile in one of them', async (t) => {
  const { dir, archive, names } = await saved(t, 30);
  const run = (shard: string, env: Record<string, string> = {}) =>
    resym(['symbolize', join(dir, 'in'), '-o', join(dir, 'out', shard), '--store', archive, '--shard', shard], { env });
  const all: string[] = [];
  for (const [shard, env] of [
    ['0/3', {}],
    ['1/3', {}],
    ['3', { JOB_COMPLETION_INDEX: '2' }],
  ] as const) {
    await run(shard, env);
    all.push(...namesBelow(join(dir, 'out', shard)));
  }
  assert.deepEqual(
    all.sort(),
    names.filter((name) => !name.endsWith('broken.pb.gz')),
  );
  for (const wrong of ['3/3', '-1/3', '1/0', 'x', '1/2/3', '3'])
    assert.equal((await run(wrong, { JOB_COMPLETION_INDEX: '' })).code, 2, wrong);
});

test('killed at any time and started again, nothing is lost and nothing is left', { timeout: 300_000 }, async (t) => {
  const { dir, archive, names } = await saved(t, 150);
  const args = ['dist/cli/resym.js', 'symbolize', join(dir, 'in'), '-o', join(dir, 'out'), '--store', archive];
  let kills = 0;
  for (let lasts = 120; ; lasts += 60) {
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    const ended = once(child, 'exit');
    const killed = delay(lasts).then(() => child.kill('SIGKILL'));
    const [code] = (await ended) as [number | null];
    await killed;
    if (code !== null) break;
    kills++;
  }
  assert.ok(kills > 0);
  t.diagnostic(`${kills} kills`);
  const done = names.filter((name) => !name.endsWith('broken.pb.gz'));
  assert.deepEqual(namesBelow(join(dir, 'out')), done);
  for (const name of done) if (!name.includes('stranger')) assert.ok(isNamed(join(dir, 'out', name)), name);
});

test('a spool directory: what comes is done, what is still being written waits', { timeout: 60_000 }, async (t) => {
  const { dir, archive, names } = await saved(t, 6);
  const spool = join(dir, 'spool');
  fs.mkdirSync(spool);
  const args = ['symbolize', '--watch', spool, '-o', join(dir, 'out'), '--store', archive];
  const child = spawn(process.execPath, ['dist/cli/resym.js', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const good = names.filter((name) => name.includes('api'));
  for (const name of good) {
    const file = join(spool, basename(name));
    const bytes = fs.readFileSync(join(dir, 'in', name));
    fs.writeFileSync(file, bytes.subarray(0, 100));
    await delay(100);
    fs.writeFileSync(file, bytes);
  }
  const out = (name: string): string => join(dir, 'out', basename(name));
  for (const until = Date.now() + 30_000; !good.every((name) => fs.existsSync(out(name))); await delay(50))
    assert.ok(Date.now() < until, log);
  for (const name of good) assert.ok(isNamed(out(name)), log);
  assert.doesNotMatch(log, /resym:/, 'no half profile was read');
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 0);
  assert.equal((await resym(['symbolize', '--watch', spool])).code, 2);
});

test('arrivals: after two looks, and again when changed', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'resym-arrivals-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'a.pb');
  const stopped = new AbortController();
  let looks = 0;
  const seen: number[] = [];
  const look = () => {
    looks++;
    if (looks === 1 || looks === 2) fs.writeFileSync(file, 'x'.repeat(looks));
    if (looks === 5) fs.writeFileSync(file, 'changed');
    if (looks === 9) stopped.abort();
    return Promise.resolve([
      { input: file, name: 'a.pb' },
      { input: join(dir, 'gone'), name: 'gone' },
    ]);
  };
  for await (const found of arrivals(look, stopped.signal, 5)) {
    assert.deepEqual(
      found.map(({ name }) => name),
      ['a.pb'],
    );
    seen.push(looks);
  }
  assert.deepEqual(seen, [3, 6]);
});

test('the line on a terminal', () => {
  const written: string[] = [];
  const out = { columns: 60, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
  const progress = new Progress(4, out);
  const entry = { input: 'a', output: 'b', error: null };
  const locations = { total: 100, namedBefore: 0, namedAfter: 95 };
  progress.took({ ...entry, status: 'enriched', locations });
  progress.took({ ...entry, status: 'failed', error: 'x' });
  const line = progress.line(performance.now() + 1000);
  assert.match(line, /^\[#{12}\.{12}\] 2\/4 {2}[\d.]+\/s {2}\d+ s left {2}95\.0 % named {2}1 failed$/);
  assert.ok(written.every((text) => text.length <= 60 + 4));
});

test('profiles in a bucket, and to a bucket', { skip: needsS3, timeout: 120_000 }, async (t) => {
  const s3 = await s3Server();
  const { dir, archive, names } = await saved(t, 20);
  const objects = new S3Objects(parseLocation(s3.place('profiles')), process.env);
  for (const name of names) await objects.put(`in/${name}`, fs.readFileSync(join(dir, 'in', name)));
  await objects.put('in/readme.txt', Buffer.from('no profile'));
  await objects.put('in2/other.pb.gz', Buffer.from('of another prefix'));
  const run = (output: string) =>
    resym(['symbolize', s3.place('profiles/in'), '-o', output, '--store', archive], { env: s3.env });
  const first = await run(s3.place('profiles/out'));
  assert.match(first.stderr, /20 profiles: 18 enriched, 1 unchanged, 1 failed/);
  const there = (await objects.list('out/')).map(({ name }) => name.slice('out/'.length)).sort();
  const done = names.filter((name) => !name.endsWith('broken.pb.gz'));
  assert.deepEqual(there, done);
  assert.match((await run(s3.place('profiles/out'))).stderr, /19 done before, 1 failed/);
  const local = join(dir, 'local/');
  await run(local);
  for (const name of done)
    assert.deepEqual(fs.readFileSync(join(local, name)), Buffer.from((await objects.get(`out/${name}`, 1 << 20))!));
  const one = await resym(
    ['symbolize', s3.place(`profiles/in/${done[0]}`), '-o', join(dir, 'one.pb.gz'), '--store', archive],
    { env: s3.env },
  );
  assert.equal(one.code, 0, one.stderr);
  assert.ok(isNamed(join(dir, 'one.pb.gz')));
  const none = await resym(['symbolize', s3.place('nothing'), '-o', local], { env: s3.env });
  assert.equal(none.code, 2);
  assert.match(none.stderr, /no profiles below s3:/);
});
