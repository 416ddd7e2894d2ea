/** The archive of binaries, as the rest of resym sees it: a directory, a bucket, or several. */
import type { ByteSource } from '../bytes/source.ts';
import type { Identity } from '../match/identity.ts';
import type { SketchQuery } from '../match/sketch.ts';

/** One file of the archive. Several may share a key: the full build, its stripped copy, its debug symbols alone. */
export interface StoredBinary {
  /** What it is filed under, lower-case hex: see layout.ts. */
  readonly key: string;
  /** Where it lies in the store, relative, control characters escaped. Names exactly one file. */
  readonly path: string;
  /** The program's name, as given when it was added; for files found in the directory, the best guess. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Of the content, hex. null for files found in the directory that were never hashed: `verify` does it. */
  readonly sha256: string | null;
  /** ISO 8601. For files found in the directory, their modification time. */
  readonly addedAt: string;
  readonly identity: Identity;
  /** True when it has debug sections but no code: objcopy --only-keep-debug, eu-strip -f. */
  readonly debugOnly: boolean;
  /** Why `find` passes it over: damaged, unreadable, without symbols. "" when it is fine. */
  readonly problem: string;
  /** Differs whenever the file has been changed: what a cache of its contents goes by, together with `path`. */
  readonly version: string;
}

/** Any of the identities a profile or a person may know. Hex in either case, dashes in uuid allowed. */
export interface BinaryQuery {
  readonly gnu?: string;
  readonly go?: string;
  readonly uuid?: string;
  readonly pe?: string;
  readonly pclntabSha256?: string;
  /** As Identity.splitUnits: the program and its .dwp. */
  readonly splitUnits?: string;
}

/** A stored file's bytes. They stay readable until `release`, whatever becomes of the file's name. */
export interface OpenBinary {
  readonly source: ByteSource;
  /** Calling it again does nothing. */
  readonly release: () => void;
}

export interface AddResult {
  readonly binary: StoredBinary;
  /** `replaced`: it now answers for its key in place of another file, which is kept beside it unless it was damaged. */
  readonly outcome: 'added' | 'already-there' | 'replaced';
  /** What was done, for people: a clause without the file's name. */
  readonly note: string;
  /** Of a universal file: its other architectures, each stored as a file of its own. */
  readonly others?: readonly AddResult[];
}

export interface AddOptions {
  /** Of the program; unless given, the file's, or what Go's build info says of one that was received. */
  readonly name?: string;
  /**
   * SHA-256 of the content, lower-case hex, of a file that lies in `incoming` and was hashed on its way there. The store takes it
   * over: it is moved, and gone afterwards whatever happens.
   */
  readonly received?: string;
  /** One of its IDs, as whoever sends it believes; a file without it is refused. */
  readonly expected?: string;
}

/** What a binary must be to be listed; what is not said, or is empty, is not asked for. */
export interface ListFilter {
  /** The name it is listed under, whole. */
  readonly program?: string;
  /** The version of the main module, as `go version -m` prints it; its leading `v` may be left out. */
  readonly version?: string;
  /** The commit it was built from (vcs.revision), or the beginning of it. */
  readonly revision?: string;
  /** A key, build ID, Go ID, UUID or content hash, or the beginning of one. Dashes are left out of account. */
  readonly id?: string;
}

export interface VerifyResult {
  readonly binary: StoredBinary;
  readonly ok: boolean;
  /** "" when ok. */
  readonly problem: string;
  /** True when what is stored is wrong: what quarantine is for. False also for what could not be read just now. */
  readonly isDamaged: boolean;
}

/** A file that verify took out of the archive. */
export interface Quarantined {
  /** Where it lies now, relative to the store. */
  readonly path: string;
  /** What it was. */
  readonly name: string;
  readonly key: string;
  readonly sizeBytes: number;
  readonly problem: string;
  /** ISO 8601. */
  readonly quarantinedAt: string;
}

/** Something that was left lying about, or in quarantine for long enough. */
export interface Swept {
  readonly path: string;
  readonly sizeBytes: number;
  /** A clause, for people. */
  readonly what: string;
}

export interface SweepOptions {
  /** What was left under way is abandoned after this, ms. Default 6 hours. */
  readonly abandonedMs?: number;
  /** Files in quarantine go after this, ms. Default 30 days. */
  readonly quarantinedMs?: number;
  /** Only says what it would do. */
  readonly dryRun?: boolean;
}

