/**
 * runtime.moduledata: the record that ties a .gopclntab to its text. It is needed for the text base (which the table's own
 * header does not hold since Go 1.26), for `gofunc`, the base of the inline trees, and as proof: bytes that look like a table
 * are one exactly when a moduledata points to them and to the tables inside.
 *
 * Words of P bytes; a slice is {pointer, length, capacity}:
 *
 *     Go 1.16 and later                          Go 1.8 to 1.15
 *      0 header                                    0 pclntable slice
 *      1 funcnametab  4 cutab  7 filetab           3 ftab slice
 *     10 pctab  13 pclntable  16 ftab (slices)     6 filetab slice
 *     19 findfunctab                               9 findfunctab
 *     20 minpc  21 maxpc  22 text  23 etext       10 minpc  11 maxpc  12 text  13 etext
 *     38 gofunc (1.18), 40 (1.20), 43 (1.27)      27 textsectmap slice
 *     then textsectmap slice; from 1.26 epclntab stands between the two
 *
 * The tail moved in almost every release, so gofunc is found by shape: textsectmap is the slice whose first element is
 * {0, end, text}, and gofunc is the word before it; from 1.26 on, recognised by the empty textStart, the one before that.
 *
 * It lies in .noptrdata (.data in PE), since 1.26 in a section of its own, .go.module. Its pointers are relocated in
 * position independent files, so all go through `readPointer`.
 *
 * Source: src/runtime/symtab.go (moduledata), src/cmd/link/internal/ld/symtab.go.
 */
import { Buffer } from 'node:buffer';
import type { ObjectFile, Section } from '../object/object.ts';
import { findBytes, searchableSegments } from './find-bytes.ts';
import type { PclntabHeader } from './layout.ts';
import type { TextSection } from './text-sections.ts';

export interface ModuleData {
  /** File address of the record. */
  readonly address: number;
  readonly text: number;
  readonly etext: number;
  readonly minPc: number;
  readonly maxPc: number;
  /** Base of funcdata offsets, a file address; -1 before Go 1.18, where funcdata are addresses. */
  readonly gofunc: number;
  /** Bytes of the table, from its header on. */
  readonly tableLength: number;
  /** Empty before Go 1.18. */
  readonly textSections: readonly TextSection[];
}

/** Sections that are nothing else. */
const OWN_SECTIONS = ['.go.module', '__go_module'];
/** Sections that may hold it, most likely first; without section names, all segments are searched. */
const LIKELY_SECTIONS = [...OWN_SECTIONS, '.noptrdata', '__noptrdata', '.data', '.data.rel.ro'];
/** Text is split about every 32 MiB, where branches end; 4096 of them are 128 GiB. */
const MAX_TEXT_SECTIONS = 4096;
/** Words searched for textsectmap: from the lowest known place on, past the highest. */
const GOFUNC_SEARCH = { from: 30, to: 60 };

/** The moduledata of the table at file address `address`, or null when nothing in the file refers to it. */
export function findModuleData(object: ObjectFile, address: number, header: PclntabHeader): ModuleData | null {
  const refused = new Set<number>();
  const tried = (candidate: number): ModuleData | null => {
    if (refused.has(candidate)) return null;
    refused.add(candidate);
    return readModuleData(object, candidate, address, header);
  };
  const likely = LIKELY_SECTIONS.map((name) => object.section(name)).filter((section) => hasBytes(section));
  for (const section of likely) {
    if (OWN_SECTIONS.includes(section.name)) {
      const found = tried(section.address);
      if (found !== null) return found;
    }
    for (const candidate of wordsEqualTo(object, section, address)) {
      const found = tried(candidate);
      if (found !== null) return found;
    }
  }
  // Where the linker left relocated words zero, only the relocations tell who points here.
  for (const candidate of object.relocationsTo(address)) {
    const found = tried(candidate);
    if (found !== null) return found;
  }
  const segments = searchableSegments(object).sort((a, b) => Number(b.writable) - Number(a.writable));
  for (const segment of segments) {
    const range = { address: segment.address, fileOffset: segment.fileOffset, size: segment.fileSize };
    for (const candidate of wordsEqualTo(object, range, address)) {
      const found = tried(candidate);
      if (found !== null) return found;
    }
  }
  return null;
}

function hasBytes(section: Section | undefined): section is Section {
  return section !== undefined && !section.noBits && section.size > 0 && section.compression === 'none';
}

