/** The shelf of a directory store: files by their names in it, the link to the best of a key, the catalog. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type DirectoryCare, mustBeWritable, unlessGone } from './care.ts';
import type { Catalog } from './catalog.ts';
import type { Contents } from './contents.ts';
import { entryFromFacts, factsFit } from './entry.ts';
import { type Facts, richness } from './facts.ts';
import { hashFile } from './hash.ts';
import { type Incoming, place, readFacts, settleAlias } from './ingest.ts';
import { parseFilePath } from './layout.ts';
import type { Shelf, Shelved } from './shelf.ts';
import type { StoredBinary } from './store.ts';

export class DirectoryShelf implements Shelf {
  readonly root: string;
  readonly #contents: Contents;
  readonly #care: DirectoryCare;

  constructor(root: string, contents: Contents, care: DirectoryCare) {
    this.root = root;
    this.#contents = contents;
    this.#care = care;
  }

  get catalog(): Catalog {
    return this.#contents.catalog;
  }

  confirm(binary: StoredBinary): Promise<StoredBinary | undefined> {
    return this.#contents.confirm(binary);
  }

  async hashOf(binary: StoredBinary): Promise<string> {
    const path = this.#contents.entry(binary.path)?.file.path ?? binary.path;
    return (await hashFile(join(this.root, path))).sha256;
  }

  async wasThere(binary: StoredBinary): Promise<void> {
    await this.#mendAlias(binary);
    await this.#care.used(binary, true);
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

  async place(copy: Incoming, path: string, facts: Facts): Promise<Shelved> {
    const placed = await place(this.root, copy, path, facts, () => this.#isDamaged(path, copy));
    const { key } = parseFilePath(path)!;
    const { before, after } = await settleAlias(this.root, key, placed.isAlias ? [path] : []);
    const binary = await this.#entered(path, facts);
    const isNowFirst =
      before.kind === 'link' && before.path !== binary.path && after.kind === 'link' && after.path === binary.path;
    return { binary, outcome: placed.outcome, isNowFirst };
  }

  /** True when the file at an own path is not what its name says. */
  async #isDamaged(path: string, copy: Incoming): Promise<boolean> {
    const target = join(this.root, path);
    const stats = await fs.stat(target).catch(unlessGone);
    if (stats === null) return true; // somebody has just removed it: the copy takes its place
    if (stats.size !== copy.sizeBytes) return true;
    const recorded = await readFacts(this.root, path);
    if (recorded !== null && factsFit(recorded, { sizeBytes: stats.size, mtimeMs: stats.mtimeMs })) return false;
    const hashed = await hashFile(target).catch(unlessGone);
    return hashed?.sha256 !== copy.sha256;
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

  failed(error: unknown): Promise<void> {
    return mustBeWritable(this.root, error);
  }
}
