/**
 * ELF: the file header and the two tables it points to.
 *
 *   e_ident    7f 45 4c 46 | class 1=32 2=64 | data 1=LE 2=BE | version 1 | 9 more bytes
 *              32-bit  64-bit
 *   e_type        16     16   u16      e_shoff      32     40   word
 *   e_machine     18     18   u16      e_flags      36     48   u32
 *   e_version     20     20   u32      e_ehsize     40     52   u16
 *   e_entry       24     24   word     e_phentsize  42     54   u16    e_phnum     44  56  u16
 *   e_phoff       28     32   word     e_shentsize  46     58   u16    e_shnum     48  60  u16
 *                                                                      e_shstrndx  50  62  u16
 *
 *   program header   32-bit: type offset vaddr paddr filesz memsz flags align              (8 x u32 = 32 bytes)
 *                    64-bit: type flags  offset vaddr paddr filesz memsz align             (2 x u32, 6 x u64 = 56)
 *   section header   name type flags addr offset size link info addralign entsize
 *                    name, type, link, info are u32 in both; the rest are words            (40 or 64 bytes)
 *
 * Counts that do not fit in 16 bits are in section header 0 (extended numbering): e_shnum 0 -> sh_size,
 * e_shstrndx 0xffff -> sh_link, e_phnum 0xffff -> sh_info.
 *
 * Example, a Go program: 7f 45 4c 46 02 01 01 00.. | 02 00 EXEC | 3e 00 x86-64 | .. | e_phoff 0x40 | e_shoff 0x190
 */
import { Cursor } from '../bytes/cursor.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, LimitError, UnsupportedError } from '../errors.ts';
import * as elf from './elf-constants.ts';

/** Objects built with -ffunction-sections pass 100,000 sections; each costs some 300 bytes of memory here. */
export const MAX_SECTIONS = 1 << 18;

/** Core files have one segment per mapping; the kernel's default limit is 65,530 mappings. */
export const MAX_PROGRAM_HEADERS = 1 << 17;

/** Entries may grow in a future version of the format, but not without end: a table is read in one piece. */
const MAX_ENTRY_BYTES = 1024;

export interface ElfHeader {
  readonly is64: boolean;
  readonly littleEndian: boolean;
  readonly type: number;
  readonly machine: number;
  /** Index of the section that holds the section names, 0 = none. */
  readonly nameSection: number;
  readonly programs: readonly ProgramHeader[];
  readonly sections: readonly SectionHeader[];
}

/** p_*. Sizes and offsets above 2^53 - 1 are given as 2^53 - 1, which is outside any file all the same. */
export interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: bigint;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly align: number;
}

/** sh_*. Sizes and offsets as in ProgramHeader; of the flags only the low 32 bits. */
export interface SectionHeader {
  readonly nameOffset: number;
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entrySize: number;
}

