import { execFile, spawn } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const SOURCE = fileURLToPath(new URL('../../src/demo/assets/service', import.meta.url));

/** A cold build of the standard library on a small machine. */
const BUILD_TIMEOUT_MS = 180_000;
const START_TIMEOUT_MS = 10_000;

/** The Go version on the PATH, when everything a stripped cgo service takes is there; else null. */
export async function goVersion(): Promise<string | null> {
  try {
    await Promise.all(['gcc', 'strip'].map((tool) => run(tool, ['--version'])));
    const { stdout } = await run('go', ['env', 'GOVERSION', 'CGO_ENABLED'], { env: buildEnv() });
    const [version, cgo] = stdout.trim().split('\n');
    // Generics came with 1.18, build IDs without a C linker's help with 1.24.
    const minor = Number(/^go1\.(\d+)/.exec(version ?? '')?.[1]);
    return minor >= 18 && cgo === '1' ? version : null;
  } catch {
    return null; // no such tool: the recorded service will do
  }
}

/** Builds the service below `dir`: the unstripped file, and the stripped one that will run. */
export async function buildService(dir: string): Promise<{ unstripped: string; stripped: string }> {
  const source = join(dir, 'source');
  await cp(SOURCE, source, { recursive: true });
  const unstripped = join(dir, 'build', 'shop');
  const stripped = join(dir, 'shop');
  const args = ['build', '-trimpath', '-buildvcs=false', '-o', unstripped, '.'];
  await run('go', args, { cwd: source, env: buildEnv(), timeout: BUILD_TIMEOUT_MS });
  await run('strip', ['-o', stripped, unstripped]);
  return { unstripped, stripped };
}

/** Runs the stripped service; resolves once it listens. */
export async function startService(path: string): Promise<{ url: string; close: () => Promise<void> }> {
  const child = spawn(path, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  const close = async (): Promise<void> => {
    child.kill();
    await exited;
  };
  try {
    const address = await new Promise<string>((done, failed) => {
      child.once('error', failed);
      child.once('exit', (code) => failed(new Error(`the service ended with code ${code}`)));
      createInterface({ input: child.stdout }).once('line', done);
      setTimeout(() => failed(new Error('the service did not start in time')), START_TIMEOUT_MS).unref();
    });
    return { url: `http://${address}`, close };
  } catch (error) {
    child.kill();
    throw error;
  }
}

/** The user's own Go settings may point anywhere; the demo needs none of them. */
function buildEnv(): NodeJS.ProcessEnv {
  return { ...process.env, GOENV: 'off', GOFLAGS: '', GOTOOLCHAIN: 'local', CGO_ENABLED: '1' };
}
