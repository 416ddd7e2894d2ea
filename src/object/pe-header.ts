/**
 * PE: headers and section table (Microsoft, "PE Format"). Everything is little endian; an RVA is an address less ImageBase.
 *
 *   0      "MZ", a DOS program; u32 at 0x3c: offset of
 *   +0     "PE\0\0"
 *   +4     COFF header, 20 bytes
 *            +0 u16 Machine          +4 u32 TimeDateStamp          +12 u32 NumberOfSymbols
 *            +2 u16 NumberOfSections +8 u32 PointerToSymbolTable   +16 u16 SizeOfOptionalHeader  +18 u16 Characteristics
 *   +24    optional header
 *            PE32     PE32+                                  PE32     PE32+
 *            0        0       u16 Magic 10b, 20b             60       60       u32 SizeOfHeaders
 *            28       24      ImageBase, u32 or u64          70       70       u16 DllCharacteristics
 *            32       32      u32 SectionAlignment           92       108      u32 NumberOfRvaAndSizes
 *            56       56      u32 SizeOfImage                96       112      { u32 RVA, u32 size } of each
 *   then   section headers, 40 bytes each
 *            +0 name, 8 bytes        +12 u32 VirtualAddress (RVA)    +20 u32 PointerToRawData
 *            +8 u32 VirtualSize      +16 u32 SizeOfRawData           +36 u32 Characteristics
 *
 * A name longer than 8 bytes is in the COFF string table, which follows the symbol table (18 bytes a symbol) and begins with its
 * own size, u32: `/123` is the offset in decimal, `//AAmJaA` in base64, most significant digit first. The symbol table may be
 * empty and yet there for the sake of the names.
 *
 * Raw data is padded up to the file alignment: VirtualSize says what is meant. Where memory is larger, the rest is zeros.
 *
 * Example, section header: "/29\0\0\0\0\0" | ae 7a 1c 00 | 00 50 11 00 | 00 7c 1c 00 | 00 d0 10 00 | .. | 40 00 00 42
 */
import { Cursor } from '../bytes/cursor.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, LimitError, UnsupportedError } from '../errors.ts';
import * as pe from './pe-constants.ts';
import { OBJECT_MACHINES } from './pe-machine.ts';
import { SourceWindow } from './window.ts';

const COFF_HEADER_BYTES = 20;
const SECTION_HEADER_BYTES = 40;
export const SYMBOL_BYTES = 18;
const SHORT_NAME_BYTES = 8;

/** Those that exist; a header that claims more has none behind them. */
const MAX_DIRECTORIES = 16;

/** Section names are mangled function names under -ffunction-sections. */
const MAX_SECTION_NAME_BYTES = 1 << 16;

/** All section names together: one string can be named again and again by 65,535 sections. */
const MAX_SECTION_NAMES_BYTES = 1 << 26;

export interface PeHeader {
  readonly machine: number;
  readonly is64: boolean;
  readonly characteristics: number;
  readonly dllCharacteristics: number;
  readonly imageBase: bigint;
  readonly sectionAlignment: number;
  readonly sizeOfHeaders: number;
  /** By number; what the file does not have is absent or empty. */
  readonly directories: readonly DataDirectory[];
  readonly sections: readonly PeSection[];
  /** undefined when the file has neither symbols nor strings. */
  readonly symbols: CoffTable | undefined;
}

export interface DataDirectory {
  readonly rva: number;
  readonly size: number;
}

export interface PeSection {
  readonly name: string;
  readonly rva: number;
  /** Bytes in memory. */
  readonly size: number;
  readonly fileOffset: number;
  /** Bytes in the file that belong to it, without padding: at most `size`. */
  readonly fileSize: number;
  readonly flags: number;
}

/** Symbols, and right behind them the strings. */
export interface CoffTable {
  readonly offset: number;
  readonly count: number;
  /** The strings, their size included; 0 when the file ends with the symbols. */
  readonly stringsOffset: number;
  readonly stringsSize: number;
}

