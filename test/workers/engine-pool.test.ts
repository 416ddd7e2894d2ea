/** An engine on threads: the same answers as on one's own, whatever becomes of the threads. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { recordedBinary, recordedProfile } from '../../src/demo/replay.ts';
import { FormatError } from '../../src/errors.ts';
import { openEngine } from '../../src/open-engine.ts';
import type { ResymResult } from '../../src/pipeline.ts';
import { decodeBody } from '../../src/profile/gzip.ts';
import { enrich, statusOf } from '../../src/serve/enrich.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { erase } from '../support/erase.ts';
import { fieldsOf, numberOf } from '../support/fields.ts';
import { messageField, numberField } from '../support/profile-model.ts';
import { soon, startPool } from './pool.ts';

const work = mkdtempSync(join(tmpdir(), 'resym-pool-'));
after(() => rmSync(work, { recursive: true, force: true }));
const binary = join(work, 'shop');
writeFileSync(binary, recordedBinary());
const recorded = recordedProfile('profile');
const raw = decodeBody(recorded).raw;
const DURATION_NANOS = 10;
const heap = readFileSync(fileURLToPath(new URL('../fixtures/profiles/go1.26-heap.pb.gz', import.meta.url)));

/** The same once more, and yet no bytes that were asked before: those are remembered. */
let asked = 0;
const another = (): Buffer => Buffer.concat([raw, numberField(DURATION_NANOS, ++asked)]);

/** What must not depend on where it was made. */
function told({ status, reason, body, report, mappings }: ResymResult) {
  const plain = mappings.map(({ range, reopen }) => ({ range, isResolved: reopen !== null }));
  return { status, reason, body: Buffer.from(body), report, mappings: plain };
}

test('results are those of an engine', async (t) => {
  const { pool } = startPool(t);
  const engine = await openEngine([]);
  const pinned = [binary];
  for (const [body, options] of [
    [recorded, { pinned }],
    [recorded, { pinned, identity: true, docUrl: 'https://x/{name}', weigh: true }],
    [recorded, { pinned, sourceMap: [{ from: '/srv', to: '/home' }] }],
    [erase(raw), { pinned, repair: true }],
    [raw, { pinned }],
    [recorded, {}],
    [heap, { pinned: [process.execPath] }],
  ] as const) {
    assert.deepEqual(told(await pool.resymbolize(body, options)), told(await engine.resymbolize(body, options)));
  }
});

test('bodies: the input stays whole, and comes back as it is when nothing changed', async (t) => {
  const { pool } = startPool(t);
  const pooled = Buffer.from(recorded); // a part of Node's own pool of small Buffers
  const part = Buffer.concat([Buffer.alloc(9, 1), recorded, Buffer.alloc(9, 2)]).subarray(9, 9 + recorded.length);
  for (const body of [recorded, pooled, part, new Uint8Array(recorded)]) {
    const same = await pool.resymbolize(body);
    assert.equal(same.status, 'unchanged');
    assert.equal(same.body, body);
    const named = await pool.resymbolize(body, { pinned: [binary] });
    assert.equal(named.status, 'enriched');
    assert.deepEqual(Buffer.from(body), Buffer.from(recorded));
  }
  // Results small enough to have lain in the thread's pool, one after the other.
  const results = await Promise.all(Array.from({ length: 8 }, () => pool.resymbolize(recorded, { pinned: [binary] })));
  for (const { body } of results) assert.deepEqual(Buffer.from(body), Buffer.from(results[0].body));
});

test('parse errors keep class and place', async (t) => {
  const { pool } = startPool(t);
  const engine = await openEngine([]);
  for (const body of [Buffer.from('<!doctype html>'), recorded.subarray(0, recorded.length - 4)]) {
    const own = await engine.resymbolize(body).catch((error: unknown) => error);
    assert.ok(own instanceof FormatError);
    await assert.rejects(pool.resymbolize(body), (error) => {
      assert.ok(error instanceof FormatError);
      assert.deepEqual(
        [error.message, error.section, error.offset, error.code, error.name],
        [own.message, own.section, own.offset, own.code, own.name],
      );
      assert.match(error.stack ?? '', /engine-thread/);
      return true;
    });
  }
});

