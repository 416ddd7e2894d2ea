/** The binaries of test/fixtures/go and their answers. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { BufferSource } from '../../src/bytes/source.ts';
import type { GoFrame } from '../../src/gosym/frame.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';

const dir = new URL('../fixtures/go/', import.meta.url);

/** ELF files and whose answers they have; null where another layout makes addresses its own. */
export const ELF_BINARIES: readonly (readonly [binary: string, answers: string | null])[] = [
  ['tiny-go1.15-linux-amd64', 'tiny-go1.15-linux-amd64'],
  ['tiny-go1.19-linux-arm64', 'tiny-go1.19-linux-arm64'],
  ['tiny-go1.24-linux-amd64', 'tiny-go1.24-linux-amd64'],
  ['tiny-go1.24-linux-amd64-pie', null],
  ['tiny-go1.24-linux-amd64-pie-zeroed-relocs', null],
  ['tiny-go1.26-linux-amd64', 'tiny-go1.26-linux-amd64'],
  ['tiny-go1.26-linux-amd64.unstripped', 'tiny-go1.26-linux-amd64'],
];

export function fixtureBytes(name: string): Uint8Array {
  return readFileSync(new URL(`bin/${name}`, dir));
}

export function fixture(name: string): ObjectFile {
  return objectOf(fixtureBytes(name), name);
}

export function objectOf(bytes: Uint8Array, name = 'test'): ObjectFile {
  return openObject(new BufferSource(bytes, name));
}

export interface Answer {
  readonly address: number;
  readonly frames: readonly GoFrame[];
}

export function fixtureAnswers(name: string): Answer[] {
  const text = gunzipSync(readFileSync(new URL(`answers/${name}.jsonl.gz`, dir))).toString();
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const { address, frames } = JSON.parse(line) as { address: string; frames: GoFrame[] };
      return { address: Number(address), frames };
    });
}
