/**
 * The Go function table (.gopclntab), by version.
 *
 * Every Go binary carries it, also after `strip` and `-ldflags='-s -w'`: the runtime needs it to unwind. All integers have
 * the target's byte order; P is its pointer size.
 *
 *     +0 u32  magic          0xfffffffb  Go 1.2 to 1.15       0xfffffff0  Go 1.18, 1.19
 *                            0xfffffffa  Go 1.16, 1.17        0xfffffff1  Go 1.20 and later
 *     +4 u8 0, u8 0
 *     +6 u8   quantum        pc deltas count this many bytes: 1 amd64 and 386, 2 s390x, 4 arm, arm64...
 *     +7 u8   P              4 or 8
 *     +8 words of P bytes:
 *
 *     1.2        nfunc, then the function table
 *     1.16       nfunc nfiles           funcname cu filetab pctab pcln
 *     1.18, 1.20 nfunc nfiles textStart funcname cu filetab pctab pcln
 *
 * The last five are offsets from the header, ascending, of these tables:
 *
 *     funcname   NUL-terminated names; a name is an offset into it, 0 is a real one
 *     cu         u32[]: (compilation unit + file number) -> offset into filetab, 0xffffffff unknown
 *     filetab    NUL-terminated paths
 *     pctab      streams of (value delta, pc delta) pairs, see pc-values.ts; offset 0 means "no table"
 *     pcln       function table, then the function records
 *
 * The function table is nfunc pairs {entry, offset of the record from pcln} and one more entry, the end of the last
 * function. Entries are addresses of P bytes up to 1.17, u32 offsets from runtime.text after that. textStart holds that
 * base only up to Go 1.25 (0 since), so moduledata.ts supplies it for all.
 *
 * In the 1.2 layout every offset counts from the header, and the table's end is followed by the u32 offset of the file
 * table: u32 count, then offsets of paths; file numbers are 1-based and count through the whole program.
 *
 * A function record (F is the size of an entry):
 *
 *     +0 entry (again)  +F i32 name  +4 args  +8 deferreturn  +12 pcsp  +16 pcfile  +20 pcln  +24 npcdata
 *     then, from 1.16: u32 compilation unit; from 1.20: i32 start line
 *     then u8 funcID, u8 flag, u8 0, u8 nfuncdata, u32 pcdata[npcdata], funcdata[nfuncdata]
 *     funcdata up to 1.17: P bytes, aligned to P, addresses, 0 = none; later: u32, offsets from `gofunc`, ~0 = none
 *
 * Example, Go 1.24 amd64: f1ffffff 0000 01 08 | 7309000000000000 (2419 functions) | 3101000000000000 (305 files) |
 * 0010400000000000 (textStart 0x401000) | 6000… | 209d01… | 80ae01… | a0ee01… | 00d906…
 *
 * Source: src/runtime/symtab.go, src/cmd/link/internal/ld/pcln.go and src/debug/gosym/pclntab.go of the Go releases;
 * Go 1.11 to 1.26 were compared with their own runtimes (test/gosym/runtime-oracle.test.ts).
 */
import { FormatError } from '../errors.ts';
import type { PagedBytes } from './paged-bytes.ts';

export type PclntabVersion = '1.2' | '1.16' | '1.18' | '1.20';

/** What the versions differ in; everything else reads through this record. */
export interface PclntabLayout {
  readonly version: PclntabVersion;
  readonly magic: number;
  /** Function table entries are addresses of P bytes, not offsets of 4. */
  readonly absoluteEntries: boolean;
  /** Names, files and pc streams have tables of their own; without, every offset counts from the header. */
  readonly separateTables: boolean;
  readonly textStartInHeader: boolean;
  readonly startLine: boolean;
  /**
   * Which pcdata table maps addresses to entries of the inline tree, which funcdata is the tree, and the bytes of an entry.
   * An index of NONE: there is no tree this reader knows.
   */
  readonly inlineIndex: number;
  readonly inlineTree: number;
  readonly inlineRecord: 16 | 20;
}

/** More tables than any function has. */
export const NONE = 0xffff;

const V2: PclntabLayout = {
  version: '1.2',
  magic: 0xfffffffb,
  absoluteEntries: true,
  separateTables: false,
  textStartInHeader: false,
  startLine: false,
  inlineIndex: 2,
  inlineTree: 4,
  inlineRecord: 20,
};
const V16: PclntabLayout = { ...V2, version: '1.16', magic: 0xfffffffa, separateTables: true, inlineTree: 3 };
const V18: PclntabLayout = {
  ...V16,
  version: '1.18',
  magic: 0xfffffff0,
  absoluteEntries: false,
  textStartInHeader: true,
};
const V20: PclntabLayout = { ...V18, version: '1.20', magic: 0xfffffff1, startLine: true, inlineRecord: 16 };