/** Offset of "PE\0\0", or -1 when the file is none: what begins with "MZ" may be a mere DOS program. */
export function peSignature(source: ByteSource): number {
  if (source.size < 0x40) return -1;
  const start = source.read(0, 0x40);
  if (start[0] !== 0x4d || start[1] !== 0x5a) return -1;
  const at = new DataView(start.buffer, start.byteOffset, start.byteLength).getUint32(0x3c, true);
  if (at + 4 > source.size) return -1;
  const [p, e, zero, too] = source.read(at, 4);
  return p === 0x50 && e === 0x45 && zero === 0 && too === 0 ? at : -1;
}

/**
 * True for a COFF object file: it has no magic, but begins with a machine number and has no optional header; one with more
 * than 65,279 sections (/bigobj) begins with 0 and ffff.
 */
export function isCoffObject(source: ByteSource): boolean {
  if (source.size < COFF_HEADER_BYTES) return false;
  const cursor = new Cursor(source.read(0, COFF_HEADER_BYTES), true, 'COFF header');
  const machine = cursor.u16();
  const sectionCount = cursor.u16();
  if (machine === 0 && sectionCount === 0xffff) return cursor.u16() >= 2 && OBJECT_MACHINES.has(cursor.u16());
  const symbolsOffset = cursor.seek(8).u32();
  const optionalSize = cursor.seek(16).u16();
  const inFile = (offset: number): boolean => offset <= source.size;
  const tableEnd = COFF_HEADER_BYTES + sectionCount * SECTION_HEADER_BYTES;
  return OBJECT_MACHINES.has(machine) && optionalSize === 0 && inFile(symbolsOffset) && inFile(tableEnd);
}

/** Throws FormatError when a header or the section table lies outside the file, UnsupportedError for what is no program. */
export function readPeHeader(source: ByteSource): PeHeader {
  const signature = peSignature(source);
  if (signature < 0) throw new FormatError('PE header', 0, 'not a PE file');
  const coff = new Cursor(readPart(source, signature + 4, COFF_HEADER_BYTES, 'COFF header'), true, 'COFF header');
  const machine = coff.u16();
  const sectionCount = coff.u16();
  coff.skip(4); // TimeDateStamp
  const symbolsOffset = coff.u32();
  const symbolCount = coff.u32();
  const optionalSize = coff.u16();
  const characteristics = coff.u16();
  const optionalOffset = signature + 4 + COFF_HEADER_BYTES;
  const optional = readOptionalHeader(readPart(source, optionalOffset, optionalSize, 'optional header'));
  const symbols = coffTable(source, symbolsOffset, symbolCount);
  const sections = readSections(source, optionalOffset + optionalSize, sectionCount, symbols);
  return { machine, characteristics, ...optional, sections, symbols };
}

function readPart(source: ByteSource, offset: number, size: number, name: string): Uint8Array {
  if (offset + size > source.size) {
    throw new FormatError(
      name,
      0,
      `${size} bytes at ${offset} of a file of ${source.size} bytes: truncated or damaged`,
    );
  }
  return source.read(offset, size);
}

type OptionalHeader = Pick<
  PeHeader,
  'is64' | 'dllCharacteristics' | 'imageBase' | 'sectionAlignment' | 'sizeOfHeaders' | 'directories'
>;

