/**
 * The engine on several threads, so that the server's own is free to serve.
 *
 *     resymbolize(body) ─► copy of the body ─► the thread whose tables are warm, or the idlest ─► result, moved back
 *
 * - A body is copied once, since the server needs the original should the answer be late or the thread die. What comes back is
 *   moved; a body that nothing changed is not sent back, the caller gets its own again.
 * - Jobs of one affinity go to a thread that has answered such a job, unless all of those are busy: then the idlest learns it too.
 *   Until the first answer they all go to one thread: it is reading the binary, and no other is to read it as well.
 * - Ways to binaries stay in the thread that proved them, for as long as the mappings of the result are held here.
 * - A thread that dies fails the jobs it holds. Another takes its place with the next job.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { ResolvedMapping, ResymOptions, Resymbolizer, ResymResult } from '../pipeline.ts';
import { EngineWorker, type EngineWorkerOptions, hasLayout, type Job, type JobAnswer } from './engine-worker.ts';
import { type JobOptions, type PlainResult, toThreadClock } from './thread-message.ts';

export interface EnginePoolOptions {
  /** At least 1. */
  readonly threads: number;
  /** null: no archive. */
  readonly storeDir: string | null;
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

/** By its room: what is built of this file lies in another. */
const OWN_FILE = new URL(`../workers/thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** What Node gives a process of its own; a thread that needs more is ended, not the server. */
const MAX_HEAP_MB = 2048;
/** Copied in one go: 1 ms, with memory that is touched for the first time. */
const COPY_BYTES = 2 * 1024 * 1024;
/** Affinities remembered: targets of one server. */
const MAX_HOMES = 4096;
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
  #isClosed = false;

  constructor({ threads, storeDir, maxHeapMb = MAX_HEAP_MB, file = OWN_FILE }: EnginePoolOptions) {
    this.#options = { storeDir, maxHeapMb, file };
    this.#slots = Array.from({ length: threads }, () => null);
  }

  /** Starts one thread ahead of the first job; the others start when it is busy. */
  warmUp(): void {
    this.#idlest();
  }

  async resymbolize(body: Uint8Array, options: PoolResymOptions = {}): Promise<ResymResult> {
    const { affinity, signal } = options;
    signal?.throwIfAborted();
    const copy = await copyOf(body);
    signal?.throwIfAborted();
    const worker = this.#workerFor(affinity);
    const job: Job = { kind: 'resymbolize', body: copy, options: jobOptions(options) };
    const answer = await worker.do(job, [copy.buffer], signal);
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
    await Promise.all(this.#slots.filter((worker) => worker !== null).map((worker) => worker.end(reason)));
  }

  /** The threads' jobs, for tests and metrics; 0 for one not started. */
  get jobs(): number[] {
    return this.#slots.map((worker) => worker?.jobs ?? 0);
  }

  #workerFor(affinity: string | undefined): EngineWorker {
    if (affinity === undefined) return this.#idlest();
    const home = this.#homes.get(affinity) ?? { workers: [], openingUntil: -Infinity };
    this.#homes.set(affinity, home);
    home.workers = home.workers.filter(({ isAlive }) => isAlive);
    if (home.workers.length === 0) {
      const first = this.#idlest();
      home.workers = [first];
      home.openingUntil = performance.now() + OPENING_MS;
      return first;
    }
    const warm = home.workers.reduce((best, worker) => (worker.load < best.load ? worker : best));
    if (!warm.isBusy || performance.now() < home.openingUntil) return warm;
    const idlest = this.#idlest();
    if (idlest.load >= warm.load) return warm;
    if (!home.workers.includes(idlest)) home.workers.push(idlest);
    return idlest;
  }

  /** An answer in time was not cut short by a binary being read. */
  #hasOpened(affinity: string, worker: EngineWorker): void {
    const home = this.#homes.peek(affinity);
    if (home?.workers.includes(worker) === true) home.openingUntil = -Infinity;
  }

  /** A new thread only when all that run have something to do. */
  #idlest(): EngineWorker {
    if (this.#isClosed) throw new Error('the pool is closed');
    let idlest: EngineWorker | null = null;
    let vacant = -1;
    for (const [i, worker] of this.#slots.entries()) {
      if (worker?.isAlive !== true) vacant = vacant === -1 ? i : vacant;
      else if (idlest === null || worker.load < idlest.load) idlest = worker;
    }
    if (vacant === -1 || idlest?.jobs === 0) return idlest!;
    const started = new EngineWorker(this.#options);
    this.#slots[vacant] = started;
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
