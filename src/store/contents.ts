/**
 * The catalog and the directory, kept in step. The files are the truth; everything here is found again from them.
 *
 *   look (tree.ts) ──► facts on record fit ──────────────► catalog
 *                └───► unknown or changed: waiting ─examine─►┘
 *
 * A look reads directories and recorded facts only. Files nobody has read yet wait until an answer depends on them:
 * first those whose path claims the ID asked for, the others only before "not found" is said.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { Catalog } from './catalog.ts';
import { type Entry, entryFromFacts, entryOfOtherSize, examineFile, factsFit, factsOf } from './entry.ts';
import type { Examine } from './examine.ts';
import { type Facts, parseFacts } from './facts.ts';
import { escapeControls, FACTS_SUFFIX, idInPath, keyDir } from './layout.ts';
import { KeptSketch, type Known, Snapshot, writeSnapshot } from './snapshot.ts';
import { SpotLooks } from './spot-looks.ts';
import type { StoredBinary } from './store.ts';
import { TimeSlice } from './time-slice.ts';
import { type Changes, type FoundFile, Tree } from './tree.ts';

/** Facts read from beside their files cost little to read again; below this many the snapshot stays as it is. */
const WORTH_SAVING = 200;
/** The snapshot is written whole: not more often than this, ms. */
const SAVE_INTERVAL_MS = 30_000;

export class Contents {
  readonly catalog = new Catalog();
  readonly #root: string;
  readonly #examine: Examine;
  readonly #notice: (sentence: string) => void;
  readonly #tree: Tree;
  /** By display path, as the catalog has it. */
  readonly #entries = new Map<string, Entry>();
  /** By path, with what is on record about an earlier state of the file. */
  readonly #waiting = new Map<string, { file: FoundFile; recorded: Facts | null }>();
  readonly #examining = new Map<string, Promise<void>>();
  /** Files the system would not let us read: rights change without the file's time changing, so they are tried at each look. */
  readonly #unreadable = new Map<string, FoundFile>();
  #snapshot: Snapshot | null = null;
  #looking: Promise<void> | null = null;
  readonly #spotLooks = new SpotLooks();
  #lookedAt = -Infinity;
  #unsaved = 0;
  #examinedUnsaved = false;
  #savedAt = -Infinity;
  #saving: Promise<void> | null = null;
  #closed = false;

  constructor(root: string, examine: Examine, notice: (sentence: string) => void) {
    this.#root = root;
    this.#examine = examine;
    this.#notice = notice;
    this.#tree = new Tree(root);
  }

  /** Looks for changes unless that was begun within `maxAgeMs`. Rejects with the system's error when the root is unreadable. */
  async look(maxAgeMs = 0): Promise<void> {
    const wanted = performance.now() - maxAgeMs;
    while (this.#lookedAt < wanted) {
      this.#looking ??= this.#look().finally(() => (this.#looking = null));
      await this.#looking;
    }
  }

  /**
   * Looks for changes where files of these IDs would lie, unless that was done within `maxAgeMs` or too often lately: what another process
   * has just added is found at once, and whoever asks for what is not there costs a few reads of directories a second. False: it was.
   */
  async lookFor(ids: readonly string[], maxAgeMs = 0): Promise<boolean> {
    const folders = ids.flatMap((id) => this.#spotLooks.due(id, maxAgeMs)).flatMap((id) => [keyDir(id), id]);
    if (folders.length === 0) return false;
    while (this.#looking !== null) await this.#looking;
    this.#looking = this.#lookIn(folders).finally(() => (this.#looking = null));
    await this.#looking;
    return true;
  }

  async #lookIn(folders: readonly string[]): Promise<void> {
    const slice = new TimeSlice();
    for (const folder of folders) await this.#takeUp(await this.#tree.lookIn(folder, slice), slice);
  }

  async #takeUp({ found, gone, problems }: Changes, slice: TimeSlice): Promise<void> {
    for (const path of gone) this.#forget(path);
    for (const file of found) {
      this.#take(file);
      await slice.breathe();
    }
    for (const problem of problems) this.#notice(problem);
  }

  async #look(): Promise<void> {
    const began = performance.now();
    const slice = new TimeSlice();
    this.#snapshot ??= await Snapshot.read(this.#root, slice);
    await this.#takeUp(await this.#tree.look(slice), slice);
    for (const [path, file] of this.#unreadable) this.#waiting.set(path, { file, recorded: null });
    this.#snapshot.recorded.clear(); // it has served; what changes later is not in it
    this.#lookedAt = began;
    await this.save();
  }