function readOptionalHeader(bytes: Uint8Array): OptionalHeader {
  const cursor = new Cursor(bytes, true, 'optional header');
  if (bytes.length === 0)
    throw new UnsupportedError('a PE file without an optional header is an object file, not a program');
  const magic = cursor.u16();
  if (magic === pe.IMAGE_ROM_OPTIONAL_HDR_MAGIC) throw new UnsupportedError('PE ROM images are not supported');
  if (magic !== pe.IMAGE_NT_OPTIONAL_HDR32_MAGIC && magic !== pe.IMAGE_NT_OPTIONAL_HDR64_MAGIC) {
    throw cursor.seek(0).error(`magic 0x${magic.toString(16)} is neither that of PE32 nor of PE32+`);
  }
  const is64 = magic === pe.IMAGE_NT_OPTIONAL_HDR64_MAGIC;
  const imageBase = is64 ? cursor.seek(24).u64n() : BigInt(cursor.seek(28).u32());
  const sectionAlignment = cursor.seek(32).u32();
  const sizeOfHeaders = cursor.seek(60).u32();
  const dllCharacteristics = cursor.seek(70).u16();
  const claimed = cursor.seek(is64 ? 108 : 92).u32();
  const count = Math.min(claimed, MAX_DIRECTORIES, Math.floor(cursor.remaining / 8));
  const directories = Array.from({ length: count }, () => ({ rva: cursor.u32(), size: cursor.u32() }));
  return { is64, dllCharacteristics, imageBase, sectionAlignment, sizeOfHeaders, directories };
}

/** Where symbols and strings are. A table cut short must not cost the file: names are labels, and symbols are read later. */
function coffTable(source: ByteSource, offset: number, count: number): CoffTable | undefined {
  if (offset === 0) return undefined;
  const stringsOffset = offset + count * SYMBOL_BYTES;
  if (stringsOffset + 4 > source.size) return { offset, count, stringsOffset, stringsSize: 0 };
  const stringsSize = new Cursor(source.read(stringsOffset, 4), true, 'string table').u32();
  return { offset, count, stringsOffset, stringsSize: Math.min(stringsSize, source.size - stringsOffset) };
}

function readSections(source: ByteSource, offset: number, count: number, table: CoffTable | undefined): PeSection[] {
  const name = 'section headers';
  const cursor = new Cursor(readPart(source, offset, count * SECTION_HEADER_BYTES, name), true, name);
  const strings =
    table && new SourceWindow(source, Math.min(table.stringsOffset, source.size), table.stringsSize, 'string table');
  const sections: PeSection[] = [];
  let nameBytes = 0;
  for (let i = 0; i < count; i++) {
    const section = readSection(cursor, strings);
    nameBytes += section.name.length;
    if (nameBytes > MAX_SECTION_NAMES_BYTES) {
      throw new LimitError(`section names exceed ${MAX_SECTION_NAMES_BYTES} bytes`);
    }
    sections.push(section);
  }
  return sections;
}

function readSection(cursor: Cursor, strings: SourceWindow | undefined): PeSection {
  const short = shortName(cursor.take(SHORT_NAME_BYTES));
  const virtualSize = cursor.u32();
  const rva = cursor.u32();
  const rawSize = cursor.u32();
  const fileOffset = cursor.u32();
  cursor.skip(12); // relocations and line numbers, of object files
  const flags = cursor.u32();
  const size = virtualSize === 0 ? rawSize : virtualSize;
  const fileSize = fileOffset === 0 ? 0 : Math.min(rawSize, size);
  return { name: longName(short, strings), rva, size, fileOffset, fileSize, flags };
}

/** Up to 8 bytes: a NUL ends it, the field's end does too. */
function shortName(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)).toString('utf8');
}

/** The name itself, unless it says where the name is; one that leads nowhere stays as it is. */
function longName(short: string, strings: SourceWindow | undefined): string {
  const match = /^\/(?:(\d{1,7})|\/([A-Za-z0-9+/]{6}))$/.exec(short);
  if (match === null || strings === undefined) return short;
  const offset = match[1] === undefined ? base64(match[2]) : Number(match[1]);
  return strings.label(offset, MAX_SECTION_NAME_BYTES) || short;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function base64(digits: string): number {
  let value = 0;
  for (const digit of digits) value = value * 64 + BASE64.indexOf(digit);
  return value;
}
