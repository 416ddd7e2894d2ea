import { type Entry, type Job, symbolizeFile } from './profile-file.ts';
import type { Resymbolizer } from '../pipeline.ts';
import type { ThreadsOptions } from './batch-threads.ts';

export interface BatchOptions extends ThreadsOptions {
  readonly threads: number;
}

/** A thread takes 60 ms to start and to read the archive's catalog: fewer profiles than this are done without. */
const WORTH_A_THREAD = 8;

/** Works on saved profiles on several threads; entries come back in the order of `jobs`. */
export async function symbolizeAll(
  jobs: readonly Job[],
  engine: () => Promise<Resymbolizer>,
  { threads, archives, how, onDone }: BatchOptions,
): Promise<Entry[]> {
  const useful = Math.min(threads, Math.floor(jobs.length / WORTH_A_THREAD));
  if (useful < 2) {
    const own = await engine();
    const entries: Entry[] = [];
    const left = jobs.entries();
    const work = async (): Promise<void> => {
      for (const [i, job] of left) {
        entries[i] = await symbolizeFile(own, job, how);
        onDone(entries[i]);
      }
    };
    // One reads or writes while the other computes.
    await Promise.all([work(), work()]);
    return entries;
  }
  const { onThreads } = await import('./batch-threads.ts');
  return onThreads(jobs, useful, { archives, how, onDone });
}
