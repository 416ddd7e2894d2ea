/** The files of test/fixtures/pe and what llvm-symbolizer said of them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BufferSource } from '../../src/bytes/source.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';

const dir = new URL('../fixtures/pe/', import.meta.url);

export const PE_FILES = [
  'parts64.dll',
  'parts32.dll',
  'partsarm64.dll',
  'partsarm.dll',
  'partsmsvc.dll',
  'parts64.debug',
  'parts64-stripped.dll',
] as const;

/** Those with debug info, and whose answers they have. */
export const WITH_DWARF = [
  ['parts64.dll', 'parts64.dll'],
  ['parts64.debug', 'parts64.dll'],
  ['parts32.dll', 'parts32.dll'],
  ['partsarm64.dll', 'partsarm64.dll'],
  ['partsarm.dll', 'partsarm.dll'],
] as const;

export function pePath(name: string): string {
  return fileURLToPath(new URL(name, dir));
}

export function peBytes(name: string): Uint8Array {
  return readFileSync(pePath(name));
}

export function openPeFile(name: string): ObjectFile {
  return openBytes(peBytes(name));
}

export function openBytes(bytes: Uint8Array): ObjectFile {
  return openObject(new BufferSource(bytes, 'test'));
}

export interface Run {
  readonly start: number;
  readonly end: number;
  /** Innermost first; empty: no answer. */
  readonly frames: readonly { readonly name: string; readonly file: string; readonly line: number }[];
}

/** Ranges of .text with one answer each. */
export function answersOf(name: string): Run[] {
  type Recorded = [address: string, frames: [name: string, file: string, line: number][]];
  const all = JSON.parse(readFileSync(new URL('answers.json', dir), 'utf8')) as Record<string, Recorded[]>;
  const runs = all[name];
  return runs.slice(0, -1).map(([address, frames], i) => ({
    start: Number(address),
    end: Number(runs[i + 1][0]),
    frames: frames.map(([function_, file, line]) => ({ name: function_, file, line })),
  }));
}
