/**
 * Files of builds that the archive does not have, from debuginfod servers, in order:
 *
 *     build ID ─► known to be absent? ─► debuginfo of the 1st, 2nd, ... ─► executable of the 1st, 2nd, ... ─► cache
 *
 * One fetch an ID at a time, whoever waits for it; it goes on when nobody does. The cache is an archive of its own, which takes a file
 * only when its recomputed ID is the one asked for.
 */
import { LRUCache } from 'lru-cache';
import { isSystemError, messageOf } from '../errors.ts';
import type { ArchiveCalls } from '../workers/archive-thread.ts';
import type { Debuginfod, Fetched, FileKind } from './debuginfod.ts';

/** What became of an ID. */
export interface Asked {
  readonly isThere: boolean;
  /** Of each server, why it is not there; "" when it is. */
  readonly why: string;
}

export interface UpstreamsOptions {
  readonly servers: readonly Debuginfod[];
  /** Where files are kept. */
  readonly cache: ArchiveCalls;
  readonly maxCacheBytes: number;
  readonly maxCacheAgeMs: number;
  /** How long a server's "no" counts, and how long its failure does, ms. */
  readonly absentMs?: number;
  readonly failedMs?: number;
  readonly notice?: (sentence: string) => void;
}

/** A distribution's server learns of new packages by the hour. */
const ABSENT_MS = 600_000;
const FAILED_MS = 60_000;
/** Of IDs that nobody has: a fleet has thousands of builds. */
const MAX_REMEMBERED = 100_000;
/** Under way at once; others wait. */
const MAX_FETCHES = 4;
const MAX_WAITING = 1000;

export class Upstreams {
  readonly #options: UpstreamsOptions;
  readonly #underWay = new Map<string, Promise<Asked>>();
  /** By ID: what is known not to be there. */
  readonly #absent = new LRUCache<string, Asked>({ max: MAX_REMEMBERED });
  readonly #queue: (() => void)[] = [];
  #fetches = 0;

  constructor(options: UpstreamsOptions) {
    this.#options = options;
  }

  /** Resolves when the file is in the cache, or is known not to be had. Never rejects. @param buildId lower-case hex */
  ask(buildId: string): Promise<Asked> {
    const known = this.#absent.get(buildId);
    if (known !== undefined) return Promise.resolve(known);
    let asked = this.#underWay.get(buildId);
    if (asked === undefined) {
      if (this.#queue.length >= MAX_WAITING)
        return Promise.resolve({ isThere: false, why: 'too many others are asked for' });
      asked = this.#ask(buildId).finally(() => this.#underWay.delete(buildId));
      this.#underWay.set(buildId, asked);
    }
    return asked;
  }

  async #ask(buildId: string): Promise<Asked> {
    await this.#turn();
    try {
      return await this.#askAll(buildId);
    } catch (error) {
      const why = `what was fetched cannot be kept: ${messageOf(error)}`;
      this.#options.notice?.(why);
      return this.#remember(buildId, why, FAILED_MS);
    } finally {
      this.#fetches--;
      this.#queue.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    if (this.#fetches >= MAX_FETCHES) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#fetches++;
  }

  async #askAll(buildId: string): Promise<Asked> {
    const { servers, absentMs = ABSENT_MS, failedMs = FAILED_MS } = this.#options;
    const said = new Map<string, string>();
    let hasFailed = false;
    for (const kind of ['debuginfo', 'executable'] as const) {
      for (const server of servers) {
        if (said.has(server.label) && hasFailed && said.get(server.label) !== 'HTTP 404') continue; // not asked twice when it is down
        const fetched = await this.#fetch(server, buildId, kind);
        if (fetched.kind === 'file') return { isThere: true, why: '' };
        if (fetched.kind === 'failed') hasFailed = true;
        said.set(server.label, fetched.why);
      }
    }
    const why = [...said].map(([label, what]) => `${label} (${what})`).join(', ');
    return this.#remember(buildId, why, hasFailed ? failedMs : absentMs);
  }

  async #fetch(server: Debuginfod, buildId: string, kind: FileKind): Promise<Fetched> {
    const { cache } = this.#options;
    const path = await cache.incoming();
    const fetched = await server.fetch(buildId, kind, path);
    if (fetched.kind !== 'file') return fetched;
    try {
      await cache.add(path, { received: fetched.sha256, expected: buildId });
    } catch (error) {
      if (isSystemError(error)) throw error;
      return { kind: 'failed', why: `it sent something else: ${messageOf(error)}` };
    }
    const { maxCacheBytes: quotaBytes, maxCacheAgeMs: maxAgeMs } = this.#options;
    await cache.trim({ quotaBytes, maxAgeMs });
    return fetched;
  }

  #remember(buildId: string, why: string, ttl: number): Asked {
    const asked = { isThere: false, why };
    this.#absent.set(buildId, asked, { ttl });
    return asked;
  }

  async close(): Promise<void> {
    await Promise.all(this.#options.servers.map((server) => server.close()));
  }
}
