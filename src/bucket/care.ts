/** The care of a bucket: what is removed, checked, pinned, put into quarantine and swept. Any number of replicas may do it at once. */
import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { isSystemError, messageOf } from '../errors.ts';
import type { Entry } from '../store/entry.ts';
import type { Examine } from '../store/examine.ts';
import { formatFacts } from '../store/facts.ts';
import {
  BUILD_ID_DIR,
  FACTS_SUFFIX,
  INDEX_DIR,
  isHexId,
  parseFilePath,
  PINS_DIR,
  QUARANTINE_DIR,
} from '../store/layout.ts';
import { formatAbout, parseAbout } from '../store/quarantine.ts';
import {
  type Quarantined,
  type StoredBinary,
  StoreError,
  type Swept,
  type SweepOptions,
  type VerifyResult,
} from '../store/store.ts';
import { ABANDONED_AFTER_MS } from '../store/ingest.ts';
import { QUARANTINED_MS } from '../store/sweep.ts';
import { mendedEntry, verifyEntry } from '../store/verify.ts';
import type { BucketContents } from './contents.ts';
import { BucketError, type ObjectFacts, type Objects } from './objects.ts';
import type { BucketUses } from './uses.ts';

const MAX_ABOUT_BYTES = 64 << 10;

export class BucketCare {
  readonly #objects: Objects;
  readonly #contents: BucketContents;
  readonly #uses: BucketUses;
  readonly #cache: string;
  readonly #examine: Examine;

  /** @param cache a directory with room for a file while it is verified */
  constructor(objects: Objects, contents: BucketContents, uses: BucketUses, cache: string, examine: Examine) {
    this.#objects = objects;
    this.#contents = contents;
    this.#uses = uses;
    this.#cache = cache;
    this.#examine = examine;
  }

