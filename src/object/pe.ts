/**
 * PE files (Windows programs and DLLs, UEFI programs) behind the ObjectFile interface. Opening reads the headers and the section
 * names; everything else is read when it is asked for, and nothing is read whole.
 *
 *   pe-header.ts       headers, sections               pe-debug.ts         GUID and age
 *   pe-symbols.ts      COFF symbol table               pe-relocations.ts   where pointers are
 *   pe-exports.ts      exports                         pe-functions.ts     how long functions are
 *   pe-machine.ts      machines in words
 *
 * Link-time address = ImageBase + RVA, as `go tool addr2line` and `llvm-symbolizer` have them.
 *
 * The first segment is the headers, which are mapped at ImageBase; the others are the sections, all of which are mapped, debug
 * info too. A section's size is that of its bytes in the file without padding; in memory there can be more, zeros, which only its
 * segment says. Where there are no bytes at all (.bss, or a debug-only file) it is the size in memory.
 */
import { lastAtOrBelow } from '../bytes/search.ts';
import type { ByteSource } from '../bytes/source.ts';
import { MappedMemory, AddressSpace } from './address.ts';
import { SectionBytes } from './section-bytes.ts';
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
import * as pe from './pe-constants.ts';
import { readGuidAge } from './pe-debug.ts';
import { type PeImage, readExportedFunctions, readExports } from './pe-exports.ts';
import { readFunctionExtents } from './pe-functions.ts';
import { type DataDirectory, type PeHeader, type PeSection, readPeHeader } from './pe-header.ts';
import { archOfMachine, isThumbMachine, peTypeOf } from './pe-machine.ts';
import { MAX_RELOCATION_BYTES, readBaseRelocations } from './pe-relocations.ts';
import { type CoffSymbols, readCoffFunctions, readCoffSymbols } from './pe-symbols.ts';
import { SourceWindow } from './window.ts';

/** RVAs, and offsets added to them, stay below this. */
const MAX_IMAGE_BYTES = 2n ** 34n;

/** Opens a PE file. Throws FormatError when a header is damaged, LimitError, UnsupportedError for what is no program or DLL. */
export function openPe(source: ByteSource): ObjectFile {
  return new PeFile(source);
}

class PeFile implements ObjectFile {
  readonly source: ByteSource;
  readonly format = 'pe';
  readonly arch: string;
  readonly type: ObjectType;
  readonly pointerSize: 4 | 8;
  readonly littleEndian = true;
  readonly bias: bigint;
  readonly segments: readonly Segment[];
  readonly sections: readonly Section[];
  readonly debugOnly: boolean;
  readonly #header: PeHeader;
  readonly #space: AddressSpace;
  /** File address of RVA 0. */
  readonly #base: number;
  readonly #memory: MappedMemory;
  readonly #byName = new Map<string, Section>();
  /** Inflated sections for as long as somebody holds them. */
  readonly #bytes: SectionBytes;
  #ids: ObjectIds | undefined;
  #symbols: readonly ObjectSymbol[] | undefined;
  #dynamicSymbols: readonly ObjectSymbol[] | undefined;
  #functions: FunctionSymbols | undefined;
  #relocations: Float64Array | undefined;
  #code: { starts: number[]; ends: number[] } | undefined;

