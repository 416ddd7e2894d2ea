/**
 * How a file gets into the store, so that a process killed anywhere leaves nothing or everything:
 *
 *   1. copy to .resym/incoming/, hashing; fsync
 *   2. examine the copy: what is stored is what was judged
 *   3. facts beside the place it will have         (without the file they mean nothing)
 *   4. link <key>.debug, if there is none           (leads nowhere yet: as good as absent)
 *   5. link the copy to its place, which no other content ever has: this one step makes it visible
 *   6. point <key>.debug to the file that knows most, looking again after each move, so that of several processes
 *      the last to move it has seen what all others placed
 */
import * as fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { formatFacts, parseFacts, richness, type Facts } from './facts.ts';
import { copyAndHash, type FilePart, type Hashed } from './hash.ts';
import { incomingName, isAbandoned } from './incoming.ts';
import { aliasPath, FACTS_SUFFIX, INCOMING_DIR, keyDir, parseFilePath } from './layout.ts';

/** An abandoned copy is removed after this; one under way is written to all the time. */
export const ABANDONED_AFTER_MS = 6 * 3600_000;

/** What was sent has no time of its own. */
const RECEIVED_AT = new Date('2000-01-01T00:00:00Z');

/** Every move of the link by somebody else costs one round. */
const MAX_ROUNDS = 100;

/** File systems that cannot link say one of these. */
const CANNOT_LINK = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV']);

export interface Incoming extends Hashed {
  /** Absolute path of the copy. */
  readonly path: string;
  readonly mtimeMs: number;
}

export async function incomingDir(root: string): Promise<string> {
  const folder = join(root, INCOMING_DIR);
  await fs.mkdir(folder, { recursive: true });
  return folder;
}

/** Step 1, for a whole file or a part. Rejects with the system's error; nothing is left behind then. */
export async function copyIn(root: string, source: fs.FileHandle, part?: FilePart): Promise<Incoming> {
  const folder = await incomingDir(root);
  const path = join(folder, incomingName());
  const copy = await fs.open(path, 'wx', 0o644);
  try {
    const hashed = await copyAndHash(source, copy, part);
    // The original's time: says more than ours, and is the same in another process that adds the same file.
    const { mtime } = await source.stat();
    await copy.utimes(mtime, mtime);
    await copy.sync();
    const { mtimeMs } = await copy.stat();
    return { path, mtimeMs, ...hashed };
  } catch (error) {
    await fs.rm(path, { force: true });
    throw error;
  } finally {
    await copy.close();
  }
}

/** Step 1 for a file that is on the store's disk already and was hashed on its way. It is durable afterwards. */
export async function takeOver(path: string, sha256: string): Promise<Incoming> {
  const file = await fs.open(path, 'r+');
  try {
    // The same in every process that is sent the same file at the same time: the facts of one fit the file of the other.
    await file.utimes(RECEIVED_AT, RECEIVED_AT);
    await file.sync();
    const { size, mtimeMs } = await file.stat();
    return { path, mtimeMs, sha256, sizeBytes: size };
  } finally {
    await file.close();
  }
}

export interface Placed {
  readonly outcome: 'placed' | 'already-there' | 'repaired';
  /** True when the key had no link and now has one to this file. */
  readonly isAlias: boolean;
}

/**
 * Steps 3 to 5. `isDamaged` is asked when a file of that name is there; if it says yes the file is replaced.
 * The copy is gone afterwards, whatever happened.
 */
export async function place(
  root: string,
  copy: Incoming,
  path: string,
  facts: Facts,
  isDamaged: () => Promise<boolean>,
): Promise<Placed> {
  const target = join(root, path);
  try {
    const isNew = (await fs.mkdir(dirname(target), { recursive: true })) !== undefined;
    if (isNew) await syncDirectory(dirname(dirname(target)));
    const there = await exists(target);
    if (there && !(await isDamaged())) return { outcome: 'already-there', isAlias: false };
    await writeDurably(root, target + FACTS_SUFFIX, formatFacts(facts));
    const isAlias = await makeAlias(root, path);
    if (there) {
      await fs.rename(copy.path, target);
      await syncDirectory(dirname(target));
      return { outcome: 'repaired', isAlias };
    }
    const isFirst = await linkOrRename(copy.path, target);
    await syncDirectory(dirname(target));
    await keepFacts(root, path, formatFacts(facts));
    return { outcome: isFirst ? 'placed' : 'already-there', isAlias };
  } finally {
    await fs.rm(copy.path, { force: true });
  }
}

/**
 * Writes a file's facts when it is there and they are not: whoever removes a file and its facts while another adds it again looks after
 * both, and so does that other.
 */
export async function keepFacts(root: string, path: string, facts: string): Promise<void> {
  const target = join(root, path);
  if (!(await exists(target + FACTS_SUFFIX)) && (await exists(target))) {
    await writeDurably(root, target + FACTS_SUFFIX, facts);
  }
}

/** Gives a file a second name; false when another process was first with that name. */
async function linkOrRename(from: string, to: string): Promise<boolean> {
  try {
    await fs.link(from, to);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') return false;
    if (!CANNOT_LINK.has(code)) throw error;
    await fs.rename(from, to);
  }
  return true;
}

