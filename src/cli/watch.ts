/** A spool directory: profiles are worked on as they come, until the process is told to stop. */
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Found } from './saved-profiles.ts';

const LOOK_EVERY_MS = 1000;

/**
 * Yields the profiles of a directory, each when it has stayed the same between two looks, and again when it has changed since. Ends when
 * the signal says so.
 */
export async function* arrivals(
  look: () => Promise<readonly Found[]>,
  signal: AbortSignal,
  everyMs = LOOK_EVERY_MS,
): AsyncGenerator<readonly Found[]> {
  let before = new Map<string, string>();
  const taken = new Map<string, string>();
  while (!signal.aborted) {
    const now = new Map<string, string>();
    const ready: Found[] = [];
    for (const found of await look()) {
      const stats = await stat(found.input).catch(() => null);
      if (stats === null) continue; // taken away again
      const state = `${stats.size} ${stats.mtimeMs} ${stats.ino}`;
      now.set(found.input, state);
      if (before.get(found.input) !== state || taken.get(found.input) === state) continue;
      taken.set(found.input, state);
      ready.push(found);
    }
    for (const input of taken.keys()) if (!now.has(input)) taken.delete(input);
    before = now;
    if (ready.length > 0) yield ready;
    await delay(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
