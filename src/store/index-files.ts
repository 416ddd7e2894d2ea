/**
 * Persisted symbol indexes (symbolize/index-layout.ts), where they lie and how they get there: whole or not at all.
 *
 *   <file>.symidx                                  of a file of this machine, made by `resym index`
 *   <store>/.resym/index/ab/cdef01.3f2a9c01.symidx of a build of the archive: its key, and a hash of the files it was made of
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openFile } from './beside.ts';
import { INDEX_DIR, INDEX_SUFFIX, isHexId } from './layout.ts';
import type { OpenBinary } from './store.ts';

/** Path of a build's index, relative to the store's root. */
export function indexPath(key: string, stamp: string): string {
  if (!isHexId(key)) throw new Error(`not a key: ${JSON.stringify(key)}`);
  const hash = createHash('sha256').update(stamp).digest('hex').slice(0, 8);
  return `${INDEX_DIR}/${key.slice(0, 2)}/${key.slice(2)}.${hash}${INDEX_SUFFIX}`;
}

/** null when there is none. Throws the system's error. */
export function openIndex(path: string): OpenBinary | null {
  return existsSync(path) ? openFile(path) : null;
}

/** Readers see the old file or the new one. Rejects with the system's error. */
export async function writeIndex(path: string, bytes: Uint8Array): Promise<void> {
  await fs.mkdir(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}.part`;
  try {
    await fs.writeFile(part, bytes);
    await fs.rename(part, path);
  } catch (error) {
    await fs.rm(part, { force: true });
    throw error;
  }
}

/** Deletes all indexes of a key. */
export async function removeIndexes(root: string, key: string): Promise<void> {
  const dir = join(root, INDEX_DIR, key.slice(0, 2));
  for (const name of existsSync(dir) ? await fs.readdir(dir) : []) {
    if (name.startsWith(`${key.slice(2)}.`)) await fs.rm(join(dir, name), { force: true });
  }
}
