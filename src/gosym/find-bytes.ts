import { Buffer } from 'node:buffer';
import type { ByteSource } from '../bytes/source.ts';
import { LimitError } from '../errors.ts';
import type { ObjectFile, Segment } from '../object/object.ts';

/** Searching 1 MiB at a time keeps the memory small and the reads few. */
const CHUNK_BYTES = 1 << 20;

/**
 * File offsets in `[start, end)` at which `pattern` lies wholly, ascending. Reads as far as the caller iterates; the range is
 * cut to the source.
 */
export function* findBytes(source: ByteSource, start: number, end: number, pattern: Uint8Array): Generator<number> {
  const stop = Math.min(end, source.size);
  const overlap = pattern.length - 1;
  for (let from = Math.max(0, start); from + pattern.length <= stop; from += CHUNK_BYTES) {
    const bytes = source.read(from, Math.min(CHUNK_BYTES + overlap, stop - from));
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = chunk.indexOf(pattern); at >= 0; at = chunk.indexOf(pattern, at + 1)) yield from + at;
  }
}

/** Segments hardly ever share bytes; a file that maps itself again and again would be searched again and again. */
const MAX_TIMES_MAPPED = 2;

/** The segments to search, with bytes in the file. Throws LimitError when together they are much larger than the file. */
export function searchableSegments(object: ObjectFile): Segment[] {
  const segments = object.segments.filter(({ fileSize }) => fileSize > 0);
  const total = segments.reduce((sum, { fileSize }) => sum + Math.min(fileSize, object.source.size), 0);
  if (total > MAX_TIMES_MAPPED * object.source.size) {
    throw new LimitError(`segments of ${total} bytes in a file of ${object.source.size}`);
  }
  return segments;
}
