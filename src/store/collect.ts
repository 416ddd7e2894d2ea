/** Garbage collection done: what gc.ts chooses is removed, what was abandoned is swept. Any number of processes may do it at once. */
import { chooseRemovals, type GcRules } from './gc.ts';
import type { StoredBinary, Swept, SweepOptions, SymbolStore } from './store.ts';

export interface CollectOptions extends SweepOptions {
  readonly rules: GcRules;
  /** ms since 1970; now. */
  readonly now?: number;
  /** Told of each build as it goes. */
  readonly onRemoved?: (removed: Removed) => void;
}

export interface Removed {
  readonly binary: StoredBinary;
  readonly reason: string;
}

export interface Collected {
  readonly removed: readonly Removed[];
  readonly swept: readonly Swept[];
  /** Bytes of both. */
  readonly freedBytes: number;
  /** Bytes and number of binaries that stay. */
  readonly keptBytes: number;
  readonly kept: number;
  /** By so much what may not go is above the quota: pinned builds, and files put there by hand. */
  readonly overQuotaBytes: number;
}

/** Rejects with StoreError `read-only` or the system's error; what was removed until then, was. */
export async function collect(store: SymbolStore, options: CollectOptions): Promise<Collected> {
  const { rules, now = Date.now(), dryRun = false, onRemoved } = options;
  const binaries = await store.list();
  const uses = await store.uses();
  const choice = chooseRemovals(binaries, { pins: await store.pins(), uses, now }, rules);
  const removed: Removed[] = [];
  let { keptBytes } = choice;
  for (const { files, reason } of choice.removals) {
    const keys = new Set(files.map(({ key }) => key));
    // Somebody may have pinned or used it since: choosing takes a moment, removing thousands takes many.
    if (!dryRun && (await isWanted(store, keys, uses))) {
      keptBytes += files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      continue;
    }
    for (const binary of files) {
      const gone = dryRun ? [binary] : await store.remove(binary.path);
      for (const file of gone) {
        removed.push({ binary: file, reason });
        onRemoved?.({ binary: file, reason });
      }
    }
  }
  const swept = await store.sweep(options);
  return {
    removed,
    swept,
    freedBytes: [...removed.map(({ binary }) => binary), ...swept].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    keptBytes,
    kept: binaries.length - removed.length,
    overQuotaBytes: Math.max(0, keptBytes - (rules.quotaBytes ?? Infinity)),
  };
}

async function isWanted(
  store: SymbolStore,
  keys: ReadonlySet<string>,
  uses: ReadonlyMap<string, string>,
): Promise<boolean> {
  const pins = await store.pins();
  const usesNow = await store.uses(keys);
  return [...keys].some((key) => pins.has(key) || usesNow.get(key) !== uses.get(key));
}
