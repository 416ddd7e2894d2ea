/** What the thread runs that looks after the archive for the server: it adds, lists, removes, so that no profile waits for that. */
import type { MessagePort } from 'node:worker_threads';
import { collect } from '../store/collect.ts';
import type { GcRules } from '../store/gc.ts';
import { openStore } from '../open-store.ts';
import { type ListFilter, type Page, pageOf } from '../store/filter.ts';
import type { AddOptions, AddResult, BinaryQuery, StoredBinary, SymbolStore } from '../store/store.ts';
import { openObject } from '../object/open.ts';
import { giveWay } from './priority.ts';
import { packError, type ThreadError } from './thread-error.ts';

export interface ArchiveThreadData {
  readonly kind: 'archive';
  readonly place: string;
}

/** A stored binary, and the file of this machine it is in; null when it is elsewhere. */
export interface Located {
  readonly binary: StoredBinary;
  readonly file: string | null;
}

/** A part of a file, bytes. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/** What can be asked of it: by name, arguments, answer. Plain data all. */
export interface ArchiveCalls {
  incoming(): Promise<string>;
  add(file: string, options: AddOptions): Promise<AddResult>;
  page(filter: ListFilter, after: string, limit: number): Promise<Page>;
  select(idOrPrefix: string): Promise<StoredBinary[]>;
  find(query: BinaryQuery): Promise<Located[]>;
  /** Where a section's bytes lie in a file; null when it has none. Rejects with what the parser threw. */
  section(binary: StoredBinary, name: string): Promise<Extent | null>;
  part(binary: StoredBinary, offset: number, length: number): Promise<Uint8Array>;
  used(binary: StoredBinary): Promise<void>;
  remove(idOrPrefix: string): Promise<StoredBinary[]>;
  /** Removes what the rules say; the number of files that are gone. */
  trim(rules: Pick<GcRules, 'maxAgeMs' | 'quotaBytes'>): Promise<number>;
}

export interface ArchiveCall {
  readonly id: number;
  readonly name: keyof ArchiveCalls;
  readonly args: readonly unknown[];
}

export type ArchiveAnswer =
  { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: ThreadError };

/** An upload can wait, profiles cannot. */
const NICENESS = 10;

/** Serves the port until the thread is ended. */
export function serveArchive(port: MessagePort, { place }: ArchiveThreadData): void {
  giveWay(NICENESS);
  let store: Promise<SymbolStore> | null = null;
  const opened = (): Promise<SymbolStore> =>
    (store ??= openStore(place, { create: true }).catch((error: unknown) => {
      store = null; // the next one may find it
      throw error;
    }));
  port.on('message', ({ id, name, args }: ArchiveCall) => {
    opened()
      .then((archive) => (calls(archive)[name] as (...args: readonly unknown[]) => Promise<unknown>)(...args))
      .then(
        (value) => port.postMessage({ id, value } satisfies ArchiveAnswer),
        (error: unknown) => port.postMessage({ id, error: packError(error) } satisfies ArchiveAnswer),
      );
  });
}

function calls(store: SymbolStore): ArchiveCalls {
  return {
    incoming: () => store.incoming(),
    add: (file, options) => store.add(file, options),
    page: async (filter, after, limit) => pageOf(await store.list(filter), { after, limit }),
    select: (idOrPrefix) => store.select(idOrPrefix),
    find: async (query) => (await store.find(query)).map((binary) => ({ binary, file: store.fileOf(binary) })),
    section: (binary, name) => sectionOf(store, binary, name),
    part: (binary, offset, length) => store.part(binary, offset, length),
    used: (binary) => store.used(binary),
    remove: (idOrPrefix) => store.remove(idOrPrefix),
    trim: async (rules) => (await collect(store, { rules: { ...rules, keep: null } })).removed.length,
  };
}

async function sectionOf(store: SymbolStore, binary: StoredBinary, name: string): Promise<Extent | null> {
  const { source, release } = await store.open(binary);
  try {
    const section = openObject(source).section(name);
    if (section === undefined || section.noBits) return null;
    const offset = Math.min(section.fileOffset, source.size); // a damaged file may claim any place
    return { offset, size: Math.min(section.size, source.size - offset) };
  } finally {
    release();
  }
}
