import { isSplitPackage } from '../dwarf/split-hash.ts';
import { openObject } from '../object/open.ts';
import type { BinaryFiles, Elsewhere } from './assembly.ts';
import type { OpenBinary, StoredBinary, SymbolStore } from './store.ts';

/** Files that are opened together: the program, a stripped copy, debug info alone, and one to spare. */
const MAX_FILES = 4;

/**
 * The files of an archive grouped by build, in the order of the files' first mention; of each build only those that
 * add a source of symbols, or the code that debug info alone lacks. An ID does not make a build: forged and stamped ones are shared
 * by different programs, whose code differs in place or size, or whose Go tables differ.
 */
export function builds(binaries: readonly StoredBinary[]): StoredBinary[][] {
  const groups: { files: StoredBinary[]; all: StoredBinary[] }[] = [];
  for (const binary of binaries) {
    const group = groups.find(({ all }) => all[0].key === binary.key && all.every((file) => isOneBuild(file, binary)));
    if (group === undefined) {
      groups.push({ files: [binary], all: [binary] });
      continue;
    }
    group.all.push(binary);
    if (group.files.length < MAX_FILES && addsTo(group.files, binary)) group.files.push(binary);
  }
  return groups.map(({ files }) => files);
}

function isOneBuild({ identity: a }: StoredBinary, { identity: b }: StoredBinary): boolean {
  const differ = (one: string | number | null | undefined, other: string | number | null | undefined): boolean =>
    one !== null && one !== undefined && other !== null && other !== undefined && one !== other;
  return (
    !differ(a.arch || null, b.arch || null) &&
    !differ(a.ids.pclntabSha256, b.ids.pclntabSha256) &&
    !differ(a.text?.address, b.text?.address) &&
    !differ(a.text?.size, b.text?.size)
  );
}

/** True for builds of different keys that are one program linked with other flags: same Go tables, same places of all code. */
export function areTwins({ identity: a }: StoredBinary, { identity: b }: StoredBinary): boolean {
  return (
    a.ids.pclntabSha256 !== null &&
    a.ids.pclntabSha256 === b.ids.pclntabSha256 &&
    a.arch === b.arch &&
    a.goText === b.goText &&
    a.text?.address === b.text?.address &&
    a.text?.size === b.text?.size
  );
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

  symbolIndex(stamp: string): Promise<OpenBinary | null> {
    return this.#store.openIndex(this.#build[0].key, stamp);
  }

  splitUnit(): null {
    return null;
  }
}
