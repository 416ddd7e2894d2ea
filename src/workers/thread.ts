/** What a batch thread runs: one engine a thread, warm over all its profiles. */
import { openEngine } from '../open-engine.ts';
import type { Engine, ResymOptions } from '../pipeline.ts';
import { type Entry, type Job, symbolizeFile } from './profile-file.ts';

export interface ThreadJob {
  readonly job: Job;
  /** null: no archive. */
  readonly storeDir: string | null;
  readonly how: ResymOptions;
}

let engine: Promise<Engine> | undefined;

export default async function run({ job, storeDir, how }: ThreadJob): Promise<Entry> {
  engine ??= openEngine(storeDir);
  return symbolizeFile(await engine, job, how);
}
