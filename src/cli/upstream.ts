/** The debuginfod servers that a command was told to ask, and the archive their files go to. */
import { mkdir } from 'node:fs/promises';
import { ConfigError, saidDebuginfod } from '../flags.ts';
import type { Resymbolizer } from '../pipeline.ts';
import type { MappingReport } from '../rewrite/report.ts';
import type { Upstreams } from '../source/upstreams.ts';
import { UsageError } from './usage.ts';

export interface Upstream {
  readonly upstreams: Upstreams;
  /** As open-store.ts has it. */
  readonly cache: string;
  readonly close: () => Promise<void>;
}

/** null when none is to be asked: then nothing of it is loaded. Throws UsageError. */
export async function upstreamFor(urls: readonly string[] | undefined): Promise<Upstream | null> {
  const flags = urls === undefined ? {} : { debuginfod: urls };
  try {
    if ((saidDebuginfod(flags, process.env) ?? []).length === 0) return null;
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(error.message) : error;
  }
  const [{ debuginfodOf }, { openUpstreams }] = await Promise.all([
    import('../config.ts'),
    import('../source/open-upstreams.ts'),
  ]);
  const config = debuginfodOf(flags, process.env);
  await mkdir(config.cache, { recursive: true });
  const notice = (problem: string): void => void process.stderr.write(`resym: ${problem}\n`);
  return { ...openUpstreams(config, notice), cache: config.cache };
}

/** The engine, asking upstream for what it lacks. */
export async function asking(engine: Resymbolizer, upstream: Upstream | null): Promise<Resymbolizer> {
  if (upstream === null) return engine;
  const { UpstreamSymbols } = await import('../source/upstream-symbols.ts');
  return new UpstreamSymbols(engine, upstream.upstreams);
}

/**
 * Asks upstream for what profiles lack that were worked on already: true for each that can get more now. A profile at a time would ask for one
 * build and wait; so all are asked for at once.
 */
export async function fetchedFor(
  entries: readonly { readonly mappings?: readonly MappingReport[] }[],
  { upstreams }: Upstream,
): Promise<boolean[]> {
  const { wantedIds } = await import('../source/upstream-symbols.ts');
  const wanted = entries.map(({ mappings }) => wantedIds(mappings ?? []));
  const asked = new Map<string, boolean>();
  await Promise.all([...new Set(wanted.flat())].map(async (id) => asked.set(id, (await upstreams.ask(id)).isThere)));
  return wanted.map((ids) => ids.some((id) => asked.get(id) === true));
}
