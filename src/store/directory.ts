/** The store in a directory: layout.ts says where things lie, ingest.ts how they get there, contents.ts how they are found. */
import { realpathSync, statSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { prepareZstd } from '../bytes/inflate.ts';
import { FormatError } from '../errors.ts';
import type { SketchQuery } from '../match/sketch.ts';
import { DirectoryCare } from './care.ts';
import { Adding } from './adding.ts';
import { type Catalog, hexIdsOf } from './catalog.ts';
import { Contents } from './contents.ts';
import { versionOf } from './entry.ts';
import { DirectoryShelf } from './directory-shelf.ts';
import { examine, type Examine } from './examine.ts';
import { FileSource } from './file.ts';
import { type ListFilter, named, unusable } from './filter.ts';
import { indexPath, openIndex, writeIndex } from './index-files.ts';
import { readPins } from './pins.ts';
import { listQuarantine } from './quarantine.ts';
import {
  type AddOptions,
  type AddResult,
  type BinaryQuery,
  type OpenBinary,
  type Quarantined,
  type StoredBinary,
  StoreError,
  type SweepOptions,
  type Swept,
  type SymbolStore,
  type VerifyResult,
} from './store.ts';

export interface DirectoryOptions {
  /** Make the directory when it is missing; else that is an error. Default false. */
  readonly create?: boolean;
  /** How long "not found" may be said without looking at the directory again, ms. Default 10 s. */
  readonly lookAgainMs?: number;
  /** Gets what is odd but no failure: unreadable subdirectories, a snapshot that cannot be written. */
  readonly notice?: (sentence: string) => void;
  /** How a file is identified; for tests. */
  readonly examine?: Examine;
}

const LOOK_AGAIN_MS = 10_000;

export class DirectoryStore implements SymbolStore {
  /** Absolute, links resolved. */
  readonly root: string;
  readonly #contents: Contents;
  readonly #care: DirectoryCare;
  readonly #examine: Examine;
  readonly #lookAgainMs: number;
  readonly #adding: Adding;

  private constructor(root: string, options: DirectoryOptions) {
    this.root = root;
    this.#examine = options.examine ?? examine;
    this.#lookAgainMs = options.lookAgainMs ?? LOOK_AGAIN_MS;
    this.#contents = new Contents(root, this.#examine, options.notice ?? (() => undefined));
    this.#care = new DirectoryCare(root, this.#contents, this.#examine);
    this.#adding = new Adding(new DirectoryShelf(root, this.#contents, this.#care), this.#examine);
  }

  /** Rejects with StoreError `no-store` when there is no such directory, with the system's error when it cannot be read. */
  static async open(directory: string, options: DirectoryOptions = {}): Promise<DirectoryStore> {
    if (options.create === true) await fs.mkdir(directory, { recursive: true });
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new StoreError('no-store', `${directory} is no directory; \`resym store add\` makes one`);
    }
    await prepareZstd(); // examining is synchronous, and files with zstd sections must not look damaged
    const store = new DirectoryStore(realpathSync(directory), options);
    await store.#contents.look();
    return store;
  }

  /** Takes up what changed in the directory and reads all files not read yet. */
  async refresh(): Promise<void> {
    await this.#contents.look();
    await this.#contents.examineAll();
  }

  /** Ends reading in the background and saves what it found. Sources handed out stay open. */
  close(): Promise<void> {
    return this.#contents.close();
  }

  async find(query: BinaryQuery): Promise<StoredBinary[]> {
    const claimed = hexIdsOf(query);
    await this.#contents.examineClaiming(claimed);
    const known = await this.#confirmed(query);
    const hasLooked = await this.#contents.lookFor(claimed, known.exact ? this.#lookAgainMs : 0);
    if (!hasLooked && known.exact) return known.binaries;
    await this.#contents.examineClaiming(claimed);
    const fresh = await this.#confirmed(query);
    if (fresh.exact) return fresh.binaries;
    await this.#contents.look(this.#lookAgainMs);
    await this.#contents.examineClaiming(claimed);
    if (!this.#contents.catalog.find(query).exact) await this.#contents.examineAll();
    return (await this.#confirmed(query)).binaries;
  }

  /** What the catalog finds, after the files it found have been looked at: changed ones are read again, missing ones dropped. */
  async #confirmed(query: BinaryQuery): Promise<ReturnType<Catalog['find']>> {
    const found = this.#contents.catalog.find(query);
    const now = await Promise.all(found.binaries.map((binary) => this.#contents.confirm(binary)));
    return now.every((binary, i) => binary === found.binaries[i]) ? found : this.#contents.catalog.find(query);
  }

  list(filter?: ListFilter): Promise<StoredBinary[]> {
    return this.#care.list(filter);
  }

  async named(name: string): Promise<StoredBinary[]> {
    await this.#contents.look(this.#lookAgainMs);
    await this.#contents.examineAll();
    return named(this.#contents.catalog, name);
  }

  async search(query: SketchQuery, { limit }: { readonly limit: number }): Promise<StoredBinary[]> {
    await this.#contents.look(this.#lookAgainMs);
    await this.#contents.examineAll();
    await this.#contents.catalog.loadSketches();
    const found = this.#contents.catalog.search(query, limit);
    const now = await Promise.all(found.map((binary) => this.#contents.confirm(binary)));
    return found.filter((binary, i) => now[i] === binary);
  }

  async unusable(id: string, name: string): Promise<StoredBinary | null> {
    await this.#contents.look(this.#lookAgainMs);
    return unusable(this.#contents.catalog, id, name);
  }

  async get(idOrPrefix: string): Promise<StoredBinary | null> {
    return (await this.select(idOrPrefix))[0] ?? null;
  }

  async select(idOrPrefix: string): Promise<StoredBinary[]> {
    await this.refresh();
    return this.#contents.catalog.select(idOrPrefix);
  }

  incoming(): Promise<string> {
    return this.#adding.incoming();
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- other stores must wait here
  async open(binary: StoredBinary): Promise<OpenBinary> {
    const path = this.fileOf(binary);
    const source = FileSource.open(path);
    if (versionOf({ sizeBytes: source.size, mtimeMs: source.mtimeMs }) !== binary.version) {
      source.close();
      throw new FormatError(basename(path), 0, 'the file has changed since it was listed');
    }
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      source.close();
    };
    return { source, release };
  }

  async part(binary: StoredBinary, offset: number, length: number): Promise<Uint8Array> {
    const { source, release } = await this.open(binary);
    try {
      return source.read(offset, length);
    } finally {
      release();
    }
  }

  fileOf(binary: StoredBinary): string {
    const path = this.#contents.entry(binary.path)?.file.path ?? binary.path;
    if (path.split('/').includes('..')) throw new StoreError('invalid-id', `no path of this store: ${binary.path}`);
    return join(this.root, path);
  }

  add(file: string, options?: AddOptions): Promise<AddResult> {
    return this.#adding.add(file, options);
  }

  openIndex(key: string, stamp: string): Promise<OpenBinary | null> {
    return Promise.resolve(openIndex(join(this.root, indexPath(key, stamp))));
  }

  keepIndex(key: string, stamp: string, bytes: Uint8Array): Promise<void> {
    return writeIndex(join(this.root, indexPath(key, stamp)), bytes);
  }

  remove(idOrPrefix: string): Promise<StoredBinary[]> {
    return this.#care.remove(idOrPrefix);
  }

  verify(onResult?: (result: VerifyResult) => void): Promise<VerifyResult[]> {
    return this.#care.verify(onResult);
  }

  pins(): Promise<ReadonlySet<string>> {
    return readPins(this.root);
  }

  setPinned(idOrPrefix: string, isPinned: boolean): Promise<StoredBinary[]> {
    return this.#care.setPinned(idOrPrefix, isPinned);
  }

  used(binary: StoredBinary): Promise<void> {
    return this.#care.used(binary);
  }

  uses(keys?: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    return this.#care.uses(keys);
  }

  quarantine(binary: StoredBinary, problem: string): Promise<void> {
    return this.#care.quarantine(binary, problem);
  }

  quarantined(): Promise<Quarantined[]> {
    return listQuarantine(this.root);
  }

  sweep(options?: SweepOptions): Promise<Swept[]> {
    return this.#care.sweep(options);
  }
}
