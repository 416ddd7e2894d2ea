import { Engine } from './pipeline.ts';
import { CandidateFinder } from './store/candidates.ts';
import { DirectoryStore } from './store/directory.ts';
import { OpenedBinaries } from './store/opened.ts';

/** An engine over the archive in `dir`; null: without one, for pinned binaries alone. Rejects as DirectoryStore.open does. */
export async function openEngine(dir: string | null): Promise<Engine> {
  const store = dir === null ? null : await DirectoryStore.open(dir);
  return new Engine(new CandidateFinder(store, new OpenedBinaries()));
}
