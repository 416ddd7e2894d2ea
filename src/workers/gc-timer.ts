import { Worker } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import type { GcRules } from '../store/gc.ts';
import { type GcDone, type GcThreadData, NOTHING_DONE } from './gc-thread.ts';
import { THREAD_FILE } from './thread-file.ts';

export interface GcTimerOptions {
  readonly archives: readonly string[];
  readonly rules: GcRules;
  readonly everyMs: number;
  readonly onDone: (done: GcDone) => void;
  /** What the thread runs, instead of thread.ts; for tests. */
  readonly file?: URL;
}

/** Servers that are restarted often must get to it, too. */
const FIRST_WITHIN_MS = 3600_000;
/** Of the interval, either way: replicas that were started together do not stay together. */
const JITTER = 0.25;

/** Collects the archive's garbage now and then, in a thread of its own. Of many replicas each does; it is the same then as one that does. */
export class GcTimer {
  readonly #options: GcTimerOptions;
  #timer: NodeJS.Timeout | null = null;
  #worker: Worker | null = null;
  #isClosed = false;

  constructor(options: GcTimerOptions) {
    this.#options = options;
    this.#wait(Math.random() * Math.min(FIRST_WITHIN_MS, options.everyMs));
  }

  #wait(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.#run(), ms);
    this.#timer.unref();
  }

  #run(): void {
    const { archives, rules, everyMs, onDone, file = THREAD_FILE } = this.#options;
    const workerData: GcThreadData = { kind: 'gc', archives, rules };
    const worker = new Worker(file, { workerData, name: 'resym gc' });
    worker.unref();
    this.#worker = worker;
    worker.on('message', onDone);
    worker.on('error', (error) => onDone({ ...NOTHING_DONE, problem: messageOf(error) }));
    worker.on('exit', () => {
      this.#worker = null;
      this.#wait(everyMs * (1 - JITTER + 2 * JITTER * Math.random()));
    });
  }

  /** Ends what is under way: what was removed until then was removed whole. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#worker?.terminate();
  }
}
