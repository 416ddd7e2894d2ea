/** The profiles that a directory or a pattern stands for. A file of its own: most runs are about one file and need no pattern matching. */
import { basename, join, relative, resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { UsageError } from './usage.ts';

/** A profile, and its path below the output directory. */
export interface Found {
  readonly input: string;
  readonly name: string;
  /** ms since 1970, where that is known already. */
  readonly modifiedMs?: number;
}

/** How saved profiles are named. */
const ENDINGS = ['.pb.gz', '.pb', '.pprof', '.prof', '.pprof.gz', '.heap'];

/** Where files are looked for in a directory given as input. */
const PROFILE_FILES = ENDINGS.map((ending) => `**/*${ending}`);

export function isProfileName(name: string): boolean {
  return ENDINGS.some((ending) => name.endsWith(ending)) && !/(?:^|\/)\./.test(name);
}

/** Rejects with UsageError when there are none. @param isDirectory else a pattern, or the path of a file that is not there */
export async function savedProfiles(input: string, isDirectory: boolean, mayBeEmpty = false): Promise<Found[]> {
  // A plain path that is not there fails as one job, so that the others are still done.
  if (!isDirectory && !isDynamicPattern(input)) return [{ input, name: basename(input) }];
  const root = isDirectory ? input : globRoot(input);
  const pattern = isDirectory ? PROFILE_FILES : relative(root, resolve(input));
  const files = await glob(pattern, { cwd: root, dot: false, onlyFiles: true });
  if (files.length === 0 && !mayBeEmpty) throw new UsageError(`no profiles match ${input}`);
  return files.sort().map((file) => ({ input: join(root, file), name: file }));
}

/** The part of a glob before its first pattern: outputs mirror the tree below it. */
function globRoot(pattern: string): string {
  const parts = resolve(pattern).split('/');
  const first = parts.findIndex((part) => isDynamicPattern(part));
  return parts.slice(0, first).join('/') || '/';
}
