/** What an earlier run has done already: outputs that are there, and not older than their inputs. */
import { stat } from 'node:fs/promises';
import { isBucketPlace } from '../bucket/location.ts';
import { listObjects } from '../bucket/object-files.ts';
import type { Job } from '../workers/profile-file.ts';

/** S3 keeps whole seconds. */
const GRAIN_MS = 1000;

/** For each job, whether its output is there. Rejects with BucketError. @param output the directory or the bucket they go to */
export async function areDone(jobs: readonly Job[], output: string): Promise<boolean[]> {
  if (isBucketPlace(output)) {
    const bucket = output.split('/').slice(0, 3).join('/');
    const listed = await listObjects(`${output.replace(/\/+$/, '')}/`);
    const written = new Map(listed.map(({ name, modifiedMs }) => [`${bucket}/${name}`, modifiedMs]));
    return Promise.all(
      jobs.map(async (job) => (written.get(job.output) ?? -Infinity) + GRAIN_MS > (await inputAt(job))),
    );
  }
  return Promise.all(
    jobs.map(async (job) => {
      const written = await stat(job.output).catch(() => null);
      return written !== null && written.mtimeMs >= (await inputAt(job));
    }),
  );
}

/** When the input was written, ms since 1970; never, when it is not there: then a run says so. */
async function inputAt({ input, modifiedMs }: Job): Promise<number> {
  return modifiedMs ?? (await stat(input).catch(() => null))?.mtimeMs ?? Infinity;
}
