/** `serve` collects garbage now and then, in a thread. Runs dist's thread: `npm run build` comes first. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from '../../src/config.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import type { GcDone } from '../../src/workers/gc-thread.ts';
import { GcTimer } from '../../src/workers/gc-timer.ts';
import { GO_124, NO_GNU_ID, place } from '../store/samples.ts';

const THREAD = new URL('../../dist/workers/thread.js', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'resym-gc-'));
// The timer holds no process: a server is held by its port.
const held = setInterval(() => undefined, 1000);
after(() => {
  clearInterval(held);
  fs.rmSync(folder, { recursive: true, force: true });
});

test('it is done again and again, in a thread, by the rules', async () => {
  const store = await DirectoryStore.open(place(), { create: true });
  const { binary } = await store.add(GO_124, { name: 'api' });
  await store.setPinned(binary.key, true);
  const times: GcDone[] = [];
  const rules = { maxAgeMs: null, keep: null, quotaBytes: binary.sizeBytes };
  await new Promise<void>((resolve, reject) => {
    const timer = new GcTimer({
      archives: [store.root],
      rules,
      everyMs: 100,
      file: THREAD,
      onDone: (done) => {
        times.push(done);
        if (times.length === 1) store.add(NO_GNU_ID).catch(reject);
        if (times.length < 60 && times.every(({ removed }) => removed === 0)) return;
        timer.close().then(resolve, reject);
      },
    });
  });
  assert.deepEqual([times[0].removed, times[0].problem], [0, '']);
  assert.equal(times.at(-1)?.removed, 1, JSON.stringify(times.at(-1)));
  assert.deepEqual(
    (await store.list()).map(({ key }) => key),
    [binary.key],
    'the pinned one stays',
  );
});

test('an archive that is gone is a problem that is told, and the next time comes', async () => {
  const told: GcDone[] = [];
  await new Promise<void>((resolve, reject) => {
    const timer = new GcTimer({
      archives: [join(folder, 'nowhere')],
      rules: { maxAgeMs: 1, keep: null, quotaBytes: null },
      everyMs: 50,
      file: THREAD,
      onDone: (done) => {
        if (told.push(done) === 2) timer.close().then(resolve, reject);
      },
    });
  });
  for (const { problem } of told) assert.match(problem, /nowhere is no directory/);
});

test('configuration', async () => {
  const file = join(folder, 'resym.yaml');
  const config = async (text: string) => {
    writeFileSync(file, text);
    return (await loadConfig({ config: file }, {})).gc;
  };
  assert.equal(await config('listen: :7070\n'), null);
  assert.deepEqual(await config('gc: { maxAge: 90d, keep: 10, quota: 200GB, every: 6h }\n'), {
    everyMs: 6 * 3600_000,
    rules: { maxAgeMs: 90 * 86_400_000, keep: 10, quotaBytes: 200e9 },
  });
  assert.deepEqual(await config('gc: {}\n'), {
    everyMs: 86_400_000,
    rules: { maxAgeMs: null, keep: null, quotaBytes: null },
  });
  for (const bad of ['maxAge: 90', 'maxAge: 1y', 'quota: lots', 'keep: 0', 'every: 30d', 'age: 1d']) {
    await assert.rejects(config(`gc: { ${bad} }\n`), { name: 'ConfigError' }, bad);
  }
});
