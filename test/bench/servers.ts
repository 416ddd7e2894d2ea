/** Servers and clients of the rows about the proxy: processes of their own, ended with the row. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { beside, RESYM } from './cache.ts';
import { cleanEnv, exec, owned } from './measure.ts';

const START_MS = 30_000;
const STOP_MS = 5_000;

export interface Running {
  /** Without a slash at the end. */
  readonly url: string;
  readonly pid: number;
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

async function start(args: readonly string[], find: (said: string) => string | undefined): Promise<Running> {
  const child: ChildProcess = owned(
    spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: cleanEnv() }),
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    // Of a busy server only the end matters.
    stream?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-(1 << 16))));
  }
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await Promise.race([exited, delay(STOP_MS, null, { ref: false })]);
    child.kill('SIGKILL');
  };
  for (const until = Date.now() + START_MS; Date.now() < until; await delay(10)) {
    const url = find(said);
    if (url !== undefined) return { url, pid: child.pid!, log: () => said, stop };
    if (child.exitCode !== null) break;
  }
  await stop();
  throw new Error(`${args.join(' ')} did not start: ${said.slice(-2000)}`);
}

/** A service whose profiles are variants of a raw one. */
export function startUpstream(rawProfile: string): Promise<Running> {
  return start([beside('programs/upstream.mjs'), rawProfile], (said) => {
    const port = /^(\d+)\n/.exec(said)?.[1];
    return port && `http://127.0.0.1:${port}`;
  });
}

/** `resym serve` in front of it. */
export function startServe(upstream: Running, store: string): Promise<Running> {
  const args = ['serve', '--listen', '127.0.0.1:0', '--store', store, '--target', `api=${upstream.url}`];
  return start([RESYM, ...args], (said) => /listening on (http:\/\/[^\s"]+)/.exec(said)?.[1].replace(/\/$/, ''));
}

export interface Load {
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
}

/** So many clients for so many seconds. @param output where the last body goes */
export async function load(url: string, clients: number, seconds: number, output: string): Promise<Load> {
  const args = [beside('programs/clients.mjs'), url, String(clients), String(seconds), output];
  const limit = (seconds + 90) * 1000;
  const { stdout } = await exec(process.execPath, args, { env: cleanEnv(), timeout: limit, maxBuffer: 1 << 24 });
  return JSON.parse(stdout) as Load;
}

/** Resident and peak resident memory of a process, MB. */
export function memoryOf(pid: number): { rss: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => (Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024) / 1e6;
  return { rss: field('VmRSS'), peak: field('VmHWM') };
}
