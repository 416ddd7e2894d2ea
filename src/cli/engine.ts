import { existsSync } from 'node:fs';
import { storeDir } from '../config.ts';
import { Engine } from '../pipeline.ts';
import { CandidateFinder } from '../store/candidates.ts';
import { DirectoryStore } from '../store/directory.ts';
import { OpenedBinaries } from '../store/opened.ts';
import type { SymbolStore } from '../store/store.ts';
import { UsageError } from './usage.ts';

/** The archive that the flags and the environment name. Only a directory that was asked for by name must exist. */
export async function openStore(flag: string | undefined, create = false): Promise<SymbolStore | null> {
  const dir = storeDir(flag, process.env);
  if (!create && !existsSync(dir)) {
    if (flag !== undefined)
      throw new UsageError(`${dir}: no such archive; make one with: resym store add FILE --store ${dir}`);
    return null;
  }
  return DirectoryStore.open(dir, { create });
}

/** An engine over the archive, for commands that work on profiles. */
export async function openEngine(storeFlag: string | undefined): Promise<Engine> {
  return new Engine(new CandidateFinder(await openStore(storeFlag), new OpenedBinaries()));
}
