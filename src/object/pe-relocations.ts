/**
 * PE base relocations: which words a loader changes when the image is not loaded at its ImageBase.
 *
 *   blocks: u32 page RVA, u32 size of the block, then u16 entries: type << 12 | offset in the page
 *   types: 0 none, padding; 3 a word of 4 bytes; a of 8 bytes
 *
 * The words in the file are right for the ImageBase: relocations tell where pointers are, never what they are.
 *
 * Example: 00 10 00 00 | 0c 00 00 00 | 08 a0 (8 bytes at RVA 0x1008) | 00 00
 */
import { Cursor } from '../bytes/cursor.ts';
import { FormatError, LimitError } from '../errors.ts';
import * as pe from './pe-constants.ts';

/** Two bytes a pointer; browsers have some MiB. */
export const MAX_RELOCATION_BYTES = 1 << 24;

const BLOCK_HEADER_BYTES = 8;

/** RVAs of the pointers that the blocks in `bytes` name, in the order of the table. Throws FormatError for a damaged block. */
export function readBaseRelocations(bytes: Uint8Array, pointerSize: 4 | 8): Float64Array {
  const name = 'base relocations';
  if (bytes.length > MAX_RELOCATION_BYTES) {
    throw new LimitError(`${bytes.length} bytes of ${name}; the limit is ${MAX_RELOCATION_BYTES}`);
  }
  const wanted = pointerSize === 8 ? pe.IMAGE_REL_BASED_DIR64 : pe.IMAGE_REL_BASED_HIGHLOW;
  const cursor = new Cursor(bytes, true, name);
  const found = new Float64Array(bytes.length >>> 1);
  let count = 0;
  while (cursor.remaining >= BLOCK_HEADER_BYTES) {
    const at = cursor.offset;
    const page = cursor.u32();
    const size = cursor.u32();
    if (page === 0 && size === 0) break; // padding up to the section's end
    if (size < BLOCK_HEADER_BYTES || at + size > bytes.length)
      throw new FormatError(name, at, `block of ${size} bytes`);
    while (cursor.offset + 2 <= at + size) {
      const entry = cursor.u16();
      if (entry >>> 12 === wanted) found[count++] = page + (entry & 0xfff);
    }
    cursor.seek(at + size);
  }
  return found.subarray(0, count);
}
