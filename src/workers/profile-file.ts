import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isParseError, isSystemError, messageOf } from '../errors.ts';
import type { Resymbolizer, ResymOptions, ResymResult } from '../pipeline.ts';
import type { ProfileReport } from '../rewrite/report.ts';

/** A profile to work on. */
export interface Job {
  readonly input: string;
  readonly output: string;
}

/** What became of it: an element of the report. */
export interface Entry extends Partial<ProfileReport> {
  readonly input: string;
  readonly output: string | null;
  readonly status: ResymResult['status'] | 'failed';
  readonly error: string | null;
}

/** Reads, symbolizes and writes one saved profile. A bad input is an entry with an error; only defects reject. */
export async function symbolizeFile(engine: Resymbolizer, job: Job, how: ResymOptions): Promise<Entry> {
  return attempt(job, async () => {
    const result = await engine.resymbolize(await readFile(job.input), how);
    await writeWhole(job.output, result.body);
    return result;
  });
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

/** Whole or not at all: the file appears under its name only when it is complete. */
export async function writeWhole(path: string, body: Uint8Array): Promise<void> {
  const part = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
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
