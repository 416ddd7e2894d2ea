import type { DebuginfodConfig } from '../config.ts';
import { Archive } from '../workers/archive.ts';
import { Debuginfod } from './debuginfod.ts';
import { Upstreams } from './upstreams.ts';

const DAY_MS = 24 * 3600_000;

/** The debuginfod servers of a configuration and their cache. Ends with `close`. */
export function openUpstreams(
  { urls, cache: place, maxCacheBytes, maxCacheDays, maxFileBytes }: DebuginfodConfig,
  notice?: (sentence: string) => void,
): { upstreams: Upstreams; close: () => Promise<void> } {
  const cache = new Archive({ place });
  const upstreams = new Upstreams({
    servers: urls.map((url) => new Debuginfod(url, { maxBytes: maxFileBytes })),
    cache,
    maxCacheBytes,
    maxCacheAgeMs: maxCacheDays * DAY_MS,
    ...(notice !== undefined && { notice }),
  });
  return {
    upstreams,
    close: async () => {
      await upstreams.close();
      await cache.close();
    },
  };
}
