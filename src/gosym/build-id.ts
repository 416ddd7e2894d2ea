/**
 * Go build IDs: `P1/P2/P3/P4`, four hashes in URL-safe base64 (link action, compile action of main, content of main, content of the
 * file). Any other text is possible too: `-ldflags=-buildid=...`, and Bazel writes "redacted".
 *
 *     ELF          note of owner "Go", type 4; the descriptor is the text
 *     Mach-O, PE   at the start of Go's text: ff ` Go build ID: "` text `"\n ` ff
 *
 * Since Go 1.24 the linker derives the GNU build ID (or LC_UUID) from it, at a moment when P4 is not known and P1 stands in
 * its place: the first 20 bytes of SHA-256("P1/P2/P3/P1"), with byte 0 changed: xor 01 in 1.24, xor ff from 1.25 on.
 *
 * Source: src/cmd/internal/buildid, src/cmd/link/internal/ld (elf.go, macho.go); compared in test/gosym/build-id.test.ts.
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { ObjectFile } from '../object/object.ts';
import { findBytes, searchableSegments } from './find-bytes.ts';

/** NT type of Go's note. */
const ELF_NOTE_GOBUILDID = 4;
const MARK = Buffer.concat([Buffer.from([0xff]), Buffer.from(' Go build ID: "')]);
const MARK_END = Buffer.concat([Buffer.from('"\n '), Buffer.from([0xff])]);
/** An ID has 83 characters; texts given by hand are not much longer. */
const MAX_ID_BYTES = 1024;
const GNU_BUILD_ID_BYTES = 20;

/** What `-buildid=redacted` becomes as a GNU build ID, in Go 1.24 and from 1.25 on: one ID for all Bazel builds in the world. */
const REDACTED_GNU_IDS = new Set([
  'b78919aff001d8366249403a2544fba2d833084f',
  '498919aff001d8366249403a2544fba2d833084f',
]);

/** The Go build ID as text; null when there is none or it is empty. Throws FormatError for damaged notes. */
export function readGoBuildId(object: ObjectFile): string | null {
  if (object.format === 'elf') {
    const note = object.notes().find(({ name, type }) => name === 'Go' && type === ELF_NOTE_GOBUILDID);
    return note === undefined || note.desc.length === 0 ? null : Buffer.from(note.desc).toString('utf8');
  }
  // Go's own tools have the mark among their constants: only code counts, and there the first.
  for (const segment of searchableSegments(object).filter(({ executable }) => executable)) {
    const end = segment.fileOffset + segment.fileSize;
    for (const at of findBytes(object.source, segment.fileOffset, end, MARK)) {
      const start = at + MARK.length;
      const length = Math.min(MAX_ID_BYTES, end - start, object.source.size - start);
      const text = Buffer.from(object.source.read(start, length));
      const stop = text.indexOf(MARK_END);
      if (stop >= 0) return stop === 0 ? null : text.subarray(0, stop).toString('utf8');
    }
  }
  return null;
}

/**
 * The GNU build ID Go's linker makes of a Go build ID, 40 hex digits, the first byte zeroed because releases differ in it: compare
 * from the second byte on. null for IDs that are not four parts: nothing can be derived that is the file's own.
 */
export function derivedGnuBuildId(goBuildId: string): string | null {
  const parts = goBuildId.split('/');
  if (parts.length !== 4 || parts.some((part) => part === '') || isWorthlessId(goBuildId)) return null;
  const hash = createHash('sha256').update([parts[0], parts[1], parts[2], parts[0]].join('/')).digest();
  hash[0] = 0;
  return hash.subarray(0, GNU_BUILD_ID_BYTES).toString('hex');
}

/** True for an ID, GNU (hex) or Go, that many programs share: it identifies nothing. */
export function isWorthlessId(id: string): boolean {
  return id === '' || id === 'redacted' || REDACTED_GNU_IDS.has(id.toLowerCase());
}
