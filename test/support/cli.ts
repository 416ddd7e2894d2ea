/** The command as users get it: `node dist/cli/resym.js`. `npm run build` comes first; a missing dist/ is an error. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const RESYM = fileURLToPath(new URL('../../dist/cli/resym.js', import.meta.url));

export interface CliResult {
  readonly code: number;
  readonly stdout: Buffer;
  /** Text: logs and progress. */
  readonly stderr: string;
}

export interface CliOptions {
  readonly stdin?: Uint8Array;
  readonly cwd?: string;
  /** Added to the test's own environment, from which RESYM_* has been taken out. */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until the command is killed and the promise rejects; one minute unless told. */
  readonly timeout?: number;
}

/** Runs resym to its end, whatever its exit code. Rejects only when it was killed by a signal or did not end in time. */
export function resym(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const child = startResym(args, options);
  const { promise, resolve, reject } = deferred<CliResult>();
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  const limit = options.timeout ?? 60_000;
  const timer = setTimeout(() => child.kill('SIGKILL'), limit);
  child.on('error', reject);
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    const said = Buffer.concat(stderr).toString();
    if (code === null) reject(new Error(`resym ${args.join(' ')}: ended by ${signal} (limit ${limit} ms)\n${said}`));
    else resolve({ code, stdout: Buffer.concat(stdout), stderr: said });
  });
  // A command that refuses its arguments may be gone before it read its input.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.stdin ?? new Uint8Array(0));
  return promise;
}

/** Starts resym and leaves it running; all three streams are pipes. For `serve` and `demo`. */
export function startResym(args: readonly string[], options: Omit<CliOptions, 'stdin' | 'timeout'> = {}): ChildProcess {
  if (!existsSync(RESYM)) throw new Error(`${RESYM} is missing: npm run build`);
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !name.startsWith('RESYM_') && name !== 'NODE_TEST_CONTEXT' && name !== 'NODE_OPTIONS')
      env[name] = value;
  }
  return spawn(process.execPath, [RESYM, ...args], {
    cwd: options.cwd,
    env: { ...env, ...options.env },
    stdio: 'pipe',
  });
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (reason: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
