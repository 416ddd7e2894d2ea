/** The server over engines on threads: what a client sees must not tell where its profile was worked on. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { recordedBinary, recordedProfile } from '../../src/demo/replay.ts';
import { openEngine } from '../../src/open-engine.ts';
import { soon, startPool } from '../workers/pool.ts';
import { ask, FakeTarget, sendProfile, startResym, targetConfig } from './harness.ts';

const dir = mkdtempSync(join(tmpdir(), 'resym-threads-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const binary = join(dir, 'shop');
writeFileSync(binary, recordedBinary());
const recorded = recordedProfile('profile');

const HEAP = '/debug/pprof/heap';

test('profiles, reports and symbols are those of an engine on the event loop', async (t) => {
  const target = await FakeTarget.start(t, { [HEAP]: sendProfile(recorded) });
  const targets = { api: targetConfig(target.url, { binaries: [binary] }) };
  const { pool } = startPool(t);
  const [one, other] = [
    await startResym(t, targets, { resymbolizer: await openEngine([]) }),
    await startResym(t, targets, { resymbolizer: pool }),
  ];
  const { range } = (await pool.resymbolize(recorded)).mappings[0];
  const addresses = Array.from({ length: 200 }, (_, i) => range.start + BigInt(i) * 0x1000n);
  const list = addresses.map((address) => `0x${address.toString(16)}`).join('+');
  for (const [path, options] of [
    [HEAP, {}],
    [`${HEAP}/../heap`, {}],
    ['/symbolize', { method: 'POST', body: recorded }],
    ['/symbolize', { method: 'POST', body: 'no profile' }],
    ['/explain', { method: 'POST', body: recorded }],
    ['/debug/pprof/symbol', { method: 'POST', body: list }],
    [`/debug/pprof/symbol?${list}`, {}],
  ] as const) {
    const [expected, answer] = [await ask(one.url, path, options), await ask(other.url, path, options)];
    assert.equal(answer.status, expected.status, path);
    assert.deepEqual(answer.body, expected.body, path);
    for (const header of ['content-type', 'content-length', 'resym-status'])
      assert.equal(answer.headers[header], expected.headers[header], `${header} of ${path}`);
  }
  const symbols = await ask(other.url, '/debug/pprof/symbol', { method: 'POST', body: list });
  assert.ok(symbols.text.split('\n').length > 20, symbols.text);
});

test('a thread that dies costs its profile the names, nobody anything else', async (t) => {
  const target = await FakeTarget.start(t, { [HEAP]: sendProfile(recorded) });
  const { pool, threads } = startPool(t, { threads: 1 });
  const running = await startResym(
    t,
    { api: targetConfig(target.url, { binaries: [binary] }) },
    { resymbolizer: pool },
  );
  const { url } = running;
  const asked = ask(url, HEAP);
  await soon(() => pool.jobs[0] === 1);
  await threads[0].terminate();
  const answer = await asked;
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, recorded);
  assert.equal(answer.headers['resym-status'], 'unchanged; resym failed at this profile; its log says how');
  assert.match(JSON.stringify(running.log.find(({ msg }) => msg === 'defect')), /thread that worked on it has ended/);
  const next = await ask(url, HEAP);
  assert.match(String(next.headers['resym-status']), /^enriched/);
});
