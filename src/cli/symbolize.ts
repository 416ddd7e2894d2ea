import { readFile, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { type BatchOptions, symbolizeAll } from '../workers/batch.ts';
import { attempt, type Entry, type Job, writeWhole } from '../workers/profile-file.ts';
import { ConfigError, saidOutput } from '../flags.ts';
import { openEngine } from '../open-engine.ts';
import type { OutputOptions, Resymbolizer, ResymOptions } from '../pipeline.ts';
import { binaryFile } from '../store/local.ts';
import { existingArchives } from './archive.ts';
import { printable } from './fields.ts';
import { readStdin } from './stdin.ts';
import { asking, fetchedFor, type Upstream, upstreamFor } from './upstream.ts';
import { UsageError } from './usage.ts';

export interface SymbolizeOptions {
  readonly output?: string;
  readonly binary?: readonly string[];
  readonly store?: string;
  readonly jobs?: string;
  readonly report?: string;
  readonly repair?: true;
  readonly debuginfod?: readonly string[];
  /** False when said so. */
  readonly identity?: boolean;
  readonly docUrl?: string;
  readonly sourceMap?: readonly string[];
}

export async function symbolize(inputs: readonly string[], options: SymbolizeOptions): Promise<void> {
  const jobs = await plan(inputs, options.output);
  const threads = parseJobs(options.jobs);
  const pinned = options.binary ?? [];
  for (const path of pinned) {
    if (!(await isBinary(path))) throw new UsageError(`--binary ${path}: no such file`);
  }
  const upstream = await upstreamFor(options.debuginfod);
  const archives = [...existingArchives(options.store), ...(upstream === null ? [] : [upstream.cache])];
  const how: ResymOptions = {
    ...outputOptions(options),
    pinned,
    repair: options.repair ?? false,
    weigh: options.report !== undefined,
  };
  const onDone = (entry: Entry): void => say(entry, jobs.length);
  const entries = jobs.some(({ input, output }) => input === '-' || output === '-')
    ? await throughPipes(jobs, await asking(await openEngine(archives), upstream), how, onDone)
    : await inPasses(jobs, { threads, archives, how, onDone }, upstream);
  await upstream?.close();
  if (entries.some((entry) => entry.status === 'failed')) process.exitCode = 1;
  if (options.report !== undefined) await writeReport(options.report, entries);
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
      const body = job.input === '-' ? await readStdin() : await readFile(job.input);
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

/** Pairs inputs with outputs. Throws UsageError when they cannot be paired. */
async function plan(inputs: readonly string[], output: string | undefined): Promise<Job[]> {
  const found: { input: string; name: string }[] = [];
  for (const input of inputs) found.push(...(await expand(input)));
  if (found.length > 1 && (output === undefined || output === '-')) {
    throw new UsageError(`${found.length} profiles need a directory to go to: -o DIR/`);
  }
  const isDirectory =
    output !== undefined && output !== '-' && (found.length > 1 || (await looksLikeDirectory(output)));
  if (!isDirectory) {
    const target = output ?? '-';
    if (output === undefined && process.stdout.isTTY) {
      throw new UsageError('the profile would go to the terminal; give -o FILE, or -o - to insist');
    }
    return [{ input: found[0].input, output: target }];
  }
  const jobs = found.map(({ input, name }) => ({ input, output: join(output, name) }));
  const taken = new Map<string, string>();
  for (const job of jobs) {
    const other = taken.get(job.output);
    if (other !== undefined) throw new UsageError(`${other} and ${job.input} would both be written to ${job.output}`);
    taken.set(job.output, job.input);
  }
  return jobs;
}

/** A file, what a directory holds, or what a glob matches; `name` is the path below the output directory. */
async function expand(input: string): Promise<{ input: string; name: string }[]> {
  if (input === '-') return [{ input, name: 'stdin.pb.gz' }];
  const info = await stat(input).catch(() => null);
  if (info !== null && !info.isDirectory()) return [{ input, name: basename(input) }];
  const { savedProfiles } = await import('./saved-profiles.ts');
  return savedProfiles(input, info !== null);
}

async function looksLikeDirectory(path: string): Promise<boolean> {
  return path.endsWith('/') || ((await stat(path).catch(() => null))?.isDirectory() ?? false);
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

async function writeReport(path: string, profiles: readonly Entry[]): Promise<void> {
  const text = `${JSON.stringify({ profiles }, null, 2)}\n`;
  if (path === '-') process.stdout.write(text);
  else await writeFile(path, text);
}

function parseJobs(text: string | undefined): number {
  if (text === undefined) return availableParallelism();
  const jobs = Number(text);
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > 256) throw new UsageError(`--jobs wants 1 to 256, not ${text}`);
  return jobs;
}
