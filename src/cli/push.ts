/** `resym store push`: binaries to the archive of a server. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import type { Agent } from 'undici';
import { messageOf } from '../errors.ts';
import { hashFile } from '../store/hash.ts';
import type { AddResult } from '../store/store.ts';
import { printable } from './fields.ts';
import { filesIn } from './store.ts';
import { UsageError } from './usage.ts';

export interface PushOptions {
  readonly server?: string;
  readonly token?: string;
  readonly name?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly json?: true;
}

/** Six tries in all, over some 30 s: a server that is restarted meanwhile is back. */
const PAUSES_MS = [500, 1000, 2000, 4000, 8000];
const MAX_PAUSE_MS = 60_000;
/** The server reads the file once more before it answers. */
const ANSWER_MS = 600_000;
/** Answers to which the same request may succeed later. */
const TRY_AGAIN = new Set([408, 429, 500, 502, 503, 504]);
/** A third of the bytes at 100 MB/s: worth it over any line but the fastest. */
const GZIP_LEVEL = 1;

interface Pushed {
  readonly file: string;
  readonly outcome: AddResult['outcome'] | 'failed';
  readonly key: string | null;
  readonly sha256: string | null;
  readonly note: string;
}

export async function push(paths: readonly string[], options: PushOptions): Promise<void> {
  const server = new Server(options);
  await server.connect();
  if (options.name !== undefined && paths.length > 1) throw new UsageError('--name is for one file');
  const done: Pushed[] = [];
  for (const path of paths) {
    for await (const { file, name } of filesIn(path, passedOver)) {
      const pushed = await server.push(file, options.name ?? name ?? basename(file));
      done.push(pushed);
      if (pushed.outcome === 'failed') {
        process.stderr.write(`resym: ${printable(file)}: ${printable(pushed.note)}\n`);
        process.exitCode = 1;
      } else if (options.json !== true) process.stdout.write(`${printable(file)}: ${printable(pushed.note)}\n`);
    }
  }
  await server.close();
  if (options.json) process.stdout.write(`${JSON.stringify(done, null, 2)}\n`);
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string;
}

class Server {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #options: PushOptions;
  #agent: Agent | null = null;

  constructor(options: PushOptions) {
    this.#options = options;
    const given = options.server ?? process.env['RESYM_SERVER'];
    if (given === undefined || given === '') throw new UsageError('--server URL says where to, or RESYM_SERVER');
    const url = /^[a-z]+:\/\//i.test(given) ? given : `http://${given}`;
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new UsageError(`--server wants the URL of a resym, not ${JSON.stringify(given)}`);
    const { username, password, origin, pathname } = new URL(url);
    this.#url = origin + pathname.replace(/\/+$/, '');
    const token = options.token ?? process.env['RESYM_TOKEN'] ?? '';
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const basic = username === '' && password === '' ? '' : `Basic ${Buffer.from(pair).toString('base64')}`;
    const authorization = token === '' ? basic : `Bearer ${token}`;
    if (/[^\x20-\x7e]/.test(authorization)) throw new UsageError('the token holds characters that cannot be sent');
    this.#headers = authorization === '' ? {} : { authorization };
  }

  async connect(): Promise<void> {
    const { connections } = await import('../source/connections.ts');
    const read = async (file: string | undefined) => (file === undefined ? undefined : await readFile(file));
    const [ca, cert, key] = await Promise.all([this.#options.ca, this.#options.cert, this.#options.key].map(read));
    const connect = { timeout: 10_000, ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
    this.#agent = connections({ connect, headersTimeout: ANSWER_MS, bodyTimeout: ANSWER_MS });
  }

  close(): Promise<void> {
    return this.#agent?.close() ?? Promise.resolve();
  }

  /** Never rejects: what went wrong is the note. */
  async push(file: string, name: string): Promise<Pushed> {
    const failed = (sha256: string | null, note: string): Pushed => ({
      file,
      outcome: 'failed',
      key: null,
      sha256,
      note,
    });
    try {
      if (!(await stat(file)).isFile()) return failed(null, 'not a regular file');
      const { sha256 } = await hashFile(file);
      const known = await this.#patiently(() => this.#ask('GET', `/binaries/${sha256}`));
      if (known.status === 200) {
        const { binaries } = JSON.parse(known.text) as { binaries: { key: string; path: string }[] };
        const [{ key, path }] = binaries;
        return { file, outcome: 'already-there', key, sha256, note: `already there as ${path}` };
      }
      const query = new URLSearchParams({ name, sha256 });
      const answer = await this.#patiently(() => this.#ask('PUT', `/binaries?${query.toString()}`, file));
      if (answer.status !== 200 && answer.status !== 201) return failed(sha256, told(answer));
      const { binary, outcome, note, others = [] } = JSON.parse(answer.text) as AddResult;
      const notes = [note, ...others.map((other) => other.note)];
      return { file, outcome, key: binary.key, sha256, note: notes.join('; ') };
    } catch (error) {
      return failed(null, describe(error));
    }
  }

  /** Tries again what may succeed later. Rejects with the last try's error. */
  async #patiently(act: () => Promise<Answer>): Promise<Answer> {
    for (const pause of PAUSES_MS) {
      try {
        const answer = await act();
        if (!TRY_AGAIN.has(answer.status)) return answer;
        await delay(Math.min(MAX_PAUSE_MS, Math.max(pause, Number(answer.retryAfter) * 1000 || 0)));
      } catch (error) {
        if (isFinal(error)) throw error;
        await delay(pause * (0.5 + Math.random()));
      }
    }
    return act();
  }

  async #ask(method: 'GET' | 'PUT', path: string, file?: string): Promise<Answer> {
    const { request } = await import('../source/connections.ts');
    const body = file === undefined ? null : packed(file);
    const headers = {
      ...this.#headers,
      ...(body && { 'content-encoding': 'gzip', 'content-type': 'application/octet-stream' }),
    };
    const {
      statusCode,
      headers: got,
      body: stream,
    } = await request(this.#url + path, {
      method,
      headers,
      body,
      dispatcher: this.#agent!,
    });
    return { status: statusCode, text: await stream.text(), retryAfter: String(got['retry-after'] ?? '') };
  }
}

function packed(file: string) {
  const gzip = createGzip({ level: GZIP_LEVEL });
  pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), gzip, (error) => error && gzip.destroy(error));
  return gzip;
}

/** What no second try mends: a file that cannot be read, a certificate that is not trusted. */
function isFinal(error: unknown): boolean {
  const { code = '', path } = error as NodeJS.ErrnoException;
  return path !== undefined || code.startsWith('ERR_TLS') || /CERT|SELF_SIGNED|UNABLE_TO/.test(code);
}

function told({ status, text }: Answer): string {
  return `${text.trim().split('\n', 1)[0].slice(0, 500) || 'refused'} (HTTP ${status})`;
}

function describe(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  const message = messageOf(error);
  return message === '' ? String(code ?? 'the connection failed') : message;
}

/** What a directory holds besides; said where somebody reads it. */
function passedOver(path: string, why: string): void {
  if (process.stderr.isTTY) process.stderr.write(`skipped ${printable(path)}: ${why}\n`);
}
