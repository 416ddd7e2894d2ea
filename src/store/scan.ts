/** A directory's files, sorted into those worth adding to a store and the rest, with the reason. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { isSplitPackage } from '../dwarf/split-hash.ts';
import { isParseError, isSystemError, messageOf } from '../errors.ts';
import { openObject } from '../object/open.ts';
import { unlinkedOrCore } from './examine.ts';
import { FileSource } from './file.ts';

export interface ScannedFile {
  /** The directory given, joined with where the file lies in it. */
  readonly path: string;
  /** Why it is left out; null for a candidate. */
  readonly skipped: string | null;
}

/** A walk that goes deeper is in a loop of mounts. */
const MAX_DEPTH = 256;

/**
 * Walks a directory in the order of names. Links are not followed: what they lead to is a candidate where it lies.
 * What cannot be read is skipped with the system's words; rejects with the system's error only for `directory` itself.
 */
export async function* scanForBinaries(directory: string): AsyncGenerator<ScannedFile> {
  yield* walk(directory, 0);
}

async function* walk(directory: string, depth: number): AsyncGenerator<ScannedFile> {
  const entries = await fs.readdir(directory, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      if (depth >= MAX_DEPTH) {
        yield { path, skipped: `more than ${MAX_DEPTH} levels deep` };
        continue;
      }
      try {
        yield* walk(path, depth + 1);
      } catch (error) {
        if (!isSystemError(error)) throw error;
        yield { path, skipped: messageOf(error) };
      }
    } else if (entry.isFile()) yield { path, skipped: reasonToSkip(path) };
    else if (entry.isSymbolicLink()) yield { path, skipped: 'a symbolic link' };
    else yield { path, skipped: 'not a regular file' };
  }
}

function reasonToSkip(path: string): string | null {
  let source: FileSource | null = null;
  try {
    source = FileSource.open(path);
    const object = openObject(source);
    return unlinkedOrCore(object.type, object.ids.gnu, isSplitPackage(object)) || null;
  } catch (error) {
    if (!isParseError(error) && !isSystemError(error)) throw error;
    return messageOf(error);
  } finally {
    source?.close();
  }
}
