/**
 * The shelf of a bucket. In this order, so that a process killed anywhere leaves nothing or everything:
 *
 *   1. the file, to a name that no other content has      (without facts it is not there)
 *   2. its facts, unless there are some: this one step makes it visible
 *   3. another look at the file: whoever removed it meanwhile had not seen the facts
 *   4. .resym/changed
 */
import * as fs from 'node:fs/promises';
import { createHash } from 'node:crypto';
import type { Catalog } from '../store/catalog.ts';
import { type Facts, formatFacts, richness } from '../store/facts.ts';
import type { Incoming } from '../store/ingest.ts';
import { FACTS_SUFFIX, parseFilePath } from '../store/layout.ts';
import type { Shelf, Shelved } from '../store/shelf.ts';
import type { StoredBinary } from '../store/store.ts';
import type { BucketContents } from './contents.ts';
import type { BucketUses } from './uses.ts';
import { BucketError, type ObjectFacts, type Objects } from './objects.ts';

/** Each is one somebody else's removal of the same file. */
const MAX_ROUNDS = 10;
const PIECE_BYTES = 8 << 20;

export class BucketShelf implements Shelf {
  readonly root: string;
  readonly #objects: Objects;
  readonly #contents: BucketContents;
  readonly #uses: BucketUses;

  /** @param root the directory that copies under way lie in */
  constructor(root: string, objects: Objects, contents: BucketContents, uses: BucketUses) {
    this.root = root;
    this.#objects = objects;
    this.#contents = contents;
    this.#uses = uses;
  }

  get catalog(): Catalog {
    return this.#contents.catalog;
  }

  /** By its facts: they go first when it is removed. */
  async confirm(binary: StoredBinary): Promise<StoredBinary | undefined> {
    const [facts, object] = await Promise.all([
      this.#objects.head(binary.path + FACTS_SUFFIX),
      this.#objects.head(binary.path),
    ]);
    const isThere = facts !== null && object?.etag === this.#contents.held(binary.path)?.object.etag;
    if (!isThere) this.#contents.deleted(binary.path);
    return isThere ? binary : undefined;
  }

  async hashOf({ path, sizeBytes }: StoredBinary): Promise<string> {
    const object = this.#contents.held(path)?.object;
    if (object === undefined) throw new BucketError('ENOENT', `${path} is gone`);
    const hash = createHash('sha256');
    for (let offset = 0; offset < sizeBytes; offset += PIECE_BYTES) {
      hash.update(
        await this.#objects.read(object.name, object.etag, offset, Math.min(PIECE_BYTES, sizeBytes - offset)),
      );
    }
    return hash.digest('hex');
  }

  wasThere(binary: StoredBinary): Promise<void> {
    return this.#uses.mark(binary, true);
  }

  async place(copy: Incoming, path: string, facts: Facts): Promise<Shelved> {
    try {
      return await this.#place(copy, path, facts);
    } finally {
      await fs.rm(copy.path, { force: true });
    }
  }

  async #place(copy: Incoming, path: string, facts: Facts): Promise<Shelved> {
    const before = await this.#objects.head(path);
    const hadFacts = before !== null && (await this.#objects.head(path + FACTS_SUFFIX)) !== null;
    // What lies there without facts was left on the way, and may be anything.
    const isWhole = hadFacts && before.sizeBytes === copy.sizeBytes && this.#isSound(path, before);
    let object = isWhole ? before : await this.#upload(copy, path);
    let isFirst = false;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      isFirst = (await this.#putFacts(path, facts, hadFacts && !isWhole)) || isFirst;
      const now = await this.#objects.head(path);
      if (now !== null) {
        object = now;
        break;
      }
      object = await this.#upload(copy, path);
    }
    const factsObject = await this.#objects.head(path + FACTS_SUFFIX);
    await this.#contents.announce();
    const others = this.#contents.catalog.underKey(parseFilePath(path)!.key).filter((other) => other.path !== path);
    const binary = this.#contents.enter(object, factsObject ?? object, facts);
    const outcome = isFirst && !hadFacts ? 'placed' : isWhole || !hadFacts ? 'already-there' : 'repaired';
    if (outcome === 'already-there') await this.#uses.mark(binary, true);
    return { binary, outcome, isNowFirst: others.length > 0 && others.every((other) => isRicher(binary, other)) };
  }

  /** False for an object whose entry says that it is damaged. */
  #isSound(path: string, now: ObjectFacts): boolean {
    const held = this.#contents.held(path);
    return held === undefined || (held.object.etag === now.etag && !held.entry.binary.problem.startsWith('damaged'));
  }

  async #upload(copy: Incoming, path: string): Promise<ObjectFacts> {
    await this.#objects.upload(path, copy.path);
    const object = await this.#objects.head(path);
    if (object !== null && object.sizeBytes !== copy.sizeBytes)
      throw new BucketError('EIO', `${path} has ${object.sizeBytes} bytes after ${copy.sizeBytes} were sent`);
    return object ?? { name: path, etag: '', sizeBytes: copy.sizeBytes, modifiedMs: 0 };
  }

  /** False when there were some. */
  #putFacts(path: string, facts: Facts, isReplaced: boolean): Promise<boolean> {
    return this.#objects.put(path + FACTS_SUFFIX, Buffer.from(formatFacts(facts)), { ifAbsent: !isReplaced });
  }

  failed(): Promise<void> {
    return Promise.resolve(); // the bucket has said why
  }
}

function isRicher(one: StoredBinary, other: StoredBinary): boolean {
  return richness(one.identity, one.debugOnly) > richness(other.identity, other.debugOnly);
}
