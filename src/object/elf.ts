/**
 * ELF files behind the ObjectFile interface. Opening reads the header, the program and section headers and the
 * section names; everything else is read when it is asked for, and nothing is read whole.
 *
 *   elf-header.ts      the header and its two tables       elf-symbols.ts      .symtab, .dynsym
 *   address.ts         address -> file offset              elf-relocations.ts  what a loader writes into pointers
 *   elf-notes.ts       build IDs                           elf-dynamic.ts      the way in without section headers
 *   section-bytes.ts   compressed sections                 elf-bias.ts         where a kernel begins
 */
import type { ByteSource } from '../bytes/source.ts';
import { addressBias } from './elf-bias.ts';
import { FormatError, LimitError } from '../errors.ts';
import { MappedMemory, AddressSpace, type MappedRange } from './address.ts';
import { compressionHeaderSize, compressionKind, SectionBytes } from './section-bytes.ts';
import * as elf from './elf-constants.ts';
import { DynamicSection } from './elf-dynamic.ts';
import { type ElfHeader, type SectionHeader, readElfHeader } from './elf-header.ts';
import { archOf, objectTypeOf } from './elf-machine.ts';
import { BUILD_ATTRIBUTES, type NoteArea, readNotes } from './elf-notes.ts';
import { type RelocationTable, type Relocations, readRelocations } from './elf-relocations.ts';
import {
  type SymbolTable,
  checkSymbolTable,
  noFunctionSymbols,
  readFunctionSymbols,
  readSymbols,
  symbolAddresses,
  symbolSize,
} from './elf-symbols.ts';
import type {
  FunctionSymbols,
  ObjectFile,
  ObjectIds,
  ObjectNote,
  ObjectSymbol,
  ObjectType,
  Section,
  Segment,
} from './object.ts';
import { SourceWindow } from './window.ts';

/** Section names are mangled function names under -ffunction-sections. */
const MAX_SECTION_NAME_BYTES = 1 << 16;

/** All section names together: a name table can be named again and again by 2^18 sections. */
const MAX_SECTION_NAMES_BYTES = 1 << 26;

/** Opens an ELF file. Throws FormatError when the header or a table it points to is damaged, LimitError, UnsupportedError. */
export function openElf(source: ByteSource): ObjectFile {
  return new ElfFile(source);
}

class ElfFile implements ObjectFile {
  readonly source: ByteSource;
  readonly format = 'elf';
  readonly arch: string;
  readonly type: ObjectType;
  readonly pointerSize: 4 | 8;
  readonly littleEndian: boolean;
  readonly bias: bigint;
  readonly segments: readonly Segment[];
  readonly sections: readonly Section[];
  readonly debugOnly: boolean;
  readonly #header: ElfHeader;
  readonly #space: AddressSpace;
  readonly #memory: MappedMemory;
  readonly #byName = new Map<string, Section>();
  /** Inflated sections for as long as somebody holds them. */
  readonly #bytes: SectionBytes;
  #notes: readonly ObjectNote[] | undefined;
  #ids: ObjectIds | undefined;
  #symbols: readonly ObjectSymbol[] | undefined;
  #dynamicSymbols: readonly ObjectSymbol[] | undefined;
  #functions: FunctionSymbols | undefined;
  #relocations: Relocations | undefined;
  #dynamic: DynamicSection | null | undefined;

  constructor(source: ByteSource) {
    const header = readElfHeader(source);
    this.source = source;
    this.#header = header;
    this.#space = new AddressSpace(addressBias(header));
    this.arch = archOf(header);
    this.type = objectTypeOf(header.type);
    this.pointerSize = header.is64 ? 8 : 4;
    this.littleEndian = header.littleEndian;
    this.bias = this.#space.bias;
    this.segments = this.#readSegments();
    this.sections = this.#readSections();
    for (const section of this.sections) if (!this.#byName.has(section.name)) this.#byName.set(section.name, section);
    this.debugOnly = isDebugOnly(header.sections);
    this.#memory = new MappedMemory(source, this.#space, this.#mappedRanges(), this);
    this.#bytes = new SectionBytes(source, header.is64, this.littleEndian);
  }

  #readSegments(): Segment[] {
    const segments: Segment[] = [];
    for (const program of this.#header.programs) {
      const address = this.#space.fromLink(program.address);
      if (program.type !== elf.PT_LOAD || address < 0 || address + program.memorySize > Number.MAX_SAFE_INTEGER)
        continue;
      segments.push({
        name: 'LOAD',
        fileOffset: program.offset,
        fileSize: program.fileSize,
        address,
        size: program.memorySize,
        align: program.align,
        readable: (program.flags & elf.PF_R) !== 0,
        writable: (program.flags & elf.PF_W) !== 0,
        executable: (program.flags & elf.PF_X) !== 0,
      });
    }
    return segments;
  }

