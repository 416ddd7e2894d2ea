/**
 * The engine on several threads, so that the server's own is free to serve.
 *
 *     resymbolize(body) ─► copy of the body ─► the thread whose tables are warm, or the idlest ─► result, moved back
 *
 * - A body is copied once, since the server needs the original should the answer be late or the thread die. What comes back is
 *   moved; a body that nothing changed is not sent back, the caller gets its own again.
 * - Jobs of one affinity go to a thread that has answered such a job, unless all of those are busy: then the idlest learns it too.
 *   Until the first answer they all go to one thread: it is reading the binary, and no other is to read it as well.
 * - A thread holds two jobs at most. The others wait here, first come first served, and see where there is room.
 * - Ways to binaries stay in the thread that proved them, for as long as the mappings of the result are held here.
 * - A thread that dies fails the jobs it holds. Another takes its place with the next job.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { ResolvedMapping, ResymOptions, Resymbolizer, ResymResult } from '../pipeline.ts';
import { EngineWorker, type EngineWorkerOptions, hasLayout, type Job, type JobAnswer } from './engine-worker.ts';
import { type JobOptions, type PlainResult, toThreadClock } from './thread-message.ts';
import { THREAD_FILE } from './thread-file.ts';

export interface EnginePoolOptions {
  /** At least 1. */
  readonly threads: number;
  /** null: no archive. */
  readonly archives: readonly string[];
  /** Bound of a thread's heap, MB. */
  readonly maxHeapMb?: number;
  /** What the threads run, instead of thread.ts; for tests. */
  readonly file?: URL;
}

/** What a pool takes beside an engine's options. */
export interface PoolResymOptions extends ResymOptions {
  /** Profiles with the same are likely to need the same binaries: a target's name. */
  readonly affinity?: string;
}

/** What Node gives a process of its own; a thread that needs more is ended, not the server. */
const MAX_HEAP_MB = 2048;
/** Copied in one go: 1 ms, with memory that is touched for the first time. */
const COPY_BYTES = 2 * 1024 * 1024;
/** Affinities remembered: targets of one server. */
const MAX_HOMES = 4096;
/** After its deadline a job is not begun any more: who asked has been answered otherwise (GRACE_MS in serve/enrich.ts), ms. */
const GIVE_UP_MS = 1000;
/** The largest binaries take seconds to open; what takes longer than this is not waited for by everybody, ms. */
const OPENING_MS = 15_000;

/** The threads that know the binaries of an affinity. */
interface Home {
  workers: EngineWorker[];
  /** On performance.now()'s clock: its only thread is reading binaries, until then at most. -Infinity: done. */
  openingUntil: number;
}

/** Where the ways to a result's binaries are. */
interface Layout {
  readonly worker: EngineWorker;
  readonly id: number;
}

/** A job without a thread. */
interface Queued {
  readonly affinity: string | undefined;
  /** On performance.now()'s clock: nobody has any use for the answer. */
  readonly giveUpAt: number;
  readonly begin: (worker: EngineWorker) => void;
  readonly giveUp: (error: Error) => void;
}

interface Done {
  readonly worker: EngineWorker;
  readonly answer: JobAnswer;
}

interface Place {
  readonly layout: Layout;
  readonly index: number;
}

export class EnginePool implements Resymbolizer {
  readonly #options: EngineWorkerOptions;
  readonly #slots: (EngineWorker | null)[];
  readonly #homes = new LRUCache<string, Home>({ max: MAX_HOMES });
  /** Of mappings with a binary. */
  readonly #places = new WeakMap<ResolvedMapping, Place>();
  /** Layouts that nobody holds any more. */
  readonly #dropped = new FinalizationRegistry<Layout>(({ worker, id }) => worker.forget(id));
  /** First come first. */
  readonly #queue: Queued[] = [];
  #isClosed = false;

  constructor({ threads, archives, maxHeapMb = MAX_HEAP_MB, file = THREAD_FILE }: EnginePoolOptions) {
    this.#options = { archives, maxHeapMb, file, onFree: () => this.#shareOut() };
    this.#slots = Array.from({ length: threads }, () => null);
  }

  /** Starts one thread ahead of the first job; the others start when it is busy. */
  warmUp(): void {
    this.#free();
  }

