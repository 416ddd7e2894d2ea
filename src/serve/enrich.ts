import { FormatError, LimitError, messageOf } from '../errors.ts';
import type { OutputOptions, Resymbolizer, ResymResult } from '../pipeline.ts';
import type { PoolResymOptions } from '../workers/engine-pool.ts';

/** What became of a body given to the engine. Only `done` changes it. */
export type Outcome =
  | { readonly kind: 'done'; readonly result: ResymResult }
  /** The engine did not come back in time; its work goes on for the next one who asks. */
  | { readonly kind: 'late' }
  /** No profile, or one beyond the limits; FormatError or LimitError. */
  | { readonly kind: 'refused'; readonly error: FormatError | LimitError }
  /** A defect of ours. */
  | { readonly kind: 'failed'; readonly error: unknown };

export interface EnrichOptions {
  /** Until the engine is to give what it has, ms. */
  readonly budgetMs: number;
  /** Rejects the wait with its reason: nobody wants the answer any more. */
  readonly signal: AbortSignal;
  readonly pinned?: readonly string[];
  /** As of workers/engine-pool.ts: the target's name. */
  readonly affinity?: string;
  readonly output?: OutputOptions;
  /** The report is asked for: with weights. */
  readonly weigh?: boolean;
  /** Called with every result, also with one that comes too late. */
  readonly onResult?: (result: ResymResult) => void;
}

/**
 * Past the deadline the engine still has to splice and compress what it found, 0.3 s for the largest profiles. Parca waits 3 s
 * in all.
 */
export const GRACE_MS = 500;

/** Runs the engine on a body, within the budget. Rejects only with the signal's reason. */
export async function enrich(engine: Resymbolizer, body: Uint8Array, options: EnrichOptions): Promise<Outcome> {
  const { budgetMs, signal, pinned = [], affinity, output = {}, weigh = false, onResult } = options;
  signal.throwIfAborted();
  const deadline = performance.now() + budgetMs;
  const how: PoolResymOptions = {
    deadline,
    signal,
    pinned,
    weigh,
    ...output,
    ...(affinity !== undefined && { affinity }),
  };
  const work = run(engine, body, how, onResult);
  let stop: () => void = () => undefined;
  const interrupted = new Promise<Outcome>((resolve, reject) => {
    const timer = setTimeout(() => resolve({ kind: 'late' }), budgetMs + GRACE_MS);
    const leave = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', leave, { once: true });
    stop = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
    };
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    stop();
  }
}

/** Never rejects: it may outlive the one who waits for it. */
async function run(
  engine: Resymbolizer,
  body: Uint8Array,
  options: Parameters<Resymbolizer['resymbolize']>[1],
  onResult: EnrichOptions['onResult'],
): Promise<Outcome> {
  try {
    const result = await engine.resymbolize(body, options);
    onResult?.(result);
    return { kind: 'done', result };
  } catch (error) {
    if (error instanceof FormatError || error instanceof LimitError) return { kind: 'refused', error };
    return { kind: 'failed', error };
  }
}

export interface Status {
  readonly status: ResymResult['status'];
  /** One sentence; "" when there is nothing to say. */
  readonly reason: string;
}

/** What is said of an outcome in the Resym-Status header. */
export function statusOf(outcome: Outcome, budgetMs: number): Status {
  switch (outcome.kind) {
    case 'done': {
      const { status, reason, report } = outcome.result;
      if (reason !== '') return { status, reason };
      if (status === 'unchanged') return { status, reason: 'nothing was left to name' };
      return { status, reason: `${report.locations.namedAfter} of ${report.locations.total} locations named` };
    }
    case 'late':
      return { status: 'unchanged', reason: `budget: symbols were not ready within ${budgetMs / 1000} s, ask again` };
    case 'refused':
      return { status: 'unchanged', reason: `not read as a profile: ${messageOf(outcome.error)}` };
    case 'failed':
      return { status: 'unchanged', reason: 'resym failed at this profile; its log says how' };
  }
}
