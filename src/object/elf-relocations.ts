/**
 * ELF dynamic relocations: what a loader writes into pointers. Three kinds of table:
 *
 *   REL    { word r_offset, word r_info }                      the addend is the word at r_offset
 *   RELA   { word r_offset, word r_info, word r_addend }
 *   RELR   words: an even word is the address of one pointer and of the 31 or 63 words a bitmap after it speaks of;
 *          an odd word is such a bitmap, bit i + 1 set = the i-th word after the last covered one. All RELATIVE, addend in place
 *   r_info: 32-bit symbol << 8 | type, 64-bit symbol << 32 | type
 *
 * Only two types give a value that is known without running anything: RELATIVE (load address + addend) and the plain
 * absolute one (symbol + addend, for symbols this file defines). Others are kept with the value -1, so that the word in
 * the file is not taken for the pointer.
 */
import { ascendingOrder, reordered } from '../bytes/order.ts';
import { lastAtOrBelow } from '../bytes/search.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, LimitError } from '../errors.ts';
import type { AddressSpace, MappedMemory } from './address.ts';
import { POINTER_RELOCATIONS } from './elf-constants.ts';
import type { ElfHeader } from './elf-header.ts';
import { SourceWindow } from './window.ts';

/** Browsers linked as PIE without RELR have one to two million. */
export const MAX_RELOCATIONS = 1 << 23;

/** A range of the file; the name is for errors. */
export interface FileRange {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

export interface RelocationTable extends FileRange {
  readonly kind: 'rel' | 'rela' | 'relr';
}

const OTHER = 0;
const RELATIVE = 1;
const ABSOLUTE = 2;

/** Bytes of a table per read. */
const BATCH_BYTES = 1 << 16;

/** All pointers that relocations write, sorted by address. */
export class Relocations {
  /** File addresses, ascending. */
  readonly #address: Float64Array;
  /** The relocated pointer's file address, -1 when it is not known. */
  readonly #value: Float64Array;
  /** RELATIVE, ABSOLUTE or OTHER. */
  readonly #kind: Uint8Array;

  constructor(address: Float64Array, value: Float64Array, kind: Uint8Array) {
    this.#address = address;
    this.#value = value;
    this.#kind = kind;
  }

  get length(): number {
    return this.#address.length;
  }

