/** How files come into a store: judged, looked for, copied or moved, put on its shelf (shelf.ts), told of. */
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isParseError, messageOf } from '../errors.ts';
import type { Identity } from '../match/identity.ts';
import { type FatSlice, sliceSource } from '../object/macho-fat.ts';
import { openSlice } from '../object/open.ts';
import { areTwins, builds } from './archived.ts';
import { type Examination, type Examine, uselessness } from './examine.ts';
import { FACTS_SCHEMA, type Facts } from './facts.ts';
import { FileSource } from './file.ts';
import { type FilePart, hashFile } from './hash.ts';
import { incomingName } from './incoming.ts';
import { copyIn, type Incoming, incomingDir, sweepIncoming, takeOver } from './ingest.ts';
import { displayName, filePath, keyFromContent, keyFromIds, nameFromPath } from './layout.ts';
import type { Shelf, Shelved } from './shelf.ts';
import { type AddOptions, type AddResult, type StoredBinary, StoreError } from './store.ts';
import { addSlices, partsOf } from './universal.ts';

export class Adding {
  readonly #shelf: Shelf;
  readonly #examine: Examine;
  #swept = false;

  constructor(shelf: Shelf, examine: Examine) {
    this.#shelf = shelf;
    this.#examine = examine;
  }

  /** As all methods here: see SymbolStore. */
  async incoming(): Promise<string> {
    await this.#sweep();
    return join(await incomingDir(this.#shelf.root), incomingName());
  }

  async add(file: string, options: AddOptions = {}): Promise<AddResult> {
    const { received, expected = '' } = options;
    const isNamed = options.name !== undefined && (options.name !== '' || received === undefined);
    const name = isNamed ? displayName(options.name) : received === undefined ? displayName(basename(file)) : '';
    const original = await openRegular(file);
    try {
      const slices = partsOf(file, name);
      if (slices === null) return await this.#add(file, original, { name, expected, received });
      return await addSlices(slices, name, (part) => this.#add(file, original, { name, expected, part }));
    } catch (error) {
      await this.#shelf.failed(error);
      throw error;
    } finally {
      await original.close();
      if (received !== undefined) await fs.rm(file, { force: true });
    }
  }

  /** Adds a whole file or a part of it. */
  async #add(file: string, original: fs.FileHandle, { name, expected, part, received }: Wish): Promise<AddResult> {
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
      await this.#shelf.wasThere(present);
      return { binary: present, outcome: 'already-there', note: `already there as ${present.path}` };
    }
    if (received !== undefined)
      return await this.#place(await takeOver(file, received), name || nameFromPath('0000', first.identity), first);
    await this.#sweep();
    const copy = await copyIn(this.#shelf.root, original, part);
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
    return key !== null && this.#shelf.catalog.underKey(key).some((file) => file.debugOnly && file.problem === '');
  }

  /** The stored file with the same content, looked for only when one has the same size: hashing costs less than copying. */
  async #presentCopy(file: string, part: FilePart, known?: string): Promise<StoredBinary | null> {
    const alike = [...this.#shelf.catalog.all()].filter((b) => b.problem === '' && b.sizeBytes === part.size);
    if (alike.length === 0) return null;
    const sha256 = known ?? (await hashFile(file, part)).sha256;
    for (const binary of alike) {
      if (binary.sha256 !== null && binary.sha256 !== sha256) continue;
      const confirmed = await this.#shelf.confirm(binary);
      if (confirmed !== binary) continue;
      if (binary.sha256 === sha256) return binary;
      if ((await this.#shelf.hashOf(binary)) === sha256) return binary;
    }
    return null;
  }

  async #place(copy: Incoming, name: string, { identity, debugOnly, sketch }: Examination): Promise<AddResult> {
    const { sha256, sizeBytes, mtimeMs } = copy;
    const key = keyFromIds(identity.ids) ?? keyFromContent(sha256);
    const path = filePath(key, sha256, identity.format);
    const addedAt = new Date().toISOString();
    const about = { name, addedAt, sizeBytes, mtimeMs, sha256 };
    const facts: Facts = { schema: FACTS_SCHEMA, ...about, debugOnly, sketch, identity };
    const shelved = await this.#shelf.place(copy, path, facts);
    return { binary: shelved.binary, ...this.#told(shelved) };
  }

  #told({ binary, outcome, isNowFirst }: Shelved): Pick<AddResult, 'outcome' | 'note'> {
    if (outcome === 'already-there') return { outcome, note: 'already there' };
    if (outcome === 'repaired') return { outcome: 'replaced', note: `replaced the damaged copy under ${binary.key}` };
    const others = this.#shelf.catalog.underKey(binary.key).filter((other) => other.path !== binary.path);
    const pair = this.#pairOf(binary);
    if (others.length === 0) return { outcome: 'added', note: `added as ${binary.key}${pair}` };
    const isOneBuild = builds([binary, ...others]).length === 1;
    const files = `${others.length + 1} files of ${isOneBuild ? 'this build' : 'different builds with this ID'}`;
    return isNowFirst
      ? { outcome: 'replaced', note: `added as ${binary.key}, now first of ${files}${pair}` }
      : { outcome: 'added', note: `added as ${binary.key}, one of ${files}${pair}` };
  }

  /** What a build and its twin under another key can do together, as the tail of a sentence; "" without a twin. */
  #pairOf(binary: StoredBinary): string {
    const { pclntabSha256 } = binary.identity.ids;
    if (pclntabSha256 === null) return '';
    const { binaries } = this.#shelf.catalog.find({ pclntabSha256 });
    const twin = binaries.find((other) => other.key !== binary.key && areTwins(binary, other));
    if (twin === undefined) return '';
    const named = `; twin of ${twin.name} ${twin.key.slice(0, 16)}: Go frames from both`;
    const rich = [binary, twin].filter(({ identity }) => identity.symbols.dwarf !== null);
    if (rich.length === 0) return `${named}, C frames from neither`;
    return rich.length === 2
      ? `${named}, C frames too`
      : `${named}, C frames from ${rich[0] === twin ? 'that one' : 'this one'}`;
  }

  async #sweep(): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    await sweepIncoming(this.#shelf.root);
  }
}

/** A file, or a part of one, on its way in. */
interface Wish {
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