  /** As all methods here: see SymbolStore. */
  async remove(idOrPrefix: string): Promise<StoredBinary[]> {
    await this.#contents.look();
    const removed = this.#contents.catalog.select(idOrPrefix);
    for (const { path } of removed) await this.#removeFile(path);
    if (removed.length > 0) await this.#contents.announce();
    for (const key of new Set(removed.map((binary) => binary.key))) {
      await this.#removeIndexes(key);
      if (this.#contents.catalog.underKey(key).length > 0) continue;
      await this.#objects.remove(`${PINS_DIR}/${key}`);
      await this.#uses.forget(key);
    }
    return removed;
  }

  /** Facts first. Those written meanwhile, by somebody who adds it again and has seen the file, go too: it was added, then removed. */
  async #removeFile(path: string): Promise<void> {
    await this.#objects.remove(path + FACTS_SUFFIX);
    await this.#objects.remove(path);
    if ((await this.#objects.head(path + FACTS_SUFFIX)) !== null && (await this.#objects.head(path)) === null)
      await this.#objects.remove(path + FACTS_SUFFIX);
    this.#contents.deleted(path);
  }

  async #removeIndexes(key: string): Promise<void> {
    if (!isHexId(key)) return;
    for (const { name } of await this.#objects.list(`${INDEX_DIR}/${key.slice(0, 2)}/${key.slice(2)}.`))
      await this.#objects.remove(name);
  }

  async verify(binaries: readonly StoredBinary[], onResult?: (result: VerifyResult) => void): Promise<VerifyResult[]> {
    const results: VerifyResult[] = [];
    for (const binary of binaries) {
      const result = await this.#verifyOne(binary);
      if (result === null) continue; // removed meanwhile
      results.push(result);
      onResult?.(result);
    }
    return results;
  }

  async #verifyOne(binary: StoredBinary): Promise<VerifyResult | null> {
    const verified = await this.#downloaded(binary, (root, entry) => verifyEntry(root, entry, this.#examine));
    if (verified === null || 'result' in verified) return verified?.result ?? null;
    return { binary, ok: false, problem: `cannot be read: ${messageOf(verified)}`, isDamaged: false };
  }

  /** What is found out about a file and its facts by reading them whole, as files; null when it is gone, the error when it cannot be read. */
  async #downloaded<Found>(
    { path }: StoredBinary,
    find: (root: string, entry: Entry) => Promise<Found>,
  ): Promise<Found | NodeJS.ErrnoException | null> {
    const held = this.#contents.held(path);
    if (held === undefined) return null;
    const root = join(this.#cache, 'verify', randomUUID());
    const file = join(root, path);
    try {
      await fs.mkdir(dirname(file), { recursive: true });
      const object = await this.#objects.download(path, file);
      if (object === null) return null;
      await this.#objects.download(path + FACTS_SUFFIX, file + FACTS_SUFFIX);
      return await find(root, held.entry);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return error;
    } finally {
      await fs.rm(root, { recursive: true, force: true });
    }
  }

  async pins(): Promise<ReadonlySet<string>> {
    const pins = await this.#objects.list(`${PINS_DIR}/`);
    return new Set(pins.map(({ name }) => posix.basename(name)).filter(isHexId));
  }

  async setPinned(idOrPrefix: string, isPinned: boolean): Promise<StoredBinary[]> {
    await this.#contents.look();
    const files = this.#contents.catalog.select(idOrPrefix);
    const key = files[0]?.key ?? idOrPrefix.trim().toLowerCase();
    const name = `${PINS_DIR}/${key}`;
    if (isPinned && files.length > 0) await this.#objects.put(name, new Uint8Array(0));
    else if (!isPinned && isHexId(key)) await this.#objects.remove(name);
    return files;
  }

  async quarantine(binary: StoredBinary, problem: string): Promise<void> {
    const { path, name, key } = binary;
    const seen = await this.#downloaded(binary, async (root, entry) => {
      const { result } = await verifyEntry(root, entry, this.#examine);
      return result.isDamaged ? { mended: await mendedEntry(root, entry, this.#examine) } : null;
    });
    if (seen === null || !('mended' in seen))
      throw new StoreError('changed', `${path} stays where it is: it is not damaged, or not any more`);
    const facts = seen.mended?.facts ?? null;
    const folder = `${QUARANTINE_DIR}/${randomUUID()}`;
    const about = { name, key, path, problem, quarantinedAt: new Date().toISOString() };
    await this.#objects.put(`${folder}/about.json`, Buffer.from(formatAbout(about)));
    const moved = facts === null ? [path, path + FACTS_SUFFIX] : [path + FACTS_SUFFIX];
    for (const object of moved) await this.#objects.copy(object, `${folder}/${posix.basename(object)}`);
    if (facts !== null) await this.#objects.put(path + FACTS_SUFFIX, Buffer.from(formatFacts(facts)));
    else {
      await this.#removeFile(path);
      await this.#removeIndexes(key);
    }
    await this.#contents.announce();
    await this.#contents.look();
  }

  async quarantined(): Promise<Quarantined[]> {
    const objects = await this.#objects.list(`${QUARANTINE_DIR}/`);
    const found: Quarantined[] = [];
    for (const [folder, files] of byFolder(objects)) {
      const text = await this.#objects.get(`${folder}/about.json`, MAX_ABOUT_BYTES);
      const about = parseAbout(Buffer.from(text ?? []).toString('utf8'));
      if (about === null) continue;
      const named = (name: string): ObjectFacts | undefined => files.find((one) => posix.basename(one.name) === name);
      const file = named(posix.basename(about.path)) ?? named(posix.basename(about.path) + FACTS_SUFFIX);
      if (file === undefined) continue;
      const { name, key, problem, quarantinedAt } = about;
      found.push({ path: file.name, name, key, sizeBytes: file.sizeBytes, problem, quarantinedAt });
    }
    return found.sort((a, b) => (a.quarantinedAt > b.quarantinedAt ? -1 : 1));
  }

  /** Files without facts and facts without files, indexes of builds that are gone, uploads nobody has finished, old quarantine. */
  async sweep(options: SweepOptions = {}): Promise<Swept[]> {
    const { abandonedMs = ABANDONED_AFTER_MS, quarantinedMs = QUARANTINED_MS, dryRun = false } = options;
    const now = Date.now();
    const swept: Swept[] = [];
    const remove = async ({ name, sizeBytes, modifiedMs }: ObjectFacts, ageMs: number, what: string): Promise<void> => {
      if (modifiedMs >= now - ageMs) return;
      if (!dryRun) await this.#objects.remove(name);
      swept.push({ path: name, sizeBytes, what });
    };
    await this.#contents.look();
    const keys = new Set([...this.#contents.catalog.all()].map(({ key }) => key));
    const files = await this.#objects.list(`${BUILD_ID_DIR}/`);
    const names = new Set(files.map(({ name }) => name));
    for (const file of files) {
      const { name } = file;
      const own = name.endsWith(FACTS_SUFFIX) ? name.slice(0, -FACTS_SUFFIX.length) : name;
      if (parseFilePath(own) === null) continue;
      if (own !== name && !names.has(own)) await remove(file, abandonedMs, 'facts of a file that is gone');
      if (own === name && !names.has(own + FACTS_SUFFIX))
        await remove(file, abandonedMs, 'a file whose upload was abandoned');
    }
    for (const index of await this.#objects.list(`${INDEX_DIR}/`)) {
      const [ab = '', rest = ''] = index.name.slice(INDEX_DIR.length + 1).split('/');
      if (!keys.has(ab + rest.split('.')[0])) await remove(index, abandonedMs, 'the index of a build that is gone');
    }
    for (const object of await this.#objects.list(`${QUARANTINE_DIR}/`))
      await remove(object, quarantinedMs, 'a damaged file that was in quarantine for long');
    swept.push(...(await this.#abortUploads(now - abandonedMs, dryRun)));
    return swept;
  }

  /** Not all servers can say which there are; those that clear away by themselves need not. */
  async #abortUploads(before: number, dryRun: boolean): Promise<Swept[]> {
    const what = 'an upload in parts that was abandoned';
    const swept: Swept[] = [];
    try {
      for (const { name, uploadId } of await this.#objects.abandoned(before)) {
        if (!dryRun) await this.#objects.abort(name, uploadId);
        swept.push({ path: name, sizeBytes: 0, what });
      }
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
    }
    return swept;
  }
}

function byFolder(objects: readonly ObjectFacts[]): Map<string, ObjectFacts[]> {
  const folders = new Map<string, ObjectFacts[]>();
  for (const object of objects) {
    const folder = posix.dirname(object.name);
    folders.set(folder, [...(folders.get(folder) ?? []), object]);
  }
  return folders;
}