  /** The value written at `address`: a file address, -1 = not known, undefined = no relocation there. */
  at(address: number): number | undefined {
    const i = lastAtOrBelow(this.#address, address);
    return i >= 0 && this.#address[i] === address ? this.#value[i] : undefined;
  }

  /** Addresses of RELATIVE relocations whose value is `target`, ascending. */
  relativeTo(target: number): number[] {
    const found: number[] = [];
    for (let i = 0; i < this.#value.length; i++) {
      if (this.#value[i] === target && this.#kind[i] === RELATIVE) found.push(this.#address[i]);
    }
    return found;
  }
}

export interface RelocationContext {
  readonly source: ByteSource;
  readonly header: ElfHeader;
  readonly space: AddressSpace;
  readonly map: MappedMemory;
  /** File addresses of the dynamic symbols by number; asked for only when a relocation names one. */
  readonly symbolAddresses: () => Float64Array;
}

/** Reads all tables. Throws FormatError for tables outside the file, LimitError beyond `MAX_RELOCATIONS`. */
export function readRelocations(context: RelocationContext, tables: readonly RelocationTable[]): Relocations {
  const wordSize = context.header.is64 ? 8 : 4;
  let capacity = 0;
  for (const table of tables) {
    if (!(table.offset >= 0 && table.offset + table.size <= context.source.size)) {
      throw new FormatError(table.name, 0, `${table.size} bytes outside the file`);
    }
    capacity +=
      table.kind === 'relr' ? relrCount(context, table) : Math.floor(table.size / entrySize(table.kind, wordSize));
    if (capacity > MAX_RELOCATIONS) throw new LimitError(`more than ${MAX_RELOCATIONS} relocations`);
  }
  const columns = new RelocationColumns(context, capacity);
  for (const table of tables) {
    if (table.kind === 'relr') forEachRelr(context, table, (address) => columns.add(address, RELATIVE, 0, true));
    else readEntries(context, table, table.kind === 'rela', columns);
  }
  return columns.finish();
}

function entrySize(kind: 'rel' | 'rela', wordSize: 4 | 8): number {
  return wordSize * (kind === 'rela' ? 3 : 2);
}

/** The table in batches of whole entries, as views. */
function* batches(source: ByteSource, table: FileRange, entry: number): Generator<DataView> {
  const whole = table.size - (table.size % entry);
  const step = BATCH_BYTES - (BATCH_BYTES % entry);
  for (let at = 0; at < whole; at += step) {
    const bytes = source.read(table.offset + at, Math.min(step, whole - at));
    yield new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

function readEntries(
  context: RelocationContext,
  table: RelocationTable,
  hasAddend: boolean,
  columns: RelocationColumns,
): void {
  const { source, header, space } = context;
  const le = header.littleEndian;
  const types = POINTER_RELOCATIONS[header.machine];
  const entry = entrySize(hasAddend ? 'rela' : 'rel', header.is64 ? 8 : 4);
  for (const view of batches(source, table, entry)) {
    for (let at = 0; at < view.byteLength; at += entry) {
      let address: number, type: number, symbol: number, high: number, low: number;
      if (header.is64) {
        address = space.fromHalves(view.getUint32(le ? at + 4 : at, le), view.getUint32(le ? at : at + 4, le));
        type = view.getUint32(le ? at + 8 : at + 12, le);
        symbol = view.getUint32(le ? at + 12 : at + 8, le);
        high = hasAddend ? view.getUint32(le ? at + 20 : at + 16, le) : 0;
        low = hasAddend ? view.getUint32(le ? at + 16 : at + 20, le) : 0;
      } else {
        address = space.fromHalves(0, view.getUint32(at, le));
        const info = view.getUint32(at + 4, le);
        type = info & 0xff;
        symbol = info >>> 8;
        low = hasAddend ? view.getUint32(at + 8, le) : 0;
        high = 0;
      }
      if (address < 0) continue;
      if (types !== undefined && type === types.relative) {
        columns.add(address, RELATIVE, hasAddend ? space.fromHalves(high, low) : -1, !hasAddend);
      } else if (types !== undefined && type === types.absolute) {
        const addend = header.is64 ? (high | 0) * 0x100000000 + low : low | 0;
        columns.add(address, ABSOLUTE, columns.symbolValue(symbol, addend), !hasAddend);
      } else {
        columns.add(address, OTHER, -1, false);
      }
    }
  }
}

function relrCount(context: RelocationContext, table: RelocationTable): number {
  let count = 0;
  forEachRelr(context, table, () => {
    if (++count > MAX_RELOCATIONS) throw new LimitError(`more than ${MAX_RELOCATIONS} relocations in ${table.name}`);
  });
  return count;
}

function forEachRelr(context: RelocationContext, table: RelocationTable, visit: (address: number) => void): void {
  const { source, header, space } = context;
  const le = header.littleEndian;
  const wordSize = header.is64 ? 8 : 4;
  let next = -1;
  for (const view of batches(source, table, wordSize)) {
    for (let at = 0; at < view.byteLength; at += wordSize) {
      const low = view.getUint32(header.is64 && !le ? at + 4 : at, le);
      const high = header.is64 ? view.getUint32(le ? at + 4 : at, le) : 0;
      if ((low & 1) === 0) {
        const address = space.fromHalves(high, low);
        if (address >= 0) visit(address);
        next = address < 0 ? -1 : address + wordSize;
        continue;
      }
      if (next < 0) continue; // a bitmap that belongs to no address
      for (let bit = 1; bit < 32; bit++) if ((low >>> bit) & 1) visit(next + (bit - 1) * wordSize);
      if (header.is64) for (let bit = 0; bit < 32; bit++) if ((high >>> bit) & 1) visit(next + (bit + 31) * wordSize);
      next += (header.is64 ? 63 : 31) * wordSize;
    }
  }
}

/** The columns while they are filled: unsorted, with the addends that are still in the file. */
class RelocationColumns {
  readonly #context: RelocationContext;
  readonly #address: Float64Array;
  readonly #value: Float64Array;
  readonly #kind: Uint8Array;
  /** 1 where the word in the file is to be added to the value, or for RELATIVE is the value. */
  readonly #inPlace: Uint8Array;
  #count = 0;
  #anyInPlace = false;

  constructor(context: RelocationContext, capacity: number) {
    this.#context = context;
    this.#address = new Float64Array(capacity);
    this.#value = new Float64Array(capacity);
    this.#kind = new Uint8Array(capacity);
    this.#inPlace = new Uint8Array(capacity);
  }

  add(address: number, kind: number, value: number, inPlace: boolean): void {
    const i = this.#count++;
    this.#address[i] = address;
    this.#kind[i] = kind;
    this.#value[i] = value;
    this.#inPlace[i] = inPlace ? 1 : 0;
    if (inPlace) this.#anyInPlace = true;
  }

  /** File address of a symbol plus an addend, -1 when the symbol is not of this file. */
  symbolValue(symbol: number, addend: number): number {
    const base = this.#context.symbolAddresses()[symbol] ?? -1;
    const value = base + addend;
    return base >= 0 && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : -1;
  }

  finish(): Relocations {
    const order = ascendingOrder(this.#address.subarray(0, this.#count));
    const address = reordered(this.#address, order);
    const value = reordered(this.#value, order);
    const kind = reordered(this.#kind, order);
    if (this.#anyInPlace) this.#addWordsInPlace(address, value, kind, reordered(this.#inPlace, order));
    return new Relocations(address, value, kind);
  }

  /** In address order, so that the file is read once from front to back. */
  #addWordsInPlace(address: Float64Array, value: Float64Array, kind: Uint8Array, inPlace: Uint8Array): void {
    const { source, header, space, map } = this.#context;
    const le = header.littleEndian;
    const wordSize = header.is64 ? 8 : 4;
    const window = new SourceWindow(source, 0, source.size, 'relocated words');
    for (let i = 0; i < address.length; i++) {
      if (inPlace[i] === 0 || (kind[i] === ABSOLUTE && value[i] < 0)) continue;
      const offset = map.offsetOf(address[i], wordSize);
      if (offset < 0) {
        value[i] = -1;
        continue;
      }
      const bytes = window.read(offset, wordSize);
      const view = new DataView(bytes.buffer, bytes.byteOffset, wordSize);
      const low = view.getUint32(header.is64 && !le ? 4 : 0, le);
      const high = header.is64 ? view.getUint32(le ? 4 : 0, le) : 0;
      if (kind[i] === RELATIVE) {
        value[i] = space.fromHalves(high, low);
      } else {
        const sum = value[i] + (header.is64 ? (high | 0) * 0x100000000 + low : low | 0);
        value[i] = sum >= 0 && sum <= Number.MAX_SAFE_INTEGER ? sum : -1;
      }
    }
  }
}
