import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { isBucketPlace } from '../bucket/location.ts';
import { type BatchOptions, symbolizeAll } from '../workers/batch.ts';
import { attempt, type Entry, isAbandonedPart, type Job, readProfile, writeWhole } from '../workers/profile-file.ts';
import { ConfigError, saidOutput } from '../flags.ts';
import { openEngine } from '../open-engine.ts';
import type { OutputOptions, Resymbolizer, ResymOptions } from '../pipeline.ts';
import { binaryFile } from '../store/local.ts';
import { existingArchives, hostBucket } from './archive.ts';
import { paired, parseShard, planBatch } from './batch-plan.ts';
import { summarize, summaryText } from './batch-summary.ts';
import { areDone } from './done.ts';
import { printable } from './fields.ts';
import { Progress } from './progress.ts';
import { readStdin } from './stdin.ts';
import { asking, fetchedFor, type Upstream, upstreamFor } from './upstream.ts';
import { UsageError } from './usage.ts';
import { arrivals } from './watch.ts';

export interface SymbolizeOptions {
  readonly output?: string;
  readonly binary?: readonly string[];
  readonly store?: string;
  readonly jobs?: string;
  readonly report?: string;
  readonly inPlace?: true;
  readonly force?: true;
  readonly shard?: string;
  readonly watch?: string;
  readonly repair?: true;
  readonly debuginfod?: readonly string[];
  /** False when said so. */
  readonly identity?: boolean;
  readonly docUrl?: string;
  readonly sourceMap?: readonly string[];
}

export async function symbolize(inputs: readonly string[], options: SymbolizeOptions): Promise<void> {
  for (const place of [...inputs, options.output ?? '']) if (isBucketPlace(place)) hostBucket(place);
  const threads = parseJobs(options.jobs);
  const pinned = options.binary ?? [];
  for (const path of pinned) {
    if (!(await isBinary(path))) throw new UsageError(`--binary ${path}: no such file`);
  }
  if (options.watch !== undefined) return watch(inputs, options, threads);
  if (inputs.length === 0) throw new UsageError('give profiles: files, directories or globs; - is stdin');
  const { jobs, isMirrored } = await planBatch(inputs, {
    output: options.output,
    inPlace: options.inPlace ?? false,
    shard: parseShard(options.shard, process.env),
  });
  const done = isMirrored && options.force !== true ? await areDone(jobs, options.output ?? '') : [];
  const todo = jobs.filter((_, i) => done[i] !== true);
  if (jobs.length > 1) await sweepParts(todo);
  const run = await Run.open(options, threads);
  const isBatch = jobs.length > 1;
  const progress =
    isBatch && todo.length > 0 && process.stderr.isTTY ? new Progress(todo.length, process.stderr) : null;
  const worked = await run.symbolize(todo, (entry) => {
    progress?.clear();
    if (progress === null || entry.status === 'failed') say(entry, jobs.length);
    progress?.took(entry);
  });
  if (progress !== null) process.stderr.write('\n');
  await run.close();
  const left = worked.values();
  const entries = jobs.map((job, i) => (done[i] === true ? skipped(job) : left.next().value!));
  if (entries.some((entry) => entry.status === 'failed')) process.exitCode = 1;
  if (isBatch) process.stderr.write(`\n${summaryText(entries)}`);
  if (options.report !== undefined) await writeReport(options.report, entries, isBatch);
}

function skipped({ input, output }: Job): Entry {
  return { input, output, status: 'skipped', error: null };
}

/** What runs of a batch have in common: the archives, the engines that are told how. */
class Run {
  readonly #options: Omit<BatchOptions, 'onDone'>;
  readonly #upstream: Upstream | null;

  private constructor(options: Omit<BatchOptions, 'onDone'>, upstream: Upstream | null) {
    this.#options = options;
    this.#upstream = upstream;
  }

  static async open(options: SymbolizeOptions, threads: number): Promise<Run> {
    const upstream = await upstreamFor(options.debuginfod);
    const archives = [...existingArchives(options.store), ...(upstream === null ? [] : [upstream.cache])];
    const how: ResymOptions = {
      ...outputOptions(options),
      pinned: options.binary ?? [],
      repair: options.repair ?? false,
      weigh: options.report !== undefined,
    };
    return new Run({ threads, archives, how }, upstream);
  }

