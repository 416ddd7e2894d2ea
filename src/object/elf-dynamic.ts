/**
 * ELF: the dynamic section (gABI 5, "Dynamic Section"), which tells a loader where symbols and relocations are.
 * It is there also when all section headers are gone.
 *
 *   entries of two words { d_tag, d_un } up to DT_NULL; tables are given by link-time address, sizes in bytes.
 *
 * The number of dynamic symbols is not among them; it comes from a hash table:
 *   DT_HASH        u32 nbucket, u32 nchain, ...: nchain (entries of 8 bytes on s390x)
 *   DT_GNU_HASH    u32 nbuckets, u32 symoffset, u32 bloom_size, u32 bloom_shift, bloom_size words, nbuckets x u32 bucket,
 *                  then a u32 per symbol from symoffset on: the chain of the highest bucket ends, bit 0 set, at the last symbol
 */
import { Cursor } from '../bytes/cursor.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError } from '../errors.ts';
import type { AddressSpace, MappedMemory } from './address.ts';
import * as elf from './elf-constants.ts';
import type { ElfHeader } from './elf-header.ts';
import type { FileRange, RelocationTable } from './elf-relocations.ts';
import { SourceWindow } from './window.ts';

/** Real ones have about 30 entries and spare room for some more. */
const MAX_DYNAMIC_ENTRIES = 1 << 14;

export class DynamicSection {
  readonly #values: ReadonlyMap<number, bigint>;
  readonly #source: ByteSource;
  readonly #space: AddressSpace;
  readonly #map: MappedMemory;
  readonly #littleEndian: boolean;
  readonly #is64: boolean;
  readonly #wideHash: boolean;

  constructor(source: ByteSource, header: ElfHeader, space: AddressSpace, map: MappedMemory, area: FileRange) {
    this.#source = source;
    this.#space = space;
    this.#map = map;
    this.#littleEndian = header.littleEndian;
    this.#is64 = header.is64;
    this.#wideHash = header.machine === elf.EM_S390 && header.is64;
    const entrySize = header.is64 ? 16 : 8;
    const count = Math.min(Math.floor(area.size / entrySize), MAX_DYNAMIC_ENTRIES);
    const window = new SourceWindow(source, area.offset, area.size, area.name);
    const cursor = new Cursor(window.read(0, count * entrySize), header.littleEndian, area.name);
    const values = new Map<number, bigint>();
    for (let i = 0; i < count; i++) {
      const tag = header.is64 ? Number(BigInt.asIntN(53, cursor.u64n())) : cursor.u32();
      const value = header.is64 ? cursor.u64n() : BigInt(cursor.u32());
      if (tag === elf.DT_NULL) break;
      if (!values.has(tag)) values.set(tag, value);
    }
    this.#values = values;
  }

  has(tag: number): boolean {
    return this.#values.has(tag);
  }

  /** A size or number; 0 when absent. */
  number(tag: number): number {
    return Number(this.#values.get(tag) ?? 0n);
  }

  /** File address of a table, -1 when absent or not of this file. */
  address(tag: number): number {
    const value = this.#values.get(tag);
    return value === undefined ? -1 : this.#space.fromLink(value);
  }

  /** Where `size` bytes at the address under `tag` are in the file. Throws FormatError when they are not. */
  table(tag: number, size: number, name: string): FileRange {
    const offset = this.#map.offsetOf(this.address(tag), size);
    if (offset < 0) throw new FormatError('dynamic section', 0, `${name}: ${size} bytes outside the file`);
    return { name, offset, size };
  }

  /** Number of entries in the dynamic symbol table, as far as the hash tables (or, last, the layout) tell. */
  symbolCount(): number {
    if (this.has(elf.DT_HASH)) {
      const width = this.#wideHash ? 8 : 4;
      const cursor = this.#cursor(elf.DT_HASH, 2 * width, 'DT_HASH').skip(width);
      return this.#wideHash ? cursor.u64() : cursor.u32();
    }
    if (this.has(elf.DT_GNU_HASH)) return this.#gnuHashCount();
    // Every linker puts the names right behind the symbols.
    const gap = this.address(elf.DT_STRTAB) - this.address(elf.DT_SYMTAB);
    return this.has(elf.DT_SYMTAB) && gap > 0 ? Math.floor(gap / (this.#is64 ? 24 : 16)) : 0;
  }

  /** The relocation tables a loader processes. */
  relocationTables(): RelocationTable[] {
    const tables: RelocationTable[] = [];
    const add = (kind: RelocationTable['kind'], tag: number, sizeTag: number, name: string) => {
      const size = this.number(sizeTag);
      if (this.has(tag) && size > 0) tables.push({ kind, ...this.table(tag, size, name) });
    };
    add('rela', elf.DT_RELA, elf.DT_RELASZ, 'DT_RELA');
    add('rel', elf.DT_REL, elf.DT_RELSZ, 'DT_REL');
    add('relr', elf.DT_RELR, elf.DT_RELRSZ, 'DT_RELR');
    add(this.number(elf.DT_PLTREL) === elf.DT_REL ? 'rel' : 'rela', elf.DT_JMPREL, elf.DT_PLTRELSZ, 'DT_JMPREL');
    return tables;
  }

  #gnuHashCount(): number {
    const cursor = this.#cursor(elf.DT_GNU_HASH, 16, 'DT_GNU_HASH');
    const buckets = cursor.u32();
    const firstHashed = cursor.u32();
    const bucketsAt = 16 + cursor.u32() * (this.#is64 ? 8 : 4);
    const chainsAt = bucketsAt + buckets * 4;
    const start = this.table(elf.DT_GNU_HASH, chainsAt, 'DT_GNU_HASH').offset;
    const window = new SourceWindow(this.#source, start, this.#source.size - start, 'DT_GNU_HASH');
    let last = 0;
    for (const word of this.#words(window, bucketsAt, buckets)) last = Math.max(last, word);
    if (last < firstHashed) return firstHashed; // nothing is hashed: no symbol is defined here
    const chainAt = chainsAt + (last - firstHashed) * 4;
    for (const word of this.#words(window, chainAt, Math.floor((window.size - chainAt) / 4))) {
      last++;
      if ((word & 1) !== 0) return last;
    }
    throw new FormatError('DT_GNU_HASH', chainAt, 'chain without an end');
  }

  *#words(window: SourceWindow, from: number, count: number): Generator<number> {
    for (let i = 0; i < count;) {
      const n = Math.min(count - i, 4096);
      const bytes = window.read(from + i * 4, n * 4);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = 0; at < n * 4; at += 4) yield view.getUint32(at, this.#littleEndian);
      i += n;
    }
  }

  #cursor(tag: number, size: number, name: string): Cursor {
    const { offset } = this.table(tag, size, name);
    return new Cursor(this.#source.read(offset, size), this.#littleEndian, name);
  }
}
