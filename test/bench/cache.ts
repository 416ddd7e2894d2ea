/**
 * Where the benchmarks keep what takes long to make: anchors, binaries, profiles. `$RESYM_BENCH_CACHE`, else
 * `~/.cache/resym-bench`; deleting it costs time only.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/** Something this machine cannot give, and why: shown in the cell where its figure would be. */
export class Missing {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

export function benchCache(): string {
  return process.env.RESYM_BENCH_CACHE ?? join(homedir(), '.cache', 'resym-bench');
}

/** A file or directory beside this one. */
export function beside(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** What `npm run build` makes; `$RESYM_BENCH_DIST` measures another build. */
export const DIST = process.env.RESYM_BENCH_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url));
export const RESYM = join(DIST, 'cli', 'resym.js');

/** What the in-process rows load, made of the sources as the command is: its own bundle has no such files. */
export function modules(): string {
  const outdir = join(benchCache(), 'modules');
  if (!modulesMade) {
    buildSync({
      entryPoints: ['open-engine', 'cli/binary', 'store/assembly', 'store/beside'].map((name) =>
        join(SOURCES, `${name}.ts`),
      ),
      outbase: SOURCES,
      outdir,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20.19',
      banner: {
        js: "import { createRequire as createBundleRequire } from 'node:module'; const require = createBundleRequire(import.meta.url);",
      },
    });
  }
  modulesMade = true;
  return outdir;
}

const SOURCES = fileURLToPath(new URL('../../src', import.meta.url));
let modulesMade = false;

const underWay = new Map<string, Promise<string>>();

/**
 * The directory that `make` fills, once per `name` and `key`. It appears only when it is whole.
 *
 * @param key everything that decides what gets made
 */
export function once(name: string, key: unknown, make: (dir: string) => Promise<void> | void): Promise<string> {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 12);
  const dir = join(benchCache(), `${name}-${digest}`);
  let made = underWay.get(dir);
  if (made === undefined) underWay.set(dir, (made = makeOnce(dir, make)));
  return made;
}

async function makeOnce(dir: string, make: (dir: string) => Promise<void> | void): Promise<string> {
  if (existsSync(dir)) return dir;
  mkdirSync(dirname(dir), { recursive: true });
  process.stderr.write(`making ${dir}\n`);
  const work = mkdtempSync(join(dirname(dir), TEMPORARY));
  try {
    await make(work);
    renameSync(work, dir);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return dir;
}

/** The sources of a program as part of a key. */
export function sourceKey(...paths: readonly string[]): string {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(readFileSync(path));
  return hash.digest('hex');
}

/** Beginning of the names of what is not meant to stay. */
export const TEMPORARY = '.tmp-';
/** Nothing here takes longer to make. */
const ABANDONED_AFTER_MS = 6 * 3600_000;

/** Removes what interrupted runs have left in the cache. */
export function sweep(): void {
  const cache = benchCache();
  if (!existsSync(cache)) return;
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    if (name.startsWith(TEMPORARY) && Date.now() - statSync(path).mtimeMs > ABANDONED_AFTER_MS)
      rmSync(path, { recursive: true, force: true });
  }
}
