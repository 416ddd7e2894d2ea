/**
 * ELF symbol tables (gABI 4, "Symbol Table").
 *
 *   32-bit: u32 st_name, u32 st_value, u32 st_size, u8 st_info, u8 st_other, u16 st_shndx      16 bytes
 *   64-bit: u32 st_name, u8 st_info, u8 st_other, u16 st_shndx, u64 st_value, u64 st_size      24 bytes
 *   st_info: binding in the upper, type in the lower four bits; entry 0 is empty
 *   st_shndx 0xffff: the section number is in the SHT_SYMTAB_SHNDX table, one u32 per symbol
 *
 * Example, 64-bit: 1d 2a 00 00 | 02 LOCAL FUNC | 00 | 01 00 | c0 ea 4d 00 00 00 00 00 | 80 00 00 00 00 00 00 00
 */
import { ascendingOrder, reordered } from '../bytes/order.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, LimitError } from '../errors.ts';
import type { AddressSpace } from './address.ts';
import * as elf from './elf-constants.ts';
import type { FunctionSymbols, ObjectSymbol } from './object.ts';
import type { SourceWindow } from './window.ts';

/** Browsers with full symbol tables have three to four million. */
export const MAX_SYMBOLS = 1 << 24;

/** Mangled names of tens of KiB are real in template-heavy C++. */
export const MAX_NAME_BYTES = 1 << 18;

/** All names that `symbols()` holds at once; what shares a string is counted each time. */
export const MAX_TOTAL_NAME_BYTES = 1 << 28;

/** Symbols per read. */
const BATCH = 4096;

/** Where a symbol table is and how to read it. */
export interface SymbolTable {
  readonly source: ByteSource;
  readonly name: string;
  readonly is64: boolean;
  readonly littleEndian: boolean;
  readonly space: AddressSpace;
  readonly offset: number;
  readonly count: number;
  /** Bit 0 of a function's value is not part of its address (Thumb). */
  readonly thumb: boolean;
  readonly names: SourceWindow;
  /** File offset of the extended section numbers, -1 = none. */
  readonly extendedIndexes: number;
}

/** Bytes of a symbol. */
export function symbolSize(is64: boolean): 16 | 24 {
  return is64 ? 24 : 16;
}

/** Throws unless the table is inside the file and within `MAX_SYMBOLS`. */
export function checkSymbolTable(table: SymbolTable): SymbolTable {
  const { name, source, offset, count } = table;
  const bytes = count * symbolSize(table.is64);
  if (!(offset + bytes <= source.size)) {
    throw new FormatError(
      name,
      0,
      `${count} symbols at ${offset} of a file of ${source.size} bytes: truncated or damaged`,
    );
  }
  if (table.extendedIndexes >= 0 && table.extendedIndexes + count * 4 > source.size) {
    throw new FormatError(name, 0, 'extended section numbers outside the file');
  }
  if (count > MAX_SYMBOLS) throw new LimitError(`${count} symbols in ${name}; the limit is ${MAX_SYMBOLS}`);
  return table;
}

/** Steps through a table; after `next()` the fields are those of symbol `index`. No object per symbol. */
export class SymbolCursor {
  index = -1;
  nameOffset = 0;
  /** STT_*. */
  type = 0;
  /** STB_*. */
  binding = 0;
  /** Section number, 0 = undefined; with SHN_XINDEX resolved. */
  section = 0;
  /** File address, -1 when the value is none. */
  address = -1;
  size = 0;
  readonly #table: SymbolTable;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #batchStart = 0;
  #batchEnd = 0;

  constructor(table: SymbolTable) {
    this.#table = table;
  }

  next(): boolean {
    const table = this.#table;
    if (++this.index >= table.count) return false;
    if (this.index >= this.#batchEnd) this.#fetch();
    const view = this.#view;
    const le = table.littleEndian;
    const at = (this.index - this.#batchStart) * (table.is64 ? 24 : 16);
    let info: number;
    this.nameOffset = view.getUint32(at, le);
    if (table.is64) {
      info = view.getUint8(at + 4);
      this.section = view.getUint16(at + 6, le);
      const lowAt = le ? at + 8 : at + 12;
      const highAt = le ? at + 12 : at + 8;
      this.address = table.space.fromHalves(view.getUint32(highAt, le), view.getUint32(lowAt, le));
      this.size = view.getUint32(highAt + 8, le) * 0x100000000 + view.getUint32(lowAt + 8, le);
    } else {
      this.address = table.space.fromHalves(0, view.getUint32(at + 4, le));
      this.size = view.getUint32(at + 8, le);
      info = view.getUint8(at + 12);
      this.section = view.getUint16(at + 14, le);
    }
    this.type = info & 15;
    this.binding = info >>> 4;
    if (this.section === elf.SHN_XINDEX && table.extendedIndexes >= 0) {
      const bytes = table.source.read(table.extendedIndexes + this.index * 4, 4);
      this.section = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, le);
    }
    if (table.thumb && this.isFunction && this.address % 2 === 1) this.address--;
    return true;
  }

  get isFunction(): boolean {
    return this.type === elf.STT_FUNC || this.type === elf.STT_GNU_IFUNC;
  }

  /** True for a symbol that names an address of this file. */
  get isDefined(): boolean {
    return (
      this.section !== elf.SHN_UNDEF &&
      this.address >= 0 &&
      this.type !== elf.STT_FILE &&
      this.type !== elf.STT_SECTION &&
      this.type !== elf.STT_TLS
    );
  }

  #fetch(): void {
    const { source, offset, count, is64 } = this.#table;
    const n = Math.min(BATCH, count - this.index);
    const bytes = source.read(offset + this.index * symbolSize(is64), n * symbolSize(is64));
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#batchStart = this.index;
    this.#batchEnd = this.index + n;
  }
}

