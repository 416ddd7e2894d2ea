/** A server killed while binaries are sent to it: after a restart the archive has each whole or not at all, and nothing else. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DirectoryStore } from '../../src/store/directory.ts';
import { variant } from '../store/samples.ts';

const KILLS = Number(process.env['RESYM_TEST_KILLS'] ?? 12);
/** Uploads under way at once. */
const SENDERS = 3;

/** The same in every run. */
function random(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

test(`a server killed at any time of an upload (${KILLS} times)`, { timeout: 1_200_000 }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'resym-kills-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const archive = join(dir, 'archive');
  const next = random(2026);
  const confirmed = new Set<string>();
  let longestMs = 0;
  for (let round = 0; round <= KILLS; round++) {
    const server = spawn(
      process.execPath,
      ['dist/cli/resym.js', 'serve', '--listen', '127.0.0.1:0', '--store', archive],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    const ended = once(server, 'exit');
    let log = '';
    server.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    while (!/listening on (http:\/\/[^\s"]+)/.test(log)) {
      assert.equal(server.exitCode, null, log);
      await delay(10);
    }
    const url = /listening on (http:\/\/[^\s"]+)/.exec(log)![1];
    const began = performance.now();
    const sent = Array.from({ length: SENDERS }, async (_, i) => {
      const file = join(dir, `${round}-${i}`);
      const key = variant(file, 1 + round * SENDERS + i, 'full');
      if ((await put(`${url}/binaries/api-${i}`, readFileSync(file))) !== 201) return;
      confirmed.add(key);
      longestMs = Math.max(longestMs, performance.now() - began);
    });
    if (round === 0)
      await Promise.all(sent); // how long it takes
    else await delay(next() * longestMs * 1.1);
    server.kill('SIGKILL');
    await ended;
    await Promise.all(sent);
  }
  t.diagnostic(`${confirmed.size} of ${(KILLS + 1) * SENDERS} were confirmed`);
  assert.ok(confirmed.size < (KILLS + 1) * SENDERS, 'some were not in time');

  const store = await DirectoryStore.open(archive);
  const there = await store.list();
  assert.deepEqual(
    there.filter(({ problem }) => problem !== ''),
    [],
  );
  for (const { ok, problem } of await store.verify()) assert.ok(ok, problem);
  const keys = new Set(there.map(({ key }) => key));
  assert.equal(keys.size, there.length, 'none twice');
  for (const key of confirmed) assert.ok(keys.has(key), `${key} was confirmed`);
  await store.incoming();
  if (process.platform === 'linux')
    assert.deepEqual(readdirSync(join(archive, '.resym/incoming')), [], 'nothing is left');
  const other = join(dir, 'other');
  variant(other, 999_999);
  assert.equal((await store.add(other)).outcome, 'added');
});

/** The status; 0 when the connection broke. */
function put(url: string, body: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const sending = request(url, { method: 'PUT', headers: { 'Content-Length': body.length } }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
      answer.on('error', () => resolve(0));
    });
    sending.on('error', () => resolve(0));
    void send(sending, body);
  });
}

/** Over a line that is no faster than others. */
async function send(sending: ReturnType<typeof request>, body: Buffer): Promise<void> {
  const pieces = 8;
  for (let i = 0; i < pieces && !sending.destroyed; i++) {
    sending.write(body.subarray((i * body.length) / pieces, ((i + 1) * body.length) / pieces));
    await delay(10);
  }
  sending.end();
}
