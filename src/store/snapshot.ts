/**
 * The facts of all files in one: a cache that saves opening every file, or every file's facts, at start.
 *
 *   {"resymCatalog":1}
 *   {"path":".build-id/ab/cd….elf","schema":3,"name":"api", … as in facts.ts }
 *
 * One line a file. An entry counts only for a file of the same size and modification time; the cache may be stale,
 * cut off or missing, and two processes may overwrite each other's.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkFacts, type Facts, plainFacts } from './facts.ts';
import { SNAPSHOT_FILE } from './layout.ts';
import type { TimeSlice } from './time-slice.ts';

const SNAPSHOT_VERSION = 1;

/** Above the 7 KB a file takes, for as many files as a directory store is meant for; more is not ours. */
const MAX_SNAPSHOT_BYTES = 512 << 20;

/** By path relative to the root; empty when there is none that can be used. */
export async function readSnapshot(root: string, slice: TimeSlice): Promise<Map<string, Facts>> {
  const facts = new Map<string, Facts>();
  let bytes: Buffer;
  try {
    bytes = await readFile(join(root, SNAPSHOT_FILE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return facts; // missing or unreadable: the files say it all
  }
  if (bytes.length > MAX_SNAPSHOT_BYTES) return facts;
  let isFirst = true;
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    const value = parseLine(bytes.toString('utf8', start, end));
    start = end + 1;
    if (isFirst) {
      if (value?.resymCatalog !== SNAPSHOT_VERSION) return facts;
      isFirst = false;
      continue;
    }
    const entry = value === null ? null : checkFacts(value);
    if (entry !== null && typeof value?.path === 'string') facts.set(value.path, entry);
    await slice.breathe();
  }
  return facts;
}

/** Replaces the snapshot. Rejects with the system's error, as on a read-only file system. */
export async function writeSnapshot(
  root: string,
  files: Iterable<readonly [string, Facts]>,
  slice: TimeSlice,
): Promise<void> {
  const target = join(root, SNAPSHOT_FILE);
  const lines = [JSON.stringify({ resymCatalog: SNAPSHOT_VERSION })];
  for (const [path, facts] of files) {
    lines.push(JSON.stringify({ path, ...plainFacts(facts) }));
    await slice.breathe();
  }
  await mkdir(dirname(target), { recursive: true });
  const temporary = `${target}.${randomUUID()}`;
  try {
    await writeFile(temporary, `${lines.join('\n')}\n`, { flag: 'wx' });
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function parseLine(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null; // a line cut off
    throw error;
  }
}
