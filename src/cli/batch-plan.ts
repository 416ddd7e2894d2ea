/** Which profiles a run is about, and where each goes. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isBucketPlace } from '../bucket/location.ts';
import type { Job } from '../workers/profile-file.ts';
import type { Found } from './saved-profiles.ts';
import { UsageError } from './usage.ts';

export interface PlanOptions {
  /** A file or a directory, `-` for stdout, `s3://bucket/prefix/`. */
  readonly output?: string | undefined;
  /** Each profile takes its own place. */
  readonly inPlace?: boolean;
  readonly shard?: Shard | null;
}

/** One part of several: those that are worked on by one machine. */
export interface Shard {
  /** From 0 on. */
  readonly index: number;
  readonly count: number;
}

export interface Plan {
  readonly jobs: readonly Job[];
  /** Outputs lie in a directory or a bucket, by the names of the inputs: what is there is done. */
  readonly isMirrored: boolean;
}

/** Throws UsageError when inputs and outputs cannot be paired. */
export async function planBatch(inputs: readonly string[], options: PlanOptions): Promise<Plan> {
  const { output, inPlace = false, shard = null } = options;
  if (inPlace && output !== undefined) throw new UsageError('give -o or --in-place, not both');
  const found: Found[] = [];
  for (const input of inputs) found.push(...(await expand(input)));
  if (inPlace) {
    const pipe = found.find(({ input }) => input === '-');
    if (pipe !== undefined) throw new UsageError('stdin has no place to be written to; give -o');
    return { jobs: ofShard(found, shard).map((one) => ({ ...one, output: one.input })), isMirrored: false };
  }
  if (found.length > 1 && (output === undefined || output === '-')) {
    throw new UsageError(`${found.length} profiles need a directory to go to: -o DIR/, or --in-place`);
  }
  const isMirrored =
    output !== undefined &&
    output !== '-' &&
    (found.length > 1 || shard !== null || (await looksLikeDirectory(output)));
  if (!isMirrored) {
    const target = output ?? '-';
    if (output === undefined && process.stdout.isTTY) {
      throw new UsageError('the profile would go to the terminal; give -o FILE, or -o - to insist');
    }
    return { jobs: [{ input: found[0].input, output: target }], isMirrored };
  }
  return { jobs: ofShard(paired(found, output), shard), isMirrored };
}

/** Throws UsageError when two profiles would be written to one place. */
export function paired(found: readonly Found[], output: string): (Job & { readonly name: string })[] {
  const jobs = found.map((one) => ({ ...one, output: below(output, one.name) }));
  const taken = new Map<string, string>();
  for (const job of jobs) {
    const other = taken.get(job.output);
    if (other !== undefined) throw new UsageError(`${other} and ${job.input} would both be written to ${job.output}`);
    taken.set(job.output, job.input);
  }
  return jobs;
}

function below(output: string, name: string): string {
  return isBucketPlace(output) ? `${output.replace(/\/+$/, '')}/${name}` : join(output, name);
}

/** By the names, so that it is the same part on every machine, whatever else is there. */
function ofShard<Each extends { readonly name: string }>(all: readonly Each[], shard: Shard | null): Each[] {
  if (shard === null) return [...all];
  return all.filter(
    ({ name }) => createHash('sha256').update(name).digest().readUInt32BE(0) % shard.count === shard.index,
  );
}

/**
 * `I/N`, or `N` where Kubernetes says which one this is (JOB_COMPLETION_INDEX of an indexed job). Throws UsageError.
 */
export function parseShard(text: string | undefined, env: NodeJS.ProcessEnv): Shard | null {
  if (text === undefined) return null;
  const match = /^(?:(\d{1,6})\/)?(\d{1,6})$/.exec(text);
  const index = Number(match?.[1] ?? (env['JOB_COMPLETION_INDEX'] || NaN));
  const count = Number(match?.[2]);
  if (match === null || !Number.isInteger(index) || count < 1 || index < 0 || index >= count) {
    const known =
      env['JOB_COMPLETION_INDEX'] === undefined ? '' : `, JOB_COMPLETION_INDEX is ${env['JOB_COMPLETION_INDEX']}`;
    throw new UsageError(
      `--shard wants I/N with I from 0 to N-1, or N in an indexed Kubernetes job, not ${text}${known}`,
    );
  }
  return { index, count };
}

/** A file, what a directory or a bucket holds, or what a glob matches. */
async function expand(input: string): Promise<Found[]> {
  if (input === '-') return [{ input, name: 'stdin.pb.gz' }];
  if (isBucketPlace(input)) {
    const { profilesInBucket } = await import('./bucket-profiles.ts');
    return profilesInBucket(input);
  }
  const info = await stat(input).catch(() => null);
  if (info !== null && !info.isDirectory()) return [{ input, name: basename(input) }];
  const { savedProfiles } = await import('./saved-profiles.ts');
  return savedProfiles(input, info !== null);
}

async function looksLikeDirectory(path: string): Promise<boolean> {
  return path.endsWith('/') || ((await stat(path).catch(() => null))?.isDirectory() ?? false);
}
