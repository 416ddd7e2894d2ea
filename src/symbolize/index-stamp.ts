import { crc32 } from 'node:zlib';
import type { ObjectFile } from '../object/object.ts';

/** Headers are at a file's start, section tables mostly at its end. */
const LOOKED_AT_BYTES = 4096;

/**
 * Says which files an index was made of: of each its format, its ID, its size and a checksum of its first and last page. Cheap enough
 * to be compared at every opening, and the same wherever a copy of the files lies.
 */
export function stampOf(files: readonly ObjectFile[]): string {
  return files.map(stampOfFile).join(' ');
}

function stampOfFile({ format, ids, source }: ObjectFile): string {
  const length = Math.min(LOOKED_AT_BYTES, source.size);
  const first = crc32(source.read(0, length));
  const last = crc32(source.read(source.size - length, length), first);
  return [format, ids.gnu ?? ids.uuid ?? ids.pe ?? '-', source.size, last.toString(16)].join(':');
}
