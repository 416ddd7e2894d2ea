/** One thread with an engine, as the server's thread sees it: the jobs it holds, and what becomes of them. */
import { Worker } from 'node:worker_threads';
import { unpackError } from './thread-error.ts';
import type { EngineThreadData, FromThread, JobOptions, PlainResult, ToThread } from './thread-message.ts';

type Unnumbered<T> = T extends { id: number } ? Omit<T, 'id'> : never;
/** Something to do, without its number. */
export type Job = Unnumbered<Extract<ToThread, { options: JobOptions }>>;

export interface JobAnswer {
  /** The job's own: its layout is kept under it. */
  readonly id: number;
  readonly message: FromThread;
}

interface UnderWay {
  readonly size: number;
  /** null: nobody waits any more. */
  waiting: { readonly resolve: (answer: JobAnswer) => void; readonly reject: (error: Error) => void } | null;
}

/** What a job weighs besides its bytes: a small profile is work too. */
const JOB_BYTES = 64 * 1024;
/** One is worked on, the next is there when it is done. More would wait for nothing while that one opens a large binary. */
const MAX_JOBS = 2;
/** A profile of this size, compressed, keeps a thread busy for longer than it takes another to open most binaries. */
const LONG_JOB_BYTES = 1024 * 1024;

/** Of the heap, for what lives shortly. Half of what a process has: 45 MB less for two busy threads, at the same speed. */
const YOUNG_MB = 24;

export interface EngineWorkerOptions extends Omit<EngineThreadData, 'kind'> {
  /** Bound of the thread's heap, MB. */
  readonly maxHeapMb: number;
  /** What it runs: thread.ts. */
  readonly file: URL;
  /** Called when a job is done, or all are lost. */
  readonly onFree: () => void;
}

export class EngineWorker {
  readonly #worker: Worker;
  readonly #onFree: () => void;
  readonly #underWay = new Map<number, UnderWay>();
  #lastId = 0;
  #load = 0;
  /** Why it ended or is about to; null while it lives. */
  #end: Error | null = null;

  constructor({ archives, maxHeapMb, file, onFree }: EngineWorkerOptions) {
    this.#onFree = onFree;
    const workerData: EngineThreadData = { kind: 'engine', archives };
    this.#worker = new Worker(file, {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb, maxYoungGenerationSizeMb: YOUNG_MB },
      name: 'resym engine',
    });
    this.#worker.unref();
    this.#worker.on('message', (message: FromThread) => this.#answered(message));
    this.#worker.on('error', (error) => this.#ended(error));
    this.#worker.on('messageerror', (error) => void this.end(error));
    this.#worker.on('exit', (code) => this.#ended(new Error(`exit code ${code}`)));
  }

  get isAlive(): boolean {
    return this.#end === null;
  }

  /** Jobs it holds, also those nobody waits for. */
  get jobs(): number {
    return this.#underWay.size;
  }

  /** Bytes it holds, and some for each job. */
  get load(): number {
    return this.#load;
  }

  /** False when a job would wait for more than another small one. */
  get isFree(): boolean {
    return (
      this.isAlive && this.#underWay.size < MAX_JOBS && (this.#load <= LONG_JOB_BYTES || this.#underWay.size === 0)
    );
  }

  /**
   * Rejects with the error of the job, of the thread's end, or with the signal's reason at once.
   * @param transfer buffers that are given away
   */
  do(job: Job, transfer: readonly ArrayBuffer[], signal?: AbortSignal): Promise<JobAnswer> {
    if (this.#end !== null) return Promise.reject(this.#end);
    const id = ++this.#lastId;
    const size = JOB_BYTES + transfer.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        underWay.waiting = null;
        this.#post({ kind: 'cancel', id });
        reject(signal?.reason as Error);
      };
      const settled = (): void => signal?.removeEventListener('abort', leave);
      const underWay: UnderWay = {
        size,
        waiting: {
          resolve: (answer) => {
            settled();
            resolve(answer);
          },
          reject: (error) => {
            settled();
            reject(error);
          },
        },
      };
      this.#post({ ...job, id }, transfer);
      if (this.#underWay.size === 0) this.#worker.ref();
      this.#underWay.set(id, underWay);
      this.#load += size;
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  /** The names of this layout will not be asked for. */
  forget(layout: number): void {
    if (this.isAlive) this.#post({ kind: 'forget', layout });
  }

  /** Ends the thread; what it holds is rejected with `reason`. Resolves when it is gone. */
  async end(reason: Error): Promise<void> {
    this.#ended(reason);
    await this.#worker.terminate();
  }

  #post(message: ToThread, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #answered(message: FromThread): void {
    const { id } = message;
    const job = this.#underWay.get(id);
    if (job === undefined) return;
    this.#underWay.delete(id);
    this.#load -= job.size;
    if (this.#underWay.size === 0) this.#worker.unref();
    if (job.waiting === null) {
      if (message.kind === 'result' && hasLayout(message.result)) this.forget(id);
    } else if (message.kind === 'error') job.waiting.reject(unpackError(message.error));
    else job.waiting.resolve({ id, message });
    this.#onFree();
  }

  /** The first reason counts: an exit follows every error. */
  #ended(cause: Error): void {
    if (this.#end !== null) return;
    this.#end = cause;
    for (const { waiting } of this.#underWay.values())
      waiting?.reject(new Error(`the thread that worked on it has ended: ${cause.message}`, { cause }));
    this.#underWay.clear();
    this.#load = 0;
    this.#onFree();
  }
}

/** True when the thread keeps the way to binaries of a result. */
export function hasLayout({ mappings }: PlainResult): boolean {
  return mappings.some(({ isResolved }) => isResolved);
}
