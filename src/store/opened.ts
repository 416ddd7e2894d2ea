import { LRUCache } from 'lru-cache';
import type { SymbolMap } from '../symbolize/symbol-map.ts';
import { assemble, type BinaryFiles } from './assembly.ts';

/** A binary ready to be asked. Valid until released. */
export interface OpenedBinary {
  /** What people call it: a store name or a path. */
  readonly name: string;
  readonly symbols: SymbolMap;
}

export interface Lease {
  readonly binary: OpenedBinary;
  release(): void;
}

const LOOK_FOR_INDEX_MS = 5000;

/**
 * Binaries nobody asks at the moment that keep what their lookups have read, some 15 MB of each. What they answered is remembered
 * elsewhere; the others read anew what is asked of them for the first time.
 */
const MAX_FRESH = 2;

interface Entry {
  readonly key: string;
  readonly binary: OpenedBinary;
  readonly close: () => void;
  readonly findIndex: () => Promise<void>;
  /** On performance.now()'s clock: when an index was last looked for. */
  lookedAt: number;
  leases: number;
  evicted: boolean;
  closed: boolean;
}

/**
 * Open binaries, kept warm: a scraper asks for five profiles of one build every few seconds. Opening is single-flight
 * and detached from the caller that began it; an evicted binary is closed when its last lease is given back.
 */
export class OpenedBinaries {
  readonly #opening = new Map<string, Promise<Entry>>();
  readonly #warm: LRUCache<string, Entry>;
  readonly #lookForIndexMs: number;
  /** Those used last, the latest at the end. */
  readonly #fresh: Entry[] = [];

  /**
   * @param max binaries kept open at once; each costs its touched pages and a file descriptor
   * @param lookForIndexMs between two looks for an index that was not there
   */
  constructor(max = 64, lookForIndexMs = LOOK_FOR_INDEX_MS) {
    this.#lookForIndexMs = lookForIndexMs;
    this.#warm = new LRUCache({
      max,
      dispose: (entry) => {
        entry.evicted = true;
        closeIfIdle(entry);
      },
    });
  }

  /** The binary under `key`, opened by `open` if it is not warm. Rejects with what `open` or the parser threw. */
  async lease(key: string, name: string, open: () => Promise<BinaryFiles>): Promise<Lease> {
    let entry = this.#warm.get(key) ?? (await this.#open(key, name, open));
    // Evicted between its opening and this caller's turn.
    while (entry.closed) entry = await this.#open(key, name, open);
    const leased = entry;
    leased.leases++;
    await this.#lookForIndex(leased);
    let released = false;
    return {
      binary: leased.binary,
      release: () => {
        if (released) return;
        released = true;
        leased.leases--;
        closeIfIdle(leased);
        this.#wasUsed(leased);
      },
    };
  }

  #wasUsed(entry: Entry): void {
    const fresh = this.#fresh;
    const at = fresh.indexOf(entry);
    if (at >= 0) fresh.splice(at, 1);
    if (!entry.closed) fresh.push(entry);
    if (fresh.length <= MAX_FRESH) return;
    const [oldest] = fresh.splice(0, 1);
    if (oldest.leases === 0) oldest.binary.symbols.rest();
  }

  /** A binary that is asked again and again is worth an index, and somebody may have made one. */
  async #lookForIndex(entry: Entry): Promise<void> {
    const { symbols } = entry.binary;
    const now = performance.now();
    if (symbols.hasIndex || !symbols.isWorthIndexing || now - entry.lookedAt < this.#lookForIndexMs) return;
    entry.lookedAt = now;
    await entry.findIndex();
  }

  /** Forgets what is warm; leased binaries stay open until given back. */
  clear(): void {
    this.#warm.clear();
  }

  #open(key: string, name: string, open: () => Promise<BinaryFiles>): Promise<Entry> {
    let opening = this.#opening.get(key);
    if (opening === undefined) {
      opening = this.#build(key, name, open).finally(() => this.#opening.delete(key));
      this.#opening.set(key, opening);
    }
    return opening;
  }

  async #build(key: string, name: string, open: () => Promise<BinaryFiles>): Promise<Entry> {
    const { symbols, findIndex, close } = await assemble(await open());
    const lookedAt = performance.now();
    const binary = { name, symbols };
    const entry: Entry = { key, binary, close, findIndex, lookedAt, leases: 0, evicted: false, closed: false };
    this.#warm.set(key, entry);
    return entry;
  }
}

function closeIfIdle(entry: Entry): void {
  if (!entry.evicted || entry.leases > 0 || entry.closed) return;
  entry.closed = true;
  entry.close();
}