/** Step 4: the link of a key that has none. One that leads elsewhere is left to step 6. */
async function makeAlias(root: string, path: string): Promise<boolean> {
  const alias = join(root, aliasPath(parseFilePath(path)!.key));
  try {
    await fs.symlink(basename(path), alias);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'EEXIST' && !CANNOT_LINK.has(code)) throw error;
    return false;
  }
}

/** What a key's `.debug` name is now: a path relative to the root, or why it is none of ours. */
export type Alias =
  | { readonly kind: 'link'; readonly path: string }
  | { readonly kind: 'absent' }
  /** A file or foreign link put there by hand, which stays. */
  | { readonly kind: 'by-hand' };

/**
 * Step 6, and after a removal. Says where the link led before and where it leads now. A link that leads to one of
 * `trusted` is left as it is without reading the directory: of whoever else is at work, the one who moves it looks again.
 */
export async function settleAlias(
  root: string,
  key: string,
  trusted: readonly string[] = [],
): Promise<{ before: Alias; after: Alias }> {
  const alias = join(root, aliasPath(key));
  const before = await readAlias(root, key);
  if (before.kind === 'link' && trusted.includes(before.path)) return { before, after: before };
  let now = before;
  for (let round = 0; round < MAX_ROUNDS && now.kind !== 'by-hand'; round++) {
    const files = await richest(root, key);
    const [best] = files;
    if (best === undefined) {
      if (now.kind === 'link') await fs.rm(alias, { force: true });
      return { before, after: { kind: 'absent' } };
    }
    const { kind } = now;
    const leadsTo = kind === 'link' ? now.path : '';
    const current = files.find((file) => file.path === leadsTo);
    if (current !== undefined && current.richness >= best.richness) break;
    if (!(await moveAlias(root, alias, best.path))) break;
    now = await readAlias(root, key);
  }
  return { before, after: now };
}

/** False where the file system has no symbolic links: then pprof does not find the file, resym does. */
async function moveAlias(root: string, alias: string, path: string): Promise<boolean> {
  const temporary = join(root, INCOMING_DIR, incomingName());
  await fs.mkdir(dirname(temporary), { recursive: true });
  try {
    await fs.symlink(basename(path), temporary);
  } catch (error) {
    if (CANNOT_LINK.has(codeOf(error))) return false;
    throw error;
  }
  await fs.rename(temporary, alias);
  return true;
}

async function readAlias(root: string, key: string): Promise<Alias> {
  try {
    const target = await fs.readlink(join(root, aliasPath(key)));
    const path = `${keyDir(key)}/${target}`;
    return parseFilePath(path)?.key === key ? { kind: 'link', path } : { kind: 'by-hand' };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return { kind: 'absent' };
    if (code === 'EINVAL') return { kind: 'by-hand' }; // no link
    throw error;
  }
}

/** Our own files under a key, best first. Files without facts count as knowing nothing. */
async function richest(root: string, key: string): Promise<{ path: string; richness: number }[]> {
  const folder = keyDir(key);
  const files: { path: string; richness: number }[] = [];
  for (const name of await fs.readdir(join(root, folder))) {
    const path = `${folder}/${name}`;
    if (parseFilePath(path)?.key !== key) continue;
    const facts = await readFacts(root, path);
    files.push({ path, richness: facts === null ? 0 : richness(facts.identity, facts.debugOnly) });
  }
  return files.sort((a, b) => b.richness - a.richness || (a.path < b.path ? -1 : 1));
}

/** The facts beside a file; null when there are none that can be used. */
export async function readFacts(root: string, path: string): Promise<Facts | null> {
  try {
    return parseFacts(await fs.readFile(join(root, path + FACTS_SUFFIX), 'utf8'));
  } catch (error) {
    if (codeOf(error) === '') throw error;
    return null;
  }
}

/** Removes copies that a killed process left. */
export async function sweepIncoming(root: string): Promise<void> {
  const folder = join(root, INCOMING_DIR);
  await fs.mkdir(folder, { recursive: true });
  for (const name of await fs.readdir(folder)) {
    const path = join(folder, name);
    try {
      const { mtimeMs, ctimeMs } = await fs.lstat(path);
      if (isAbandoned(name) || Math.max(mtimeMs, ctimeMs) < Date.now() - ABANDONED_AFTER_MS)
        await fs.rm(path, { force: true });
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error; // else its owner finished
    }
  }
}

/** Readers see the old text or the new one. */
export async function writeDurably(root: string, target: string, text: string): Promise<void> {
  const temporary = join(root, INCOMING_DIR, incomingName());
  await fs.mkdir(dirname(temporary), { recursive: true });
  try {
    const file = await fs.open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(temporary, target);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
}

/** Makes a rename last through a power cut. Not every system lets one open a directory. */
async function syncDirectory(path: string): Promise<void> {
  let directory: fs.FileHandle;
  try {
    directory = await fs.open(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'EISDIR' || codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM') return;
    throw error;
  }
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await fs.stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** A system error's code, "" for anything else. */
function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? '';
}
