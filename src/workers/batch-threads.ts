import { Tinypool } from 'tinypool';
import type { ResymOptions } from '../pipeline.ts';
import type { Entry, Job } from './profile-file.ts';
import { THREAD_FILE } from './thread-file.ts';
import type { ThreadJob } from './thread.ts';

export interface ThreadsOptions {
  readonly archives: readonly string[];
  readonly how: ResymOptions;
  /** Called as each profile is done, in any order. */
  readonly onDone: (entry: Entry) => void;
}

/** Saved profiles on several threads; entries come back in the order of `jobs`. */
export async function onThreads(
  jobs: readonly Job[],
  threads: number,
  { archives, how, onDone }: ThreadsOptions,
): Promise<Entry[]> {
  const pool = new Tinypool({
    filename: THREAD_FILE.href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 2, // one reads or writes while the other computes
  });
  try {
    const run = async (job: Job): Promise<Entry> => {
      const entry = (await pool.run({ job, archives, how } satisfies ThreadJob)) as Entry;
      onDone(entry);
      return entry;
    };
    return await Promise.all(jobs.map(run));
  } finally {
    await pool.destroy();
  }
}
