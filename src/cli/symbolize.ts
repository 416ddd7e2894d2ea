import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { isParseError, messageOf } from '../errors.ts';
import type { ResymResult } from '../pipeline.ts';
import type { ProfileReport } from '../rewrite/report.ts';
import { openEngine } from './engine.ts';
import { printable } from './fields.ts';
import { readStdin } from './stdin.ts';
import { UsageError } from './usage.ts';

interface SymbolizeOptions {
  readonly output?: string;
  readonly binary?: readonly string[];
  readonly store?: string;
  readonly jobs?: string;
  readonly report?: string;
}

/** A profile to work on. */
interface Job {
  /** Path, or "-" for stdin. */
  readonly input: string;
  /** Path, or "-" for stdout. */
  readonly output: string;
}

interface Entry extends Partial<ProfileReport> {
  readonly input: string;
  readonly output: string | null;
  readonly status: ResymResult['status'] | 'failed';
  readonly error: string | null;
}

/** Where files are looked for in a directory given as input. */
const PROFILE_FILES = ['**/*.pb.gz', '**/*.pb', '**/*.pprof', '**/*.prof', '**/*.pprof.gz'];

export async function symbolize(inputs: readonly string[], options: SymbolizeOptions): Promise<void> {
  const jobs = await plan(inputs, options.output);
  const engine = await openEngine(options.store);
  const pinned = options.binary ?? [];
  for (const path of pinned) {
    if (!(await stat(path).catch(() => null))?.isFile()) throw new UsageError(`--binary ${path}: no such file`);
  }
  const entries = new Array<Entry>(jobs.length);
  const queue = jobs.entries();
  const worker = async (): Promise<void> => {
    for (const [i, job] of queue) {
      entries[i] = await run(job, async (body) => engine.resymbolize(body, { pinned }));
      say(entries[i], jobs.length);
    }
  };
  const parallel = Math.min(jobs.length, parseJobs(options.jobs));
  await Promise.all(Array.from({ length: parallel }, worker));
  if (entries.some((entry) => entry.status === 'failed')) process.exitCode = 1;
  if (options.report !== undefined) await writeReport(options.report, entries);
}

async function run(job: Job, resymbolize: (body: Uint8Array) => Promise<ResymResult>): Promise<Entry> {
  const { input } = job;
  try {
    const body = input === '-' ? await readStdin() : await readFile(input);
    const { status, body: out, report } = await resymbolize(body);
    await write(job.output, out);
    return { input, output: job.output, status, error: null, ...report };
  } catch (error) {
    if (!isParseError(error) && !(error instanceof Error && 'syscall' in error)) throw error;
    return { input, output: null, status: 'failed', error: messageOf(error) };
  }
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
    return [{ input: found[0]!.input, output: target }];
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
  const isPattern = info === null && isDynamicPattern(input);
  // A plain path that is not there fails as one job, so that the others are still done.
  if (info === null && !isPattern) return [{ input, name: basename(input) }];
  const root = isPattern ? globRoot(input) : input;
  const pattern = isPattern ? relative(root, resolve(input)) : PROFILE_FILES;
  const files = await glob(pattern, { cwd: root, dot: false, onlyFiles: true });
  if (files.length === 0) throw new UsageError(`no profiles match ${input}`);
  return files.sort().map((file) => ({ input: join(root, file), name: file }));
}

/** The part of a glob before its first pattern: outputs mirror the tree below it. */
function globRoot(pattern: string): string {
  const parts = resolve(pattern).split('/');
  const first = parts.findIndex((part) => isDynamicPattern(part));
  return parts.slice(0, first).join('/') || '/';
}

async function looksLikeDirectory(path: string): Promise<boolean> {
  return path.endsWith('/') || ((await stat(path).catch(() => null))?.isDirectory() ?? false);
}

/** Whole or not at all: the file appears under its name only when it is complete. */
async function write(path: string, body: Uint8Array): Promise<void> {
  if (path === '-') {
    await new Promise<void>((done, failed) => process.stdout.write(body, (error) => (error ? failed(error) : done())));
    return;
  }
  await mkdir(dirname(path), { recursive: true });
  const part = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  try {
    await writeFile(part, body);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
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
