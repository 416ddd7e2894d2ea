/** A directory's files, sorted into those worth adding to a store and the rest, with the reason. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { isSplitPackage } from '../dwarf/split-hash.ts';
import { isParseError, isSystemError, messageOf } from '../errors.ts';
import { openObject } from '../object/open.ts';
import { unlinkedOrCore } from './examine.ts';
import { FileSource } from './file.ts';
import { importName } from './import-name.ts';

export interface ScannedFile {
  /** The directory given, joined with where the file lies in it. */
  readonly path: string;
  /** Why it is left out; null for a candidate. */
  readonly skipped: string | null;
  /** What it is to be called, see import-name.ts; "" for what is left out. */
  readonly name: string;
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
        yield leftOut(path, `more than ${MAX_DEPTH} levels deep`);
        continue;
      }
      try {
        yield* walk(path, depth + 1);
      } catch (error) {
        if (!isSystemError(error)) throw error;
        yield leftOut(path, messageOf(error));
      }
    } else if (entry.isFile()) yield judged(path);
    else if (entry.isSymbolicLink()) yield leftOut(path, 'a symbolic link');
    else yield leftOut(path, 'not a regular file');
  }
}

function leftOut(path: string, skipped: string): ScannedFile {
  return { path, skipped, name: '' };
}

function judged(path: string): ScannedFile {
  let source: FileSource | null = null;
  try {
    source = FileSource.open(path);
    const object = openObject(source);
    const problem = unlinkedOrCore(object.type, object.ids.gnu, isSplitPackage(object));
    return problem === '' ? { path, skipped: null, name: importName(path, object) } : leftOut(path, problem);
  } catch (error) {
    if (!isParseError(error) && !isSystemError(error)) throw error;
    return leftOut(path, messageOf(error));
  } finally {
    source?.close();
  }
}
