/**
 * One interface over ELF, Mach-O and PE.
 *
 * Addresses. A *file address* is the link-time virtual address minus `bias`, as a number. `bias` is 0n for
 * everything below 2^53, that is for all but kernel images; for those it is the lowest segment address rounded
 * down to 4 KiB, so that numbers stay exact. Only people see `bias + fileAddress`.
 */
import type { ByteSource } from '../bytes/source.ts';

export type ObjectFormat = 'elf' | 'macho' | 'pe';

/** Executable, position independent or shared, relocatable, core, debug symbols only, anything else. */
export type ObjectType = 'exec' | 'dyn' | 'rel' | 'core' | 'dsym' | 'other';

/** A part of the file that is mapped into memory. */
export interface Segment {
  /** ELF: "LOAD"; Mach-O: "__TEXT"; PE: the section's name. */
  readonly name: string;
  /** Bytes from the start of the file. */
  readonly fileOffset: number;
  /** Bytes in the file; 0 when nothing is backed by the file. */
  readonly fileSize: number;
  readonly address: number;
  /** Bytes in memory. */
  readonly size: number;
  readonly align: number;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
}

export interface Section {
  readonly index: number;
  /** "" when the file's name table has no readable name for it. */
  readonly name: string;
  /** The format's own type number (ELF sh_type); 0 where there is none. */
  readonly type: number;
  /** 0 for what is not mapped (-1 in a biased file, whose address 0 is out of range). */
  readonly address: number;
  /** Bytes in memory, or for a compressed section, in the file. PE: bytes in the file, of which there can be more in memory. */
  readonly size: number;
  readonly fileOffset: number;
  /** True when the section has no bytes in this file (ELF SHT_NOBITS): .bss, or any section of a debug-only file. */
  readonly noBits: boolean;
  readonly executable: boolean;
  readonly writable: boolean;
  /** `unknown` is a method resym cannot undo: `sectionData` throws UnsupportedError. */
  readonly compression: 'none' | 'zlib' | 'zstd' | 'zdebug' | 'unknown';
  /** ELF sh_link and sh_info, 0 elsewhere. */
  readonly link: number;
  readonly info: number;
}

export interface ObjectSymbol {
  readonly name: string;
  readonly address: number;
  /** Bytes; 0 when the table does not say. */
  readonly size: number;
  readonly kind: 'function' | 'object' | 'other';
  readonly binding: 'local' | 'global' | 'weak';
}

/**
 * The code symbols of a table in flat columns: what a symbolizer searches, without an object per symbol.
 * Only symbols of type function that this file defines, in executable sections.
 */
export interface FunctionSymbols {
  readonly length: number;
  /** File addresses, ascending; equals in the order of the table. Without the Thumb bit on arm. */
  readonly start: Float64Array;
  /** Bytes; 0 when the table does not say. Mach-O's never does: there it is the distance to whatever begins next. */
  readonly size: Float64Array;
  /** Byte offset of the name in the string table: equal offsets are equal names. */
  readonly nameOffset: Uint32Array;
  /** 0 local, 1 global, 2 weak, 10 unique: ELF STB_*. */
  readonly binding: Uint8Array;
  /**
   * The name of symbol `index`, read on demand; of Mach-O without the underscore every compiler puts before it: `main`,
   * `main.main`, `_ZN3fooEv`. Throws FormatError when the string table has none there.
   */
  name(index: number): string;
}

/** A note record (ELF SHT_NOTE, PT_NOTE). */
export interface ObjectNote {
  /** Owner without trailing NULs: "GNU", "Go". */
  readonly name: string;
  /** Meaning depends on the owner. */
  readonly type: number;
  readonly desc: Uint8Array;
}

/** Identities as the file states them, lower-case hex; null when absent. */
export interface ObjectIds {
  /** ELF NT_GNU_BUILD_ID. */
  readonly gnu: string | null;
  /** Mach-O LC_UUID, 32 hex digits. */
  readonly uuid: string | null;
  /**
   * PE: the GUID of the RSDS record, 32 hex digits, and its age in hex without leading zeros, as in the paths of symbol
   * servers but in lower case.
   */
  readonly pe: string | null;
}

export interface ObjectFile {
  readonly source: ByteSource;
  readonly format: ObjectFormat;
  /** GOARCH's names: amd64, arm64, 386, arm, ppc64le, s390x, riscv64...; `elf:NN`, `macho:NN`... for an unknown machine. */
  readonly arch: string;
  readonly type: ObjectType;
  readonly pointerSize: 4 | 8;
  readonly littleEndian: boolean;
  /** Link-time address = bias + file address. */
  readonly bias: bigint;
  /** Mapped segments in file order (ELF: PT_LOAD). */
  readonly segments: readonly Segment[];
  /** Sections in table order; empty when the file has no section headers. */
  readonly sections: readonly Section[];
  readonly ids: ObjectIds;
  /**
   * True when the file has executable sections but none with bytes: the result of objcopy --only-keep-debug or
   * eu-strip -f. Segments are then as the header has them, zeroed or stale; addresses are read through sections.
   */
  readonly debugOnly: boolean;

  /** The first section of that name; of Mach-O also by segment and name: `__DATA,__const`. */
  section(name: string): Section | undefined;
  /**
   * A section's bytes, decompressed. Bounded by `MAX_SECTION_BYTES`; throws FormatError, LimitError or
   * UnsupportedError (zstd before `prepareZstd()`), and FormatError for a section without bytes. In a relocatable
   * file the bytes are as in the file: relocations against the section are not applied.
   */
  sectionData(section: Section): Uint8Array;
  /** File offset of a file address, or -1 when no segment's file bytes hold all of `[address, address + length)`. */
  fileOffsetOf(address: number, length: number): number;
  /** Bytes at a file address, read from the file-backed part of a segment. Throws FormatError outside. */
  readAddress(address: number, length: number): Uint8Array;
  /**
   * What the loader would write into the pointer at `address`: the relocation's value when the file has one there,
   * else the word in the file; a file address, or -1 when it does not resolve inside this file.
   */
  readPointer(address: number): number;
  /** File addresses of pointers whose relocated value equals `target` (RELATIVE relocations only). */
  relocationsTo(target: number): number[];
  /**
   * The symbols this file defines, of the symbol table, else of the dynamic one, in table order; names as in the file.
   * Without undefined, section and file symbols and those whose value is no address of this file. Parsed on first use,
   * bounded: an object each, so for large tables prefer `functionSymbols`.
   */
  symbols(): readonly ObjectSymbol[];
  /** The same of the dynamic symbol table alone. */
  dynamicSymbols(): readonly ObjectSymbol[];
  /** The functions of the symbol table, else of the dynamic one; in a relocatable file those of .text. Parsed on first use. */
  functionSymbols(): FunctionSymbols;
  /**
   * ELF notes, from sections first, then from segments, without `.gnu.build.attributes`; empty for other formats.
   * Throws FormatError for a damaged note.
   */
  notes(): readonly ObjectNote[];
}
