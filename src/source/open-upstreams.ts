import type { DebuginfodConfig } from '../config.ts';
import { Archive } from '../workers/archive.ts';
import { Debuginfod } from './debuginfod.ts';
import { Upstreams } from './upstreams.ts';

const DAY_MS = 24 * 3600_000;

export interface OpenUpstreams {
  readonly upstreams: Upstreams;
  /** What was fetched. */
  readonly archive: Archive;
  readonly close: () => Promise<void>;
}

/** The debuginfod servers of a configuration and their cache. Ends with `close`. */
export function openUpstreams(
  { urls, cache: place, maxCacheBytes, maxCacheDays, maxFileBytes }: DebuginfodConfig,
  notice?: (sentence: string) => void,
): OpenUpstreams {
  const archive = new Archive({ place });
  const upstreams = new Upstreams({
    servers: urls.map((url) => new Debuginfod(url, { maxBytes: maxFileBytes })),
    cache: archive,
    maxCacheBytes,
    maxCacheAgeMs: maxCacheDays * DAY_MS,
    ...(notice !== undefined && { notice }),
  });
  return {
    upstreams,
    archive,
    close: async () => {
      await upstreams.close();
      await archive.close();
    },
  };
}
