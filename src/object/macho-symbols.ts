/**
 * Mach-O symbols (nlist) and function starts.
 *
 *   32-bit: u32 n_strx, u8 n_type, u8 n_sect, u16 n_desc, u32 n_value       12 bytes
 *   64-bit: u32 n_strx, u8 n_type, u8 n_sect, u16 n_desc, u64 n_value       16 bytes
 *   n_type: e0 debugger's record (stab), 10 private, 0e kind (0 undefined, 2 absolute, e in a section), 01 external
 *   n_sect: 1-based, through the sections of all segments
 *   n_desc: 0080 weak definition
 *
 *   function starts: unsigned LEB128, each the distance from the start before, the first from __TEXT; 0 ends the list
 *
 * Neither has sizes. A function is taken to reach to the next symbol, the next function start or the end of its section,
 * whichever comes first; padding behind it counts as part of it. Without function starts, code that lost its symbols
 * (strip -x) would count as part of the function before.
 *
 * Every name that a C compiler makes begins with an underscore more than the source has: `_main`, `__ZN3fooEv`. Go's linker
 * does as they do: `_main.main`. Names without one come from assembly and Objective-C: `-[NSView draw]`.
 *
 * Example, 64-bit: 1d 00 00 00 | 0f external, in section | 01 | 00 00 | 80 3f 00 00 01 00 00 00
 */
import { ascendingOrder, reordered } from '../bytes/order.ts';
import { Cursor } from '../bytes/cursor.ts';
import { firstAtOrAbove } from '../bytes/search.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, LimitError } from '../errors.ts';
import type { AddressSpace } from './address.ts';
import { FunctionColumns, MAX_NAME_BYTES, MAX_SYMBOLS, MAX_TOTAL_NAME_BYTES } from './elf-symbols.ts';
import * as macho from './macho-constants.ts';
import type { DataRange, MachSymtab } from './macho-header.ts';
import type { FunctionSymbols, ObjectSymbol, Section } from './object.ts';
import { SourceWindow } from './window.ts';

/** A byte a function at least; browsers have some 2 MiB. */
export const MAX_FUNCTION_STARTS_BYTES = 1 << 26;

/** Symbols per read. */
const BATCH = 4096;

/** FunctionSymbols.binding, as in ELF. */
const LOCAL = 0;
const GLOBAL = 1;
const WEAK = 2;

/** Where a symbol table is and how to read it. */
export interface MachSymbolTable {
  readonly source: ByteSource;
  readonly is64: boolean;
  readonly littleEndian: boolean;
  readonly space: AddressSpace;
  readonly sections: readonly Section[];
  readonly offset: number;
  readonly count: number;
  readonly names: SourceWindow;
}

const NAME = 'symbol table';

function symbolSize(is64: boolean): 12 | 16 {
  return is64 ? 16 : 12;
}

/** Throws FormatError unless symbols and names are inside the file, LimitError beyond `MAX_SYMBOLS`. */
export function machSymbolTable(
  context: Pick<MachSymbolTable, 'source' | 'is64' | 'littleEndian' | 'space' | 'sections'>,
  symtab: MachSymtab,
): MachSymbolTable {
  const { source } = context;
  if (symtab.symbols + symtab.count * symbolSize(context.is64) > source.size) {
    throw new FormatError(
      NAME,
      0,
      `${symtab.count} symbols at ${symtab.symbols} of a file of ${source.size} bytes: truncated or damaged`,
    );
  }
  if (symtab.count > MAX_SYMBOLS) throw new LimitError(`${symtab.count} symbols; the limit is ${MAX_SYMBOLS}`);
  const names = new SourceWindow(source, symtab.strings, symtab.stringsSize, `names of ${NAME}`);
  return { ...context, offset: symtab.symbols, count: symtab.count, names };
}

/** Steps through a table; after `next()` the fields are those of symbol `index`. No object per symbol. */
class NlistCursor {
  index = -1;
  nameOffset = 0;
  type = 0;
  desc = 0;
  /** The section the symbol is in; undefined for any other kind of symbol. */
  section: Section | undefined;
  /** File address, -1 when the value is none. */
  address = -1;
  readonly #table: MachSymbolTable;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #batchStart = 0;
  #batchEnd = 0;

  constructor(table: MachSymbolTable) {
    this.#table = table;
  }

