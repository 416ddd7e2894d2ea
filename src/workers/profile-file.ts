import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isBucketPlace } from '../bucket/location.ts';
import { incomingName, isAbandoned } from '../store/incoming.ts';
import { isParseError, isSystemError, messageOf } from '../errors.ts';
import type { Resymbolizer, ResymOptions, ResymResult } from '../pipeline.ts';
import type { ProfileReport } from '../rewrite/report.ts';

/** A profile to work on. */
export interface Job {
  /** A path, or `s3://bucket/name`. */
  readonly input: string;
  /** The same; may be the input. */
  readonly output: string;
  /** When the input was written, ms since 1970, where that is known already. */
  readonly modifiedMs?: number | undefined;
}

/** What became of it: an element of the report. */
export interface Entry extends Partial<ProfileReport> {
  readonly input: string;
  readonly output: string | null;
  /** `skipped`: an earlier run has done it. */
  readonly status: ResymResult['status'] | 'failed' | 'skipped';
  readonly error: string | null;
}

/** Reads, symbolizes and writes one saved profile. A bad input is an entry with an error; only defects reject. */
export async function symbolizeFile(engine: Resymbolizer, job: Job, how: ResymOptions): Promise<Entry> {
  return attempt(job, async () => {
    const result = await engine.resymbolize(await readProfile(job.input), how);
    const isInPlace = job.output === job.input;
    if (!isInPlace || result.status !== 'unchanged') await writeWhole(job.output, result.body);
    return result;
  });
}

/** Rejects with the system's error or BucketError. */
export async function readProfile(place: string): Promise<Uint8Array> {
  return isBucketPlace(place) ? (await import('../bucket/object-files.ts')).readObject(place) : readFile(place);
}

/** The entry for what `work` gives or fails with. */
export async function attempt({ input, output }: Job, work: () => Promise<ResymResult>): Promise<Entry> {
  try {
    const { status, report } = await work();
    return { input, output, status, error: null, ...report };
  } catch (error) {
    if (!isParseError(error) && !isSystemError(error)) throw error;
    return { input, output: null, status: 'failed', error: messageOf(error) };
  }
}

/** File names have 255 bytes, and the mark of a process takes 70. */
const MAX_NAME = 100;
const PART = '.part';

/** True for what a process left that was killed while it wrote. */
export function isAbandonedPart(name: string): boolean {
  const at = name.search(/\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[^/]*\.part$/);
  return name.startsWith('.') && at > 0 && isAbandoned(name.slice(at + 1, -PART.length));
}

/** Whole or not at all: the file appears under its name only when it is complete. */
export async function writeWhole(path: string, body: Uint8Array): Promise<void> {
  if (isBucketPlace(path)) return (await import('../bucket/object-files.ts')).writeObject(path, body);
  const part = join(dirname(path), `.${basename(path).slice(-MAX_NAME)}.${incomingName()}${PART}`);
  try {
    await writeFile(part, body).catch(async (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await mkdir(dirname(path), { recursive: true });
      await writeFile(part, body);
    });
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
