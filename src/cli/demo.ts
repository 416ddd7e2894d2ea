import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { request } from 'undici';
import { buildService, goVersion, startService } from '../demo/live.ts';
import { recordedBinary, recordedProfile, startReplay } from '../demo/replay.ts';
import { openEngine } from '../open-engine.ts';
import { decodeBody } from '../profile/gzip.ts';
import { Profile } from '../profile/profile.ts';
import { needOf } from '../rewrite/need.ts';
import { createApp } from '../serve/app.ts';
import { closeOnSignal, HttpServer } from '../serve/server.ts';
import { Target } from '../source/target.ts';
import { DirectoryStore } from '../store/directory.ts';
import { printTable } from './fields.ts';
import { UsageError } from './usage.ts';

export interface DemoOptions {
  readonly port?: string;
  readonly once?: true;
}

interface Service {
  readonly url: string;
  /** The unstripped build of what runs. */
  readonly unstripped: string;
  readonly close: () => Promise<void>;
}

const DEFAULT_PORT = 7070;
const PORTS_TRIED = 20;
const CPU_SECONDS = 2;

export async function demo(options: DemoOptions): Promise<void> {
  const port = parsePort(options.port);
  const dir = await mkdtemp(join(tmpdir(), 'resym-demo-'));
  const closing: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true, force: true })];
  try {
    const service = await startAnyService(dir);
    closing.unshift(service.close);

    const archive = join(dir, 'archive');
    const store = await DirectoryStore.open(archive, { create: true });
    await store.add(service.unstripped);
    const recorded = join(dir, 'recorded', 'shop');
    await store.add(await writeRecorded(recorded), { name: 'shop' });

    const target = new Target('shop', { url: service.url, forwardAuthorization: false, binaries: [] });
    closing.unshift(() => target.close());
    const server = new HttpServer();
    const app = createApp({ targets: new Map([['shop', target]]), resymbolizer: await openEngine([archive]) });
    await listen(server, app, port, options.port === undefined);
    closing.unshift(() => server.close(0));

    say(
      `The service (stripped) answers at ${service.url}/debug/pprof/, resym in front of it at ${server.url}/debug/pprof/\n\n`,
    );
    await printBeforeAndAfter(service.url, server.url);
    if (options.once) return;
    printWhatToTry(service.url, server.url);
    await closeOnSignal(server, { drainMs: 0 });
    say('\n');
  } finally {
    for (const close of closing) await close();
  }
}

/** The real thing where Go and gcc are at hand, else the recorded one. */
async function startAnyService(dir: string): Promise<Service> {
  const version = await goVersion();
  if (version !== null) {
    say(`Building a service with ${version}: Go, and C on a thread of its own. Then stripping it.\n`);
    try {
      const { unstripped, stripped } = await buildService(dir);
      return { ...(await startService(stripped)), unstripped };
    } catch (error) {
      say(`That failed (${String(error).split('\n')[0]}); replaying a recorded service instead.\n`);
    }
  } else {
    say('No Go toolchain with cgo on the PATH: replaying profiles recorded from a stripped service.\n');
  }
  return { ...(await startReplay()), unstripped: await writeRecorded(join(dir, 'shop')) };
}

async function writeRecorded(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, recordedBinary(), { mode: 0o755 });
  return path;
}

async function listen(server: HttpServer, app: ReturnType<typeof createApp>, port: number, mayMove: boolean) {
  for (let tried = 0; ; tried++) {
    try {
      await server.listen(app, { host: '127.0.0.1', port: port + tried });
      return;
    } catch (error) {
      const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (!taken || !mayMove || tried >= PORTS_TRIED) throw error;
    }
  }
}

async function printBeforeAndAfter(direct: string, proxied: string): Promise<void> {
  const rows: string[][] = [];
  const paths = [`profile?seconds=${CPU_SECONDS}`, 'heap', 'goroutine'];
  for (const path of paths) {
    const before = await fetchProfile(`${direct}/debug/pprof/${path}`);
    const after = await fetchProfile(`${proxied}/debug/pprof/${path}`);
    rows.push(row(path.replace(/\?.*/, ''), before, after));
  }
  const bare = recordedProfile('addresses');
  const { body } = await request(`${proxied}/symbolize`, { method: 'POST', body: bare });
  rows.push(row('saved, bare addresses', bare, new Uint8Array(await body.arrayBuffer())));
  printTable(['PROFILE', 'LOCATIONS NAMED', 'INLINED FRAMES', 'FLAGS'], rows);
}

async function fetchProfile(url: string): Promise<Uint8Array> {
  const { statusCode, body } = await request(url);
  const bytes = new Uint8Array(await body.arrayBuffer());
  if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}: ${Buffer.from(bytes).toString().trim()}`);
  return bytes;
}

/** Two live profiles are two measurements: their location counts differ, what is left unnamed is the point. */
function row(name: string, before: Uint8Array, after: Uint8Array): string[] {
  const [was, is] = [summary(before), summary(after)];
  return [
    name,
    `${was.named} of ${was.locations} -> ${is.named} of ${is.locations}`,
    `${was.inlined} -> ${is.inlined}`,
    `${was.flags || 'none'} -> ${is.flags || 'none'}`,
  ];
}

function summary(body: Uint8Array) {
  const profile = Profile.scan(decodeBody(body).raw);
  const count = profile.locations.count;
  let named = 0;
  let inlined = 0;
  for (let i = 0; i < count; i++) {
    if (needOf(profile, i) !== 'unnamed') named++;
    inlined += Math.max(0, profile.locations.lineCount(i) - 1);
  }
  const main = profile.mappings[0];
  const flags = main
    ? [main.hasFunctions && 'FN', main.hasFilenames && 'FL', main.hasLineNumbers && 'LN', main.hasInlineFrames && 'IN']
    : [];
  return { locations: count, named, inlined, flags: flags.filter(Boolean).join(' ') };
}

function printWhatToTry(direct: string, proxied: string): void {
  const host = (url: string): string => url.replace('http://', '');
  say(`
Try, in another terminal (go tool pprof or pprof):

  pprof -http=: http://${host(proxied)}/debug/pprof/profile?seconds=5
  pprof -top http://${host(direct)}/debug/pprof/profile?seconds=5        the same without resym
  curl -s http://${host(proxied)}/debug/pprof/heap -o heap.pb.gz -D -     see Resym-Status

Ctrl-C ends it and removes what it made.
`);
}

function say(text: string): void {
  process.stdout.write(text);
}

function parsePort(text: string | undefined): number {
  const port = text === undefined ? DEFAULT_PORT : Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new UsageError(`--port wants 0 to 65535, not ${text}`);
  return port;
}
