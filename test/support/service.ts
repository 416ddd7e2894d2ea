/**
 * The fixture program `service`, built and run: for a toolchain and a way of building, its seven profiles and the files
 * whose symbols they need. Built once and run once; both are kept in the cache directory.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildC, buildGo, cached, type GoBuild } from './build.ts';
import { needsTools, type Toolchain } from './toolchains.ts';

export const SERVICE_DIR = fileURLToPath(new URL('../fixtures/go/service', import.meta.url));

export const PROFILES = ['cpu', 'heap', 'allocs', 'goroutine', 'mutex', 'block', 'threadcreate'] as const;

/** Ways of building the service. The first seven are what users ship; the rest are those that differ inside. */
export const VARIANTS = [
  'exe',
  'pie',
  's-w',
  'trimpath',
  'cgo',
  'c-shared',
  'plugin',
  'cgo-pie',
  'pie-s-w-trimpath',
] as const;
export type Variant = (typeof VARIANTS)[number];

export interface Capture {
  /** Holds `<name>.pb.gz` for each of PROFILES, as the runtime wrote them. */
  readonly dir: string;
  /** Absolute paths of the Go files that were mapped, the one with most of the code first. */
  readonly binaries: readonly string[];
}

const OPTIONS: Record<Exclude<Variant, 'c-shared' | 'plugin'>, Omit<GoBuild, 'toolchain' | 'dir'>> = {
  exe: { mode: 'exe' },
  pie: { mode: 'pie' },
  's-w': { mode: 'exe', strip: 's-w' },
  trimpath: { mode: 'exe', trimpath: true },
  cgo: { mode: 'cgo' },
  'cgo-pie': { mode: 'cgo-pie' },
  'pie-s-w-trimpath': { mode: 'pie', strip: 's-w', trimpath: true },
};

/** `skip` of a test over this variant: false, or the missing command. */
export function needsForVariant(variant: Variant): string | false {
  return variant === 'exe' ||
    variant === 'pie' ||
    variant === 's-w' ||
    variant === 'trimpath' ||
    variant === 'pie-s-w-trimpath'
    ? false
    : needsTools('gcc');
}

/** Builds and runs the service one way. */
export async function captureService(toolchain: Toolchain, variant: Variant): Promise<Capture> {
  const base = { toolchain, dir: SERVICE_DIR };
  let command: readonly string[];
  let binaries: readonly string[];
  if (variant === 'c-shared') {
    const library = await buildGo({ ...base, mode: 'c-shared', package: 'clib' });
    const host = await buildC({ sources: [join(SERVICE_DIR, 'chost', 'host.c')], flags: ['-ldl'], name: 'chost' });
    command = [host, library];
    binaries = [library];
  } else if (variant === 'plugin') {
    const plugin = await buildGo({ ...base, mode: 'plugin', package: 'plug' });
    const host = await buildGo({ ...base, mode: 'cgo', package: 'plughost' });
    command = [host, plugin];
    binaries = [plugin, host];
  } else {
    const binary = await buildGo({ ...base, ...OPTIONS[variant] });
    command = [binary];
    binaries = [binary];
  }
  // The build's place in the cache is its hash, so the paths stand for the content.
  const key = createHash('sha256').update(JSON.stringify(command)).digest('hex');
  const last = await cached(key, 'threadcreate.pb.gz', (path) => run(command, dirname(path)));
  return { dir: dirname(last), binaries };
}

async function run(command: readonly string[], dir: string): Promise<void> {
  mkdirSync(dir, { recursive: true });
  const [file, ...args] = command;
  if (file === undefined) throw new Error('no command');
  await promisify(execFile)(file, [...args, dir], { timeout: 60_000 });
}
