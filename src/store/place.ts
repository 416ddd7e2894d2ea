/** Where archives are, in the words of `--store`. */
import { DirectoryStore, type DirectoryOptions } from './directory.ts';
import { LayeredStore } from './layered.ts';
import type { SymbolStore } from './store.ts';

/** Rejects as DirectoryStore.open does. */
export function openStore(place: string, options: DirectoryOptions = {}): Promise<SymbolStore> {
  return DirectoryStore.open(place, options);
}

/**
 * Archives as one, the first of them the one that is kept; null for none. One of the others that is not there yet is made: nothing has
 * been fetched so far.
 */
export async function openStores(places: readonly string[]): Promise<SymbolStore | null> {
  const [first, ...others] = places;
  if (first === undefined) return null;
  const store = await openStore(first);
  if (others.length === 0) return store;
  return new LayeredStore(store, await Promise.all(others.map((place) => openStore(place, { create: true }))));
}
