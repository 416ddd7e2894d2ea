import { Worker } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import type { ResolvedMapping, ResymOptions, Resymbolizer, ResymResult } from '../pipeline.ts';
import type { IndexMade, IndexThreadData } from './index-thread.ts';
import { THREAD_FILE } from './thread-file.ts';

export interface IndexMakerOptions {
  readonly archives: readonly string[];
  /** Told of every key that was tried. */
  readonly onMade: (key: string, made: IndexMade) => void;
  /** What the thread runs, instead of thread.ts; for tests. */
  readonly file?: URL;
}

/** Debug info of a whole browser takes less. */
const MAX_HEAP_MB = 4096;

/**
 * An engine that has indexes made of the debug info it has read without one: one at a time, in a thread of its own, off every
 * request's path. Each build is tried once.
 */
export class IndexMaker implements Resymbolizer {
  readonly #engine: Resymbolizer;
  readonly #options: IndexMakerOptions;
  readonly #tried = new Set<string>();
  readonly #waiting: string[] = [];
  #worker: Worker | null = null;
  #isClosed = false;

  constructor(engine: Resymbolizer, options: IndexMakerOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  async resymbolize(body: Uint8Array, options?: ResymOptions): Promise<ResymResult> {
    const result = await this.#engine.resymbolize(body, options);
    this.#want(result.unindexed.filter((key) => !this.#tried.has(key)));
    return result;
  }

  /** Has the indexes made of a build whose files have changed. */
  make(key: string): void {
    this.#want([key]);
  }

  #want(keys: readonly string[]): void {
    for (const key of keys) {
      this.#tried.add(key);
      if (!this.#waiting.includes(key)) this.#waiting.push(key);
    }
    this.#next();
  }

  symbolNames(
    mappings: readonly ResolvedMapping[],
    addresses: readonly bigint[],
    options?: ResymOptions,
  ): Promise<(string | null)[]> {
    return this.#engine.symbolNames(mappings, addresses, options);
  }

  /** Ends what is under way; an index is there whole or not at all. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#worker?.terminate();
  }

  #next(): void {
    if (this.#worker !== null || this.#isClosed) return;
    const key = this.#waiting.shift();
    if (key === undefined) return;
    const { archives, onMade, file = THREAD_FILE } = this.#options;
    const worker = new Worker(file, {
      workerData: { kind: 'index', archives, key } satisfies IndexThreadData,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
      name: 'resym index',
    });
    worker.unref();
    this.#worker = worker;
    worker.on('message', (made: IndexMade) => onMade(key, made));
    worker.on('error', (error) => onMade(key, { sizeBytes: 0, problem: messageOf(error) }));
    worker.on('exit', () => {
      this.#worker = null;
      this.#next();
    });
  }
}
