/** What resym's threads run: a server's engine (engine-thread.ts), the archive's keeper (archive-thread.ts), the making of an index (index-thread.ts) or of a share of one (index-share.ts), gc (gc-thread.ts), or the jobs of a batch, one engine a thread, warm over all its profiles. */
import { parentPort, workerData } from 'node:worker_threads';
import { openEngine } from '../open-engine.ts';
import { type ArchiveThreadData, serveArchive } from './archive-thread.ts';
import type { BucketThreadData } from './bucket-host.ts';
import type { Engine, ResymOptions } from '../pipeline.ts';
import { serveEngine } from './engine-thread.ts';
import { collectOnce, type GcThreadData } from './gc-thread.ts';
import { type Entry, type Job, symbolizeFile } from './profile-file.ts';
import { collectShare, type IndexShareData } from './index-share.ts';
import { type IndexThreadData, makeIndexes } from './index-thread.ts';
import type { EngineThreadData } from './thread-message.ts';

export interface ThreadJob {
  readonly job: Job;
  /** null: no archive. */
  readonly archives: readonly string[];
  readonly how: ResymOptions;
}

let engine: Promise<Engine> | undefined;

/** A job of a batch, as tinypool calls it. */
export default async function run({ job, archives, how }: ThreadJob): Promise<Entry> {
  engine ??= openEngine(archives);
  return symbolizeFile(await engine, job, how);
}

// tinypool's own data is a list.
const data = workerData as Partial<
  EngineThreadData | IndexThreadData | IndexShareData | ArchiveThreadData | GcThreadData | BucketThreadData
> | null;
if (parentPort !== null && data?.kind === 'engine') serveEngine(parentPort, data as EngineThreadData);
if (parentPort !== null && data?.kind === 'index') await makeIndexes(parentPort, data as IndexThreadData);
if (parentPort !== null && data?.kind === 'archive') serveArchive(parentPort, data as ArchiveThreadData);
if (parentPort !== null && data?.kind === 'index-share') await collectShare(parentPort, data as IndexShareData);
if (parentPort !== null && data?.kind === 'gc') await collectOnce(parentPort, data as GcThreadData);
if (parentPort !== null && data?.kind === 'bucket') (await import('./bucket-thread.ts')).serveBuckets(parentPort);
