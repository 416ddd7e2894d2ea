/**
 * The Go toolchains the tests compare with, one per pclntab layout and runtime habit worth telling apart.
 *
 * They are looked for, in this order, in `$RESYM_TEST_CACHE/toolchains` (default `~/.cache/resym-test/toolchains`,
 * where `.ci/run` unpacks them), `$RESYM_TOOLCHAINS` and `~/toolchains`; each as `go<version>/bin/go`.
 * A missing one is no error: the tests that need it are skipped by name.
 */
import { accessSync, constants, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Oldest first. 1.15: pclntab of Go 1.2. 1.19: of 1.18. 1.21 to 1.25: of 1.20. 1.26: text base only in moduledata. */
export const GO_VERSIONS = ['1.15', '1.19', '1.21', '1.23', '1.24', '1.25', '1.26'] as const;

export interface Toolchain {
  /** "1.24", or "machine" for the go on PATH. */
  readonly version: string;
  /** Absolute path of the go command. */
  readonly go: string;
  /** The whole environment to run it with: nothing of the user's Go configuration, caches of the tests' own. */
  readonly env: Record<string, string>;
}

/** Where everything goes that is worth keeping between runs: toolchains, builds, captured profiles. */
export function cacheDir(): string {
  return process.env.RESYM_TEST_CACHE ?? join(homedir(), '.cache', 'resym-test');
}

/** The toolchain of one minor version ("1.24"), or null when this machine has none. */
export function toolchain(version: string): Toolchain | null {
  const roots = [join(cacheDir(), 'toolchains'), process.env.RESYM_TOOLCHAINS, join(homedir(), 'toolchains')];
  for (const root of roots) {
    if (root === undefined || root === '') continue;
    const go = join(root, `go${version}`, 'bin', 'go');
    if (isExecutable(go)) return { version, go, env: goEnvironment() };
  }
  return null;
}

/** All toolchains of GO_VERSIONS this machine has, oldest first. */
export function toolchains(): Toolchain[] {
  return GO_VERSIONS.map((version) => toolchain(version)).filter((found) => found !== null);
}

/** The go on PATH, or null. */
export function machineGo(): Toolchain | null {
  const go = tool('go');
  return go === null ? null : { version: 'machine', go, env: goEnvironment() };
}

/** The newest Go at hand, for programs that only need some Go: the newest of `toolchains()`, else the machine's. */
export function anyGo(): Toolchain | null {
  return toolchains().at(-1) ?? machineGo();
}

/** `skip` of a test that needs a Go version: false when it is here, else the reason. */
export function needsGo(version: string): string | false {
  return toolchain(version) === null ? `needs go ${version}` : false;
}

/** Absolute path of a command on PATH, or null. */
export function tool(name: string): string | null {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    if (dir !== '' && isExecutable(join(dir, name))) return join(dir, name);
  }
  return null;
}

/** `skip` of a test that needs commands: false when all are here, else the reason naming the missing ones. */
export function needsTools(...names: string[]): string | false {
  const missing = names.filter((name) => tool(name) === null);
  return missing.length === 0 ? false : `needs ${missing.join(', ')}`;
}

// What a Go build may see of the caller's environment: where to download from, never flags or defaults.
const PASSED_ON = new Set(['GOPROXY', 'GOSUMDB', 'GONOSUMDB', 'GONOSUMCHECK', 'GOPRIVATE', 'GONOPROXY', 'GOINSECURE']);

function goEnvironment(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined) continue;
    if ((name.startsWith('GO') || name.startsWith('CGO_')) && !PASSED_ON.has(name)) continue;
    // node's test runner marks its children with this; a node started below would speak its binary protocol.
    if (name === 'NODE_TEST_CONTEXT') continue;
    env[name] = value;
  }
  const cache = cacheDir();
  const own = { GOCACHE: join(cache, 'go-build'), GOPATH: join(cache, 'gopath') };
  for (const dir of Object.values(own)) mkdirSync(dir, { recursive: true });
  return { ...env, ...own, GOENV: 'off', GOFLAGS: '', GOTOOLCHAIN: 'local', GOTELEMETRY: 'off' };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // absent or not ours to run: both mean "look further"
  }
}
