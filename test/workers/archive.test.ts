/** Threads over an archive that changes. On its own, for most of it is waiting. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openEngine } from '../../src/open-engine.ts';
import { recordedBinary, recordedProfile } from '../../src/demo/replay.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { startPool } from './pool.ts';

const work = mkdtempSync(join(tmpdir(), 'resym-pool-'));
after(() => rmSync(work, { recursive: true, force: true }));

test('an archive that changes is seen', async (t) => {
  const binary = join(work, 'shop');
  writeFileSync(binary, recordedBinary());
  const recorded = recordedProfile('profile');
  const dir = join(work, 'changing');
  const store = await DirectoryStore.open(dir, { create: true });
  const { pool } = startPool(t, { archives: [dir] });
  const both = () => Promise.all([1, 2].map(async () => (await pool.resymbolize(recorded)).status));
  const { binary: added } = await store.add(binary);
  assert.deepEqual(await both(), ['enriched', 'enriched']);
  await store.remove(added.key);
  assert.deepEqual(await both(), ['unchanged', 'unchanged']);
  await sleep(10_000); // store/directory.ts: so long "not found" may be said without looking again
  await store.add(binary);
  assert.deepEqual(await both(), ['enriched', 'enriched']);
});

test('an answer is remembered as long as its binary is in the archive', async () => {
  const binary = join(work, 'remembered');
  writeFileSync(binary, recordedBinary());
  const recorded = recordedProfile('profile');
  const dir = join(work, 'remembering');
  const store = await DirectoryStore.open(dir, { create: true });
  const { binary: added } = await store.add(binary);
  const engine = await openEngine([dir]);
  const [first, second] = [await engine.resymbolize(recorded), await engine.resymbolize(recorded)];
  assert.equal(first.status, 'enriched');
  assert.notDeepEqual(
    first.timings.map(({ stage }) => stage),
    ['remember'],
  );
  assert.deepEqual(
    second.timings.map(({ stage }) => stage),
    ['remember'],
  );
  assert.deepEqual(second.body, first.body);
  await store.remove(added.key);
  assert.equal((await engine.resymbolize(recorded)).status, 'unchanged');
});