/** Reads the header and both tables. Throws FormatError when a table lies outside the file or has too small entries. */
export function readElfHeader(source: ByteSource): ElfHeader {
  const ident = source.read(0, Math.min(source.size, elf.EI_NIDENT));
  if (
    ident.length < elf.EI_NIDENT ||
    ident[0] !== 0x7f ||
    ident[1] !== 0x45 ||
    ident[2] !== 0x4c ||
    ident[3] !== 0x46
  ) {
    throw new FormatError('ELF header', 0, 'not an ELF file');
  }
  const elfClass = ident[elf.EI_CLASS];
  const data = ident[elf.EI_DATA];
  if (elfClass !== elf.ELFCLASS32 && elfClass !== elf.ELFCLASS64) {
    throw new FormatError('ELF header', elf.EI_CLASS, `class ${elfClass} is neither 32 nor 64 bit`);
  }
  if (data !== elf.ELFDATA2LSB && data !== elf.ELFDATA2MSB) {
    throw new FormatError('ELF header', elf.EI_DATA, `data encoding ${data} is neither little nor big endian`);
  }
  if (ident[elf.EI_VERSION] !== elf.EV_CURRENT) {
    throw new UnsupportedError(`ELF version ${ident[elf.EI_VERSION]}; only version 1 is known`);
  }
  const is64 = elfClass === elf.ELFCLASS64;
  const littleEndian = data === elf.ELFDATA2LSB;
  const headerSize = is64 ? 64 : 52;
  if (source.size < headerSize)
    throw new FormatError('ELF header', source.size, `truncated: ${headerSize} bytes expected`);

  const cursor = new Cursor(source.read(0, headerSize), littleEndian, 'ELF header').seek(elf.EI_NIDENT);
  const type = cursor.u16();
  const machine = cursor.u16();
  cursor.skip(4 + (is64 ? 8 : 4)); // e_version, e_entry
  const programOffset = clampedWord(cursor, is64);
  const sectionOffset = clampedWord(cursor, is64);
  cursor.skip(4 + 2); // e_flags, e_ehsize
  const programEntrySize = cursor.u16();
  const programCount = cursor.u16();
  const sectionEntrySize = cursor.u16();
  const sectionCount = cursor.u16();
  const nameSection = cursor.u16();

  const sectionTable = {
    name: 'section headers',
    offset: sectionOffset,
    entrySize: sectionEntrySize,
    least: is64 ? 64 : 40,
  };
  const readSections = (count: number) =>
    readTable(source, littleEndian, sectionTable, count, MAX_SECTIONS, (c) => readSectionHeader(c, is64));
  const first = sectionOffset === 0 ? undefined : readSections(1)[0];
  const sections = first === undefined ? [] : readSections(sectionCount === 0 ? first.size : sectionCount);

  const programTable = {
    name: 'program headers',
    offset: programOffset,
    entrySize: programEntrySize,
    least: is64 ? 56 : 32,
  };
  const programs = readTable(
    source,
    littleEndian,
    programTable,
    programCount === elf.PN_XNUM && first !== undefined ? first.info : programCount,
    MAX_PROGRAM_HEADERS,
    (c) => readProgramHeader(c, is64),
  );

  const names = nameSection === elf.SHN_XINDEX && first !== undefined ? first.link : nameSection;
  if (sections.length > 0 && names >= sections.length) {
    throw new FormatError('ELF header', is64 ? 62 : 50, `section names in section ${names} of ${sections.length}`);
  }
  return { is64, littleEndian, type, machine, nameSection: sections.length > 0 ? names : 0, programs, sections };
}

interface Table {
  readonly name: string;
  readonly offset: number;
  readonly entrySize: number;
  /** Bytes an entry must have; larger ones are allowed, the rest is skipped. */
  readonly least: number;
}

function readTable<T>(
  source: ByteSource,
  littleEndian: boolean,
  table: Table,
  count: number,
  limit: number,
  readEntry: (cursor: Cursor) => T,
): T[] {
  if (count === 0) return [];
  const { name, offset, entrySize, least } = table;
  if (entrySize < least || entrySize > MAX_ENTRY_BYTES) {
    throw new FormatError(name, 0, `entries of ${entrySize} bytes where ${least} are expected`);
  }
  if (offset + count * entrySize > source.size) {
    throw new FormatError(
      name,
      0,
      `${count} entries of ${entrySize} bytes at ${offset} in a file of ${source.size} bytes: truncated or damaged`,
    );
  }
  if (count > limit) throw new LimitError(`${count} ${name}; the limit is ${limit}`);
  const cursor = new Cursor(source.read(offset, count * entrySize), littleEndian, name);
  const entries: T[] = [];
  for (let i = 0; i < count; i++) entries.push(readEntry(cursor.seek(i * entrySize)));
  return entries;
}

function readProgramHeader(cursor: Cursor, is64: boolean): ProgramHeader {
  const type = cursor.u32();
  const flags64 = is64 ? cursor.u32() : 0;
  const offset = clampedWord(cursor, is64);
  const address = wordn(cursor, is64);
  wordn(cursor, is64); // p_paddr
  const fileSize = clampedWord(cursor, is64);
  const memorySize = clampedWord(cursor, is64);
  const flags = is64 ? flags64 : cursor.u32();
  const align = clampedWord(cursor, is64);
  return { type, flags, offset, address, fileSize, memorySize, align };
}

function readSectionHeader(cursor: Cursor, is64: boolean): SectionHeader {
  return {
    nameOffset: cursor.u32(),
    type: cursor.u32(),
    flags: Number(wordn(cursor, is64) & 0xffffffffn),
    address: wordn(cursor, is64),
    offset: clampedWord(cursor, is64),
    size: clampedWord(cursor, is64),
    link: cursor.u32(),
    info: cursor.u32(),
    align: clampedWord(cursor, is64),
    entrySize: clampedWord(cursor, is64),
  };
}

function wordn(cursor: Cursor, is64: boolean): bigint {
  return is64 ? cursor.u64n() : BigInt(cursor.u32());
}

/** One absurd size must not cost the whole file: it is refused where that range is read. */
function clampedWord(cursor: Cursor, is64: boolean): number {
  if (!is64) return cursor.u32();
  const value = cursor.u64n();
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}
