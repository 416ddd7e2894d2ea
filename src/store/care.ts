/** The care of a directory store: what is listed, removed, checked, pinned, put into quarantine and swept. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError, messageOf } from '../errors.ts';
import type { Contents } from './contents.ts';
import type { Examine } from './examine.ts';
import { formatFacts } from './facts.ts';
import { listed, type ListFilter } from './filter.ts';
import { removeIndexes } from './index-files.ts';
import { keepFacts, settleAlias, writeDurably } from './ingest.ts';
import { FACTS_SUFFIX, parseFilePath } from './layout.ts';
import { readPins, writePin } from './pins.ts';
import { moveToQuarantine } from './quarantine.ts';
import { type StoredBinary, StoreError, type Swept, type SweepOptions, type VerifyResult } from './store.ts';
import { sweepDirectory } from './sweep.ts';
import { Uses } from './uses.ts';
import { mendedEntry, verifyEntry } from './verify.ts';

export class DirectoryCare {
  readonly #root: string;
  readonly #contents: Contents;
  readonly #examine: Examine;
  readonly #uses: Uses;

  constructor(root: string, contents: Contents, examine: Examine) {
    this.#root = root;
    this.#contents = contents;
    this.#examine = examine;
    this.#uses = new Uses(root);
  }

  /** As all methods here: see SymbolStore. */
  async list(filter?: ListFilter): Promise<StoredBinary[]> {
    await this.#refresh();
    return listed(this.#contents.catalog, filter);
  }

  async #refresh(): Promise<void> {
    await this.#contents.look();
    await this.#contents.examineAll();
  }

  async remove(idOrPrefix: string): Promise<StoredBinary[]> {
    await this.#refresh();
    const removed = this.#contents.catalog.select(idOrPrefix);
    await this.#writing(() => this.#removeFiles(removed));
    return removed;
  }

  /** What a write to the store gives; its failure says when it is the store that cannot be written to. */
  async #writing<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      await mustBeWritable(this.#root, error);
      throw error;
    }
  }

  async #removeFiles(removed: readonly StoredBinary[]): Promise<void> {
    const keys = new Set<string>();
    for (const binary of removed) {
      const { path } = this.#contents.entry(binary.path)!.file;
      const own = parseFilePath(path);
      const facts = own === null ? null : await this.#factsText(path);
      await fs.rm(join(this.#root, path), { force: true });
      if (own !== null) {
        await fs.rm(join(this.#root, path + FACTS_SUFFIX), { force: true });
        if (facts !== null) await keepFacts(this.#root, path, facts);
        keys.add(own.key);
      }
      this.#contents.deleted(binary);
    }
    for (const key of keys) await settleAlias(this.#root, key);
    for (const { key } of removed) {
      await removeIndexes(this.#root, key);
      if (key !== '' && this.#contents.catalog.underKey(key).length === 0) await writePin(this.#root, key, false);
    }
  }

  #factsText(path: string): Promise<string | null> {
    return fs.readFile(join(this.#root, path + FACTS_SUFFIX), 'utf8').catch(unlessGone);
  }

  async verify(onResult?: (result: VerifyResult) => void): Promise<VerifyResult[]> {
    const results: VerifyResult[] = [];
    for (const binary of await this.list()) {
      const entry = this.#contents.entry(binary.path);
      if (entry === undefined) continue; // removed meanwhile
      const { result, entry: now } = await verifyEntry(this.#root, entry, this.#examine);
      if (now !== entry) this.#contents.learn(now);
      results.push(result);
      onResult?.(result);
    }
    await this.#contents.save();
    return results;
  }

  async setPinned(idOrPrefix: string, isPinned: boolean): Promise<StoredBinary[]> {
    await this.#refresh();
    const files = this.#contents.catalog.select(idOrPrefix);
    if (files.length === 0) {
      const key = idOrPrefix.trim().toLowerCase();
      // The pin of a build that is gone.
      if (!isPinned && (await readPins(this.#root)).has(key))
        await this.#writing(() => writePin(this.#root, key, false));
      return [];
    }
    const [{ key, path }] = files;
    if (key === '') throw new StoreError('invalid-id', `${path} cannot be pinned: nothing tells what it is`);
    await this.#writing(() => writePin(this.#root, key, isPinned));
    return files;
  }

  /** @param isForced also when it was marked today */
  async used({ path }: StoredBinary, isForced = false): Promise<void> {
    if (parseFilePath(path) !== null) await this.#uses.mark(path, isForced);
  }

  async uses(keys?: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    const last = new Map<string, number>();
    const { catalog } = this.#contents;
    const binaries = keys === undefined ? [...catalog.all()] : [...keys].flatMap((key) => catalog.underKey(key));
    for (const { key, path } of binaries) {
      if (parseFilePath(path) === null) continue;
      const at = await this.#uses.lastOf(path);
      if (at !== null) last.set(key, Math.max(at, last.get(key) ?? -Infinity));
    }
    return new Map([...last].map(([key, at]) => [key, new Date(at).toISOString()]));
  }

  /** Looks at the file itself once more: a good copy may have taken its place since it was verified. */
  async quarantine(binary: StoredBinary, problem: string): Promise<void> {
    const entry = this.#contents.entry(binary.path);
    const own = parseFilePath(binary.path);
    if (own === null) {
      throw new StoreError('changed', `${binary.path} stays where it is: it was put there by hand`);
    }
    const { result } = entry ? await verifyEntry(this.#root, entry, this.#examine) : { result: null };
    if (entry === undefined || result?.isDamaged !== true) {
      throw new StoreError('changed', `${binary.path} stays where it is: it is not damaged, or not any more`);
    }
    const mended = await mendedEntry(this.#root, entry, this.#examine);
    const facts = await this.#factsText(binary.path);
    await this.#writing(() => moveToQuarantine(this.#root, binary.path, binary, problem, mended !== null));
    if (mended !== null) {
      await this.#writing(() =>
        writeDurably(this.#root, join(this.#root, binary.path + FACTS_SUFFIX), formatFacts(mended.facts)),
      );
      this.#contents.learn(mended.entry);
    } else {
      this.#contents.deleted(binary);
      await removeIndexes(this.#root, own.key);
      if (facts !== null) await this.#writing(() => keepFacts(this.#root, binary.path, facts));
    }
    await settleAlias(this.#root, own.key);
  }

  async sweep(options?: SweepOptions): Promise<Swept[]> {
    await this.#refresh();
    const keys = new Set([...this.#contents.catalog.all()].map(({ key }) => key));
    return this.#writing(() => sweepDirectory(this.#root, keys, options));
  }
}

/** Rejects with StoreError `read-only` when that is why something failed. */
export async function mustBeWritable(root: string, cause: unknown): Promise<void> {
  if (!isSystemError(cause)) return;
  try {
    await fs.access(root, fs.constants.W_OK);
  } catch (error) {
    throw new StoreError('read-only', `the store cannot be written to: ${messageOf(error)}`, { cause });
  }
}

/** null for what is not there (any more). */
export function unlessGone(error: unknown): null {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
  return null;
}