  async symbolize(jobs: readonly Job[], onDone: (entry: Entry) => void): Promise<Entry[]> {
    const { archives, how } = this.#options;
    if (jobs.length === 0) return [];
    return jobs.some(({ input, output }) => input === '-' || output === '-')
      ? throughPipes(jobs, await asking(await openEngine(archives), this.#upstream), how, onDone)
      : inPasses(jobs, { ...this.#options, onDone }, this.#upstream);
  }

  async close(): Promise<void> {
    await this.#upstream?.close();
  }
}

/** Until the process is told to stop; what is under way then is finished. */
async function watch(inputs: readonly string[], options: SymbolizeOptions, threads: number): Promise<void> {
  const { watch: spool = '', output } = options;
  if (inputs.length > 0) throw new UsageError('--watch DIR is the only input');
  if (output === undefined || output === '-')
    throw new UsageError('--watch needs a directory for what is done: -o DIR');
  if (!(await stat(spool).catch(() => null))?.isDirectory())
    throw new UsageError(`--watch ${spool}: no such directory`);
  const { savedProfiles } = await import('./saved-profiles.ts');
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort());
  const run = await Run.open(options, threads);
  process.stderr.write(`watching ${printable(spool)}\n`);
  for await (const found of arrivals(() => savedProfiles(spool, true, true), stopped.signal)) {
    const jobs = paired(found, output);
    const done = options.force === true ? [] : await areDone(jobs, output);
    await run.symbolize(
      jobs.filter((_, i) => done[i] !== true),
      (entry) => say(entry, 2),
    );
  }
  await run.close();
}

/** What an earlier run, that was killed, has left beside the outputs of this one. */
async function sweepParts(jobs: readonly Job[]): Promise<void> {
  const folders = new Set(jobs.filter(({ output }) => !isBucketPlace(output)).map(({ output }) => dirname(output)));
  for (const folder of folders) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (isAbandonedPart(name)) await rm(join(folder, name), { force: true });
    }
  }
}

/** Throws UsageError. */
function outputOptions(options: SymbolizeOptions): OutputOptions {
  try {
    return { identity: true, ...saidOutput(options, process.env) };
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(error.message) : error;
  }
}

/** A file, or a dSYM bundle with a file in it. */
async function isBinary(path: string): Promise<boolean> {
  return (await stat(binaryFile(path)).catch(() => null))?.isFile() ?? false;
}

/** Profiles for which something has come from upstream are worked on once more. */
async function inPasses(jobs: readonly Job[], options: BatchOptions, upstream: Upstream | null): Promise<Entry[]> {
  const engine = () => openEngine(options.archives);
  const entries = await symbolizeAll(jobs, engine, options);
  if (upstream === null) return entries;
  const isRicher = await fetchedFor(entries, upstream);
  const again = [...jobs.keys()].filter((i) => isRicher[i]);
  const better = await symbolizeAll(
    again.map((i) => jobs[i]),
    engine,
    options,
  );
  for (const [at, i] of again.entries()) entries[i] = better[at];
  return entries;
}

/** stdin and stdout belong to this thread. */
async function throughPipes(
  jobs: readonly Job[],
  engine: Resymbolizer,
  how: ResymOptions,
  onDone: (entry: Entry) => void,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const job of jobs) {
    const entry = await attempt(job, async () => {
      const body = job.input === '-' ? await readStdin() : await readProfile(job.input);
      const result = await engine.resymbolize(body, how);
      if (job.output === '-') await writeStdout(result.body);
      else await writeWhole(job.output, result.body);
      return result;
    });
    onDone(entry);
    entries.push(entry);
  }
  return entries;
}

function writeStdout(body: Uint8Array): Promise<void> {
  return new Promise((done, failed) => process.stdout.write(body, (error) => (error ? failed(error) : done())));
}

function say(entry: Entry, total: number): void {
  const { input, status, error, locations } = entry;
  const name = printable(input === '-' ? 'stdin' : input);
  if (error !== null) {
    process.stderr.write(`resym: ${name}: ${error}\n`);
    return;
  }
  const named = `${locations!.namedAfter} of ${locations!.total} locations named (${locations!.namedBefore} before)`;
  process.stderr.write(`${name}: ${status}, ${named}\n`);
  if (total > 1) return;
  for (const mapping of entry.mappings ?? []) {
    if (mapping.reason !== '') process.stderr.write(`  ${printable(mapping.reason)}\n`);
  }
}

async function writeReport(path: string, profiles: readonly Entry[], isBatch: boolean): Promise<void> {
  const report = isBatch ? { builds: summarize(profiles), profiles } : { profiles };
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (path === '-') process.stdout.write(text);
  else await writeFile(path, text);
}

function parseJobs(text: string | undefined): number {
  if (text === undefined) return availableParallelism();
  const jobs = Number(text);
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > 256) throw new UsageError(`--jobs wants 1 to 256, not ${text}`);
  return jobs;
}