  constructor(source: ByteSource) {
    const header = readPeHeader(source);
    this.source = source;
    this.#header = header;
    this.#space = new AddressSpace(addressBias(header.imageBase));
    this.#base = this.#space.fromLink(header.imageBase);
    this.arch = archOfMachine(header.machine);
    this.type = peTypeOf(header.characteristics, header.dllCharacteristics);
    this.pointerSize = header.is64 ? 8 : 4;
    this.bias = this.#space.bias;
    this.segments = [this.#headerSegment(), ...header.sections.map((section) => this.#segmentOf(section))];
    this.sections = header.sections.map((section, index) => this.#sectionOf(section, index));
    for (const section of this.sections) if (!this.#byName.has(section.name)) this.#byName.set(section.name, section);
    const code = this.sections.filter((section) => section.executable && section.size > 0);
    this.debugOnly = code.length > 0 && code.every((section) => section.noBits);
    this.#memory = new MappedMemory(source, this.#space, this.segments, this);
    this.#bytes = new SectionBytes(source, header.is64, this.littleEndian);
  }

  #headerSegment(): Segment {
    const size = this.#header.sizeOfHeaders;
    const placed = { fileOffset: 0, fileSize: Math.min(size, this.source.size), address: this.#base, size };
    return { name: 'headers', ...placed, align: 1, readable: true, writable: false, executable: false };
  }

  #segmentOf({ name, rva, size, fileOffset, fileSize, flags }: PeSection): Segment {
    return {
      name,
      fileOffset,
      fileSize,
      address: this.#base + rva,
      size,
      align: this.#header.sectionAlignment,
      readable: (flags & pe.IMAGE_SCN_MEM_READ) !== 0,
      writable: (flags & pe.IMAGE_SCN_MEM_WRITE) !== 0,
      executable: (flags & pe.IMAGE_SCN_MEM_EXECUTE) !== 0,
    };
  }

  #sectionOf({ name, rva, size, fileOffset, fileSize, flags }: PeSection, index: number): Section {
    const noBits = fileSize === 0;
    return {
      index,
      name,
      type: 0,
      address: this.#base + rva,
      size: noBits ? size : fileSize,
      fileOffset,
      noBits,
      executable: (flags & pe.IMAGE_SCN_MEM_EXECUTE) !== 0,
      writable: (flags & pe.IMAGE_SCN_MEM_WRITE) !== 0,
      compression: name.startsWith('.zdebug_') && !noBits ? 'zdebug' : 'none',
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
    return this.#memory.pointerIn(this.readAddress(address, this.pointerSize));
  }

  relocationsTo(target: number): number[] {
    const found: number[] = [];
    const words = new SourceWindow(this.source, 0, this.source.size, 'relocated pointers');
    for (const rva of this.#baseRelocations()) {
      const offset = this.#offsetOf(rva, this.pointerSize);
      if (offset >= 0 && this.#memory.pointerIn(words.read(offset, this.pointerSize)) === target)
        found.push(this.#base + rva);
    }
    return found;
  }

  #baseRelocations(): Float64Array {
    if (this.#relocations === undefined) {
      const directory = this.#directory(pe.IMAGE_DIRECTORY_ENTRY_BASERELOC);
      const size = Math.min(directory?.size ?? 0, MAX_RELOCATION_BYTES + 1);
      const offset = directory === undefined ? -1 : this.#offsetOf(directory.rva, size);
      const bytes = offset < 0 ? new Uint8Array(0) : this.source.read(offset, size);
      this.#relocations = readBaseRelocations(bytes, this.pointerSize);
    }
    return this.#relocations;
  }

  get ids(): ObjectIds {
    if (this.#ids === undefined) {
      const debug = this.#directory(pe.IMAGE_DIRECTORY_ENTRY_DEBUG);
      const guidAge = readGuidAge(this.source, debug, (rva, length) => this.#offsetOf(rva, length));
      this.#ids = { gnu: null, uuid: null, pe: guidAge };
    }
    return this.#ids;
  }

  symbols(): readonly ObjectSymbol[] {
    if (this.#symbols === undefined) {
      const table = this.#coffSymbols();
      this.#symbols = table === undefined ? this.dynamicSymbols() : readCoffSymbols(table);
    }
    return this.#symbols;
  }

  /** What the file exports. */
  dynamicSymbols(): readonly ObjectSymbol[] {
    this.#dynamicSymbols ??= this.debugOnly ? [] : readExports(this.#image());
    return this.#dynamicSymbols;
  }

  functionSymbols(): FunctionSymbols {
    if (this.#functions === undefined) {
      const table = this.#coffSymbols();
      const image = this.#image();
      const extents = readFunctionExtents(image);
      this.#functions = table === undefined ? readExportedFunctions(image, extents) : readCoffFunctions(table, extents);
    }
    return this.#functions;
  }

  notes(): readonly ObjectNote[] {
    return [];
  }

  #coffSymbols(): CoffSymbols | undefined {
    const { symbols: table, sections, machine } = this.#header;
    if (table === undefined || table.count === 0) return undefined;
    const decorated = machine === pe.IMAGE_FILE_MACHINE_I386;
    return { source: this.source, table, sections, base: this.#base, decorated, thumb: isThumbMachine(machine) };
  }

  #image(): PeImage {
    return {
      source: this.source,
      base: this.#base,
      arch: this.arch,
      exports: this.debugOnly ? undefined : this.#directory(pe.IMAGE_DIRECTORY_ENTRY_EXPORT),
      exceptions: this.#directory(pe.IMAGE_DIRECTORY_ENTRY_EXCEPTION),
      offsetOf: (rva, length) => this.#offsetOf(rva, length),
      isCode: (rva) => this.#isCode(rva),
    };
  }

  #directory(index: number): DataDirectory | undefined {
    return this.#header.directories[index];
  }

  #offsetOf(rva: number, length: number): number {
    return this.#memory.offsetOf(this.#base + rva, length);
  }

  #isCode(rva: number): boolean {
    if (this.#code === undefined) {
      const code = this.#header.sections
        .filter(({ flags }) => (flags & pe.IMAGE_SCN_MEM_EXECUTE) !== 0)
        .sort((a, b) => a.rva - b.rva);
      this.#code = { starts: code.map((section) => section.rva), ends: code.map(({ rva, size }) => rva + size) };
    }
    const { starts, ends } = this.#code;
    const found = lastAtOrBelow(starts, rva);
    return found >= 0 && rva < ends[found];
  }
}

/** 0 unless the image is linked near or above 2^53, as some of Windows' own drivers are; then ImageBase in whole pages. */
function addressBias(imageBase: bigint): bigint {
  return imageBase + MAX_IMAGE_BYTES < 2n ** 53n ? 0n : imageBase & ~0xfffn;
}
