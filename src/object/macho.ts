/**
 * Mach-O files behind the ObjectFile interface. Opening reads the header and the load commands; everything else is read
 * when it is asked for, and nothing is read whole.
 *
 *   macho-header.ts    header, load commands        macho-symbols.ts   symbols, function starts
 *   macho-fixups.ts    what dyld writes             macho-fat.ts       several architectures in one file
 *
 * A section is found by its own name (`__text`; of several the first) and by its segment's and its own: `__DATA,__const`.
 *
 * Not mapped, so no segment here: __PAGEZERO, which only keeps addresses free, and __DWARF, which nothing in a program
 * refers to. A dSYM has the segments and sections of the program it was made from, without their bytes, and __DWARF.
 */
import type { ByteSource } from '../bytes/source.ts';
import { MappedMemory, AddressSpace } from './address.ts';
import { SectionBytes } from './section-bytes.ts';
import { noFunctionSymbols } from './elf-symbols.ts';
import * as macho from './macho-constants.ts';
import { type FixupContext, type Fixups, readChainedFixups, readRebases } from './macho-fixups.ts';
import { type MachHeader, type MachSection, type MachSegment, readMachHeader } from './macho-header.ts';
import { archOfCpu, machoTypeOf } from './macho-machine.ts';
import {
  type MachSymbolTable,
  machSymbolTable,
  readFunctionStarts,
  readMachFunctions,
  readMachSymbols,
} from './macho-symbols.ts';
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

/** Where a dSYM bundle, which is a directory, keeps its Mach-O files. */
export const DSYM_DIRECTORY = 'Contents/Resources/DWARF';

/** Path of the Mach-O file in a dSYM bundle made for a program of the bundle's name: `api.dSYM` -> `api.dSYM/Contents/Resources/DWARF/api`. */
export function dsymFile(bundle: string): string {
  const path = bundle.replace(/\/+$/, '');
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/\.dSYM$/, '');
  return `${path}/${DSYM_DIRECTORY}/${name}`;
}

const DWARF_SEGMENT = '__DWARF';
const NO_UUID = '0'.repeat(32);

/** Opens a Mach-O file for one architecture. Throws FormatError when the header or a load command is damaged, LimitError. */
export function openMacho(source: ByteSource): ObjectFile {
  return new MachFile(source);
}

class MachFile implements ObjectFile {
  readonly source: ByteSource;
  readonly format = 'macho';
  readonly arch: string;
  readonly type: ObjectType;
  readonly pointerSize: 4 | 8;
  readonly littleEndian: boolean;
  readonly bias: bigint;
  readonly segments: readonly Segment[];
  readonly sections: readonly Section[];
  readonly ids: ObjectIds;
  readonly debugOnly: boolean;
  readonly #header: MachHeader;
  readonly #space: AddressSpace;
  readonly #memory: MappedMemory;
  readonly #byName = new Map<string, Section>();
  /** Inflated sections for as long as somebody holds them. */
  readonly #bytes: SectionBytes;
  #symbols: readonly ObjectSymbol[] | undefined;
  #dynamicSymbols: readonly ObjectSymbol[] | undefined;
  #functions: FunctionSymbols | undefined;
  #rebases: Fixups | null | undefined;
  #chained: Fixups | null | undefined;

  constructor(source: ByteSource) {
    const header = readMachHeader(source);
    this.source = source;
    this.#header = header;
    this.#space = new AddressSpace(addressBias(header.segments));
    this.arch = archOfCpu(header.cpuType);
    this.type = machoTypeOf(header.fileType, header.flags);
    this.pointerSize = header.is64 ? 8 : 4;
    this.littleEndian = header.littleEndian;
    this.bias = this.#space.bias;
    this.segments = this.#readSegments();
    this.sections = this.#readSections();
    const uuid = header.uuid === undefined || header.uuid === NO_UUID ? null : header.uuid;
    this.ids = { gnu: null, uuid, pe: null };
    const code = this.sections.filter((section) => section.executable && section.size > 0);
    this.debugOnly = this.type === 'dsym' || (code.length > 0 && code.every((section) => section.noBits));
    this.#memory = new MappedMemory(source, this.#space, this.segments, this);
    this.#bytes = new SectionBytes(source, header.is64, this.littleEndian);
  }

