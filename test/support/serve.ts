/** `resym serve` as a process of its own, real services to put behind it, and ports nobody else has. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startResym } from './cli.ts';

const START_MS = 30_000; // a loaded machine
const STOP_MS = 10_000;

export interface Served {
  /** Without a slash at the end. */
  readonly url: string;
  /** "host:port" */
  readonly host: string;
  /** What it logged so far. */
  readonly log: () => string;
}

/** Starts `resym serve` on a free port. At the test's end it is asked to stop and must do so, cleanly. */
export async function startServe(
  t: TestContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Served> {
  const child = startResym(['serve', '--listen', '127.0.0.1:0', ...args], { env });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    const [code] = (await Promise.race([exited, delay(STOP_MS, ['still running'], { ref: false })])) as unknown[];
    child.kill('SIGKILL');
    assert.equal(code, 0, `resym serve after SIGTERM\n${log}`);
  });
  const url = await textFrom(
    child,
    () => /listening on (http:\/\/[^\s"]+)/.exec(log)?.[1],
    () => log,
  );
  return { url: url.replace(/\/$/, ''), host: new URL(url).host, log: () => log };
}

/** Starts a program that prints its address as its first line; ends it with the test. Resolves to "host:port". */
export async function startProgram(t: TestContext, path: string, args: readonly string[] = []): Promise<string> {
  const child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let out = '';
  let log = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  return textFrom(
    child,
    () => /(\S+:\d+)\n/.exec(out)?.[1],
    () => log,
  );
}

/** A target made of a function; its URL. It ends with the test. */
export async function startTarget(t: TestContext, answer: RequestListener): Promise<string> {
  const server: Server = createServer(answer);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function textFrom(child: ChildProcess, find: () => string | undefined, log: () => string): Promise<string> {
  for (const until = Date.now() + START_MS; Date.now() < until; await delay(20)) {
    const found = find();
    if (found !== undefined) return found;
    if (child.exitCode !== null || child.signalCode !== null) break;
  }
  throw new Error(`${child.spawnargs.join(' ')} did not start\n${log()}`);
}