  async resymbolize(body: Uint8Array, options: PoolResymOptions = {}): Promise<ResymResult> {
    const { affinity, signal } = options;
    signal?.throwIfAborted();
    const copy = await copyOf(body);
    signal?.throwIfAborted();
    const { worker, answer } = await this.#inTurn(copy, options);
    if (answer.message.kind !== 'result') throw unexpected(answer);
    const { deadline = Infinity } = options;
    if (affinity !== undefined && performance.now() <= deadline) this.#hasOpened(affinity, worker);
    const { result } = answer.message;
    return { ...result, body: result.body ?? body, mappings: this.#mappings(worker, answer.id, result) };
  }

  async symbolNames(
    mappings: readonly ResolvedMapping[],
    addresses: readonly bigint[],
    options: ResymOptions = {},
  ): Promise<(string | null)[]> {
    const names: (string | null)[] = addresses.map(() => null);
    const { signal } = options;
    for (const [{ worker, id }, indices] of this.#byLayout(mappings)) {
      const rest = names.flatMap((name, i) => (name === null ? [i] : []));
      if (rest.length === 0) break;
      signal?.throwIfAborted();
      if (!worker.isAlive) continue; // what it knew is gone; the target's next profile brings it back
      const asked = rest.map((i) => addresses[i]);
      const job: Job = {
        kind: 'names',
        layout: id,
        mappings: indices,
        addresses: asked,
        options: jobOptions(options),
      };
      const answer = await worker.do(job, [], signal);
      if (answer.message.kind !== 'names') throw unexpected(answer);
      for (const [at, i] of rest.entries()) names[i] = answer.message.names[at];
    }
    return names;
  }

  /** Ends all threads; what is under way is rejected. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const reason = new Error('the pool is closed');
    for (const { giveUp } of this.#queue.splice(0)) giveUp(reason);
    await Promise.all(this.#slots.filter((worker) => worker !== null).map((worker) => worker.end(reason)));
  }

  /** The threads' jobs, for tests and metrics; 0 for one not started. */
  get jobs(): number[] {
    return this.#slots.map((worker) => worker?.jobs ?? 0);
  }

  /** Jobs that no thread has taken yet. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Gives the body to a thread as soon as one has room. */
  #inTurn(body: Uint8Array<ArrayBuffer>, options: PoolResymOptions): Promise<Done> {
    if (this.#isClosed) return Promise.reject(new Error('the pool is closed'));
    const { affinity, signal, deadline = Infinity } = options;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#queue.splice(this.#queue.indexOf(queued), 1);
        reject(signal?.reason as Error);
      };
      const queued: Queued = {
        affinity,
        giveUpAt: deadline + GIVE_UP_MS,
        begin: (worker) => {
          signal?.removeEventListener('abort', leave);
          const job: Job = { kind: 'resymbolize', body, options: jobOptions(options) };
          worker.do(job, [body.buffer], signal).then((answer) => resolve({ worker, answer }), reject);
        },
        giveUp: (error) => {
          signal?.removeEventListener('abort', leave);
          reject(error);
        },
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#queue.push(queued);
      this.#shareOut();
    });
  }

  /** Gives jobs to threads while there are both. */
  #shareOut(): void {
    for (let at = 0; at < this.#queue.length && !this.#isClosed;) {
      const { affinity, giveUpAt, begin, giveUp } = this.#queue[at];
      const isTooLate = performance.now() > giveUpAt;
      const worker = isTooLate ? null : this.#workerFor(affinity);
      if (isTooLate || worker !== null) this.#queue.splice(at, 1);
      else at++;
      if (isTooLate) giveUp(new Error('no thread had room for it in time'));
      else if (worker !== null) begin(worker);
    }
  }

  /** Where a job of this affinity is to go; null when it has to wait. */
  #workerFor(affinity: string | undefined): EngineWorker | null {
    if (affinity === undefined) return this.#free();
    const home = this.#homes.get(affinity) ?? { workers: [], openingUntil: -Infinity };
    this.#homes.set(affinity, home);
    home.workers = home.workers.filter(({ isAlive }) => isAlive);
    const isNew = home.workers.length === 0;
    const warm = leastLoaded(home.workers);
    if (warm !== null || (!isNew && performance.now() < home.openingUntil)) return warm;
    const other = this.#free();
    if (other === null) return null;
    home.workers.push(other);
    if (isNew) home.openingUntil = performance.now() + OPENING_MS;
    return other;
  }

  /** An answer in time was not cut short by a binary being read. */
  #hasOpened(affinity: string, worker: EngineWorker): void {
    const home = this.#homes.peek(affinity);
    if (home?.workers.includes(worker) === true) home.openingUntil = -Infinity;
  }

  /** A thread with room, the idlest; a new one only when all that run have something to do. */
  #free(): EngineWorker | null {
    const alive = this.#slots.filter((worker): worker is EngineWorker => worker?.isAlive === true);
    const idlest = leastLoaded(alive);
    if (idlest?.jobs === 0 || alive.length === this.#slots.length) return idlest;
    const started = new EngineWorker(this.#options);
    this.#slots[this.#slots.findIndex((worker) => worker?.isAlive !== true)] = started;
    return started;
  }

  #mappings(worker: EngineWorker, id: number, result: PlainResult): ResolvedMapping[] {
    if (!hasLayout(result)) return result.mappings.map(({ range }) => ({ range, reopen: null }));
    const layout: Layout = { worker, id };
    this.#dropped.register(layout, { worker, id });
    return result.mappings.map(({ range, isResolved }, index) => {
      const mapping: ResolvedMapping = { range, reopen: isResolved ? notHere : null };
      if (isResolved) this.#places.set(mapping, { layout, index });
      return mapping;
    });
  }

  #byLayout(mappings: readonly ResolvedMapping[]): Map<Layout, number[]> {
    const groups = new Map<Layout, number[]>();
    for (const mapping of mappings) {
      const place = this.#places.get(mapping);
      if (place === undefined) continue;
      const indices = groups.get(place.layout) ?? [];
      groups.set(place.layout, indices);
      indices.push(place.index);
    }
    return groups;
  }
}

/** Of those with room; null without any. */
function leastLoaded(workers: readonly EngineWorker[]): EngineWorker | null {
  return workers
    .filter(({ isFree }) => isFree)
    .reduce<EngineWorker | null>((best, worker) => (best === null || worker.load < best.load ? worker : best), null);
}

function notHere(): Promise<never> {
  return Promise.reject(new Error('the binary is open in another thread: ask symbolNames of the pool'));
}

/** What can be sent: all but the signal, in whose place goes a message. */
function jobOptions({ deadline, signal: _signal, affinity: _affinity, ...rest }: PoolResymOptions): JobOptions {
  return { ...rest, deadline: toThreadClock(deadline) };
}

/** Bytes with a buffer of their own. Large ones are copied in pieces, with turns of the event loop between. */
async function copyOf(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const copy = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += COPY_BYTES) {
    if (at > 0) await nextTurn();
    copy.set(bytes.subarray(at, at + COPY_BYTES), at);
  }
  return copy;
}

function unexpected({ message }: JobAnswer): Error {
  return new Error(`a thread answered ${message.kind} to something else`);
}
