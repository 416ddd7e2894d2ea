/**
 * Finds the .gopclntab of a file, in this order:
 *
 *  1. the section of that name, if it has bytes: `.gopclntab`, `.data.rel.ro.gopclntab` (PIE up to Go 1.25), `__gopclntab`;
 *  2. a search of everything the file maps into memory for a header: external linking up to Go 1.25 merges the table into
 *     .data.rel.ro, PE keeps it in .rdata, and names can be missing or garbage (llvm-strip on Go up to 1.21).
 *
 * The magic alone proves nothing: it occurs hundreds of times in large programs. A table counts only when its header is sound and
 * a moduledata refers to it and to the tables inside; so far exactly one did in every file, Go's own tools included.
 *
 * An altered magic (garble), a packer or a later Go are told apart from "no Go here" and never read by guess.
 */
import { Buffer } from 'node:buffer';
import { FormatError, isParseError, LimitError, UnsupportedError } from '../errors.ts';
import type { ObjectFile } from '../object/object.ts';
import { readBuildInfo } from './build-info.ts';
import { findBytes, searchableSegments } from './find-bytes.ts';
import { LAYOUTS, layoutOf, readHeader, type PclntabHeader } from './layout.ts';
import { findModuleData, type ModuleData } from './moduledata.ts';
import { PagedBytes } from './paged-bytes.ts';

export interface LocatedTable {
  /** Of the header, bytes from the start of the file. */
  readonly fileOffset: number;
  /** File address of the header. */
  readonly address: number;
  /** Bytes of the table; the functions' inline trees may lie behind them. */
  readonly length: number;
  /** What it lies in, for errors. */
  readonly section: string;
  readonly header: PclntabHeader;
  readonly module: ModuleData;
}

const SECTION_NAMES = ['.gopclntab', '.data.rel.ro.gopclntab', '__gopclntab'];
/** Sections only Go's linker makes. */
const GO_SECTIONS = [
  ...SECTION_NAMES,
  '.go.buildinfo',
  '.note.go.buildid',
  '.go.module',
  '.noptrbss',
  '.gosymtab',
  '.typelink',
  '__go_buildinfo',
  '__go_module',
  '__noptrbss',
  '__gosymtab',
  '__typelink',
];
/**
 * Sound headers without a moduledata that a search may come across. Real files have none or two; each costs a look through the
 * whole file.
 */
const MAX_CANDIDATES = 16;
/** A header is looked at through this many bytes, not the whole section. */
const PROBE_BYTES = 0;

/**
 * null: the file has no Go table. UnsupportedError: it has one that cannot be read. FormatError: it has one that is damaged, or
 * it is cut short.
 */
export function locateTable(object: ObjectFile): LocatedTable | null {
  let problem: Error | null = null;
  let altered: { where: string; bytes: Uint8Array } | null = null;

  for (const name of SECTION_NAMES) {
    const section = object.section(name);
    if (section === undefined || section.noBits || section.size < 16 || section.compression !== 'none') continue;
    if (section.fileOffset + 16 > object.source.size) {
      throw new FormatError(
        name,
        0,
        `lies past the end of the file (${object.source.size} bytes): the file is cut short`,
      );
    }
    const size = Math.min(section.size, object.source.size - section.fileOffset);
    const first = object.source.read(section.fileOffset, 8);
    if (!looksLikeHeader(first, object)) {
      altered ??= { where: name, bytes: first.slice() };
      continue;
    }
    try {
      const header = headerAt(object, section.fileOffset, size, name);
      const found = header && confirm(object, header, section.fileOffset, section.address, size, name);
      if (found instanceof FormatError) problem ??= found;
      else if (found !== null) return found;
    } catch (error) {
      if (!isParseError(error)) throw error;
      problem ??= error;
    }
  }
  // Program headers of a debug-only file describe the file it was made from.
  if (!object.debugOnly) {
    const found = search(object);
    if (found !== null) return found;
  }
  if (problem !== null) throw problem;
  if (altered !== null) throw unreadable(object, `${altered.where} begins with ${hex(altered.bytes)}`);
  if (object.debugOnly) return null;
  const packer = upxMark(object);
  if (packer !== null) throw new UnsupportedError(`packed with UPX (${packer}): unpack it with "upx -d" first`);
  const signs = signsOfGo(object);
  if (signs !== null) throw unreadable(object, `the file has ${signs} but no function table of a known kind`);
  return null;
}

