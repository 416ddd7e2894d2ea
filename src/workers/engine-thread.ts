/** What an engine's thread runs: one engine over the archive, warm over all that it is given. */
import type { MessagePort, Transferable } from 'node:worker_threads';
import { openEngine } from '../open-engine.ts';
import type { Engine, ResolvedMapping, ResymOptions } from '../pipeline.ts';
import { giveWay } from './priority.ts';
import { packError } from './thread-error.ts';
import {
  type EngineThreadData,
  type FromThread,
  fromThreadClock,
  type JobOptions,
  type PlainResult,
  type ToThread,
} from './thread-message.ts';

/**
 * So nice is the thread to the server's own: where all processors are busy, that one waits 7 ms for its turn instead of 10 (p99), at the
 * same number of profiles a second.
 */
const NICENESS = 4;

/** Serves the port until the thread is ended. */
export function serveEngine(port: MessagePort, { archives }: EngineThreadData): void {
  giveWay(NICENESS);
  const thread = new EngineThread(port, archives);
  port.on('message', (message: ToThread) => thread.take(message));
}

class EngineThread {
  readonly #port: MessagePort;
  readonly #archives: readonly string[];
  /** By job. */
  readonly #underWay = new Map<number, AbortController>();
  /** By the job that resolved them. */
  readonly #layouts = new Map<number, readonly ResolvedMapping[]>();
  #engine: Promise<Engine> | null = null;

  constructor(port: MessagePort, archives: readonly string[]) {
    this.#port = port;
    this.#archives = archives;
    this.#opened().catch(() => undefined); // whoever needs it first is told
  }

  take(message: ToThread): void {
    if (message.kind === 'cancel') this.#underWay.get(message.id)?.abort(new Error('nobody wants the answer any more'));
    else if (message.kind === 'forget') this.#layouts.delete(message.layout);
    else void this.#answer(message);
  }

  /** The engine; tried again by the next one when the archive could not be opened. */
  #opened(): Promise<Engine> {
    this.#engine ??= openEngine(this.#archives).catch((error: unknown) => {
      this.#engine = null;
      throw error;
    });
    return this.#engine;
  }

  async #answer(job: Extract<ToThread, { id: number; options: JobOptions }>): Promise<void> {
    const { id } = job;
    const cancelled = new AbortController();
    this.#underWay.set(id, cancelled);
    const { deadline: at, ...rest } = job.options;
    const deadline = fromThreadClock(at);
    const options = { ...rest, signal: cancelled.signal, ...(deadline !== undefined && { deadline }) };
    try {
      if (job.kind === 'names') {
        const names = await this.#names(job, options);
        this.#post({ kind: 'names', id, names });
      } else {
        const result = await this.#resymbolize(job, options);
        this.#post({ kind: 'result', id, result }, result.body === null ? [] : [result.body.buffer as ArrayBuffer]);
      }
    } catch (error) {
      this.#post({ kind: 'error', id, error: packError(error) });
    } finally {
      this.#underWay.delete(id);
    }
  }

  async #resymbolize(
    { id, body }: Extract<ToThread, { kind: 'resymbolize' }>,
    options: ResymOptions,
  ): Promise<PlainResult> {
    const engine = await this.#opened();
    const { mappings, body: out, ...result } = await engine.resymbolize(body, options);
    if (mappings.some(({ reopen }) => reopen !== null)) this.#layouts.set(id, mappings);
    return {
      ...result,
      body: out === body ? null : movable(out),
      mappings: mappings.map(({ range, reopen }) => ({ range, isResolved: reopen !== null })),
    };
  }

  async #names(
    { layout, mappings, addresses }: Extract<ToThread, { kind: 'names' }>,
    options: ResymOptions,
  ): Promise<(string | null)[]> {
    const kept = this.#layouts.get(layout) ?? [];
    const asked = mappings.flatMap((index) => kept[index] ?? []);
    return (await this.#opened()).symbolNames(asked, addresses, options);
  }

  #post(message: FromThread, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}

/** Bytes whose whole buffer may be given away. Small Buffers are parts of a pool that belongs to everybody. */
function movable(bytes: Uint8Array): Uint8Array {
  const isOwn = bytes.buffer instanceof ArrayBuffer && bytes.length >= Buffer.poolSize;
  return isOwn ? bytes : new Uint8Array(bytes);
}
