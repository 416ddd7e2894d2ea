/**
 * Where a file says its debug info is, when it is in another one.
 *
 *   .gnu_debuglink      name, NUL, zeros up to a multiple of 4, u32 CRC-32 of that file      objcopy --add-gnu-debuglink, eu-strip -f
 *   .gnu_debugaltlink   name, NUL, the build ID of that file                                 dwz -m: what several files share
 *   .gnu_debugdata      an ELF file with a symbol table only, compressed by xz               Fedora's "mini debug info"
 *
 * The CRC is the one of zlib and gzip. Example of the first: 61 70 70 2e 64 65 62 75 67 00 00 00 | 9a 3e 51 c2: "app.debug".
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { Cursor } from '../bytes/cursor.ts';
import type { ByteSource } from '../bytes/source.ts';
import type { ObjectFile, Section } from './object.ts';

/** Read at once for a CRC. */
const CHUNK_BYTES = 1 << 20;

export interface DebugLink {
  /** File name, without directories. */
  readonly name: string;
  readonly crc: number;
}

export interface DebugAltLink {
  /** Path, as recorded: absolute or relative to the file. */
  readonly name: string;
  /** Lower-case hex. */
  readonly buildId: string;
}

/** The separate debug file a program names; null when it names none. Throws FormatError for a damaged section. */
export function readDebugLink(object: ObjectFile): DebugLink | null {
  const cursor = linkSection(object, '.gnu_debuglink');
  if (cursor === null) return null;
  const name = cursor.cstring();
  return { name, crc: cursor.seek((cursor.offset + 3) & ~3).u32() };
}

/** The supplementary file a debug file names; null when it names none. Throws FormatError for a damaged section. */
export function readDebugAltLink(object: ObjectFile): DebugAltLink | null {
  const cursor = linkSection(object, '.gnu_debugaltlink');
  if (cursor === null) return null;
  const name = cursor.cstring();
  return { name, buildId: Buffer.from(cursor.take(cursor.remaining)).toString('hex') };
}

/** The compressed symbol table a stripped file carries; undefined when it carries none. */
export function miniDebugInfo(object: ObjectFile): Section | undefined {
  const section = object.section('.gnu_debugdata');
  return section !== undefined && !section.noBits && section.size > 0 ? section : undefined;
}

/** The CRC-32 of a whole file, as .gnu_debuglink has it. Reads all of it. */
export function fileCrc(source: ByteSource): number {
  let crc = 0;
  for (let offset = 0; offset < source.size; offset += CHUNK_BYTES) {
    crc = crc32(source.read(offset, Math.min(CHUNK_BYTES, source.size - offset)), crc);
  }
  return crc;
}

function linkSection(object: ObjectFile, name: string): Cursor | null {
  const section = object.section(name);
  if (section === undefined || section.noBits) return null;
  return new Cursor(object.sectionData(section), object.littleEndian, name);
}
