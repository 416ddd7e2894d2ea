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
import { Hops } from './hops.ts';

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
/** What has names first: then the other, which may have a symbol table. */
const EITHER: readonly FileKind[] = ['debuginfo', 'executable'];

interface Wish {
  readonly buildId: string;
  readonly kinds: readonly FileKind[];
  readonly headers: Readonly<Record<string, string>>;
  /** All of it that counts, as a key. */
  readonly what: string;
}

export class Upstreams {
  readonly hops = new Hops();
  readonly #options: UpstreamsOptions;
  readonly #underWay = new Map<string, Promise<Asked>>();
  /** By ID and kinds: what is known not to be there. */
  readonly #absent = new LRUCache<string, Asked>({ max: MAX_REMEMBERED });
  readonly #queue: (() => void)[] = [];
  #fetches = 0;

  constructor(options: UpstreamsOptions) {
    this.#options = options;
  }

  /**
   * Resolves when a file is in the cache, or is known not to be had. Never rejects.
   *
   * @param buildId lower-case hex
   * @param kinds the first of them that a server has is fetched
   * @param headers of the request that is handed on; of one of our own unless given
   */
  ask(buildId: string, kinds: readonly FileKind[] = EITHER, headers = this.hops.own()): Promise<Asked> {
    const what = `${buildId} ${kinds.join()}`;
    const known = this.#absent.get(what);
    if (known !== undefined) return Promise.resolve(known);
    let asked = this.#underWay.get(what);
    if (asked === undefined) {
      if (this.#queue.length >= MAX_WAITING)
        return Promise.resolve({ isThere: false, why: 'too many others are asked for' });
      asked = this.#ask({ buildId, kinds, headers, what }).finally(() => this.#underWay.delete(what));
      this.#underWay.set(what, asked);
    }
    return asked;
  }

  async #ask(wish: Wish): Promise<Asked> {
    await this.#turn();
    try {
      return await this.#askAll(wish);
    } catch (error) {
      const why = `what was fetched cannot be kept: ${messageOf(error)}`;
      this.#options.notice?.(why);
      return this.#remember(wish.what, why, FAILED_MS);
    } finally {
      this.#fetches--;
      this.#queue.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    if (this.#fetches >= MAX_FETCHES) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#fetches++;
  }

  async #askAll(wish: Wish): Promise<Asked> {
    const { servers, absentMs = ABSENT_MS, failedMs = FAILED_MS } = this.#options;
    const said = new Map<string, string>();
    let hasFailed = false;
    for (const kind of wish.kinds) {
      for (const server of servers) {
        if (said.has(server.label) && hasFailed && said.get(server.label) !== 'HTTP 404') continue; // not asked twice when it is down
        const fetched = await this.#fetch(server, kind, wish);
        if (fetched.kind === 'file') return { isThere: true, why: '' };
        if (fetched.kind === 'failed') hasFailed = true;
        said.set(server.label, fetched.why);
      }
    }
    const why = [...said].map(([label, what]) => `${label} (${what})`).join(', ');
    return this.#remember(wish.what, why, hasFailed ? failedMs : absentMs);
  }

  async #fetch(server: Debuginfod, kind: FileKind, { buildId, headers }: Wish): Promise<Fetched> {
    const { cache } = this.#options;
    const path = await cache.incoming();
    const fetched = await server.fetch(buildId, kind, path, headers);
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

  #remember(what: string, why: string, ttl: number): Asked {
    const asked = { isThere: false, why };
    this.#absent.set(what, asked, { ttl });
    return asked;
  }

  async close(): Promise<void> {
    await Promise.all(this.#options.servers.map((server) => server.close()));
  }
}
