/**
 * The debug directory of a PE file, of which one record counts: CodeView's, by which symbol servers file programs and PDBs.
 *
 *   directory entry, 28 bytes: .. +12 u32 Type (2 CodeView), +16 u32 SizeOfData, +20 u32 AddressOfRawData (RVA), +24 u32 offset
 *   record: "RSDS", GUID (u32, u16, u16, 8 bytes), u32 age, path of the PDB, NUL
 *
 * The ID is the GUID in 32 hex digits, its numbers most significant digit first, and the age in hex without leading zeros, as in
 * the paths of symbol servers (`app.pdb/0F6F25396FC036B19DA977E6E83B97791/app.pdb`) but in lower case. GNU ld's and lld's
 * `--build-id` make the same record without a path.
 *
 * Example: 52 53 44 53 | 39 25 6f 0f | c0 6f | b1 36 | 9d a9 77 e6 e8 3b 97 79 | 01 00 00 00
 *          0f6f25396fc036b19da977e6e83b9779 1
 */
import { Buffer } from 'node:buffer';
import { Cursor } from '../bytes/cursor.ts';
import type { ByteSource } from '../bytes/source.ts';
import * as pe from './pe-constants.ts';
import type { DataDirectory } from './pe-header.ts';

const ENTRY_BYTES = 28;
/** Compilers write up to five. */
const MAX_ENTRIES = 64;
/** Without the path. */
const RECORD_BYTES = 24;
const RSDS = 0x53445352;
const NO_GUID = '0'.repeat(32);

/**
 * GUID and age, or null when the file has no such record. A record that is not where the directory says is none: tools that
 * remove sections leave the directory as it was. `offsetOf(rva, length)` is the file offset, -1 when not in the file.
 */
export function readGuidAge(
  source: ByteSource,
  directory: DataDirectory | undefined,
  offsetOf: (rva: number, length: number) => number,
): string | null {
  if (directory === undefined || directory.rva === 0) return null;
  const count = Math.min(Math.floor(directory.size / ENTRY_BYTES), MAX_ENTRIES);
  const at = offsetOf(directory.rva, count * ENTRY_BYTES);
  if (count === 0 || at < 0) return null;
  const cursor = new Cursor(source.read(at, count * ENTRY_BYTES), true, 'debug directory');
  for (let i = 0; i < count; i++) {
    const type = cursor.seek(i * ENTRY_BYTES + 12).u32();
    const size = cursor.u32();
    const rva = cursor.u32();
    const offset = cursor.u32();
    if (type !== pe.IMAGE_DEBUG_TYPE_CODEVIEW || size < RECORD_BYTES) continue;
    // The offset is stale in a file made by objcopy --only-keep-debug; the RVA is 0 where the record is not mapped.
    for (const place of [rva === 0 ? -1 : offsetOf(rva, RECORD_BYTES), offset]) {
      if (place < 0 || place + RECORD_BYTES > source.size) continue;
      const id = guidAge(source.read(place, RECORD_BYTES));
      if (id !== null) return id;
    }
  }
  return null;
}

function guidAge(record: Uint8Array): string | null {
  const cursor = new Cursor(record, true, 'CodeView record');
  if (cursor.u32() !== RSDS) return null;
  const numbers = [hex(cursor.u32(), 8), hex(cursor.u16(), 4), hex(cursor.u16(), 4)];
  const guid = numbers.join('') + Buffer.from(cursor.take(8)).toString('hex');
  return guid === NO_GUID ? null : guid + hex(cursor.u32(), 1);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
