/**
 * Names and numbers of ELF, grouped by the table they come from.
 *
 * "gABI" is the System V ABI, edition 4.1 and its generic draft of 2013 (chapters 4 and 5); relocation numbers
 * are from the processor supplements. Only what resym reads is listed.
 */

// e_ident, gABI 4 "ELF Identification"
export const EI_CLASS = 4;
export const EI_DATA = 5;
export const EI_VERSION = 6;
export const EI_NIDENT = 16;
export const ELFCLASS32 = 1;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const ELFDATA2MSB = 2;
export const EV_CURRENT = 1;

// e_type, gABI 4 "ELF Header"
export const ET_REL = 1;
export const ET_EXEC = 2;
export const ET_DYN = 3;
export const ET_CORE = 4;

// e_machine, gABI 4 "ELF Header" and the registry kept with it
export const EM_SPARC = 2;
export const EM_386 = 3;
export const EM_MIPS = 8;
export const EM_PPC = 20;
export const EM_PPC64 = 21;
export const EM_S390 = 22;
export const EM_ARM = 40;
export const EM_SPARCV9 = 43;
export const EM_X86_64 = 62;
export const EM_AARCH64 = 183;
export const EM_RISCV = 243;
export const EM_LOONGARCH = 258;

// Extended numbering, gABI 4 "ELF Header" (e_phnum, e_shnum, e_shstrndx) and "Sections"
export const PN_XNUM = 0xffff;
export const SHN_UNDEF = 0;
export const SHN_LORESERVE = 0xff00;
export const SHN_XINDEX = 0xffff;

// sh_type, gABI 4 "Sections"; SHT_RELR is of the 2022 addition
export const SHT_NULL = 0;
export const SHT_SYMTAB = 2;
export const SHT_RELA = 4;
export const SHT_DYNAMIC = 6;
export const SHT_NOTE = 7;
export const SHT_NOBITS = 8;
export const SHT_REL = 9;
export const SHT_DYNSYM = 11;
export const SHT_SYMTAB_SHNDX = 18;
export const SHT_RELR = 19;

// sh_flags, gABI 4 "Sections"
export const SHF_WRITE = 0x1;
export const SHF_ALLOC = 0x2;
export const SHF_EXECINSTR = 0x4;
export const SHF_COMPRESSED = 0x800;

// ch_type, gABI 4 "Section Compression"
export const ELFCOMPRESS_ZLIB = 1;
export const ELFCOMPRESS_ZSTD = 2;

// st_info, gABI 4 "Symbol Table"; STT_GNU_IFUNC is of the Linux gABI supplement
export const STB_LOCAL = 0;
export const STB_WEAK = 2;
export const STT_OBJECT = 1;
export const STT_FUNC = 2;
export const STT_SECTION = 3;
export const STT_FILE = 4;
export const STT_COMMON = 5;
export const STT_TLS = 6;
export const STT_GNU_IFUNC = 10;

// p_type and p_flags, gABI 5 "Program Header"
export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_NOTE = 4;
export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;

// d_tag, gABI 5 "Dynamic Section"; DT_GNU_HASH is of the Linux supplement
export const DT_NULL = 0;
export const DT_PLTRELSZ = 2;
export const DT_HASH = 4;
export const DT_STRTAB = 5;
export const DT_SYMTAB = 6;
export const DT_RELA = 7;
export const DT_RELASZ = 8;
export const DT_RELAENT = 9;
export const DT_STRSZ = 10;
export const DT_SYMENT = 11;
export const DT_REL = 17;
export const DT_RELSZ = 18;
export const DT_RELENT = 19;
export const DT_PLTREL = 20;
export const DT_JMPREL = 23;
export const DT_RELRSZ = 35;
export const DT_RELR = 36;
export const DT_GNU_HASH = 0x6ffffef5;

// n_type, by owner
/** Owner "GNU": the linker's build ID, any number of bytes, mostly 20. */
export const NT_GNU_BUILD_ID = 3;

/** Relocation types that give the word at r_offset a plain value; every other type is left unresolved. */
export interface PointerRelocations {
  /** Load address + addend. */
  readonly relative: number;
  /** Symbol value + addend, as wide as a pointer. */
  readonly absolute: number;
}

/** By e_machine. R_<machine>_RELATIVE and R_<machine>_64 (_ABS64, _ADDR64, _32, _ABS32) of the processor supplements. */
export const POINTER_RELOCATIONS: Readonly<Record<number, PointerRelocations>> = {
  [EM_X86_64]: { relative: 8, absolute: 1 },
  [EM_AARCH64]: { relative: 1027, absolute: 257 },
  [EM_386]: { relative: 8, absolute: 1 },
  [EM_ARM]: { relative: 23, absolute: 2 },
  [EM_RISCV]: { relative: 3, absolute: 2 },
  [EM_PPC64]: { relative: 22, absolute: 38 },
  [EM_S390]: { relative: 12, absolute: 22 },
  [EM_LOONGARCH]: { relative: 3, absolute: 2 },
};