  /** A new or changed file. */
  #take(file: FoundFile): void {
    const known = this.#entries.get(escapeControls(file.path));
    if (known !== undefined && known.file.hasFacts === file.hasFacts && isUnchanged(known.file, file)) return;
    const cached = this.#snapshot?.recorded.get(file.path);
    if (cached !== undefined && factsFit(cached.facts, file)) {
      return this.put(entryFromFacts(file, cached.facts, cached.sketch));
    }
    const recorded = file.hasFacts ? this.#readFacts(file.path) : null;
    if (recorded !== null && factsFit(recorded, file)) {
      this.#unsaved++;
      return this.put(entryFromFacts(file, recorded));
    }
    this.#drop(escapeControls(file.path));
    if (recorded !== null && recorded.sizeBytes !== file.sizeBytes) return this.put(entryOfOtherSize(file, recorded));
    this.#waiting.set(file.path, { file, recorded });
  }

  #readFacts(path: string): Facts | null {
    try {
      return parseFacts(fs.readFileSync(join(this.#root, path + FACTS_SUFFIX), 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      return null; // gone or unreadable: the file itself is read
    }
  }

  /** Reads the files that wait and whose path claims one of these IDs. */
  async examineClaiming(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const paths = [...this.#waiting.keys(), ...this.#examining.keys()].filter((path) => ids.includes(idInPath(path)));
    for (const path of paths) await this.#examineOne(path);
  }

  /** Reads all files that wait. */
  async examineAll(): Promise<void> {
    const slice = new TimeSlice();
    while (!this.#closed) {
      const [path] = this.#waiting.size > 0 ? this.#waiting.keys() : this.#examining.keys();
      if (path === undefined) break;
      await this.#examineOne(path);
      await slice.breathe();
    }
    await this.save();
  }

  async #examineOne(path: string): Promise<void> {
    for (;;) {
      const underWay = this.#examining.get(path);
      const waiting = this.#waiting.get(path);
      if (underWay === undefined && waiting === undefined) return;
      if (underWay !== undefined) {
        await underWay; // and once more, should the file have changed meanwhile
        continue;
      }
      this.#waiting.delete(path);
      const examination = this.#examineFile(waiting!.file, waiting!.recorded).finally(() =>
        this.#examining.delete(path),
      );
      this.#examining.set(path, examination);
    }
  }

  async #examineFile(file: FoundFile, recorded: Facts | null): Promise<void> {
    const seen = await examineFile(this.#root, file, recorded, this.#examine, (defect) =>
      this.#notice(`a defect of resym shows in ${escapeControls(file.path)}: ${stackOf(defect)}`),
    );
    if (this.#waiting.has(file.path)) return; // it has changed again
    if (seen === 'no object') this.#drop(escapeControls(file.path));
    else if (seen === 'gone') this.#forget(file.path);
    else if (seen.isUnreadable) {
      this.put(seen.entry);
      this.#unreadable.set(file.path, file);
    } else this.learn(seen.entry);
  }

  /** Puts in what took reading the file. */
  learn(entry: Entry): void {
    this.#examinedUnsaved = true;
    this.put(entry);
  }

  /** Puts in what was added just now. */
  enter(entry: Entry): void {
    this.#tree.note(entry.file);
    this.put(entry);
  }

  put(entry: Entry): void {
    this.#waiting.delete(entry.file.path);
    this.#unreadable.delete(entry.file.path);
    this.#entries.set(entry.binary.path, entry);
    this.catalog.set(entry.binary, entry.sketch);
  }

  /** The file is gone; should it come back, it is a new one. */
  #forget(path: string): void {
    this.#waiting.delete(path);
    this.#unreadable.delete(path);
    this.#tree.forget(path);
    this.#drop(escapeControls(path));
  }

  /** @param path as StoredBinary has it */
  #drop(path: string): void {
    this.#entries.delete(path);
    this.catalog.delete(path);
  }

  /** Takes note that a file was deleted. */
  deleted(binary: StoredBinary): void {
    const entry = this.#entries.get(binary.path);
    if (entry !== undefined) this.#forget(entry.file.path);
  }

  /** The entry a StoredBinary belongs to, by its path. */
  entry(path: string): Entry | undefined {
    return this.#entries.get(path);
  }

  /** The entry as the file is now: the same, read again when it has changed, undefined when it is gone. */
  async confirm(binary: StoredBinary): Promise<StoredBinary | undefined> {
    const entry = this.#entries.get(binary.path);
    if (entry === undefined) return undefined;
    const { path, hasFacts } = entry.file;
    let stats: fs.Stats;
    try {
      stats = await fs.promises.stat(join(this.#root, path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      if (code === 'ENOENT' || code === 'ENOTDIR') this.#forget(path);
      return undefined;
    }
    const file = { path, sizeBytes: stats.size, mtimeMs: stats.mtimeMs, hasFacts };
    if (!isUnchanged(entry.file, file)) {
      this.#take(file);
      await this.#examineOne(path);
    }
    return this.#entries.get(binary.path)?.binary;
  }

  /** Writes the snapshot when it would save the next process something. Failing to is no failure. */
  async save(): Promise<void> {
    if (this.#saving !== null) return this.#saving;
    const isWorthIt = this.#examinedUnsaved || this.#unsaved >= WORTH_SAVING;
    if (!isWorthIt || performance.now() - this.#savedAt < SAVE_INTERVAL_MS) return;
    this.#saving = this.#write().finally(() => (this.#saving = null));
    await this.#saving;
  }

  async #write(): Promise<void> {
    this.#savedAt = performance.now();
    this.#unsaved = 0;
    this.#examinedUnsaved = false;
    const files: Known[] = [];
    for (const entry of this.#entries.values()) {
      const facts = factsOf(entry);
      if (facts !== null)
        files.push([entry.file.path, facts, entry.sketch instanceof KeptSketch ? entry.sketch : null]);
    }
    try {
      await writeSnapshot(this.#root, files, new TimeSlice());
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      this.#notice(`what was read cannot be kept for the next start: ${messageOf(error)}`);
    }
  }

  /** Stops reading what waits and saves what was read. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#saving;
    this.#savedAt = -Infinity;
    await this.save();
    this.#snapshot?.close();
  }
}

function isUnchanged(a: FoundFile, b: FoundFile): boolean {
  return a.sizeBytes === b.sizeBytes && a.mtimeMs === b.mtimeMs;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
