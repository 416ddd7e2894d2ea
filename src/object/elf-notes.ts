/**
 * ELF notes (gABI 5, "Note Section"): records that say who built the file, and core-file state.
 *
 *   +0 u32 namesz   bytes of the name with its NUL
 *   +4 u32 descsz
 *   +8 u32 type     meaning depends on the name ("owner")
 *   +12 name, padded to the alignment; desc, padded to the alignment
 *
 * The alignment is 4, also in 64-bit files, except in areas that declare 8 (.note.gnu.property): there the
 * descriptor starts on a multiple of 8 and so does the next note.
 *
 *   04 00 00 00 | 14 00 00 00 | 03 00 00 00 | "GNU\0" | 20 bytes     a GNU build ID
 *   04 00 00 00 | 53 00 00 00 | 04 00 00 00 | "Go\0\0" | 83 bytes    a Go build ID
 */
import { Cursor } from '../bytes/cursor.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, LimitError } from '../errors.ts';
import type { ObjectNote } from './object.ts';

/** All note areas of a file together. A core file's notes are its registers, some KiB a thread. */
export const MAX_NOTE_BYTES = 1 << 26;

/** Real files have a handful, core files some for each thread. */
export const MAX_NOTES = 1 << 18;

/** The annobin plugin's record of compiler flags: up to 100,000s of notes that say nothing about the binary's identity. */
export const BUILD_ATTRIBUTES = '.gnu.build.attributes';

/** Where notes are: an SHT_NOTE section or a PT_NOTE segment. */
export interface NoteArea {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly align: number;
}

/**
 * The notes of all areas in order. An area that lies inside an earlier one (PT_NOTE spans SHT_NOTE sections) adds
 * nothing twice. Throws FormatError for a note that does not fit its area.
 */
export function readNotes(source: ByteSource, littleEndian: boolean, areas: readonly NoteArea[]): ObjectNote[] {
  const notes: ObjectNote[] = [];
  const seen = new Set<number>();
  let total = 0;
  for (const { name: area, offset, size, align } of areas) {
    if (offset + size > source.size) {
      throw new FormatError(
        area,
        0,
        `${size} bytes at ${offset} of a file of ${source.size} bytes: truncated or damaged`,
      );
    }
    total += size;
    if (total > MAX_NOTE_BYTES) throw new LimitError(`more than ${MAX_NOTE_BYTES} bytes of notes`);
    const padding = align === 8 ? 8 : 4;
    const cursor = new Cursor(source.read(offset, size), littleEndian, area);
    while (cursor.remaining >= 12) {
      const at = cursor.offset;
      const nameSize = cursor.u32();
      const descSize = cursor.u32();
      const type = cursor.u32();
      if (nameSize === 0 && descSize === 0 && type === 0) continue; // zero fill at the end of an area
      const owner = cursor.take(nameSize);
      const descAt = roundUp(cursor.offset, padding);
      const desc = cursor.seek(Math.min(descAt, cursor.length)).take(descSize);
      cursor.seek(Math.min(roundUp(cursor.offset, padding), cursor.length));
      if (seen.has(offset + at)) continue;
      seen.add(offset + at);
      if (notes.length >= MAX_NOTES) throw new LimitError(`more than ${MAX_NOTES} notes`);
      notes.push({ name: ownerName(owner), type, desc: new Uint8Array(desc) });
    }
  }
  return notes;
}

function roundUp(offset: number, to: 4 | 8): number {
  return Math.ceil(offset / to) * to;
}

/** Without the NULs that end it; Go pads its owner to four bytes with two. */
function ownerName(bytes: Uint8Array): string {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return Buffer.from(bytes.buffer, bytes.byteOffset, end).toString('latin1');
}
