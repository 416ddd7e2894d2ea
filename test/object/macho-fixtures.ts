/** The files of test/fixtures/macho. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { BufferSource } from '../../src/bytes/source.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { type OpenOptions, openObject } from '../../src/object/open.ts';

const dir = new URL('../fixtures/macho/', import.meta.url);

/** All of them; universal ones last. */
export const MACHO_FILES = [
  'program-x86_64',
  'program-arm64',
  'stripped-x86_64',
  'stripped-arm64',
  'library-x86_64',
  'bundle-arm64',
  'dsym-x86_64',
  'dsym-arm64',
  'i386.o',
  'armv7.o',
  'universal',
  'universal64',
  'dsym-universal',
] as const;

export type MachoFile = (typeof MACHO_FILES)[number];

export function machoBytes(name: MachoFile): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(new URL(`${name}.gz`, dir))));
}

export function machoFile(name: MachoFile, options?: OpenOptions): ObjectFile {
  return openObject(new BufferSource(machoBytes(name), name), options);
}

/** A frame as llvm-symbolizer prints it. */
export interface SymbolizerFrame {
  readonly FunctionName: string;
  readonly FileName: string;
  readonly Line: number;
  readonly Column: number;
  readonly StartLine: number;
}

/** What llvm-symbolizer says of every address in a dSYM's code. */
export function machoAnswers(name: 'dsym-x86_64' | 'dsym-arm64'): { address: number; frames: SymbolizerFrame[] }[] {
  const lines = gunzipSync(readFileSync(new URL(`${name}.answers.jsonl.gz`, dir)))
    .toString()
    .trim()
    .split('\n');
  return lines.map((line) => {
    const { Address, Symbol } = JSON.parse(line) as { Address: string; Symbol?: SymbolizerFrame[] };
    return { address: Number(Address), frames: (Symbol ?? []).filter((frame) => frame.FunctionName !== '') };
  });
}
