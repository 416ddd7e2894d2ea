/** The store in a directory: layout.ts says where things lie, ingest.ts how they get there, contents.ts how they are found. */
import { realpathSync, statSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { prepareZstd } from '../bytes/inflate.ts';
import { FormatError, isParseError, isSystemError, messageOf } from '../errors.ts';
import type { Identity } from '../match/identity.ts';
import type { SketchQuery } from '../match/sketch.ts';
import { type FatSlice, sliceSource } from '../object/macho-fat.ts';
import { openSlice } from '../object/open.ts';
import { byRichness, type Catalog, compareText, hexIdsOf } from './catalog.ts';
import { Contents } from './contents.ts';
import { areTwins, builds } from './archived.ts';
import { entryFromFacts, factsFit, versionOf } from './entry.ts';
import { examine, type Examination, type Examine, uselessness } from './examine.ts';
import { FACTS_SCHEMA, type Facts, richness } from './facts.ts';
import { FileSource } from './file.ts';
import { type ListFilter, matches } from './filter.ts';
import { type FilePart, hashFile } from './hash.ts';
import {
  type Alias,
  copyIn,
  type Incoming,
  incomingDir,
  place,
  type Placed,
  readFacts,
  settleAlias,
  sweepIncoming,
  takeOver,
} from './ingest.ts';
import { indexPath, openIndex, removeIndexes, writeIndex } from './index-files.ts';
import {
  displayName,
  FACTS_SUFFIX,
  filePath,
  keyFromContent,
  keyFromIds,
  nameFromPath,
  parseFilePath,
} from './layout.ts';
import {
  type AddOptions,
  type AddResult,
  type BinaryQuery,
  type OpenBinary,
  type StoredBinary,
  StoreError,
  type SymbolStore,
  type VerifyResult,
} from './store.ts';
import { addSlices, partsOf } from './universal.ts';
import { verifyEntry } from './verify.ts';

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
  readonly #examine: Examine;
  readonly #lookAgainMs: number;
  #swept = false;

  private constructor(root: string, options: DirectoryOptions) {
    this.root = root;
    this.#examine = options.examine ?? examine;
    this.#lookAgainMs = options.lookAgainMs ?? LOOK_AGAIN_MS;
    this.#contents = new Contents(root, this.#examine, options.notice ?? (() => undefined));
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
    if (known.exact) return known.binaries;
    this.#contents.lookAtKeys(claimed);
    const added = await this.#confirmed(query);
    if (added.exact) return added.binaries;
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

  async list(filter: ListFilter = {}): Promise<StoredBinary[]> {
    await this.refresh();
    const { catalog } = this.#contents;
    const wanted = [...catalog.all()].filter((binary) => matches(binary, filter));
    return wanted.sort((a, b) => compareText(a.name, b.name) || compareText(a.key, b.key) || byRichness(a, b));
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
    return (await this.select(idOrPrefix))[0] ?? null;
  }

  async select(idOrPrefix: string): Promise<StoredBinary[]> {
    await this.refresh();
    return this.#contents.catalog.select(idOrPrefix);
  }

  async incoming(): Promise<string> {
    await this.#sweep();
    return incomingDir(this.root);
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

  fileOf(binary: StoredBinary): string {
    const path = this.#contents.entry(binary.path)?.file.path ?? binary.path;
    if (path.split('/').includes('..')) throw new StoreError('invalid-id', `no path of this store: ${binary.path}`);
    return join(this.root, path);
  }

  async add(file: string, options: AddOptions = {}): Promise<AddResult> {
    const { received, expected = '' } = options;
    const name = options.name ? displayName(options.name) : received === undefined ? displayName(basename(file)) : '';
    const original = await openRegular(file);
    try {
      const slices = partsOf(file, name);
      if (slices === null) return await this.#add(file, original, { name, expected, received });
      return await addSlices(slices, name, (part) => this.#add(file, original, { name, expected, part }));
    } catch (error) {
      await this.#mustBeWritable(error);
      throw error;
    } finally {
      await original.close();
      if (received !== undefined) await fs.rm(file, { force: true });
    }
  }

  /** Adds a whole file or a part of it. */
  async #add(file: string, original: fs.FileHandle, { name, expected, part, received }: Adding): Promise<AddResult> {
    const first = this.#judge(file, name, part); // before anything is copied
    if (expected !== '' && !hasId(first.identity, expected)) {
      const ids = Object.values(first.identity.ids).filter((id) => id !== null);
      const has = ids.length > 0 ? `it has ${ids.join(', ')}` : 'it has none';
      throw new StoreError(
        'not-as-said',
        `${name || 'the file'} is not added: its ID is not ${expected} as was said; ${has}`,
      );
    }
    const present = await this.#presentCopy(file, part ?? { offset: 0, size: (await original.stat()).size }, received);
    if (present !== null) {
      await this.#mendAlias(present);
      return { binary: present, outcome: 'already-there', note: `already there as ${present.path}` };
    }
    if (received !== undefined)
      return await this.#place(await takeOver(file, received), name || nameFromPath('0000', first.identity), first);
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

  /** Rejects with StoreError `read-only` when that is why something failed. */
  async #mustBeWritable(cause: unknown): Promise<void> {
    if (!isSystemError(cause)) return;
    try {
      await fs.access(this.root, fs.constants.W_OK);
    } catch (error) {
      throw new StoreError('read-only', `the store cannot be written to: ${messageOf(error)}`, { cause });
    }
  }

  /** What a file is; throws StoreError when it is of no use. */
  #judge(path: string, name: string, part?: FatSlice): Examination {
    const source = FileSource.open(path);
    try {
      if (part !== undefined) openSlice(source, part); // it must be for the architecture it is said to be for
      const examination = this.#examine(part === undefined ? source : sliceSource(source, part));
      const problem = uselessness(examination.identity, this.#hasDebugInfoOf(examination.identity));
      if (problem !== '') throw new StoreError('no-symbols', `${name || 'the file'} is not added: ${problem}`);
      return examination;
    } catch (error) {
      if (!isParseError(error)) throw error;
      throw new StoreError('not-an-object', `${name || 'the file'} is not added: ${messageOf(error)}`, {
        cause: error,
      });
    } finally {
      source.close();
    }
  }

  #hasDebugInfoOf({ ids }: Identity): boolean {
    const key = keyFromIds(ids);
    return key !== null && this.#contents.catalog.underKey(key).some((file) => file.debugOnly && file.problem === '');
  }

  /** The stored file with the same content, looked for only when one has the same size: hashing costs less than copying. */
  async #presentCopy(file: string, part: FilePart, known?: string): Promise<StoredBinary | null> {
    const alike = [...this.#contents.catalog.all()].filter((b) => b.problem === '' && b.sizeBytes === part.size);
    if (alike.length === 0) return null;
    const sha256 = known ?? (await hashFile(file, part)).sha256;
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
    const stats = await fs.stat(join(this.root, path));
    const file = { path, sizeBytes: stats.size, mtimeMs: stats.mtimeMs, hasFacts: true };
    const recorded = (await readFacts(this.root, path)) ?? facts;
    const entry = entryFromFacts(file, recorded);
    this.#contents.put(entry);
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

  async remove(idOrPrefix: string): Promise<StoredBinary[]> {
    await this.refresh();
    const removed = this.#contents.catalog.select(idOrPrefix);
    try {
      await this.#removeFiles(removed);
    } catch (error) {
      await this.#mustBeWritable(error);
      throw error;
    }
    return removed;
  }

  async #removeFiles(removed: readonly StoredBinary[]): Promise<void> {
    const keys = new Set<string>();
    for (const binary of removed) {
      const { path } = this.#contents.entry(binary.path)!.file;
      await fs.rm(join(this.root, path), { force: true });
      const own = parseFilePath(path);
      if (own !== null) {
        await fs.rm(join(this.root, path + FACTS_SUFFIX), { force: true });
        keys.add(own.key);
      }
      this.#contents.deleted(binary);
    }
    for (const key of keys) await settleAlias(this.root, key);
    for (const { key } of removed) await removeIndexes(this.root, key);
  }

  async verify(onResult?: (result: VerifyResult) => void): Promise<VerifyResult[]> {
    const results: VerifyResult[] = [];
    for (const binary of await this.list()) {
      const entry = this.#contents.entry(binary.path);
      if (entry === undefined) continue; // removed meanwhile
      const { result, entry: now } = await verifyEntry(this.root, entry, this.#examine);
      if (now !== entry) this.#contents.learn(now);
      results.push(result);
      onResult?.(result);
    }
    await this.#contents.save();
    return results;
  }
}

/** A file, or a part of one, on its way in. */
interface Adding {
  /** "": what it says itself. */
  readonly name: string;
  readonly expected: string;
  readonly part?: FatSlice | undefined;
  readonly received?: string | undefined;
}

function hasId({ ids }: Identity, expected: string): boolean {
  const wanted = expected.toLowerCase().replaceAll('-', '');
  return [ids.gnu, ids.uuid, ids.pe, ids.goDerivedGnu].includes(wanted) || ids.go === expected;
}

/** Opened without waiting, should it be a fifo. Rejects with the system's error, or StoreError for what is no file. */
async function openRegular(path: string): Promise<fs.FileHandle> {
  const file = await fs.open(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new StoreError('not-an-object', `${displayName(path)} is not added: not a regular file`);
}