  #readSegments(): Segment[] {
    const segments: Segment[] = [];
    for (const segment of this.#header.segments) {
      const { name, fileOffset, fileSize, size, maxProtection, protection } = segment;
      const address = this.#space.fromLink(segment.address);
      const reserved = fileSize === 0 && maxProtection === 0 && protection === 0;
      if (name === DWARF_SEGMENT || reserved || address < 0 || address + size > Number.MAX_SAFE_INTEGER) continue;
      segments.push({
        name,
        fileOffset,
        fileSize,
        address,
        size,
        align: 1,
        readable: (protection & macho.VM_PROT_READ) !== 0,
        writable: (protection & macho.VM_PROT_WRITE) !== 0,
        executable: (protection & macho.VM_PROT_EXECUTE) !== 0,
      });
    }
    return segments;
  }

  #readSections(): Section[] {
    const sections: Section[] = [];
    for (const segment of this.#header.segments) {
      for (const header of segment.sections) {
        const section = this.#sectionOf(header, segment, sections.length);
        sections.push(section);
        for (const name of [section.name, `${header.segmentName},${section.name}`]) {
          if (!this.#byName.has(name)) this.#byName.set(name, section);
        }
      }
    }
    return sections;
  }

  #sectionOf(header: MachSection, segment: MachSegment, index: number): Section {
    const type = header.flags & macho.SECTION_TYPE;
    const zeroFill =
      type === macho.S_ZEROFILL || type === macho.S_GB_ZEROFILL || type === macho.S_THREAD_LOCAL_ZEROFILL;
    return {
      index,
      name: header.name,
      type,
      address: this.#space.fromLink(header.segmentName === DWARF_SEGMENT ? 0n : header.address),
      size: header.size,
      fileOffset: header.offset,
      noBits: zeroFill || header.offset === 0 || segment.fileSize === 0,
      executable: (header.flags & (macho.S_ATTR_PURE_INSTRUCTIONS | macho.S_ATTR_SOME_INSTRUCTIONS)) !== 0,
      writable: (segment.protection & macho.VM_PROT_WRITE) !== 0,
      compression: header.name.startsWith('__zdebug_') ? 'zdebug' : 'none',
      link: 0,
      info: 0,
    };
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
    const written = this.#chainedFixups()?.at(address);
    if (written !== undefined) return this.#memory.inside(written);
    return this.#memory.pointerIn(this.readAddress(address, this.pointerSize));
  }

  relocationsTo(target: number): number[] {
    return (this.#chainedFixups() ?? this.#rebaseTable())?.to(target) ?? [];
  }

  #chainedFixups(): Fixups | null {
    if (this.#chained === undefined) {
      const range = this.#header.chainedFixups;
      const has = range !== undefined && range.size > 0 && !this.debugOnly;
      this.#chained = has ? readChainedFixups(this.#fixupContext(), range) : null;
    }
    return this.#chained;
  }

  #rebaseTable(): Fixups | null {
    if (this.#rebases === undefined) {
      const range = this.#header.rebase;
      const has = range !== undefined && range.size > 0 && !this.debugOnly;
      this.#rebases = has ? readRebases(this.#fixupContext(), range) : null;
    }
    return this.#rebases;
  }

  #fixupContext(): FixupContext {
    const segments = this.#header.segments.map(({ address, size }) => ({
      address: this.#space.fromLink(address),
      size,
    }));
    return {
      source: this.source,
      littleEndian: this.littleEndian,
      is64: this.pointerSize === 8,
      space: this.#space,
      map: this.#memory,
      segments,
      imageBase: this.#textAddress(),
    };
  }

  /** Where the header is mapped. */
  #textAddress(): number {
    const header = this.segments.find((s) => s.fileOffset === 0 && s.fileSize > 0);
    return (this.segments.find((s) => s.name === '__TEXT') ?? header ?? this.segments[0])?.address ?? 0;
  }

  symbols(): readonly ObjectSymbol[] {
    if (this.#symbols === undefined) {
      const table = this.#symbolTable();
      this.#symbols = table === undefined ? [] : readMachSymbols(table, false);
    }
    return this.#symbols;
  }

  /** Mach-O has one table; what is external in it is what the dynamic linker sees. */
  dynamicSymbols(): readonly ObjectSymbol[] {
    if (this.#dynamicSymbols === undefined) {
      const table = this.#symbolTable();
      this.#dynamicSymbols = table === undefined ? [] : readMachSymbols(table, true);
    }
    return this.#dynamicSymbols;
  }

  functionSymbols(): FunctionSymbols {
    if (this.#functions === undefined) {
      const table = this.#symbolTable();
      this.#functions = table === undefined ? noFunctionSymbols() : readMachFunctions(table, this.#functionStarts());
    }
    return this.#functions;
  }

  #symbolTable(): MachSymbolTable | undefined {
    const { symtab, is64, littleEndian } = this.#header;
    if (symtab === undefined || symtab.count === 0) return undefined;
    return machSymbolTable(
      { source: this.source, is64, littleEndian, space: this.#space, sections: this.sections },
      symtab,
    );
  }

  #functionStarts(): Float64Array {
    const { functionStarts: range, cpuType } = this.#header;
    if (range === undefined || range.size === 0) return new Float64Array(0);
    return readFunctionStarts(this.source, range, this.#textAddress(), cpuType === macho.CPU_TYPE_ARM);
  }

  notes(): readonly ObjectNote[] {
    return [];
  }
}

const TWO_53 = 1n << 53n;

/** As in ELF: 0 unless the code is at or above 2^53, as that of kernels is; then the lowest address there, in whole pages. */
function addressBias(segments: readonly MachSegment[]): bigint {
  const mapped = segments.filter(
    ({ name, size, maxProtection }) => name !== DWARF_SEGMENT && size > 0 && maxProtection > 0,
  );
  const code = mapped.filter(({ protection }) => (protection & macho.VM_PROT_EXECUTE) !== 0);
  const lowestCode = lowest(code.length > 0 ? code : mapped);
  if (lowestCode === undefined || lowestCode < TWO_53) return 0n;
  return lowest(mapped.filter(({ address }) => address >= TWO_53))! & ~0xfffn;
}

function lowest(segments: readonly MachSegment[]): bigint | undefined {
  let least: bigint | undefined;
  for (const { address } of segments) if (least === undefined || address < least) least = address;
  return least;
}
