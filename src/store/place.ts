/** Where archives are, in the words of `--store`. */
import { DirectoryStore, type DirectoryOptions } from './directory.ts';
import type { SymbolStore } from './store.ts';

/** Rejects as DirectoryStore.open does. */
export function openStore(place: string, options: DirectoryOptions = {}): Promise<SymbolStore> {
  return DirectoryStore.open(place, options);
}
