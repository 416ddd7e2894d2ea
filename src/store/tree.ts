/**
 * The files below a store's root, and what has changed among them since the last look.
 *
 * A look costs one stat per directory; only directories whose modification time moved are read again, and every file
 * in them is compared by size and time. Times have a grain (a tick of the kernel's clock, two seconds on FAT) and a
 * file that is being copied in place grows without its directory's noticing: so a directory counts as settled only
 * when it and all files in it were left alone for a while, and until then it is read at every look.
 */
import * as fs from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf } from '../errors.ts';
import { aliasPath, FACTS_SUFFIX, OWN_DIR, parseFilePath } from './layout.ts';
import type { TimeSlice } from './time-slice.ts';

/** Longer than any copying program pauses between two writes. */
const SETTLED_AFTER_MS = 60_000;

/** Deeper than any layout; what lies below is left out and said. */
const MAX_DEPTH = 32;

/** A few hundred bytes are kept of each. A store that has more was pointed at something that is no store. */
const MAX_FILES = 500_000;

export interface FoundFile {
  /** Relative to the root, forward slashes, as the system spells it. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** True when its facts lie beside it. */
  readonly hasFacts: boolean;
}

export interface Changes {
  /** New files, and files with another size, time or facts than at the last look. */
  readonly found: FoundFile[];
  /** Paths that are no longer there. */
  readonly gone: string[];
  /** What could not be looked at, one sentence each. */
  readonly problems: string[];
}

interface Directory {
  readonly mtimeMs: number;
  readonly settled: boolean;
  readonly subdirectories: readonly string[];
  readonly files: Map<string, FoundFile>;
}

export class Tree {
  readonly #root: string;
  #directories = new Map<string, Directory>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Throws the system's error when the root itself cannot be read; anything below it that cannot is a problem. */
  async look(slice: TimeSlice): Promise<Changes> {
    const changes: Changes = { found: [], gone: [], problems: [] };
    const before = this.#directories;
    const after = new Map<string, Directory>();
    const queue = [''];
    let count = 0;
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      await slice.breathe();
      const directory = await this.#lookAt(path, before.get(path), changes, slice);
      if (directory === null) continue;
      after.set(path, directory);
      count += directory.files.size;
      if (count > MAX_FILES) {
        changes.problems.push(`more than ${MAX_FILES} files: what comes after ${path || 'the root'} is left out`);
        break;
      }
      for (const name of directory.subdirectories) queue.push(child(path, name));
    }
    for (const [path, { files }] of before) {
      const now = after.get(path);
      for (const name of files.keys()) if (now?.files.has(name) !== true) changes.gone.push(child(path, name));
    }
    this.#directories = after;
    return changes;
  }

  /** A look at one directory, without those in it. */
  async lookIn(path: string, slice: TimeSlice): Promise<Changes> {
    const changes: Changes = { found: [], gone: [], problems: [] };
    const before = this.#directories.get(path);
    const now = await this.#lookAt(path, before, changes, slice);
    for (const name of before?.files.keys() ?? [])
      if (now?.files.has(name) !== true) changes.gone.push(child(path, name));
    if (now === null) this.#directories.delete(path);
    else this.#directories.set(path, now);
    return changes;
  }

  /** Takes note of a file that no look has found yet, so that the next one tells when it is gone again. */
  note(file: FoundFile): void {
    const slash = file.path.lastIndexOf('/');
    const folder = file.path.slice(0, Math.max(0, slash));
    const known = this.#directories.get(folder) ?? {
      mtimeMs: NaN,
      settled: false,
      subdirectories: [],
      files: new Map(),
    };
    known.files.set(file.path.slice(slash + 1), file);
    this.#directories.set(folder, known);
  }

  /** Leaves a file out of what is known, so that it counts as new if the next look finds it. */
  forget(path: string): void {
    const slash = path.lastIndexOf('/');
    this.#directories.get(path.slice(0, Math.max(0, slash)))?.files.delete(path.slice(slash + 1));
  }

  async #lookAt(
    path: string,
    before: Directory | undefined,
    changes: Changes,
    slice: TimeSlice,
  ): Promise<Directory | null> {
    try {
      const { mtimeMs } = fs.statSync(join(this.#root, path));
      if (before !== undefined && before.settled && before.mtimeMs === mtimeMs) return before;
      return await this.#read(path, mtimeMs, before, changes, slice);
    } catch (error) {
      if (path === '') throw error;
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') changes.problems.push(messageOf(error));
      return null;
    }
  }

  async #read(
    path: string,
    mtimeMs: number,
    before: Directory | undefined,
    changes: Changes,
    slice: TimeSlice,
  ): Promise<Directory> {
    const now = Date.now();
    const entries = fs.readdirSync(join(this.#root, path), { withFileTypes: true });
    const names = new Set(entries.map((entry) => entry.name));
    const passedOver = companions(path, entries);
    const subdirectories: string[] = [];
    const files = new Map<string, FoundFile>();
    let newest = mtimeMs;
    for (const entry of entries) {
      const { name } = entry;
      const relative = child(path, name);
      if (this.#isDirectory(entry, relative)) {
        if (relative === OWN_DIR) continue;
        if (relative.split('/').length > MAX_DEPTH)
          changes.problems.push(`${relative}: more than ${MAX_DEPTH} levels deep`);
        else subdirectories.push(name);
        continue;
      }
      if (!entry.isFile() && !entry.isSymbolicLink()) continue;
      await slice.breathe();
      if (passedOver.has(name) && (entry.isSymbolicLink() || name.endsWith(FACTS_SUFFIX))) continue;
      const stats = this.#stat(relative, changes);
      if (stats === null) continue;
      const file = {
        path: relative,
        sizeBytes: stats.size,
        mtimeMs: stats.mtimeMs,
        hasFacts: passedOver.has(name + FACTS_SUFFIX) && names.has(name + FACTS_SUFFIX),
      };
      newest = Math.max(newest, file.mtimeMs);
      const known = before?.files.get(name);
      if (known !== undefined && isSame(known, file)) files.set(name, known);
      else {
        files.set(name, file);
        changes.found.push(file);
      }
    }
    return { mtimeMs, settled: newest < now - SETTLED_AFTER_MS, subdirectories, files };
  }

  /** Links to directories are not followed, they may lead anywhere; but `.build-id` itself may be a distribution's. */
  #isDirectory(entry: fs.Dirent, relative: string): boolean {
    if (entry.isDirectory()) return true;
    if (relative !== '.build-id' || !entry.isSymbolicLink()) return false;
    return fs.statSync(join(this.#root, relative), { throwIfNoEntry: false })?.isDirectory() === true;
  }

  /** null for what is gone or no regular file behind a link. */
  #stat(relative: string, changes: Changes): fs.Stats | null {
    try {
      const stats = fs.statSync(join(this.#root, relative), { throwIfNoEntry: false });
      return stats?.isFile() === true ? stats : null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      changes.problems.push(messageOf(error)); // a loop of links, a directory that may not be searched
      return null;
    }
  }
}

/** Names of the facts and links that come with our own files in a directory. */
function companions(path: string, entries: readonly fs.Dirent[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { name } of entries) {
    const own = parseFilePath(child(path, name));
    if (own === null) continue;
    names.add(name + FACTS_SUFFIX);
    names.add(basename(aliasPath(own.key)));
  }
  return names;
}

function isSame(a: FoundFile, b: FoundFile): boolean {
  return a.sizeBytes === b.sizeBytes && a.mtimeMs === b.mtimeMs && a.hasFacts === b.hasFacts;
}

function child(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}
