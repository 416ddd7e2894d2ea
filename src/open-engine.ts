import { Engine } from './pipeline.ts';
import { CandidateFinder } from './store/candidates.ts';
import { OpenedBinaries } from './store/opened.ts';
import { openStore } from './store/place.ts';

/** An engine over archives, as store/place.ts names them; none: for pinned binaries alone. Rejects as openStore does. */
export async function openEngine(archives: readonly string[]): Promise<Engine> {
  const [place] = archives;
  const store = place === undefined ? null : await openStore(place);
  return new Engine(new CandidateFinder(store, new OpenedBinaries()));
}
