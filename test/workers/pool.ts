/** A pool over the sources, its threads in sight; ended with the test. */
import type { TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { EnginePool, type EnginePoolOptions } from '../../src/workers/engine-pool.ts';

const FILE = new URL('thread.mjs', import.meta.url);

export interface Watched {
  readonly pool: EnginePool;
  /** Every thread it ever started, in order. */
  readonly threads: readonly Worker[];
}

export function startPool(t: Pick<TestContext, 'after'>, options: Partial<EnginePoolOptions> = {}): Watched {
  const threads: Worker[] = [];
  const seen = (worker: Worker): void => {
    threads.push(worker);
  };
  process.on('worker', seen);
  const pool = new EnginePool({ threads: 2, archives: [], file: FILE, ...options });
  t.after(async () => {
    process.off('worker', seen);
    await pool.close();
  });
  return { pool, threads };
}

/** Resolves when `holds`; the jobs of a pool are counted a moment after they are given. */
export async function soon(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 5000; !holds(); await new Promise((resolve) => setImmediate(resolve)))
    if (Date.now() > end) throw new Error('not within 5 s');
}
