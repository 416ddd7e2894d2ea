import { Buffer } from 'node:buffer';
import type { ByteSource } from '../bytes/source.ts';

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
