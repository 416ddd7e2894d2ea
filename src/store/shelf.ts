/** Where added files are put: what adding.ts needs of a store. */
import type { Catalog } from './catalog.ts';
import type { Facts } from './facts.ts';
import type { Incoming } from './ingest.ts';
import type { StoredBinary } from './store.ts';

/** `isNowFirst`: it answers for its key where another file did before. */
export interface Shelved {
  readonly binary: StoredBinary;
  readonly outcome: 'placed' | 'already-there' | 'repaired';
  readonly isNowFirst: boolean;
}

export interface Shelf {
  /** A directory of this machine with room for copies under way. */
  readonly root: string;
  readonly catalog: Catalog;
  /** The binary as it is now; undefined when it is gone. */
  confirm(binary: StoredBinary): Promise<StoredBinary | undefined>;
  /** SHA-256 of its content as it is now. */
  hashOf(binary: StoredBinary): Promise<string>;
  /** Somebody has added once more what is there. */
  wasThere(binary: StoredBinary): Promise<void>;
  /** Puts a copy to its path and enters it: whole or not at all. The copy is gone afterwards, whatever happened. */
  place(copy: Incoming, path: string, facts: Facts): Promise<Shelved>;
  /** Rejects with a better reason for a failure, where there is one. */
  failed(error: unknown): Promise<void>;
}
