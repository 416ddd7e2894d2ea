/**
 * Binaries as people name them on this machine. A path may be
 *
 *   a file
 *   a dSYM bundle, which is a directory    the file in it is meant: X.dSYM/Contents/Resources/DWARF/X
 *   a universal file                       one of its architectures is meant; each is a file of its own from here on
 */
import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { FormatError, isParseError, isSystemError } from '../errors.ts';
import { DSYM_DIRECTORY, dsymFile } from '../object/macho.ts';
import { chooseSlice, type FatSlice, fatSlices, sliceSource } from '../object/macho-fat.ts';
import { openObject } from '../object/open.ts';
import { FileSource } from './file.ts';
import type { OpenBinary } from './store.ts';

export interface LocalBinary extends OpenBinary {
  /** What a universal file was opened for; null for other files. */
  readonly slice: FatSlice | null;
  /** All there are, in the file's order; empty for other files. */
  readonly slices: readonly FatSlice[];
}

/** The file a path stands for. Throws FormatError for a bundle of several programs, none of them its own. */
export function binaryFile(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return path;
  const own = dsymFile(path);
  if (statSync(own, { throwIfNoEntry: false })?.isFile() === true) return own;
  const folder = join(path, DSYM_DIRECTORY);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return path;
  const names = readdirSync(folder).sort();
  if (names.length === 1) return join(folder, names[0]);
  const problem = names.length === 0 ? 'holds no debug info' : `holds several files, name one: ${names.join(', ')}`;
  throw new FormatError(basename(path), 0, `the bundle ${problem}`);
}

/** Picks one of a universal file's architectures. */
export type ChooseSlice = (slices: readonly FatSlice[]) => FatSlice;

/** Throws the system's error, FormatError, and what `choose` throws. */
export function openLocal(path: string, choose: ChooseSlice = (slices) => chooseSlice(slices)): LocalBinary {
  const source = FileSource.open(binaryFile(path));
  try {
    const slices = fatSlices(source) ?? [];
    const slice = slices.length === 0 ? null : choose(slices);
    const part = slice === null ? source : sliceSource(source, slice);
    return { source: part, slice, slices, release: () => source.close() };
  } catch (error) {
    source.close();
    throw error;
  }
}

/** The file, or the part of a universal one, that has this UUID; null when none has. Throws as `openLocal`. */
export function openWithUuid(path: string, uuid: string): OpenBinary | null {
  for (const arch of architecturesOf(path)) {
    const binary = openLocal(path, (slices) => chooseSlice(slices, arch));
    let isIt = false;
    try {
      isIt = openObject(binary.source).ids.uuid === uuid;
    } finally {
      if (!isIt) binary.release();
    }
    if (isIt) return binary;
  }
  return null;
}

/** Apple's names of the architectures in a universal file; [undefined] for other files, and for what cannot be read. */
export function architecturesOf(path: string): readonly (string | undefined)[] {
  let source: FileSource | null = null;
  try {
    source = FileSource.open(binaryFile(path));
    return fatSlices(source)?.map((slice) => slice.appleArch) ?? [undefined];
  } catch (error) {
    if (isParseError(error) || isSystemError(error)) return [undefined]; // opening it says why
    throw error;
  } finally {
    source?.close();
  }
}
