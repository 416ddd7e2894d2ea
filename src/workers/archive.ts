/** The archive as the server's own thread sees it: everything is asked of a thread that lives while there is something to do. */
import { Worker } from 'node:worker_threads';
import type { ListFilter, Page } from '../store/filter.ts';
import type { AddOptions, AddResult, BinaryQuery, StoredBinary } from '../store/store.ts';
import type { ArchiveAnswer, ArchiveCall, ArchiveCalls, ArchiveThreadData, Extent, Located } from './archive-thread.ts';
import { unpackError } from './thread-error.ts';
import { THREAD_FILE } from './thread-file.ts';

export interface ArchiveOptions {
  /** As open-store.ts has it. */
  readonly place: string;
  /** What the thread runs, instead of thread.ts; for tests. */
  readonly file?: URL;
  /** How long it is kept without work, ms. Default 30 s. */
  readonly idleMs?: number;
}

/** It holds the catalog, and what reading a large binary took. */
const IDLE_MS = 10_000;
/** How much there could be decides how late garbage is collected: with 2 GB, and a larger nursery, a binary of 700 MB took 46 MB more. */
const MAX_HEAP_MB = 512;
const YOUNG_MB = 2;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Every call rejects as SymbolStore's does, and with Error when the thread has ended under it. */
export class Archive implements ArchiveCalls {
  readonly #options: ArchiveOptions;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #lastId = 0;
  #idle: NodeJS.Timeout | null = null;

  constructor(options: ArchiveOptions) {
    this.#options = options;
  }

  incoming(): Promise<string> {
    return this.#ask('incoming');
  }

  add(file: string, options: AddOptions): Promise<AddResult> {
    return this.#ask('add', file, options);
  }

  page(filter: ListFilter, after: string, limit: number): Promise<Page> {
    return this.#ask('page', filter, after, limit);
  }

  select(idOrPrefix: string): Promise<StoredBinary[]> {
    return this.#ask('select', idOrPrefix);
  }

  find(query: BinaryQuery): Promise<Located[]> {
    return this.#ask('find', query);
  }

  section(binary: StoredBinary, name: string): Promise<Extent | null> {
    return this.#ask('section', binary, name);
  }

  part(binary: StoredBinary, offset: number, length: number): Promise<Uint8Array> {
    return this.#ask('part', binary, offset, length);
  }

  used(binary: StoredBinary): Promise<void> {
    return this.#ask('used', binary);
  }

  remove(idOrPrefix: string): Promise<StoredBinary[]> {
    return this.#ask('remove', idOrPrefix);
  }

  trim(rules: Parameters<ArchiveCalls['trim']>[0]): Promise<number> {
    return this.#ask('trim', rules);
  }

  /** Ends the thread; what it was at is rejected. */
  async close(): Promise<void> {
    if (this.#idle !== null) clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#ended(new Error('the server is stopping'));
    await worker?.terminate();
  }

  #ask<Value>(name: keyof ArchiveCalls, ...args: unknown[]): Promise<Value> {
    const worker = this.#started();
    const id = ++this.#lastId;
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      worker.ref();
      worker.postMessage({ id, name, args } satisfies ArchiveCall);
    });
  }

  #started(): Worker {
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#idle = null;
    if (this.#worker !== null) return this.#worker;
    const { place, file = THREAD_FILE } = this.#options;
    const worker = new Worker(file, {
      workerData: { kind: 'archive', place } satisfies ArchiveThreadData,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: YOUNG_MB },
      name: 'resym archive',
    });
    worker.on('message', (answer: ArchiveAnswer) => this.#answered(answer));
    worker.on('error', (error) => this.#worker === worker && this.#ended(error));
    worker.on('exit', (code) => this.#worker === worker && this.#ended(new Error(`exit code ${code}`)));
    this.#worker = worker;
    return worker;
  }

  #answered(answer: ArchiveAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('error' in answer) waiting?.reject(unpackError(answer.error));
    else waiting?.resolve(answer.value);
    if (this.#waiting.size > 0) return;
    this.#worker?.unref();
    this.#idle = setTimeout(() => this.#rest(), this.#options.idleMs ?? IDLE_MS).unref();
  }

  #rest(): void {
    const worker = this.#worker;
    this.#worker = null;
    void worker?.terminate();
  }

  #ended(cause: Error): void {
    this.#worker = null;
    for (const { reject } of this.#waiting.values())
      reject(new Error(`the archive's thread has ended: ${cause.message}`, { cause }));
    this.#waiting.clear();
  }
}
