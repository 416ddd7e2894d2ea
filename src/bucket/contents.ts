/**
 * The catalog of a bucket. A list tells which files are there; what they are is in their facts, of which those seen before are kept on
 * the disk. Whether there is anything new is told by one small object.
 *
 *   .resym/changed as it was ──► the catalog holds
 *                  another  ──► list ──► facts not seen yet ──► catalog
 */
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { isParseError, isSystemError } from '../errors.ts';
import { Catalog } from '../store/catalog.ts';
import { type Entry, entryFromFacts, entryOfOtherSize, factsOf } from '../store/entry.ts';
import type { Examination } from '../store/examine.ts';
import { BLANK_IDENTITY, FACTS_SCHEMA, type Facts, factsOfOtherSchema, parseFacts } from '../store/facts.ts';
import {
  BUILD_ID_DIR,
  escapeControls,
  FACTS_SUFFIX,
  isHexId,
  keyDir,
  parseFilePath,
  SNAPSHOT_FILE,
} from '../store/layout.ts';
import { KeptSketch, type Known, Snapshot, writeSnapshot } from '../store/snapshot.ts';
import { SpotLooks } from '../store/spot-looks.ts';
import type { StoredBinary } from '../store/store.ts';
import { TimeSlice } from '../store/time-slice.ts';
import { CHANGED } from './names.ts';
import type { ObjectFacts, Objects } from './objects.ts';

/** Facts take some 9 KB, those of a file with a million functions not much more. */
export const MAX_FACTS_BYTES = 8 << 20;
/** Requests at once. */
const AT_ONCE = 32;
/** A change whose announcement was lost, its process killed, is seen after this. */
const RELIST_MS = 10 * 60_000;
/** How soon an ID that was not there is looked for again. */
const SPOT_MS = 1000;
/** Fewer facts are as soon fetched again. */
const WORTH_SAVING = 200;
const SAVE_INTERVAL_MS = 60_000;

/** A file of the bucket with all that is known of it. */
interface Held {
  readonly object: ObjectFacts;
  /** Of its facts. */
  readonly facts: ObjectFacts;
  readonly entry: Entry;
  /** On performance.now()'s clock. */
  readonly enteredAt: number;
}

interface Pair {
  object?: ObjectFacts;
  facts?: ObjectFacts;
}

export interface ContentsOptions {
  /** A directory for what is worth keeping. */
  readonly cache: string;
  /** Reads an object as a binary. Throws BucketError and what parsers throw. */
  readonly examine: (object: ObjectFacts) => Examination;
  /** Gets what is odd but no failure. */
  readonly notice: (sentence: string) => void;
}

export class BucketContents {
  readonly catalog = new Catalog();
  readonly #objects: Objects;
  readonly #cache: string;
  readonly #examine: (object: ObjectFacts) => Examination;
  readonly #notice: (sentence: string) => void;
  /** By path. */
  readonly #held = new Map<string, Held>();
  readonly #spotLooks = new SpotLooks();
  #snapshot: Snapshot | null = null;
  #looking: Promise<void> | null = null;
  /** What `.resym/changed` said before the last list; null: nothing was listed yet. */
  #seen: string | null = null;
  #checkedAt = -Infinity;
  #listedAt = -Infinity;
  #unsaved = 0;
  #savedAt = -Infinity;
  #saving: Promise<void> | null = null;

  constructor(objects: Objects, { cache, examine, notice }: ContentsOptions) {
    this.#objects = objects;
    this.#cache = cache;
    this.#examine = examine;
    this.#notice = notice;
  }

  /** Takes up what has changed, unless that was done within `maxAgeMs`. Rejects with BucketError. */
  async look(maxAgeMs = 0): Promise<void> {
    const wanted = performance.now() - maxAgeMs;
    while (this.#checkedAt < wanted) {
      this.#looking ??= this.#look().finally(() => (this.#looking = null));
      await this.#looking;
    }
  }

