import { Tinypool } from 'tinypool';
import { type Entry, type Job, symbolizeFile } from './profile-file.ts';
import type { Resymbolizer, ResymOptions } from '../pipeline.ts';
import type { ThreadJob } from './thread.ts';

export interface BatchOptions {
  readonly threads: number;
  readonly storeDir: string | null;
  readonly how: ResymOptions;
  /** Called as each profile is done, in any order. */
  readonly onDone: (entry: Entry) => void;
}

/** A thread takes 60 ms to start and to read the archive's catalog: fewer profiles than this are done without. */
const WORTH_A_THREAD = 8;

/** Works on saved profiles on several threads; entries come back in the order of `jobs`. */
export async function symbolizeAll(
  jobs: readonly Job[],
  engine: () => Promise<Resymbolizer>,
  { threads, storeDir, how, onDone }: BatchOptions,
): Promise<Entry[]> {
  const useful = Math.min(threads, Math.floor(jobs.length / WORTH_A_THREAD));
  if (useful < 2) {
    const own = await engine();
    const entries: Entry[] = [];
    for (const job of jobs) {
      const entry = await symbolizeFile(own, job, how);
      onDone(entry);
      entries.push(entry);
    }
    return entries;
  }
  const pool = new Tinypool({
    // By its room: what is built of this file lies in another.
    filename: new URL(`../workers/thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url).href,
    minThreads: useful,
    maxThreads: useful,
    concurrentTasksPerWorker: 2, // one reads or writes while the other computes
  });
  try {
    const run = async (job: Job): Promise<Entry> => {
      const entry = (await pool.run({ job, storeDir, how } satisfies ThreadJob)) as Entry;
      onDone(entry);
      return entry;
    };
    return await Promise.all(jobs.map(run));
  } finally {
    await pool.destroy();
  }
}
