/** Making the symbol indexes of an archive: see symbolize/index-layout.ts for what they are. */
import { builds, openBuild } from './archived.ts';
import { assemble } from './assembly.ts';
import { byRichness } from './catalog.ts';
import type { StoredBinary, SymbolStore } from './store.ts';

/** What became of one build. */
export interface Indexed {
  readonly binary: StoredBinary;
  readonly outcome: 'made' | 'there' | 'not needed' | 'not made';
  /** Bytes of the index; 0 when none was made. */
  readonly sizeBytes: number;
  /** Why none was made; "" otherwise. */
  readonly problem: string;
}

/**
 * Makes the indexes that are missing of the builds under a key. Rejects with what opening a file threw, and with the system's error
 * when the store cannot be written to.
 */
export async function indexKey(store: SymbolStore, key: string): Promise<Indexed[]> {
  // As `find` gives them: the stamp tells the order, too.
  const files = (await store.list()).filter((binary) => binary.key === key && binary.problem === '').sort(byRichness);
  const done: Indexed[] = [];
  for (const build of builds(files)) done.push(await indexBuild(store, build));
  return done;
}

/** The same of the files of one build. */
export async function indexBuild(store: SymbolStore, build: readonly StoredBinary[]): Promise<Indexed> {
  const [binary] = build;
  const none = { binary, sizeBytes: 0, problem: '' };
  const { symbols, close } = await assemble(await openBuild(store, build));
  try {
    if (!symbols.isWorthIndexing) return { ...none, outcome: 'not needed' };
    if (symbols.hasIndex) return { ...none, outcome: 'there' };
    const bytes = symbols.makeIndex();
    if (bytes === null) return { ...none, outcome: 'not made', problem: symbols.problems.join('; ') };
    await store.keepIndex(binary.key, symbols.stamp, bytes);
    return { ...none, outcome: 'made', sizeBytes: bytes.length };
  } finally {
    close();
  }
}