test('an archive that cannot be opened fails jobs, and is tried again', async (t) => {
  const dir = join(work, 'later');
  const { pool } = startPool(t, { threads: 1, archives: [dir] });
  await assert.rejects(pool.resymbolize(recorded), { name: 'StoreError', code: 'no-store' });
  mkdirSync(dir);
  await (await DirectoryStore.open(dir)).add(binary);
  assert.equal((await pool.resymbolize(recorded)).status, 'enriched');
});

test('names of addresses come from the thread that proved the binary', async (t) => {
  const { pool, threads } = startPool(t);
  const engine = await openEngine([]);
  const [own, first, second] = [
    await engine.resymbolize(recorded, { pinned: [binary] }),
    ...(await Promise.all([1, 2].map(() => pool.resymbolize(recorded, { pinned: [binary] })))),
  ];
  assert.equal(threads.length, 2);
  const { start, limit } = own.mappings[0].range;
  const addresses = Array.from({ length: 500 }, (_, i) => start + (BigInt(i) * (limit - start)) / 500n);
  const expected = await engine.symbolNames(own.mappings, addresses);
  assert.ok(expected.filter((name) => name !== null).length > 100);
  assert.deepEqual(await pool.symbolNames(first.mappings, addresses), expected);
  assert.deepEqual(await pool.symbolNames([...second.mappings].reverse(), addresses), expected);
  assert.deepEqual(await pool.symbolNames([first.mappings[1], second.mappings[0]], addresses), expected);
  const nothing = addresses.map(() => null);
  assert.deepEqual(await pool.symbolNames([], addresses), nothing);
  assert.deepEqual(await pool.symbolNames(own.mappings, addresses), nothing, 'of another engine');
  await Promise.all(threads.map((thread) => thread.terminate()));
  assert.deepEqual(await pool.symbolNames(first.mappings, addresses), nothing, 'its thread is gone');
});

test('deadlines mean the same there, however long the thread took to start', async (t) => {
  const { pool } = startPool(t, { threads: 1 });
  const locations = fieldsOf(raw).flatMap(({ number, body }) => (number === 4 ? [fieldsOf(body)] : []));
  const main = locations.filter((location) => numberOf(location, 2) === 1n);
  // The clock is looked at every 256 lookups.
  const added = Array.from({ length: 1000 }, (_, i) =>
    messageField(4, numberField(1, 10_000 + i), numberField(2, 1), numberField(3, numberOf(main[i % main.length], 3))),
  );
  const body = Buffer.concat([raw, ...added]);
  await sleep(50);
  const ask = (deadline: number) => pool.resymbolize(body, { pinned: [binary], deadline });
  assert.match((await ask(performance.now() - 20)).reason, /out of time/);
  assert.doesNotMatch((await ask(performance.now() + 5000)).reason, /out of time/);
});

test('whoever leaves is let go at once', async (t) => {
  const { pool } = startPool(t, { threads: 1 });
  const gone = new Error('the client left');
  await assert.rejects(pool.resymbolize(recorded, { signal: AbortSignal.abort(gone) }), gone);
  const leaving = new AbortController();
  const left = Array.from({ length: 4 }, () =>
    assert.rejects(pool.resymbolize(recorded, { signal: leaving.signal, pinned: [binary] }), gone),
  );
  await soon(() => pool.jobs[0] === 2 && pool.queued === 2);
  leaving.abort(gone);
  await Promise.all(left);
  assert.equal(pool.queued, 0);
  assert.equal((await pool.resymbolize(recorded, { pinned: [binary] })).status, 'enriched');
  assert.deepEqual(pool.jobs, [0]);
});

test('what waited beyond its deadline is not begun any more', async (t) => {
  const { pool } = startPool(t, { threads: 1, file: new URL('silent.mjs', import.meta.url) });
  const leaving = new AbortController();
  const held = [1, 2].map(() => assert.rejects(pool.resymbolize(recorded, { signal: leaving.signal }), /leaving/));
  const late = assert.rejects(pool.resymbolize(recorded, { deadline: performance.now() - 900 }), /no thread had room/);
  await soon(() => pool.queued === 1);
  await sleep(150);
  const next = assert.rejects(pool.resymbolize(recorded), /the pool is closed/);
  await late;
  leaving.abort(new Error('leaving'));
  await Promise.all(held);
  await pool.close();
  await next;
});