/** File addresses of the aligned words of a range that hold `target`, as the file has them (not relocated). */
function* wordsEqualTo(
  object: ObjectFile,
  range: { address: number; fileOffset: number; size: number },
  target: number,
): Generator<number> {
  const word = Buffer.alloc(object.pointerSize);
  const value = object.bias + BigInt(target);
  if (object.pointerSize === 8) {
    if (object.littleEndian) word.writeBigUInt64LE(BigInt.asUintN(64, value));
    else word.writeBigUInt64BE(BigInt.asUintN(64, value));
  } else if (object.littleEndian) word.writeUInt32LE(Number(BigInt.asUintN(32, value)));
  else word.writeUInt32BE(Number(BigInt.asUintN(32, value)));
  for (const offset of findBytes(object.source, range.fileOffset, range.fileOffset + range.size, word)) {
    const at = range.address + (offset - range.fileOffset);
    if (at % object.pointerSize === 0) yield at;
  }
}

/** The record at `candidate` if it is the moduledata of the table at `address`, else null. */
function readModuleData(
  object: ObjectFile,
  candidate: number,
  address: number,
  header: PclntabHeader,
): ModuleData | null {
  const size = object.pointerSize;
  const needed = header.layout.separateTables ? GOFUNC_SEARCH.from : 16;
  if (object.fileOffsetOf(candidate, needed * size) < 0) return null;
  const pointer = (index: number): number => object.readPointer(candidate + index * size);
  const plain = (index: number): number => readWord(object, candidate + index * size);

  if (!header.layout.separateTables) {
    const matches =
      pointer(0) === address && pointer(3) === address + header.functab && plain(4) === header.functionCount + 1;
    if (!matches) return null;
    const [minPc, maxPc, text, etext] = [pointer(10), pointer(11), pointer(12), pointer(13)];
    const tableLength = plain(1);
    return { address: candidate, text, etext, minPc, maxPc, gofunc: -1, tableLength, textSections: [] };
  }

  const matches =
    pointer(0) === address &&
    pointer(1) === address + header.funcname &&
    pointer(4) === address + header.cu &&
    pointer(7) === address + header.filetab &&
    pointer(10) === address + header.pctab &&
    pointer(13) === address + header.pcln &&
    pointer(16) === address + header.pcln &&
    plain(17) === header.functionCount + 1;
  if (!matches) return null;
  const [minPc, maxPc, text, etext] = [pointer(20), pointer(21), pointer(22), pointer(23)];
  const tableLength = header.pcln + plain(14);
  const common = { address: candidate, text, etext, minPc, maxPc, tableLength };
  if (header.layout.absoluteEntries) return { ...common, gofunc: -1, textSections: [] };

  // The release that emptied the header's textStart is the one that moved funcdata into the table and added epclntab.
  const funcdataInTable = header.layout.startLine && object.readPointer(address + 8 + 2 * size) <= 0;
  for (let k = GOFUNC_SEARCH.from; k <= GOFUNC_SEARCH.to; k++) {
    if (object.fileOffsetOf(candidate + k * size, 3 * size) < 0) return null;
    const count = plain(k + 1);
    if (count < 1 || count > MAX_TEXT_SECTIONS || plain(k + 2) !== count) continue;
    const textSections = readTextSections(object, pointer(k), count, text);
    if (textSections === null) continue;
    const nearer = pointer(k - 1);
    const farther = pointer(k - 2);
    const gofunc = funcdataInTable && farther >= address + header.pcln && farther < nearer ? farther : nearer;
    if (gofunc < 0) return null;
    return { ...common, gofunc, textSections };
  }
  return null;
}

/** The textsectmap at `at`, or null when that is not one of the text at `text`. */
function readTextSections(object: ObjectFile, at: number, count: number, text: number): TextSection[] | null {
  const size = object.pointerSize;
  if (at < 0 || object.fileOffsetOf(at, count * 3 * size) < 0) return null;
  const sections: TextSection[] = [];
  for (let i = 0; i < count; i++) {
    const entry = at + i * 3 * size;
    const vaddr = readWord(object, entry);
    const end = readWord(object, entry + size);
    const baseaddr = object.readPointer(entry + 2 * size);
    const previous = sections.at(-1);
    const follows =
      previous === undefined ? vaddr === 0 && baseaddr === text : vaddr >= previous.end && baseaddr > previous.baseaddr;
    if (!follows || end < vaddr || baseaddr < 0) return null;
    sections.push({ vaddr, end, baseaddr });
  }
  return sections;
}

/** A word that is no pointer; -1 when it is above 2^53 (then it is no length either). */
function readWord(object: ObjectFile, address: number): number {
  const size = object.pointerSize;
  const bytes = object.readAddress(address, size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  if (size === 4) return view.getUint32(0, object.littleEndian);
  const high = view.getUint32(object.littleEndian ? 4 : 0, object.littleEndian);
  const low = view.getUint32(object.littleEndian ? 0 : 4, object.littleEndian);
  return high > 0x1fffff ? -1 : high * 0x100000000 + low;
}
