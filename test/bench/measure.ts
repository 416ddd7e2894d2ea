/**
 * Commands measured as whole processes, in turns: A B C A B C, so that a busy minute hits all of them. Cells are medians.
 */
import { execFile, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beside, Missing, once, sourceKey } from './cache.ts';

export const exec = promisify(execFile);

/** Longest output kept for an error message, characters. */
const SAID = 2000;

export interface Command {
  readonly argv: readonly string[];
  /** A file; nothing unless told. */
  readonly stdin?: string;
  /** A file, overwritten by every run; thrown away unless told. */
  readonly stdout?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Seconds until it is killed and counts as failed. Default 300. */
  readonly timeout?: number;
  /** Runs in every round, before the command and outside its time: brings back the state it needs. */
  readonly before?: () => void;
}

export interface Sample {
  /** Seconds. */
  readonly wall: number;
  /** Seconds, user and system, of the process and those it waited for. */
  readonly cpu: number;
  /** Peak resident memory of its largest process, MB (10^6 bytes). */
  readonly rss: number;
}

export interface Cell extends Sample {
  readonly runs: number;
}

/** What runs round after round; a cell that failed keeps its first reason. */
export type Cells = Map<string, Cell | Missing>;

/** An environment without what would change how the commands behave. */
export function cleanEnv(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(RESYM_|NODE_OPTIONS$|NODE_COMPILE_CACHE$|PPROF_|DEBUGINFOD_URLS$)/.test(name))
      env[name] = value;
  }
  return env;
}

/** Runs a command once. Rejects when it fails or takes too long. */
export async function measure(command: Command): Promise<Sample> {
  const wrapper = await measureProgram();
  const dir = mkdtempSync(join(tmpdir(), 'resym-bench-'));
  const opened: number[] = [];
  const open = (path: string, flags: string): number => {
    const fd = openSync(path, flags);
    opened.push(fd);
    return fd;
  };
  try {
    command.before?.();
    const report = join(dir, 'report.json');
    const timeout = command.timeout ?? 300;
    const child = spawn(wrapper, [report, String(timeout), ...command.argv], {
      cwd: command.cwd,
      env: { ...cleanEnv(), ...command.env },
      stdio: [
        open(command.stdin ?? '/dev/null', 'r'),
        open(command.stdout ?? '/dev/null', 'w'),
        open(join(dir, 'stderr'), 'w'),
      ],
    });
    running.add(child);
    const code = await new Promise<number | null>((done, failed) => {
      child.on('error', failed);
      child.on('exit', done);
    }).finally(() => running.delete(child));
    const said = (): string => readFileSync(join(dir, 'stderr'), 'utf8').slice(-SAID).trim();
    if (code !== 0) throw new Error(`measure ended with ${code}: ${said()}`);
    const used = JSON.parse(readFileSync(report, 'utf8')) as Report;
    if (used.late) throw new Error(`took more than ${timeout} s`);
    if (used.code !== 0) throw new Error(`ended with ${used.signal ? `signal ${used.signal}` : used.code}: ${said()}`);
    return { wall: used.wallNs / 1e9, cpu: used.cpuUs / 1e6, rss: (used.rssKiB * 1024) / 1e6 };
  } finally {
    for (const fd of opened) closeSync(fd);
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Report {
  wallNs: number;
  cpuUs: number;
  rssKiB: number;
  code: number;
  signal: number;
  late: boolean;
}

/** Measures all commands in turns, `runs` rounds. One that fails is left out of the later rounds. */
export async function interleave(commands: Readonly<Record<string, Command | Missing>>, runs: number): Promise<Cells> {
  const samples = new Map<string, Sample[]>();
  const failed = new Map<string, Missing>();
  for (let round = 0; round < runs; round++) {
    for (const [name, command] of Object.entries(commands)) {
      if (failed.has(name)) continue;
      if (command instanceof Missing) failed.set(name, command);
      else {
        try {
          const sample = await measure(command);
          samples.set(name, [...(samples.get(name) ?? []), sample]);
        } catch (error) {
          failed.set(name, new Missing(`failed: ${firstLines((error as Error).message)}`));
        }
      }
    }
  }
  const cells: Cells = new Map();
  for (const name of Object.keys(commands)) cells.set(name, failed.get(name) ?? cellOf(samples.get(name)!));
  return cells;
}

export function cellOf(samples: readonly Sample[]): Cell {
  return {
    wall: median(samples.map(({ wall }) => wall)),
    cpu: median(samples.map(({ cpu }) => cpu)),
    rss: median(samples.map(({ rss }) => rss)),
    runs: samples.length,
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function firstLines(text: string): string {
  return text.split('\n').slice(0, 3).join(' / ').slice(0, 300);
}

/** Node doing nothing: the floor of every resym command. */
export const NODE_FLOOR: Command = { argv: [process.execPath, '-e', '0'] };

const running = new Set<ReturnType<typeof spawn>>();

/** Ends what is still running; the wrapper takes its whole group with it. */
export function stopAll(): void {
  for (const child of running) child.kill('SIGTERM');
}

/** A child that belongs to the benchmark and ends with it. */
export function owned<T extends ReturnType<typeof spawn>>(child: T): T {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

async function measureProgram(): Promise<string> {
  const source = beside('programs/measure.c');
  const dir = await once('measure', sourceKey(source), async (work) => {
    await exec('gcc', ['-O2', '-o', join(work, 'measure'), source]);
  });
  return join(dir, 'measure');
}
