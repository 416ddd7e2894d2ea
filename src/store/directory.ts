/** The store in a directory: layout.ts says where things lie, ingest.ts how they get there, contents.ts how they are found. */
import { realpathSync, statSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { prepareZstd } from '../bytes/inflate.ts';
import { FormatError, isParseError, messageOf } from '../errors.ts';
import type { Identity } from '../match/identity.ts';
import type { SketchQuery } from '../match/sketch.ts';
import { type FatSlice, sliceSource } from '../object/macho-fat.ts';
import { openSlice } from '../object/open.ts';
import { DirectoryCare, mustBeWritable, unlessGone } from './care.ts';
import { byRichness, type Catalog, hexIdsOf } from './catalog.ts';
import { Contents } from './contents.ts';
import { areTwins, builds } from './archived.ts';
import { entryFromFacts, factsFit, versionOf } from './entry.ts';
import { examine, type Examination, type Examine, uselessness } from './examine.ts';
import { FACTS_SCHEMA, type Facts, richness } from './facts.ts';
import { FileSource } from './file.ts';
import type { ListFilter } from './filter.ts';
import { type FilePart, hashFile } from './hash.ts';
import {
  type Alias,
  copyIn,
  type Incoming,
  place,
  type Placed,
  readFacts,
  settleAlias,
  sweepIncoming,
} from './ingest.ts';
import { indexPath, openIndex, writeIndex } from './index-files.ts';
import { displayName, filePath, keyFromContent, keyFromIds, parseFilePath } from './layout.ts';
import { readPins } from './pins.ts';
import { listQuarantine } from './quarantine.ts';
import {
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
import { addSlices, partsOf } from './universal.ts';

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
  #swept = false;

  private constructor(root: string, options: DirectoryOptions) {
    this.root = root;
    this.#examine = options.examine ?? examine;
    this.#lookAgainMs = options.lookAgainMs ?? LOOK_AGAIN_MS;
    this.#contents = new Contents(root, this.#examine, options.notice ?? (() => undefined));
    this.#care = new DirectoryCare(root, this.#contents, this.#examine);
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
    const { catalog } = this.#contents;
    return [...catalog.all()].filter((b) => b.name === displayName(name) && b.problem === '').sort(byRichness);
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
    const wanted = { id: id.toLowerCase().replaceAll('-', ''), name: displayName(name) };
    for (const binary of this.#contents.catalog.all()) {
      if (binary.problem === '') continue;
      if ((name !== '' && binary.name === wanted.name) || (wanted.id !== '' && binary.key === wanted.id)) return binary;
    }
    return null;
  }

  async get(idOrPrefix: string): Promise<StoredBinary | null> {
    await this.refresh();
    return this.#contents.catalog.select(idOrPrefix)[0] ?? null;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- other stores must wait here
  async open(binary: StoredBinary): Promise<OpenBinary> {
    const path = this.#contents.entry(binary.path)?.file.path ?? binary.path;
    if (path.split('/').includes('..')) throw new StoreError('invalid-id', `no path of this store: ${binary.path}`);
    const source = FileSource.open(join(this.root, path));
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

  async add(file: string, options: { readonly name?: string } = {}): Promise<AddResult> {
    const name = displayName(options.name ?? basename(file));
    const original = await openRegular(file);
    try {
      const slices = partsOf(file, name);
      if (slices === null) return await this.#add(file, original, name);
      return await addSlices(slices, name, (slice) => this.#add(file, original, name, slice));
    } catch (error) {
      await mustBeWritable(this.root, error);
      throw error;
    } finally {
      await original.close();
    }
  }

  /** Adds a whole file or a part of it. */
  async #add(file: string, original: fs.FileHandle, name: string, part?: FatSlice): Promise<AddResult> {
    this.#judge(file, name, part); // before anything is copied
    const present = await this.#presentCopy(file, part ?? { offset: 0, size: (await original.stat()).size });
    if (present !== null) {
      await this.#mendAlias(present);
      await this.#care.used(present, true);
      return { binary: present, outcome: 'already-there', note: `already there as ${present.path}` };
    }
    await this.#sweep();
    const copy = await copyIn(this.root, original, part);
    let judged: Examination;
    try {
      judged = this.#judge(copy.path, name);
    } catch (error) {
      await fs.rm(copy.path, { force: true });
      throw error;
    }
    return await this.#place(copy, name, judged);
  }

  /** What a file is; throws StoreError when it is of no use. */
  #judge(path: string, name: string, part?: FatSlice): Examination {
    const source = FileSource.open(path);
    try {
      if (part !== undefined) openSlice(source, part); // it must be for the architecture it is said to be for
      const examination = this.#examine(part === undefined ? source : sliceSource(source, part));
      const problem = uselessness(examination.identity, this.#hasDebugInfoOf(examination.identity));
      if (problem !== '') throw new StoreError('no-symbols', `${name} is not added: ${problem}`);
      return examination;
    } catch (error) {
      if (!isParseError(error)) throw error;
      throw new StoreError('not-an-object', `${name} is not added: ${messageOf(error)}`, { cause: error });
    } finally {
      source.close();
    }
  }

  #hasDebugInfoOf({ ids }: Identity): boolean {
    const key = keyFromIds(ids);
    return key !== null && this.#contents.catalog.underKey(key).some((file) => file.debugOnly && file.problem === '');
  }

  /** The stored file with the same content, looked for only when one has the same size: hashing costs less than copying. */
  async #presentCopy(file: string, part: FilePart): Promise<StoredBinary | null> {
    const alike = [...this.#contents.catalog.all()].filter((b) => b.problem === '' && b.sizeBytes === part.size);
    if (alike.length === 0) return null;
    const { sha256 } = await hashFile(file, part);
    for (const binary of alike) {
      if (binary.sha256 !== null && binary.sha256 !== sha256) continue;
      const confirmed = await this.#contents.confirm(binary);
      if (confirmed !== binary) continue;
      if (binary.sha256 === sha256) return binary;
      const { file: stored } = this.#contents.entry(binary.path)!;
      if ((await hashFile(join(this.root, stored.path))).sha256 === sha256) return binary;
    }
    return null;
  }

  /** The last step of adding is missing when a process died before it. */
  async #mendAlias({ key, path, identity, debugOnly }: StoredBinary): Promise<void> {
    if (parseFilePath(path) === null) return;
    const least = richness(identity, debugOnly);
    const asGood = this.#contents.catalog.underKey(key).filter((b) => richness(b.identity, b.debugOnly) >= least);
    await settleAlias(
      this.root,
      key,
      asGood.map((binary) => binary.path),
    );
  }

  async #place(copy: Incoming, name: string, { identity, debugOnly, sketch }: Examination): Promise<AddResult> {
    const { sha256, sizeBytes, mtimeMs } = copy;
    const key = keyFromIds(identity.ids) ?? keyFromContent(sha256);
    const path = filePath(key, sha256, identity.format);
    const addedAt = new Date().toISOString();
    const about = { name, addedAt, sizeBytes, mtimeMs, sha256 };
    const facts: Facts = { schema: FACTS_SCHEMA, ...about, debugOnly, sketch, identity };
    const placed = await place(this.root, copy, path, facts, () => this.#isDamaged(path, copy));
    const { before, after } = await settleAlias(this.root, key, placed.isAlias ? [path] : []);
    const binary = await this.#entered(path, facts);
    return { binary, ...this.#told(binary, placed.outcome, before, after) };
  }

  #told(
    binary: StoredBinary,
    outcome: Placed['outcome'],
    before: Alias,
    after: Alias,
  ): Pick<AddResult, 'outcome' | 'note'> {
    if (outcome === 'already-there') return { outcome, note: 'already there' };
    if (outcome === 'repaired') return { outcome: 'replaced', note: `replaced the damaged copy under ${binary.key}` };
    const others = this.#contents.catalog.underKey(binary.key).filter((other) => other.path !== binary.path);
    const pair = this.#pairOf(binary);
    if (others.length === 0) return { outcome: 'added', note: `added as ${binary.key}${pair}` };
    const tookOver =
      before.kind === 'link' && before.path !== binary.path && after.kind === 'link' && after.path === binary.path;
    const isOneBuild = builds([binary, ...others]).length === 1;
    const files = `${others.length + 1} files of ${isOneBuild ? 'this build' : 'different builds with this ID'}`;
    return tookOver
      ? { outcome: 'replaced', note: `added as ${binary.key}, now first of ${files}${pair}` }
      : { outcome: 'added', note: `added as ${binary.key}, one of ${files}${pair}` };
  }

  /** What a build and its twin under another key can do together, as the tail of a sentence; "" without a twin. */
  #pairOf(binary: StoredBinary): string {
    const { pclntabSha256 } = binary.identity.ids;
    if (pclntabSha256 === null) return '';
    const { binaries } = this.#contents.catalog.find({ pclntabSha256 });
    const twin = binaries.find((other) => other.key !== binary.key && areTwins(binary, other));
    if (twin === undefined) return '';
    const named = `; twin of ${twin.name} ${twin.key.slice(0, 16)}: Go frames from both`;
    const rich = [binary, twin].filter(({ identity }) => identity.symbols.dwarf !== null);
    if (rich.length === 0) return `${named}, C frames from neither`;
    return rich.length === 2
      ? `${named}, C frames too`
      : `${named}, C frames from ${rich[0] === twin ? 'that one' : 'this one'}`;
  }

  /** True when the file at an own path is not what its name says. */
  async #isDamaged(path: string, copy: Incoming): Promise<boolean> {
    const stats = await fs.stat(join(this.root, path));
    if (stats.size !== copy.sizeBytes) return true;
    const recorded = await readFacts(this.root, path);
    if (recorded !== null && factsFit(recorded, { sizeBytes: stats.size, mtimeMs: stats.mtimeMs })) return false;
    return (await hashFile(join(this.root, path))).sha256 !== copy.sha256;
  }

  /** Takes a file just placed into the catalog, with the facts that now lie beside it. */
  async #entered(path: string, facts: Facts): Promise<StoredBinary> {
    const stats = await fs.stat(join(this.root, path)).catch(unlessGone);
    const { size, mtimeMs } = stats ?? { size: facts.sizeBytes, mtimeMs: facts.mtimeMs };
    const recorded = (await readFacts(this.root, path)) ?? facts;
    const entry = entryFromFacts({ path, sizeBytes: size, mtimeMs, hasFacts: true }, recorded);
    if (stats !== null) this.#contents.enter(entry); // else somebody has removed it already
    return entry.binary;
  }

  async #sweep(): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    await sweepIncoming(this.root);
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

/** Opened without waiting, should it be a fifo. Rejects with the system's error, or StoreError for what is no file. */
async function openRegular(path: string): Promise<fs.FileHandle> {
  const file = await fs.open(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new StoreError('not-an-object', `${displayName(path)} is not added: not a regular file`);
}