  #readSections(): Section[] {
    const { sections: headers, nameSection } = this.#header;
    const table = headers[nameSection];
    let names: SourceWindow | undefined;
    if (nameSection !== 0 && table !== undefined && table.type !== elf.SHT_NOBITS) {
      names = new SourceWindow(this.source, table.offset, table.size, 'section names');
    }
    let nameBytes = 0;
    return headers.map((header, index) => {
      // One that cannot be read, as llvm-strip 14 leaves them in Go programs, must not cost the file.
      const name = names === undefined ? '' : names.label(header.nameOffset, MAX_SECTION_NAME_BYTES);
      nameBytes += name.length;
      if (nameBytes > MAX_SECTION_NAMES_BYTES)
        throw new LimitError(`section names exceed ${MAX_SECTION_NAMES_BYTES} bytes`);
      const noBits = header.type === elf.SHT_NOBITS || header.type === elf.SHT_NULL;
      return {
        index,
        name,
        type: header.type,
        address: this.#space.fromLink(header.address),
        size: header.size,
        fileOffset: header.offset,
        noBits,
        executable: (header.flags & elf.SHF_EXECINSTR) !== 0,
        writable: (header.flags & elf.SHF_WRITE) !== 0,
        compression: noBits ? 'none' : this.#compressionOf(header, name),
        link: header.link,
        info: header.info,
      };
    });
  }

  #compressionOf(header: SectionHeader, name: string): Section['compression'] {
    if ((header.flags & elf.SHF_COMPRESSED) !== 0) {
      const size = compressionHeaderSize(this.#header.is64);
      if (header.size < size || header.offset + size > this.source.size) return 'unknown';
      return compressionKind(this.source.read(header.offset, size), this.littleEndian, name);
    }
    return name.startsWith('.zdebug_') ? 'zdebug' : 'none';
  }

  /** In a debug-only file the program headers are zeroed (objcopy) or those of another file (eu-strip): sections are right. */
  #mappedRanges(): MappedRange[] {
    if (!this.debugOnly) return [...this.segments];
    return this.sections
      .filter((section) => !section.noBits && (this.#header.sections[section.index].flags & elf.SHF_ALLOC) !== 0)
      .map(({ address, size, fileOffset }) => ({ address, size, fileOffset, fileSize: size }));
  }

  section(name: string): Section | undefined {
    return this.#byName.get(name);
  }

  sectionData(section: Section): Uint8Array {
    return this.#bytes.of(section);
  }

  fileOffsetOf(address: number, length: number): number {
    return this.#memory.offsetOf(address, length);
  }

  readAddress(address: number, length: number): Uint8Array {
    return this.#memory.read(address, length);
  }

  readPointer(address: number): number {
    const relocated = this.#relocationTable().at(address);
    if (relocated !== undefined) return this.#memory.inside(relocated);
    return this.#memory.pointerIn(this.readAddress(address, this.pointerSize));
  }

  relocationsTo(target: number): number[] {
    return this.#relocationTable().relativeTo(target);
  }

  symbols(): readonly ObjectSymbol[] {
    if (this.#symbols === undefined) {
      const table = this.#sectionSymbols(elf.SHT_SYMTAB);
      this.#symbols = table === undefined ? this.dynamicSymbols() : readSymbols(table);
    }
    return this.#symbols;
  }

  dynamicSymbols(): readonly ObjectSymbol[] {
    if (this.#dynamicSymbols === undefined) {
      const table = this.#dynamicTable();
      this.#dynamicSymbols = table === undefined ? [] : readSymbols(table);
    }
    return this.#dynamicSymbols;
  }

  functionSymbols(): FunctionSymbols {
    if (this.#functions === undefined) {
      const table = this.#sectionSymbols(elf.SHT_SYMTAB) ?? this.#dynamicTable();
      this.#functions =
        table === undefined ? noFunctionSymbols() : readFunctionSymbols(table, (section) => this.#holdsCode(section));
    }
    return this.#functions;
  }

  /** In a relocatable file every section begins at 0, and .text is the one that addresses are relative to. */
  #holdsCode(section: number): boolean {
    if (this.type === 'rel') return this.sections[section]?.name === '.text';
    return this.sections[section]?.executable ?? true; // no section headers, or an absolute symbol
  }

  notes(): readonly ObjectNote[] {
    this.#notes ??= readNotes(this.source, this.littleEndian, this.#noteAreas());
    return this.#notes;
  }

  get ids(): ObjectIds {
    if (this.#ids === undefined) {
      const note = this.notes().find((n) => n.name === 'GNU' && n.type === elf.NT_GNU_BUILD_ID && n.desc.length > 0);
      this.#ids = { gnu: note === undefined ? null : Buffer.from(note.desc).toString('hex'), uuid: null, pe: null };
    }
    return this.#ids;
  }

  /** Sections first: the GNU note of a Go program is in no PT_NOTE. */
  #noteAreas(): NoteArea[] {
    const areas: NoteArea[] = [];
    this.#header.sections.forEach(({ type, offset, size, align }, index) => {
      const name = this.sections[index].name || 'note section';
      if (type === elf.SHT_NOTE && !name.startsWith(BUILD_ATTRIBUTES)) areas.push({ name, offset, size, align });
    });
    if (this.debugOnly) return areas;
    for (const { type, offset, fileSize, align } of this.#header.programs) {
      if (type === elf.PT_NOTE) areas.push({ name: 'note segment', offset, size: fileSize, align });
    }
    return areas;
  }

  /** The first section of a symbol table type that has bytes. */
  #sectionSymbols(type: number): SymbolTable | undefined {
    const { sections, is64 } = this.#header;
    const index = sections.findIndex((s) => s.type === type && s.size > 0);
    const header = sections[index];
    if (header === undefined) return undefined;
    const name = this.sections[index].name || 'symbol table';
    const strings = sections[header.link];
    if (strings === undefined || strings.type === elf.SHT_NOBITS)
      throw new FormatError(name, 0, 'symbol table without names');
    const entry = symbolSize(is64);
    if (header.entrySize !== entry && header.entrySize !== 0) {
      throw new FormatError(name, 0, `symbols of ${header.entrySize} bytes where ${entry} are expected`);
    }
    const extended = sections.find((s) => s.type === elf.SHT_SYMTAB_SHNDX && s.link === index);
    return checkSymbolTable({
      ...this.#symbolContext(name, new SourceWindow(this.source, strings.offset, strings.size, `names of ${name}`)),
      offset: header.offset,
      count: Math.floor(header.size / entry),
      extendedIndexes: extended?.offset ?? -1,
    });
  }

  #dynamicTable(): SymbolTable | undefined {
    const table = this.#sectionSymbols(elf.SHT_DYNSYM);
    if (table !== undefined || this.debugOnly) return table;
    const dynamic = this.#dynamicSection();
    if (dynamic === undefined || !dynamic.has(elf.DT_SYMTAB)) return undefined;
    const count = dynamic.symbolCount();
    if (count === 0) return undefined;
    const name = 'dynamic symbols';
    const names = dynamic.table(elf.DT_STRTAB, dynamic.number(elf.DT_STRSZ), 'DT_STRTAB');
    return checkSymbolTable({
      ...this.#symbolContext(name, new SourceWindow(this.source, names.offset, names.size, `names of ${name}`)),
      offset: dynamic.table(elf.DT_SYMTAB, count * symbolSize(this.#header.is64), 'DT_SYMTAB').offset,
      count,
      extendedIndexes: -1,
    });
  }

  #symbolContext(name: string, names: SourceWindow) {
    const { is64, littleEndian, machine } = this.#header;
    return { source: this.source, name, names, is64, littleEndian, space: this.#space, thumb: machine === elf.EM_ARM };
  }

  #dynamicSection(): DynamicSection | undefined {
    if (this.#dynamic === undefined) {
      const program = this.#header.programs.find((p) => p.type === elf.PT_DYNAMIC && p.fileSize > 0);
      const area = program && { name: 'dynamic section', offset: program.offset, size: program.fileSize };
      this.#dynamic = area ? new DynamicSection(this.source, this.#header, this.#space, this.#memory, area) : null;
    }
    return this.#dynamic ?? undefined;
  }

  #relocationTable(): Relocations {
    this.#relocations ??= readRelocations(
      {
        source: this.source,
        header: this.#header,
        space: this.#space,
        map: this.#memory,
        symbolAddresses: this.#lazySymbolAddresses(),
      },
      this.#relocationTables(),
    );
    return this.#relocations;
  }

  #lazySymbolAddresses(): () => Float64Array {
    let addresses: Float64Array | undefined;
    return () => {
      if (addresses === undefined) {
        const table = this.#dynamicTable();
        addresses = table === undefined ? new Float64Array(0) : symbolAddresses(table);
      }
      return addresses;
    };
  }

  /** The tables a loader uses; a file that says nothing of them to a loader may still have them as mapped sections. */
  #relocationTables(): RelocationTable[] {
    if (this.debugOnly || this.type === 'rel') return [];
    const dynamic = this.#dynamicSection();
    const tables = dynamic === undefined ? [] : dynamic.relocationTables();
    if (tables.length > 0) return tables;
    for (const section of this.sections) {
      const { type, flags } = this.#header.sections[section.index];
      const kind =
        type === elf.SHT_RELA ? 'rela' : type === elf.SHT_REL ? 'rel' : type === elf.SHT_RELR ? 'relr' : undefined;
      if (kind === undefined || (flags & elf.SHF_ALLOC) === 0) continue;
      tables.push({ kind, name: section.name, offset: section.fileOffset, size: section.size });
    }
    return tables;
  }
}

function isDebugOnly(sections: readonly SectionHeader[]): boolean {
  const code = sections.filter(
    (s) => (s.flags & elf.SHF_EXECINSTR) !== 0 && (s.flags & elf.SHF_ALLOC) !== 0 && s.size > 0,
  );
  return code.length > 0 && code.every((s) => s.type === elf.SHT_NOBITS);
}