/**
 * What inline trees of the 1.2 layout may be like, for the magic does not tell: Go 1.13 to 1.15, Go 1.12, and older or other ones,
 * which then have no inlined frames. old-go.ts finds out which it is.
 */
export const OLD_INLINING: readonly PclntabLayout[] = [
  V2,
  { ...V2, inlineIndex: 1, inlineTree: 2 },
  { ...V2, inlineIndex: NONE, inlineTree: NONE },
];

export const LAYOUTS: readonly PclntabLayout[] = [V20, V18, V16, V2];

/** The header, checked: every offset is from the start of the header and lies inside the table. */
export interface PclntabHeader {
  readonly layout: PclntabLayout;
  readonly quantum: number;
  readonly pointerSize: 4 | 8;
  readonly functionCount: number;
  /** 0 in the 1.2 layout. */
  readonly fileCount: number;
  /** As in the file; 0 where the header has none. */
  readonly textStart: number;
  readonly funcname: number;
  readonly cu: number;
  readonly filetab: number;
  readonly pctab: number;
  readonly pcln: number;
  /** Offset of the function table, and the bytes of one of its fields. */
  readonly functab: number;
  readonly fieldSize: 4 | 8;
}

/** A program has as many functions as u32 record offsets can tell apart, at 40 bytes a record. */
const MAX_FUNCTIONS = 100_000_000;

export function layoutOf(magic: number): PclntabLayout | undefined {
  return LAYOUTS.find((layout) => layout.magic === magic);
}

/**
 * Reads the header at the start of `table`. null: the magic is none of ours. Throws FormatError when the magic is known and
 * the rest contradicts it or leaves the table.
 */
export function readHeader(table: PagedBytes): PclntabHeader | null {
  const layout = layoutOf(table.u32(0));
  if (layout === undefined) return null;
  const quantum = table.u8(6);
  const pointerSize = table.u8(7);
  if (table.u8(4) !== 0 || table.u8(5) !== 0 || (quantum !== 1 && quantum !== 2 && quantum !== 4)) {
    throw new FormatError(table.section, 4, `header bytes 4 to 6 are not 0, 0 and a quantum of 1, 2 or 4`);
  }
  if (pointerSize !== 4 && pointerSize !== 8) {
    throw new FormatError(table.section, 7, `pointer size ${pointerSize}`);
  }
  let at = 8;
  const word = (): number => {
    const value = table.word(at, pointerSize);
    at += pointerSize;
    return value;
  };
  const functionCount = word();
  if (functionCount > MAX_FUNCTIONS) throw new FormatError(table.section, 8, `${functionCount} functions`);
  const fieldSize = layout.absoluteEntries ? pointerSize : 4;
  if (!layout.separateTables) {
    checkFunctab(table, at, functionCount, fieldSize);
    const tables = { funcname: 0, cu: 0, filetab: 0, pctab: 0, pcln: 0 };
    const filetab = table.u32(at + (2 * functionCount + 1) * fieldSize);
    if (filetab + 4 > table.length) throw new FormatError(table.section, filetab, 'the file table is outside');
    const header = { layout, quantum, pointerSize, functionCount, fileCount: 0, textStart: 0, fieldSize } as const;
    return { ...header, ...tables, filetab, functab: at };
  }
  const fileCount = word();
  const textStart = layout.textStartInHeader ? word() : 0;
  const [funcname, cu, filetab, pctab, pcln] = [word(), word(), word(), word(), word()];
  if (!(at <= funcname && funcname < cu && cu <= filetab && filetab <= pctab && pctab < pcln)) {
    const offsets = [funcname, cu, filetab, pctab, pcln].map((offset) => `0x${offset.toString(16)}`).join(', ');
    throw new FormatError(table.section, 8, `table offsets do not ascend: ${offsets}`);
  }
  checkFunctab(table, pcln, functionCount, fieldSize);
  return {
    layout,
    quantum,
    pointerSize,
    functionCount,
    fileCount,
    textStart,
    fieldSize,
    funcname,
    cu,
    filetab,
    pctab,
    pcln,
    functab: pcln,
  };
}

function checkFunctab(table: PagedBytes, at: number, functionCount: number, fieldSize: number): void {
  const end = at + (2 * functionCount + 1) * fieldSize + 4;
  if (functionCount === 0 || end > table.length) {
    throw new FormatError(table.section, at, `function table of ${functionCount} entries in ${table.length} bytes`);
  }
}
