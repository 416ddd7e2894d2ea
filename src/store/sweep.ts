/**
 * What processes that were killed leave in a directory store, none of which is ever looked at:
 *
 *   .resym/incoming/*                       copies under way
 *   .build-id/ab/*.json without its file    facts are written before the file is there, and deleted after it
 *   .build-id/ab/*.debug that leads nowhere, likewise
 *   .resym/index of builds that are gone, and parts of indexes
 *   .resym/catalog.json.*                   snapshots under way
 *   .resym/quarantine                       after an age of its own
 *
 * Everything must have an age before it is taken for abandoned: its owner may be at work.
 */
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ABANDONED_AFTER_MS, settleAlias } from './ingest.ts';
import {
  BUILD_ID_DIR,
  FACTS_SUFFIX,
  INCOMING_DIR,
  INDEX_DIR,
  INDEX_SUFFIX,
  OWN_DIR,
  parseFilePath,
  SNAPSHOT_FILE,
} from './layout.ts';
import { foldersOf } from './quarantine.ts';
import type { Swept, SweepOptions } from './store.ts';
import { TimeSlice } from './time-slice.ts';

/** Time enough to look at what broke. */
export const QUARANTINED_MS = 30 * 24 * 3600_000;

/** @param keys of the builds that are there. Rejects with the system's error when something can be seen but not removed. */
export async function sweepDirectory(
  root: string,
  keys: ReadonlySet<string>,
  { abandonedMs = ABANDONED_AFTER_MS, quarantinedMs = QUARANTINED_MS, dryRun = false }: SweepOptions = {},
): Promise<Swept[]> {
  const sweep = new Sweep(root, dryRun);
  for (const name of await namesIn(root, INCOMING_DIR)) {
    await sweep.oldFile(`${INCOMING_DIR}/${name}`, abandonedMs, 'a copy under way that was abandoned');
  }
  for (const name of await namesIn(root, OWN_DIR)) {
    const path = `${OWN_DIR}/${name}`;
    if (path.startsWith(`${SNAPSHOT_FILE}.`)) await sweep.oldFile(path, abandonedMs, 'a snapshot that was abandoned');
  }
  for (const ab of await namesIn(root, BUILD_ID_DIR)) await sweep.buildIdFolder(`${BUILD_ID_DIR}/${ab}`, abandonedMs);
  for (const ab of await namesIn(root, INDEX_DIR)) {
    for (const name of await namesIn(root, `${INDEX_DIR}/${ab}`)) {
      const key = ab + name.split('.')[0];
      if (name.endsWith(INDEX_SUFFIX) && keys.has(key)) continue;
      const what = name.endsWith(INDEX_SUFFIX) ? 'the index of a build that is gone' : 'an index that was abandoned';
      await sweep.oldFile(`${INDEX_DIR}/${ab}/${name}`, abandonedMs, what);
    }
  }
  for (const folder of await foldersOf(root)) await sweep.oldFolder(folder, quarantinedMs);
  return sweep.swept;
}

class Sweep {
  readonly swept: Swept[] = [];
  readonly #root: string;
  readonly #dryRun: boolean;
  readonly #now = Date.now();
  readonly #slice = new TimeSlice();

  constructor(root: string, dryRun: boolean) {
    this.#root = root;
    this.#dryRun = dryRun;
  }

  async oldFile(path: string, ageMs: number, what: string): Promise<void> {
    await this.#slice.breathe();
    const size = await this.#sizeIfOlder(path, ageMs);
    if (size === null) return;
    if (!this.#dryRun) await fs.rm(join(this.#root, path), { force: true, recursive: true });
    this.swept.push({ path, sizeBytes: size, what });
  }

  async oldFolder(path: string, ageMs: number): Promise<void> {
    if ((await this.#sizeIfOlder(path, ageMs)) === null) return;
    let sizeBytes = 0;
    for (const name of await namesIn(this.#root, path)) {
      sizeBytes += (await this.#sizeIfOlder(`${path}/${name}`, -Infinity)) ?? 0;
    }
    if (!this.#dryRun) await fs.rm(join(this.#root, path), { force: true, recursive: true });
    this.swept.push({ path, sizeBytes, what: 'a damaged file that was in quarantine for long' });
  }

  /** Facts and links that belong to no file. */
  async buildIdFolder(folder: string, ageMs: number): Promise<void> {
    const names = await namesIn(this.#root, folder);
    const files = new Set(names.filter((name) => parseFilePath(`${folder}/${name}`) !== null));
    const keysWithFiles = new Set([...files].map((name) => parseFilePath(`${folder}/${name}`)!.key));
    for (const name of names) {
      const path = `${folder}/${name}`;
      if (name.endsWith(FACTS_SUFFIX)) {
        const own = path.slice(0, -FACTS_SUFFIX.length);
        if (parseFilePath(own) === null || files.has(basename(own))) continue;
        await this.oldFile(path, ageMs, 'facts of a file that is gone');
      } else if (name.endsWith('.debug')) {
        const key = basename(folder) + name.slice(0, -'.debug'.length);
        if (!keysWithFiles.has(key)) await this.#deadLink(path, key, ageMs);
      }
    }
  }

  async #deadLink(path: string, key: string, ageMs: number): Promise<void> {
    const target = await fs.readlink(join(this.#root, path)).catch(() => ''); // a file that was put there by hand
    if (parseFilePath(`${path.slice(0, path.lastIndexOf('/'))}/${target}`)?.key !== key) return;
    if ((await this.#sizeIfOlder(path, ageMs)) === null) return;
    if (!this.#dryRun) await settleAlias(this.#root, key); // which looks once more
    this.swept.push({ path, sizeBytes: 0, what: 'a link to a file that is gone' });
  }

  /** null for what is younger, or gone. */
  async #sizeIfOlder(path: string, ageMs: number): Promise<number | null> {
    try {
      const { mtimeMs, ctimeMs, size } = await fs.lstat(join(this.#root, path));
      return Math.max(mtimeMs, ctimeMs) < this.#now - ageMs ? size : null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // else its owner finished
      return null;
    }
  }
}

async function namesIn(root: string, folder: string): Promise<string[]> {
  try {
    return (await fs.readdir(join(root, folder))).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    return [];
  }
}
