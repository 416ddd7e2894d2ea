/**
 * Builds the test programs, once: a build is kept in the cache directory under the hash of everything that went into it.
 *
 * Safe between processes: a build happens in a directory of its own and is renamed into place when it is whole; of two
 * that race, one is thrown away.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { cacheDir, tool, type Toolchain } from './toolchains.ts';

export { tool };

const exec = promisify(execFile);

/** Plain and `pie` link without cgo; the others need a C compiler (`needsTools('gcc')`). */
export type BuildMode = 'exe' | 'pie' | 'cgo' | 'cgo-pie' | 'c-shared' | 'plugin' | 'c-archive';

export interface GoBuild {
  readonly toolchain: Toolchain;
  /** The module's directory, absolute. Every file below it counts as a source. */
  readonly dir: string;
  readonly mode: BuildMode;
  /** The package to build, relative to `dir`; "." unless told. */
  readonly package?: string;
  /** `s-w`: -ldflags='-s -w'. `strip`: binutils' strip over the finished file. */
  readonly strip?: 's-w' | 'strip';
  readonly trimpath?: boolean;
  readonly tags?: readonly string[];
  /** Further linker flags, one argument each. */
  readonly ldflags?: readonly string[];
  /** Further variables: GOOS, GOARCH, GOAMD64, CGO_CFLAGS... */
  readonly env?: Readonly<Record<string, string>>;
}

export interface CBuild {
  /** Absolute paths of the C files and objects. */
  readonly sources: readonly string[];
  /** Everything after the sources: -shared, -ldl, an archive's path... Given files count as sources. */
  readonly flags?: readonly string[];
  /** The finished file's name. */
  readonly name: string;
  readonly compiler?: 'gcc' | 'g++';
}

const EXTENSIONS: Partial<Record<BuildMode, string>> = { 'c-shared': '.so', plugin: '.so', 'c-archive': '.a' };
const underWay = new Map<string, Promise<string>>();

/** Path of the built file. Rejects with the compiler's own words. */
export function buildGo(build: GoBuild): Promise<string> {
  const { toolchain, dir, mode } = build;
  const target = build.package ?? '.';
  const ldflags = [...(build.strip === 's-w' ? ['-s', '-w'] : []), ...(build.ldflags ?? [])];
  const args = ['build', '-o', '', `-buildmode=${mode === 'cgo' ? 'exe' : mode === 'cgo-pie' ? 'pie' : mode}`];
  if (build.trimpath === true) args.push('-trimpath');
  if (build.tags !== undefined) args.push('-tags', build.tags.join(','));
  if (ldflags.length > 0) args.push(`-ldflags=${ldflags.join(' ')}`);
  const cgo = mode === 'exe' || mode === 'pie' ? '0' : '1';
  const env: Record<string, string> = { ...toolchain.env, CGO_ENABLED: cgo, ...build.env };
  const release = goRelease(toolchain);
  // The commit of the checkout must not get into the file: the build would then differ for equal sources.
  if (!/^go1\.1[0-7](\D|$)/.test(release)) args.push('-buildvcs=false');
  args.push(target === '.' ? '.' : `./${target}`);

  const name = (target === '.' ? basename(dir) : basename(target)) + (EXTENSIONS[mode] ?? '');
  const hash = createHash('sha256');
  hash.update(JSON.stringify([release, dir, args, cgo, build.env ?? {}, build.strip ?? '']));
  hashTree(hash, dir);
  return cached(hash.digest('hex'), name, async (path) => {
    args[2] = path;
    await command(toolchain.go, args, { cwd: dir, env });
    if (build.strip === 'strip') await command('strip', [path], {});
  });
}

/** Path of a built C or C++ file. */
export function buildC(build: CBuild): Promise<string> {
  const compiler = build.compiler ?? 'gcc';
  const flags = build.flags ?? [];
  const hash = createHash('sha256').update(JSON.stringify([compiler, build.sources, flags, build.name]));
  for (const path of [...build.sources, ...flags]) {
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) hash.update(readFileSync(path));
  }
  return cached(hash.digest('hex'), build.name, (path) =>
    command(compiler, ['-g', '-O2', '-o', path, ...build.sources, ...flags], {}),
  );
}

/**
 * Path of a file made once per `key` (hex): by `make`, which writes it to the path it is given. Whatever else it
 * leaves beside it is kept too.
 */
export function cached(key: string, name: string, make: (path: string) => Promise<void>): Promise<string> {
  const id = `${key.slice(0, 32)}/${name}`;
  const begun = underWay.get(id);
  if (begun !== undefined) return begun;
  const path = madeOnce(key.slice(0, 32), name, make);
  underWay.set(id, path);
  return path;
}

async function madeOnce(key: string, name: string, make: (path: string) => Promise<void>): Promise<string> {
  const builds = join(cacheDir(), 'builds');
  const done = join(builds, key);
  if (!exists(done)) {
    mkdirSync(builds, { recursive: true });
    const work = mkdtempSync(join(builds, '.tmp-'));
    try {
      await make(join(work, name));
      try {
        renameSync(work, done);
      } catch (error) {
        if (!exists(done)) throw error; // else another process was first, with the same bytes
      }
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return join(done, name);
}

/** Runs a command to its end; rejects with its output when it fails. */
async function command(
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> },
): Promise<void> {
  try {
    await exec(file, args, { ...options, maxBuffer: 64 << 20 });
  } catch (error) {
    const { stderr, stdout } = error as { stderr?: string; stdout?: string };
    throw new Error(`${file} ${args.join(' ')}\n${stdout ?? ''}${stderr ?? ''}`, { cause: error });
  }
}

const releases = new Map<string, string>();

/** "go1.24.4", as the toolchain itself says. */
function goRelease(toolchain: Toolchain): string {
  let release = releases.get(toolchain.go);
  if (release === undefined) {
    const said = execFileSync(toolchain.go, ['version'], { env: toolchain.env, encoding: 'utf8' });
    release = /\bgo1\.\S+/.exec(said)?.[0] ?? said;
    releases.set(toolchain.go, release);
  }
  return release;
}

function hashTree(hash: ReturnType<typeof createHash>, dir: string): void {
  const names = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)));
  for (const name of names.sort()) hash.update(`${name}\0`).update(readFileSync(join(dir, name)));
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
