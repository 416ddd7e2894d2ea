import { Engine } from './pipeline.ts';
import { CandidateFinder } from './store/candidates.ts';
import { OpenedBinaries } from './store/opened.ts';
import { openStores } from './open-store.ts';

/** An engine over archives, as open-store.ts names them; none: for pinned binaries alone. Rejects as openStores does. */
export async function openEngine(archives: readonly string[]): Promise<Engine> {
  return new Engine(new CandidateFinder(await openStores(archives), new OpenedBinaries()));
}