  async #look(): Promise<void> {
    const began = performance.now();
    const seen = await this.#marker();
    if (seen !== this.#seen || began - this.#listedAt > RELIST_MS) {
      await this.#listAll(began);
      this.#seen = seen;
      this.#listedAt = began;
    }
    this.#checkedAt = began;
    await this.save();
  }

  /** True when nothing was changed since all was listed; asked at most once in `maxAgeMs`. Rejects with BucketError. */
  async isCurrent(maxAgeMs: number): Promise<boolean> {
    if (this.#seen === null) return false;
    const now = performance.now();
    if (now - this.#checkedAt < maxAgeMs) return true;
    if ((await this.#marker()) !== this.#seen || now - this.#listedAt > RELIST_MS) return false;
    this.#checkedAt = Math.max(this.#checkedAt, now);
    return true;
  }

  async #marker(): Promise<string> {
    return Buffer.from((await this.#objects.get(CHANGED, 4096)) ?? []).toString('utf8');
  }

  async #listAll(began: number): Promise<void> {
    const slice = new TimeSlice();
    this.#snapshot ??= await this.#openSnapshot(slice);
    const lists = await Promise.all(
      [...'0123456789abcdef'].map((digit) => this.#objects.list(`${BUILD_ID_DIR}/${digit}`)),
    );
    const there = await this.#takeUp(lists.flat(), slice);
    for (const [path, { enteredAt }] of this.#held) {
      if (!there.has(path) && enteredAt < began) this.#forget(path);
    }
    this.#snapshot.recorded.clear(); // it has served; what changes later is not in it
  }

  /** Looks for the files of these IDs. Rejects with BucketError. */
  async lookFor(ids: readonly string[]): Promise<void> {
    const due = ids.filter(isHexId).flatMap((id) => this.#spotLooks.due(id, SPOT_MS));
    await Promise.all(
      due.map(async (id) => {
        const began = performance.now();
        const there = await this.#takeUp(await this.#objects.list(`${keyDir(id)}/${id.slice(2)}.`), new TimeSlice());
        for (const { path } of this.catalog.underKey(id)) {
          if (!there.has(path) && (this.#held.get(path)?.enteredAt ?? began) < began) this.#forget(path);
        }
      }),
    );
  }

  /** Enters the files of a list, those with facts; says which they are. */
  async #takeUp(listed: readonly ObjectFacts[], slice: TimeSlice): Promise<ReadonlySet<string>> {
    const pairs = new Map<string, Pair>();
    for (const object of listed) {
      const isFacts = object.name.endsWith(FACTS_SUFFIX);
      const path = isFacts ? object.name.slice(0, -FACTS_SUFFIX.length) : object.name;
      if (parseFilePath(path) === null) continue;
      const pair = pairs.get(path) ?? {};
      if (isFacts) pair.facts = object;
      else pair.object = object;
      pairs.set(path, pair);
    }
    const there = new Set<string>();
    const unknown: (readonly [path: string, object: ObjectFacts, facts: ObjectFacts])[] = [];
    for (const [path, { object, facts }] of pairs) {
      await slice.breathe();
      if (object === undefined || facts === undefined) continue;
      there.add(path);
      const held = this.#held.get(path);
      if (held !== undefined && held.facts.etag === facts.etag && held.object.etag === object.etag) continue;
      const kept = this.#snapshot?.recorded.get(path);
      if (kept?.facts.mtimeMs === facts.modifiedMs) this.#enter(object, facts, kept.facts, kept.sketch);
      else unknown.push([path, object, facts]);
    }
    await this.#fetchFacts(unknown);
    return there;
  }

  async #fetchFacts(
    wanted: readonly (readonly [path: string, object: ObjectFacts, facts: ObjectFacts])[],
  ): Promise<void> {
    let next = 0;
    const fetchSome = async (): Promise<void> => {
      while (next < wanted.length) {
        const [, object, facts] = wanted[next++];
        const bytes = await this.#objects.get(facts.name, MAX_FACTS_BYTES);
        if (bytes === null) continue; // removed just now
        this.#unsaved++;
        this.#enter(object, facts, this.#read(object, Buffer.from(bytes).toString('utf8')));
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, wanted.length) }, fetchSome));
  }

  /** null when they cannot be read. What another release has written makes no sense of: then the file itself is read. */
  #read(object: ObjectFacts, text: string): Facts | null {
    const facts = parseFacts(text);
    const about = facts === null ? factsOfOtherSchema(text) : null;
    if (about === null) return facts;
    try {
      return { ...about, ...this.#examine(object), schema: FACTS_SCHEMA, sizeBytes: object.sizeBytes };
    } catch (error) {
      if (!isParseError(error)) throw error;
      return null;
    }
  }

  /** Puts in what was added just now. */
  enter(object: ObjectFacts, factsObject: ObjectFacts, facts: Facts): StoredBinary {
    return this.#enter(object, factsObject, facts);
  }

  #enter(
    object: ObjectFacts,
    factsObject: ObjectFacts,
    facts: Facts | null,
    kept: KeptSketch | null = null,
  ): StoredBinary {
    const entry = entryOf(object, factsObject, facts, kept);
    this.#held.set(object.name, { object, facts: factsObject, entry, enteredAt: performance.now() });
    this.catalog.set(entry.binary, entry.sketch);
    return entry.binary;
  }

  /** Takes note that a file was deleted. */
  deleted(path: string): void {
    this.#forget(path);
  }

  #forget(path: string): void {
    this.#held.delete(path);
    this.catalog.delete(path);
  }

  held(path: string): { readonly object: ObjectFacts; readonly entry: Entry } | undefined {
    return this.#held.get(path);
  }

  /** Makes other replicas list. */
  async announce(): Promise<void> {
    await this.#objects.put(CHANGED, Buffer.from(`${new Date().toISOString()} ${randomUUID()}\n`));
  }

  /** The one of this machine, or the bucket's. */
  async #openSnapshot(slice: TimeSlice): Promise<Snapshot> {
    const file = join(this.#cache, SNAPSHOT_FILE);
    if (!existsSync(file)) {
      const part = `${file}.${randomUUID()}`;
      try {
        await fs.mkdir(dirname(file), { recursive: true });
        if ((await this.#objects.download(SNAPSHOT_FILE, part)) !== null) await fs.rename(part, file);
      } catch (error) {
        if (!isSystemError(error)) throw error;
        await fs.rm(part, { force: true }).catch(() => undefined); // where nothing can be written nothing is there
      }
    }
    return Snapshot.read(this.#cache, slice);
  }

  /** Keeps the facts that were fetched, here and for those who start anew. Failing to is no failure. */
  async save(): Promise<void> {
    if (this.#saving !== null) return this.#saving;
    if (this.#unsaved < WORTH_SAVING || performance.now() - this.#savedAt < SAVE_INTERVAL_MS) return;
    this.#saving = this.#save().finally(() => (this.#saving = null));
    await this.#saving;
  }

  async #save(): Promise<void> {
    this.#savedAt = performance.now();
    this.#unsaved = 0;
    const known: Known[] = [];
    for (const [path, { entry, facts }] of this.#held) {
      const kept = factsOf(entry);
      if (kept === null) continue;
      known.push([
        path,
        { ...kept, mtimeMs: facts.modifiedMs },
        entry.sketch instanceof KeptSketch ? entry.sketch : null,
      ]);
    }
    try {
      await writeSnapshot(this.#cache, known, new TimeSlice());
      await this.#objects.upload(SNAPSHOT_FILE, join(this.#cache, SNAPSHOT_FILE));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.#notice(`what was read cannot be kept for the next start: ${error.message}`);
    }
  }

  async close(): Promise<void> {
    await this.#saving;
    this.#savedAt = -Infinity;
    await this.save();
    this.#snapshot?.close();
  }
}

/** As store/entry.ts makes them; the modification time of what lies in a bucket says nothing. */
function entryOf(object: ObjectFacts, factsObject: ObjectFacts, facts: Facts | null, kept: KeptSketch | null): Entry {
  const { name: path, sizeBytes } = object;
  const file = { path, sizeBytes, mtimeMs: facts?.mtimeMs ?? 0, hasFacts: true };
  const version = `${sizeBytes}-${object.etag}`;
  const entry =
    facts === null
      ? entryFromFacts(file, unreadableFacts(object))
      : facts.sizeBytes === sizeBytes
        ? entryFromFacts(file, facts, kept)
        : entryOfOtherSize(file, facts);
  const problem =
    facts === null ? `damaged: its facts (${escapeControls(factsObject.name)}) cannot be read` : entry.binary.problem;
  return { ...entry, binary: { ...entry.binary, version, problem } };
}

function unreadableFacts({ name, sizeBytes, modifiedMs }: ObjectFacts): Facts {
  const addedAt = new Date(modifiedMs).toISOString();
  return {
    schema: FACTS_SCHEMA,
    name,
    addedAt,
    sizeBytes,
    mtimeMs: 0,
    sha256: null,
    debugOnly: false,
    sketch: null,
    identity: BLANK_IDENTITY,
  };
}
