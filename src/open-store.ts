/** Where archives are, in the words of `--store`. */
import { isBucketPlace } from './bucket/location.ts';
import { DirectoryStore, type DirectoryOptions } from './store/directory.ts';
import { LayeredStore } from './store/layered.ts';
import type { SymbolStore } from './store/store.ts';

/** `s3://bucket/prefix`, or a directory. Rejects as BucketStore.open and DirectoryStore.open do. */
export async function openStore(place: string, options: DirectoryOptions = {}): Promise<SymbolStore> {
  if (!isBucketPlace(place)) return DirectoryStore.open(place, options);
  const { BucketStore } = await import('./bucket/bucket.ts');
  return BucketStore.open(place);
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
