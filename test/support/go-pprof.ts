/** `go tool pprof` of a toolchain, run without the go command around it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Toolchain } from './toolchains.ts';

const exec = promisify(execFile);
const paths = new Map<string, Promise<string>>();

export interface PprofRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Path of the toolchain's pprof. Go 1.25 and later build it the first time: about fifteen seconds. */
export function goPprofPath(toolchain: Toolchain): Promise<string> {
  const known = paths.get(toolchain.go);
  if (known !== undefined) return known;
  const path = exec(toolchain.go, ['tool', '-n', 'pprof'], { env: toolchain.env }).then(({ stdout }) => stdout.trim());
  paths.set(toolchain.go, path);
  return path;
}

/**
 * Runs it to its end, with a home directory of its own for the copies it keeps of what it fetched. Resolves whatever the
 * exit code; rejects when it could not be run, or after `timeout` ms (60 s unless told).
 */
export async function goPprof(
  toolchain: Toolchain,
  args: readonly string[],
  { timeout = 60_000, env = {} }: { timeout?: number; env?: Readonly<Record<string, string>> } = {},
): Promise<PprofRun> {
  const home = mkdtempSync(join(tmpdir(), 'resym-pprof-'));
  try {
    const options = {
      env: { ...toolchain.env, HOME: home, PPROF_TMPDIR: home, ...env },
      timeout,
      maxBuffer: 256 << 20,
    };
    const { stdout, stderr } = await exec(await goPprofPath(toolchain), args, options);
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== 'number') throw error; // not started, or killed
    return { code, stdout: stdout ?? '', stderr: stderr ?? '' };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