  next(): boolean {
    const { count, is64, littleEndian: le, space, sections } = this.#table;
    if (++this.index >= count) return false;
    if (this.index >= this.#batchEnd) this.#fetch();
    const view = this.#view;
    const at = (this.index - this.#batchStart) * symbolSize(is64);
    this.nameOffset = view.getUint32(at, le);
    this.type = view.getUint8(at + 4);
    this.desc = view.getUint16(at + 6, le);
    const low = view.getUint32(is64 && !le ? at + 12 : at + 8, le);
    const high = is64 ? view.getUint32(le ? at + 12 : at + 8, le) : 0;
    this.address = space.fromHalves(high, low);
    this.section = this.#kind === macho.N_SECT ? sections[view.getUint8(at + 5) - 1] : undefined;
    return true;
  }

  /** -1 for a debugger's record. */
  get #kind(): number {
    return (this.type & macho.N_STAB) !== 0 ? -1 : this.type & macho.N_TYPE;
  }

  get isDefined(): boolean {
    return this.address >= 0 && (this.section !== undefined || this.#kind === macho.N_ABS);
  }

  /** In the code of a section; the symbol of the header itself claims to be in one but lies before it. */
  get isFunction(): boolean {
    const { section, address } = this;
    return section?.executable === true && address >= section.address && address < section.address + section.size;
  }

  get binding(): 0 | 1 | 2 {
    if ((this.type & macho.N_EXT) === 0) return LOCAL;
    return (this.desc & macho.N_WEAK_DEF) !== 0 ? WEAK : GLOBAL;
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

const BINDINGS = ['local', 'global', 'weak'] as const;

/** Every symbol the file defines, or only the external ones, an object each; named as in the file, sizes unknown. */
export function readMachSymbols(table: MachSymbolTable, externalOnly: boolean): ObjectSymbol[] {
  const symbols: ObjectSymbol[] = [];
  const cursor = new NlistCursor(table);
  let nameBytes = 0;
  while (cursor.next()) {
    if (!cursor.isDefined || (externalOnly && cursor.binding === LOCAL)) continue;
    const name = cursor.nameOffset === 0 ? '' : table.names.string(cursor.nameOffset, MAX_NAME_BYTES);
    nameBytes += name.length;
    if (nameBytes > MAX_TOTAL_NAME_BYTES) {
      throw new LimitError(`more than ${MAX_TOTAL_NAME_BYTES} characters of symbol names`);
    }
    const kind = cursor.isFunction ? 'function' : cursor.section === undefined ? 'other' : 'object';
    symbols.push({ name, address: cursor.address, size: 0, kind, binding: BINDINGS[cursor.binding] });
  }
  return symbols;
}

/** The functions of a table in columns, sized as said above. `starts` are the function starts, ascending; empty when unknown. */
export function readMachFunctions(table: MachSymbolTable, starts: Float64Array): FunctionSymbols {
  const { count } = table;
  const start = new Float64Array(count);
  const sectionEnd = new Float64Array(count);
  const nameOffset = new Uint32Array(count);
  const binding = new Uint8Array(count);
  const cursor = new NlistCursor(table);
  let n = 0;
  while (cursor.next()) {
    const { section } = cursor;
    if (section === undefined || !cursor.isDefined || !cursor.isFunction) continue;
    start[n] = cursor.address;
    sectionEnd[n] = section.address + section.size;
    nameOffset[n] = cursor.nameOffset;
    binding[n] = cursor.binding;
    n++;
  }
  const order = ascendingOrder(start.subarray(0, n));
  const sorted = reordered(start, order);
  const size = sizes(sorted, reordered(sectionEnd, order), starts);
  return new MachFunctions(sorted, size, reordered(nameOffset, order), reordered(binding, order), table.names);
}

function sizes(start: Float64Array, sectionEnd: Float64Array, functionStarts: Float64Array): Float64Array {
  const size = new Float64Array(start.length);
  let next = Infinity;
  for (let i = start.length - 1; i >= 0; i--) {
    if (i + 1 < start.length && start[i + 1] > start[i]) next = start[i + 1];
    const function_ = functionStarts[firstAtOrAbove(functionStarts, start[i] + 1)] ?? Infinity;
    size[i] = Math.min(next, function_, sectionEnd[i]) - start[i];
  }
  return size;
}

class MachFunctions extends FunctionColumns {
  /** As the source has it, or its mangled form: without the underscore every compiler puts before it. */
  override name(index: number): string {
    const name = super.name(index);
    return name.startsWith('_') ? name.slice(1) : name;
  }
}

/** File addresses of the function starts, ascending. `text` is that of __TEXT; `thumb` says that bit 0 is not part of an address. */
export function readFunctionStarts(source: ByteSource, range: DataRange, text: number, thumb: boolean): Float64Array {
  const name = 'function starts';
  if (range.offset + range.size > source.size) {
    throw new FormatError(name, 0, `${range.size} bytes at ${range.offset} of a file of ${source.size} bytes`);
  }
  if (range.size > MAX_FUNCTION_STARTS_BYTES) {
    throw new LimitError(`${range.size} bytes of function starts; the limit is ${MAX_FUNCTION_STARTS_BYTES}`);
  }
  const cursor = new Cursor(source.read(range.offset, range.size), true, name);
  const starts = new Float64Array(range.size);
  let [count, address] = [0, text];
  while (cursor.remaining > 0) {
    const distance = cursor.uleb();
    if (distance === 0) break;
    address += distance;
    if (address > Number.MAX_SAFE_INTEGER) throw cursor.error('function start beyond 2^53');
    starts[count++] = thumb ? address - (address % 2) : address;
  }
  return starts.slice(0, count);
}