/** Every symbol the file defines, an object each. */
export function readSymbols(table: SymbolTable): ObjectSymbol[] {
  const symbols: ObjectSymbol[] = [];
  const cursor = new SymbolCursor(table);
  let nameBytes = 0;
  while (cursor.next()) {
    if (!cursor.isDefined) continue;
    const name = cursor.nameOffset === 0 ? '' : table.names.string(cursor.nameOffset, MAX_NAME_BYTES);
    nameBytes += name.length;
    if (nameBytes > MAX_TOTAL_NAME_BYTES) {
      throw new LimitError(`more than ${MAX_TOTAL_NAME_BYTES} characters of symbol names in ${table.name}`);
    }
    symbols.push({
      name,
      address: cursor.address,
      size: cursor.size,
      kind: kindOf(cursor),
      binding: bindingOf(cursor.binding),
    });
  }
  return symbols;
}

function kindOf(symbol: SymbolCursor): ObjectSymbol['kind'] {
  if (symbol.isFunction) return 'function';
  return symbol.type === elf.STT_OBJECT || symbol.type === elf.STT_COMMON ? 'object' : 'other';
}

function bindingOf(binding: number): ObjectSymbol['binding'] {
  return binding === elf.STB_LOCAL ? 'local' : binding === elf.STB_WEAK ? 'weak' : 'global';
}

/** The functions of a table in columns. `isCode` says of a section number whether functions can be in it. */
export function readFunctionSymbols(table: SymbolTable, isCode: (section: number) => boolean): FunctionSymbols {
  const { count } = table;
  const start = new Float64Array(count);
  const size = new Float64Array(count);
  const nameOffset = new Uint32Array(count);
  const binding = new Uint8Array(count);
  const cursor = new SymbolCursor(table);
  let n = 0;
  while (cursor.next()) {
    if (!cursor.isFunction || !cursor.isDefined || !isCode(cursor.section)) continue;
    start[n] = cursor.address;
    size[n] = cursor.size;
    nameOffset[n] = cursor.nameOffset;
    binding[n] = cursor.binding;
    n++;
  }
  const order = ascendingOrder(start.subarray(0, n));
  return new FunctionColumns(
    reordered(start, order),
    reordered(size, order),
    reordered(nameOffset, order),
    reordered(binding, order),
    table.names,
  );
}

/** Columns and the table of names. */
export class FunctionColumns implements FunctionSymbols {
  readonly start: Float64Array;
  readonly size: Float64Array;
  readonly nameOffset: Uint32Array;
  readonly binding: Uint8Array;
  readonly #names: SourceWindow | undefined;

  constructor(
    start: Float64Array,
    size: Float64Array,
    nameOffset: Uint32Array,
    binding: Uint8Array,
    names: SourceWindow | undefined,
  ) {
    this.start = start;
    this.size = size;
    this.nameOffset = nameOffset;
    this.binding = binding;
    this.#names = names;
  }

  get length(): number {
    return this.start.length;
  }

  name(index: number): string {
    const offset = this.nameOffset[index];
    if (offset === undefined || this.#names === undefined) {
      throw new RangeError(`function symbol ${index} of ${this.length}`);
    }
    return offset === 0 ? '' : this.#names.string(offset, MAX_NAME_BYTES);
  }
}

/** A file without symbol tables. */
export function noFunctionSymbols(): FunctionSymbols {
  return new FunctionColumns(
    new Float64Array(0),
    new Float64Array(0),
    new Uint32Array(0),
    new Uint8Array(0),
    undefined,
  );
}

/** File address of every symbol by its number, -1 where it has none in this file or only at run time (ifunc). */
export function symbolAddresses(table: SymbolTable): Float64Array {
  const addresses = new Float64Array(table.count).fill(-1);
  const cursor = new SymbolCursor({ ...table, thumb: false }); // a pointer to a Thumb function keeps its bit
  while (cursor.next()) {
    if (cursor.section !== elf.SHN_UNDEF && cursor.type !== elf.STT_TLS && cursor.type !== elf.STT_GNU_IFUNC) {
      addresses[cursor.index] = cursor.address;
    }
  }
  return addresses;
}