export interface SymbolStore {
  /**
   * Usable binaries that match, best first: by GNU ID (UUID, PE ID), by Go ID, by a GNU ID derived from the Go ID, by
   * pclntab; among equals the one that knows more. Empty for an ID that names nothing in particular ("redacted").
   * Rejects with the system's error when the store cannot be read at all.
   */
  find(query: BinaryQuery): Promise<StoredBinary[]>;
  /** Usable binaries of a name, without its directory; by ID they are found better. */
  named(name: string): Promise<StoredBinary[]>;
  /**
   * Usable binaries that may have nearly all frames of a query, best first, then the one that knows more, then the one added last;
   * one file of a build, two builds of one Go function table. At most `limit`.
   */
  search(query: SketchQuery, options: { readonly limit: number }): Promise<StoredBinary[]>;
  /** A file that `find` passes over, under an ID or of a name, so that its problem can be told; null without one. */
  unusable(id: string, name: string): Promise<StoredBinary | null>;
  /** Everything that a filter lets through, the damaged too, by name and key. */
  list(filter?: ListFilter): Promise<StoredBinary[]>;
  /**
   * The best file under a key, any ID, a content hash or a path, or under a prefix of at least four characters of one.
   * Rejects with StoreError `ambiguous-id` when the prefix fits several keys, `invalid-id` when it cannot be an ID.
   */
  get(idOrPrefix: string): Promise<StoredBinary | null>;
  /** All files that `get` chooses from, best first; rejects as it does. */
  select(idOrPrefix: string): Promise<StoredBinary[]>;
  /** Rejects with FormatError when the file is no longer the one listed, with the system's error when it is gone. */
  open(binary: StoredBinary): Promise<OpenBinary>;
  /** The file of this machine a stored one lies in, absolute; null when it is elsewhere. Throws StoreError for a path that is none of this store's. */
  fileOf(binary: StoredBinary): string | null;
  /** A part of a file's bytes, for whoever passes it on. Rejects as `open` does. */
  part(binary: StoredBinary, offset: number, length: number): Promise<Uint8Array>;
  /** The symbol index of a build that has this stamp (symbolize/index-stamp.ts); null when there is none. */
  openIndex(key: string, stamp: string): Promise<OpenBinary | null>;
  /** Keeps a symbol index. Rejects with the system's error. */
  keepIndex(key: string, stamp: string, bytes: Uint8Array): Promise<void>;
  /** A new path for a file on its way in, on the store's own disk. What was abandoned there is swept. */
  incoming(): Promise<string>;
  /** Rejects with StoreError when the file cannot be of use, with the system's error when it cannot be copied. */
  add(file: string, options?: AddOptions): Promise<AddResult>;
  /** Deletes all files under one key, or the one file named by content hash or path, and says which. As `get` otherwise. */
  remove(idOrPrefix: string): Promise<StoredBinary[]>;
  /** Reads every file whole and compares it with what is recorded. Never rejects for one file's sake. */
  verify(onResult?: (result: VerifyResult) => void): Promise<VerifyResult[]>;
  /** Keys of builds that gc leaves alone. */
  pins(): Promise<ReadonlySet<string>>;
  /** Pins or unpins the build that `get` would find, and says which files it has; none: there is no such build. */
  setPinned(idOrPrefix: string, isPinned: boolean): Promise<StoredBinary[]>;
  /** Takes note that a build was of use, for gc. Cheap; never rejects for the archive's sake. */
  used(binary: StoredBinary): Promise<void>;
  /** When builds were last of use, ISO 8601, by key; of these keys, or of all. What is not there was not used since it was added. */
  uses(keys?: ReadonlySet<string>): Promise<ReadonlyMap<string, string>>;
  /**
   * Takes a damaged file out of the archive and keeps it, with what was known of it; a good copy can then be added. Where only its facts
   * are damaged, they are, and new ones are written. Rejects with StoreError `changed` when the file is not damaged (any more), or was put
   * there by hand.
   */
  quarantine(binary: StoredBinary, problem: string): Promise<void>;
  /** What is in quarantine, the latest first. */
  quarantined(): Promise<Quarantined[]>;
  /** Removes what processes that were killed have left, and what has been in quarantine for long. */
  sweep(options?: SweepOptions): Promise<Swept[]>;
  /** Ends what goes on in the background. Sources handed out stay open. */
  close(): Promise<void>;
}

/** What the store will not do, in a sentence that says what to do instead. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code:
    | 'ambiguous-id'
    | 'invalid-id'
    | 'not-an-object'
    | 'no-symbols'
    | 'no-store'
    | 'read-only'
    | 'changed'
    | 'not-as-said';

  constructor(code: StoreError['code'], message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