/** The table whose header is at a place, or why it is none: no moduledata refers to it. */
function confirm(
  object: ObjectFile,
  header: PclntabHeader,
  fileOffset: number,
  address: number,
  size: number,
  section: string,
): LocatedTable | FormatError {
  const module = findModuleData(object, address, header);
  if (module === null) {
    const why = object.debugOnly
      ? 'this is a debug file: the executable has what is missing'
      : 'the file is cut short, damaged, or changed by a tool';
    return new FormatError(section, 0, `a Go function table to which no moduledata refers; ${why}`);
  }
  if (!(module.tableLength > header.functab && module.tableLength <= size)) {
    return new FormatError(section, 0, `table of ${module.tableLength} bytes in ${size}`);
  }
  return { fileOffset, address, length: module.tableLength, section, header, module };
}

function search(object: ObjectFile): LocatedTable | null {
  let candidates = 0;
  const segments = searchableSegments(object).sort((a, b) => Number(a.executable) - Number(b.executable));
  for (const { address: start, fileOffset, fileSize, name } of segments) {
    const end = Math.min(fileOffset + fileSize, object.source.size);
    for (const { magic } of LAYOUTS) {
      const pattern = Buffer.alloc(6);
      if (object.littleEndian) pattern.writeUInt32LE(magic);
      else pattern.writeUInt32BE(magic);
      for (const offset of findBytes(object.source, fileOffset, end, pattern)) {
        const within = offset - fileOffset;
        if ((start + within) % object.pointerSize !== 0 || offset + 16 > end) continue;
        if (!looksLikeHeader(object.source.read(offset, 8), object)) continue;
        const place = `${name} segment+0x${within.toString(16)}`;
        const header = soundHeader(object, offset, end - offset, place);
        if (header === null) continue;
        if (++candidates > MAX_CANDIDATES) throw new LimitError(`more than ${MAX_CANDIDATES} Go function tables`);
        const found = confirm(object, header, offset, start + within, end - offset, place);
        if (found instanceof FormatError) continue;
        return found;
      }
    }
  }
  return null;
}

/** The header, or null when it contradicts itself: bytes that happen to look like one. */
function soundHeader(object: ObjectFile, fileOffset: number, size: number, section: string): PclntabHeader | null {
  try {
    return headerAt(object, fileOffset, size, section);
  } catch (error) {
    if (isParseError(error)) return null;
    throw error;
  }
}

function headerAt(object: ObjectFile, fileOffset: number, size: number, section: string): PclntabHeader | null {
  return readHeader(new PagedBytes(object.source, fileOffset, size, object.littleEndian, section, PROBE_BYTES));
}

/** The header's first 8 bytes: known magic, two zeros, quantum, the file's pointer size. */
function looksLikeHeader(bytes: Uint8Array, object: ObjectFile): boolean {
  const magic = new DataView(bytes.buffer, bytes.byteOffset, 8).getUint32(0, object.littleEndian);
  return (
    layoutOf(magic) !== undefined &&
    bytes[4] === 0 &&
    bytes[5] === 0 &&
    (bytes[6] === 1 || bytes[6] === 2 || bytes[6] === 4) &&
    bytes[7] === object.pointerSize
  );
}

function unreadable(object: ObjectFile, seen: string): UnsupportedError {
  let version: string | null = null;
  try {
    version = readBuildInfo(object)?.version ?? null;
  } catch (error) {
    if (!isParseError(error)) throw error; // build info that cannot be read is as good as none here
  }
  const hint =
    version === null
      ? 'no build info either: probably obfuscated (garble) or packed'
      : `build info says ${version}: obfuscated (garble), or a Go later than this reader knows`;
  return new UnsupportedError(`Go function table not readable: ${seen}; ${hint}`);
}

/** What in the file only Go's linker makes, or null. */
function signsOfGo(object: ObjectFile): string | null {
  const section = GO_SECTIONS.find((name) => object.section(name) !== undefined);
  if (section !== undefined) return `a section ${section}`;
  try {
    if (readBuildInfo(object) !== null) return 'Go build info';
  } catch (error) {
    if (!isParseError(error)) throw error;
    return 'damaged Go build info';
  }
  return null;
}

/** Where UPX left its mark, or null: it removes section headers and writes "UPX!" near the start or the end. */
function upxMark(object: ObjectFile): string | null {
  const { source } = object;
  const pe = object.sections.find((section) => section.name === 'UPX0' || section.name === 'UPX1');
  if (pe !== undefined) return `section ${pe.name}`;
  if (object.format !== 'elf' || object.sections.length > 0) return null;
  const mark = Buffer.from('UPX!');
  const ends = [
    { from: 0, to: 4096 },
    { from: source.size - 4096, to: source.size },
  ];
  for (const { from, to } of ends) {
    for (const offset of findBytes(source, from, to, mark)) return `"UPX!" at offset 0x${offset.toString(16)}`;
  }
  return null;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
