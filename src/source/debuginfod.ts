/**
 * One debuginfod server to ask (debuginfod(8)): elfutils', a distribution's, another resym.
 *
 * What it answers goes to a file, bounded in bytes and time. It is followed nowhere but to its own host; what it sends is judged by
 * whoever asked.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Agent, Dispatcher } from 'undici';
import { messageOf } from '../errors.ts';
import { VERSION } from '../version.ts';

type Headers = Readonly<Record<string, string>>;

export type FileKind = 'debuginfo' | 'executable';

/** `wait`: until it is worth asking again, ms. */
export type Fetched =
  | { readonly kind: 'file'; readonly sha256: string }
  /** The server does not have it. */
  | { readonly kind: 'absent'; readonly why: string }
  /** It may have it, and could not or would not say. */
  | { readonly kind: 'failed'; readonly why: string };

export interface DebuginfodLimits {
  /** Largest file taken. */
  readonly maxBytes: number;
  readonly connectMs: number;
  /** Until an answer begins: a server that looks through its packages takes long. */
  readonly answerMs: number;
  /** Between two pieces of it. */
  readonly stallMs: number;
  readonly totalMs: number;
  /** How long a server is left alone that failed several times in a row. */
  readonly restMs: number;
}

export const DEBUGINFOD_LIMITS: DebuginfodLimits = {
  maxBytes: 2 * 1024 ** 3, // the largest of a distribution: a browser's
  connectMs: 4000,
  answerMs: 30_000,
  stallMs: 20_000,
  totalMs: 600_000,
  restMs: 60_000,
};

/** Failures in a row after which it is left alone. */
const MAX_FAILURES = 3;
const MAX_REDIRECTS = 3;

export class Debuginfod {
  /** The URL as people may see it: no user, no password. */
  readonly label: string;
  readonly #base: URL;
  readonly #authorization: string;
  readonly #limits: DebuginfodLimits;
  #agent: Promise<Agent> | null = null;
  #failures = 0;
  #restsUntil = -Infinity;

  /** @param url checked: http or https */
  constructor(url: string, limits: Partial<DebuginfodLimits> = {}) {
    this.#limits = { ...DEBUGINFOD_LIMITS, ...limits };
    const base = new URL(url);
    const pair = `${decodeURIComponent(base.username)}:${decodeURIComponent(base.password)}`;
    this.#authorization = pair === ':' ? '' : `Basic ${Buffer.from(pair).toString('base64')}`;
    base.username = '';
    base.password = '';
    base.search = '';
    base.hash = '';
    base.pathname = base.pathname.replace(/\/+$/, '');
    this.#base = base;
    this.label = base.href.replace(/\/$/, '');
  }

  /** Fetches a file to `path`, which is gone again unless it is there whole. Never rejects for the server's sake. */
  async fetch(buildId: string, kind: FileKind, path: string, headers: Headers = {}): Promise<Fetched> {
    const rest = this.#restsUntil - performance.now();
    if (rest > 0) return { kind: 'failed', why: `left alone for ${Math.ceil(rest / 1000)} s: it failed several times` };
    const fetched = await this.#attempt(buildId, kind, path, headers);
    this.#failures = fetched.kind === 'failed' ? this.#failures + 1 : 0;
    if (this.#failures >= MAX_FAILURES) {
      this.#restsUntil = performance.now() + this.#limits.restMs;
      this.#failures = MAX_FAILURES - 1; // one more failure after that, and it rests again
    }
    return fetched;
  }

  async #attempt(buildId: string, kind: FileKind, path: string, more: Headers): Promise<Fetched> {
    try {
      const url = new URL(`${this.#base.href.replace(/\/$/, '')}/buildid/${buildId}/${kind}`);
      const signal = AbortSignal.timeout(this.#limits.totalMs);
      const { statusCode, headers, body } = await this.#request(url, more, signal);
      if (statusCode !== 200) {
        body.dump({ limit: 16 * 1024 }).catch(() => undefined);
        const why = `HTTP ${statusCode}`;
        return statusCode === 404 ? { kind: 'absent', why } : { kind: 'failed', why };
      }
      const { maxBytes } = this.#limits;
      const encoding = String(headers['content-encoding'] ?? 'identity');
      if (encoding !== 'identity' || Number(headers['content-length'] ?? 0) > maxBytes) {
        body.on('error', () => undefined).destroy();
        const why =
          encoding === 'identity' ? `the file is larger than ${maxBytes} bytes` : `it sends ${encoding}, unasked`;
        return { kind: 'failed', why };
      }
      return { kind: 'file', sha256: await save(body, path, maxBytes, signal) };
    } catch (error) {
      await rm(path, { force: true });
      return { kind: 'failed', why: reasonOf(error) };
    }
  }

  async #request(url: URL, more: Headers, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    this.#agent ??= import('./connections.ts').then(({ connections }) =>
      connections({ connect: { timeout: this.#limits.connectMs }, pipelining: 0 }),
    );
    const agent = await this.#agent;
    let at = url;
    for (let followed = 0; ; followed++) {
      const response = await agent.request({
        origin: at.origin,
        path: at.pathname + at.search,
        method: 'GET',
        headers: {
          ...more,
          'user-agent': `resym/${VERSION}`,
          'accept-encoding': 'identity',
          ...(this.#authorization !== '' && { authorization: this.#authorization }),
        },
        headersTimeout: this.#limits.answerMs,
        bodyTimeout: this.#limits.stallMs,
        signal,
      });
      const { location } = response.headers;
      if (![301, 302, 303, 307, 308].includes(response.statusCode) || typeof location !== 'string') return response;
      response.body.dump({ limit: 16 * 1024 }).catch(() => undefined);
      if (followed === MAX_REDIRECTS) throw new Error(`more than ${MAX_REDIRECTS} redirects`);
      at = ownPlace(location, at);
    }
  }

  async close(): Promise<void> {
    await (await this.#agent)?.destroy();
  }
}

/** Where a redirect leads; it may be another path, or https instead of http. What an address elsewhere would reach from here is nobody's to choose. */
function ownPlace(location: string, from: URL): URL {
  if (!URL.canParse(location, from.href)) throw new Error('it redirects to what is no URL');
  const to = new URL(location, from.href);
  const isUpgrade = from.protocol === 'http:' && to.protocol === 'https:' && from.port === '' && to.port === '';
  if (to.origin !== from.origin && !(isUpgrade && to.hostname === from.hostname))
    throw new Error(`it redirects to another server (${to.origin}), which is not followed`);
  return to;
}

/** Writes a body to a file; its SHA-256. */
async function save(
  body: AsyncIterable<Uint8Array>,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256');
  let size = 0;
  const count = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > maxBytes) throw new Error(`the file is larger than ${maxBytes} bytes`);
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(body, count, createWriteStream(path, { flags: 'wx' }), { signal });
  return hash.digest('hex');
}

function reasonOf(error: unknown): string {
  const { code = '', name, cause } = error as NodeJS.ErrnoException & { cause?: unknown };
  if (name === 'TimeoutError' || /TIMEOUT|ETIMEDOUT/.test(code)) return 'timed out';
  if (name === 'AbortError' && cause instanceof Error) return reasonOf(cause);
  if (code === 'ECONNREFUSED') return 'refuses connections';
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return 'its name does not resolve';
  return messageOf(error) || code;
}
