import { isSplitPackage } from '../dwarf/split-hash.ts';
import { openObject } from '../object/open.ts';
import type { BinaryFiles, Elsewhere } from './assembly.ts';
import type { OpenBinary, StoredBinary, SymbolStore } from './store.ts';

/** Files that are opened together: the program, a stripped copy, debug info alone, and one to spare. */
const MAX_FILES = 4;

/**
 * The files of an archive grouped by build, in the order of the files' first mention; of each build only those that
 * add a source of symbols, or the code that debug info alone lacks.
 */
export function builds(binaries: readonly StoredBinary[]): StoredBinary[][] {
  const byKey = new Map<string, StoredBinary[]>();
  for (const binary of binaries) {
    const group = byKey.get(binary.key);
    if (group === undefined) byKey.set(binary.key, [binary]);
    else if (group.length < MAX_FILES && addsTo(group, binary)) group.push(binary);
  }
  return [...byKey.values()];
}

function addsTo(group: readonly StoredBinary[], { debugOnly, identity: { symbols } }: StoredBinary): boolean {
  const lacks = (source: keyof typeof symbols) => group.every((file) => file.identity.symbols[source] === null);
  return (
    (!debugOnly && group.every((file) => file.debugOnly)) ||
    (symbols.dwarf !== null && lacks('dwarf')) ||
    (symbols.pclntab !== null && lacks('pclntab')) ||
    (symbols.symtab !== null && lacks('symtab'))
  );
}

/** Opens the files of one build. Rejects as SymbolStore.open does, for the first; the others are then left out. */
export async function openBuild(store: SymbolStore, build: readonly StoredBinary[]): Promise<BinaryFiles> {
  const opened = await Promise.allSettled(build.map((binary) => store.open(binary)));
  const files = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const [first] = opened;
  if (first.status === 'rejected') {
    for (const file of files) file.release();
    throw first.reason;
  }
  return { files, elsewhere: new Archived(store, build) };
}

/** Debug info in the archive. A .dwo file has no place there: it is unlinked and has no identity. */
class Archived implements Elsewhere {
  readonly #store: SymbolStore;
  readonly #build: readonly StoredBinary[];

  constructor(store: SymbolStore, build: readonly StoredBinary[]) {
    this.#store = store;
    this.#build = build;
  }

  /** Files of one build are found together already. */
  debugFile(): Promise<null> {
    return Promise.resolve(null);
  }

  async supplementary(_name: string, buildId: string): Promise<OpenBinary | null> {
    const [found] = await this.#store.find({ gnu: buildId });
    return found === undefined ? null : this.#store.open(found);
  }

  async splitPackage(): Promise<OpenBinary | null> {
    for (const { identity } of this.#build) {
      if (identity.splitUnits === null) continue;
      for (const binary of await this.#store.find({ splitUnits: identity.splitUnits })) {
        if (this.#build.some(({ path }) => path === binary.path)) continue;
        const file = await this.#store.open(binary);
        if (isSplitPackage(openObject(file.source))) return file;
        file.release();
      }
    }
    return null;
  }

  splitUnit(): null {
    return null;
  }
}