test('a thread that dies fails what it held; others go on, and another takes its place', async (t) => {
  const { pool, threads } = startPool(t);
  const options = { pinned: [binary] };
  const [one, other] = [1, 2].map(() =>
    enrich(pool, recorded, { budgetMs: 60_000, signal: new AbortController().signal, ...options }),
  );
  await soon(() => pool.jobs.every((jobs) => jobs === 1));
  await threads[0].terminate();
  const failed = await one;
  assert.equal(failed.kind, 'failed');
  assert.match(failed.kind === 'failed' ? String(failed.error) : '', /thread that worked on it has ended/);
  assert.equal(statusOf(failed, 1000).status, 'unchanged');
  assert.equal((await other).kind, 'done');
  await Promise.all([1, 2, 3].map(() => pool.resymbolize(recorded, options)));
  assert.equal(threads.length, 3);
});

test('a thread out of memory is a failed profile, not a dead server', async (t) => {
  const { pool, threads } = startPool(t, { threads: 1, maxHeapMb: 32, file: new URL('greedy.mjs', import.meta.url) });
  for (let i = 0; i < 2; i++) await assert.rejects(pool.resymbolize(recorded), /has ended: .*reaching memory limit/);
  assert.equal(threads.length, 2);
});

test('profiles of one target stay together while their thread is free, and while it reads their binary', async (t) => {
  const { pool, threads } = startPool(t);
  const ask = (affinity: string) => pool.resymbolize(another(), { pinned: [binary], affinity });
  const held = () => [...pool.jobs];
  const burst = Array.from({ length: 6 }, () => ask('a'));
  await soon(() => pool.queued === 4);
  assert.deepEqual(held(), [2, 0]);
  const neighbour = ask('b');
  await soon(() => pool.jobs[1] === 1);
  assert.deepEqual(held(), [2, 1]);
  await Promise.all([...burst, neighbour]);
  for (let i = 0; i < 3; i++) {
    const [a, b] = [ask('a'), ask('b')];
    await soon(() => pool.jobs[0] + pool.jobs[1] === 2);
    assert.deepEqual(held(), [1, 1]);
    await Promise.all([a, b]);
  }
  // Known by now: more than two at a time are shared out.
  const more = Array.from({ length: 8 }, () => ask('a'));
  await soon(() => pool.queued === 4);
  assert.deepEqual(held(), [2, 2]);
  await Promise.all(more);
  await threads[0].terminate();
  assert.equal((await ask('a')).status, 'enriched');
});

test('threads start when they are needed, and end with the pool', async (t) => {
  const { pool, threads } = startPool(t, { threads: 3 });
  pool.warmUp();
  for (let i = 0; i < 4; i++) await pool.resymbolize(recorded);
  assert.equal(threads.length, 1);
  const ended = Promise.all(threads.map((thread) => new Promise((resolve) => thread.once('exit', resolve))));
  const cut = assert.rejects(pool.resymbolize(recorded), /the pool is closed/);
  await soon(() => pool.jobs[0] === 1);
  await pool.close();
  await cut;
  await ended;
  await assert.rejects(pool.resymbolize(recorded), /the pool is closed/);
});

/** The profile with its samples repeated until it has `bytes`. */
function longer(profile: Uint8Array, bytes: number): Uint8Array {
  const samples = Buffer.concat(fieldsOf(profile).flatMap((field) => (field.number === 2 ? [field.bytes] : [])));
  const parts: Uint8Array[] = [profile];
  for (let size = profile.length; size < bytes; size += samples.length) parts.push(samples);
  return Buffer.concat(parts);
}

/** The aim is 10 ms; a machine with too much to do stops any thread for longer than that. */
const MAX_DELAY_MS = 250;

test('the event loop stays free while 32 profiles and one of 20 MB are worked on', async (t) => {
  const { pool } = startPool(t);
  const options = { pinned: [binary] };
  const large = longer(raw, 20e6);
  await pool.resymbolize(recorded, options);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const results = await Promise.all([
    pool.resymbolize(large, options),
    ...Array.from({ length: 32 }, () => pool.resymbolize(another(), options)),
  ]);
  delay.disable();
  for (const { status } of results) assert.equal(status, 'enriched');
  assert.ok(results[0].body.length > 20e6);
  const figures = `max ${(delay.max / 1e6).toFixed(1)} ms, p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`;
  t.diagnostic(`event loop delay: ${figures}`);
  assert.ok(delay.max / 1e6 < MAX_DELAY_MS, figures);
});
