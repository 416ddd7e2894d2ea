/**
 * The COFF symbol table of a PE file: GNU's, LLVM's MinGW and Go's linkers write one, Microsoft's does not.
 *
 *   18 bytes: name 8, u32 value (offset in the section), i16 section (1-based, 0 undefined, -1 absolute, -2 debug),
 *             u16 type (20 function, by everybody but Go before 1.18, which says 308 of everything), u8 storage class, u8 n
 *   then n more records of 18 bytes that say more of this one
 *   name: text, its end a NUL or the field's; or u32 0, u32 offset in the string table, which follows the symbols
 *
 * There are no sizes. A function ends where the exception table (pe-functions.ts) says; else it is taken to reach to the next
 * function, of the symbols or of that table, to what came from the next object file (the symbols of sections tell; its local
 * symbols may have been stripped) or to the end of its section. Padding then counts as part of it.
 *
 * For i386, C compilers put an underscore before each name and some calling conventions add the bytes of the arguments:
 * `_main`, `_WndProc@16`, `@fast@8`. `name()` of a function leaves all that out; `symbols()` has what is in the file.
 *
 * A name's offset counts from the first symbol, so that names in symbols have one too.
 *
 * Example: 5f 6d 61 69 6e 00 00 00 "_main" | a0 71 00 00 | 01 00 | 20 00 | 02 external | 00
 */
import { ascendingOrder, reordered } from '../bytes/order.ts';
import { firstAtOrAbove } from '../bytes/search.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, LimitError } from '../errors.ts';
import { FunctionColumns, MAX_NAME_BYTES, MAX_SYMBOLS, MAX_TOTAL_NAME_BYTES } from './elf-symbols.ts';
import type { FunctionSymbols, ObjectSymbol } from './object.ts';
import * as pe from './pe-constants.ts';
import type { FunctionExtents } from './pe-functions.ts';
import { type CoffTable, type PeSection, SYMBOL_BYTES } from './pe-header.ts';
import { SourceWindow } from './window.ts';

/** Symbols per read. */
const BATCH = 4096;
const NAME = 'symbol table';
const SHORT_NAME_BYTES = 8;

/** FunctionSymbols.binding, as in ELF. */
const LOCAL = 0;
const GLOBAL = 1;
const WEAK = 2;
const BINDINGS = ['local', 'global', 'weak'] as const;

/** Where a symbol table is and how to read it. */
export interface CoffSymbols {
  readonly source: ByteSource;
  readonly table: CoffTable;
  readonly sections: readonly PeSection[];
  /** File address of RVA 0. */
  readonly base: number;
  /** Names have what C compilers for i386 add. */
  readonly decorated: boolean;
  /** Bit 0 of a function's address is not part of it. */
  readonly thumb: boolean;
}

/** Steps through a table; after `next()` the fields are those of symbol `index`. No object per symbol. */
class CoffCursor {
  index = -1;
  /** From the first symbol. */
  nameOffset = 0;
  type = 0;
  storageClass = 0;
  /** File address. */
  address = 0;
  /** undefined for what is not in a section. */
  section: PeSection | undefined;
  readonly names: SourceWindow;
  readonly #symbols: CoffSymbols;
  readonly #strings: number;
  #auxiliary = 0;
  #value = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #batchStart = 0;
  #batchEnd = 0;

  /** Throws FormatError when the table is cut short, LimitError beyond `MAX_SYMBOLS`. */
  constructor(symbols: CoffSymbols) {
    const { source, table } = symbols;
    const { offset, count, stringsSize } = table;
    this.#symbols = symbols;
    this.#strings = count * SYMBOL_BYTES;
    if (offset + this.#strings > source.size) {
      throw new FormatError(
        NAME,
        0,
        `${count} symbols at ${offset} of a file of ${source.size} bytes: truncated or damaged`,
      );
    }
    if (count > MAX_SYMBOLS) throw new LimitError(`${count} symbols; the limit is ${MAX_SYMBOLS}`);
    if (this.#strings + stringsSize > 0xffffffff) throw new LimitError('symbols and their names exceed 4 GiB');
    this.names = new SourceWindow(source, offset, this.#strings + stringsSize, `names of ${NAME}`);
  }

  next(): boolean {
    const { table, sections, base, thumb } = this.#symbols;
    this.index += 1 + this.#auxiliary;
    if (this.index >= table.count) return false;
    if (this.index >= this.#batchEnd) this.#fetch();
    const view = this.#view;
    const at = (this.index - this.#batchStart) * SYMBOL_BYTES;
    const isLong = view.getUint32(at, true) === 0;
    this.nameOffset = isLong ? this.#strings + view.getUint32(at + 4, true) : this.index * SYMBOL_BYTES;
    this.#value = view.getUint32(at + 8, true);
    this.section = sections[view.getInt16(at + 12, true) - 1];
    this.type = view.getUint16(at + 14, true);
    this.storageClass = view.getUint8(at + 16);
    this.#auxiliary = view.getUint8(at + 17);
    this.address = this.section === undefined ? 0 : base + this.section.rva + this.#value;
    if (thumb && this.address % 2 === 1 && this.isFunction) this.address--;
    return true;
  }

  /** In a section of the file, and no record about the section itself. */
  get isDefined(): boolean {
    if (this.section === undefined) return false;
    switch (this.storageClass) {
      case pe.IMAGE_SYM_CLASS_EXTERNAL:
      case pe.IMAGE_SYM_CLASS_WEAK_EXTERNAL:
      case pe.IMAGE_SYM_CLASS_LABEL:
        return true;
      case pe.IMAGE_SYM_CLASS_STATIC:
        return !this.isSection;
      default:
        return false;
    }
  }

  /** Assemblers give no type: then what others can call counts, and labels do not. */
  get isFunction(): boolean {
    const { section, type, storageClass } = this;
    if (section === undefined || !this.isCode || this.#value >= section.size || !this.isDefined) return false;
    const isCallable =
      storageClass === pe.IMAGE_SYM_CLASS_EXTERNAL || storageClass === pe.IMAGE_SYM_CLASS_WEAK_EXTERNAL;
    return (type >>> 4) % 16 === pe.IMAGE_SYM_DTYPE_FUNCTION || type !== 0 || isCallable;
  }

  /** The record of a section of an object file: where in this section its bytes begin. */
  get isSection(): boolean {
    return this.storageClass === pe.IMAGE_SYM_CLASS_STATIC && this.type === 0 && this.#auxiliary > 0;
  }

  get isCode(): boolean {
    return this.section !== undefined && (this.section.flags & pe.IMAGE_SCN_MEM_EXECUTE) !== 0;
  }

  get binding(): 0 | 1 | 2 {
    if (this.storageClass === pe.IMAGE_SYM_CLASS_EXTERNAL) return GLOBAL;
    return this.storageClass === pe.IMAGE_SYM_CLASS_WEAK_EXTERNAL ? WEAK : LOCAL;
  }

  get name(): string {
    return nameAt(this.names, this.nameOffset, this.#strings);
  }

  #fetch(): void {
    const { source, table } = this.#symbols;
    const n = Math.min(BATCH, table.count - this.index);
    const bytes = source.read(table.offset + this.index * SYMBOL_BYTES, n * SYMBOL_BYTES);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#batchStart = this.index;
    this.#batchEnd = this.index + n;
  }
}

/** `strings` is where the string table begins; before it, names lie in symbols. */
function nameAt(names: SourceWindow, offset: number, strings: number): string {
  if (offset >= strings) return names.string(offset, MAX_NAME_BYTES);
  const bytes = names.read(offset, SHORT_NAME_BYTES);
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end < 0 ? SHORT_NAME_BYTES : end)).toString('utf8');
}

/** Every symbol of a section, an object each; named as in the file, sizes unknown. */
export function readCoffSymbols(symbols: CoffSymbols): ObjectSymbol[] {
  const found: ObjectSymbol[] = [];
  const cursor = new CoffCursor(symbols);
  let nameBytes = 0;
  while (cursor.next()) {
    if (!cursor.isDefined) continue;
    const { name, address } = cursor;
    nameBytes += name.length;
    if (nameBytes > MAX_TOTAL_NAME_BYTES) {
      throw new LimitError(`more than ${MAX_TOTAL_NAME_BYTES} characters of symbol names`);
    }
    const kind = cursor.isFunction ? 'function' : cursor.isCode ? 'other' : 'object';
    found.push({ name, address, size: 0, kind, binding: BINDINGS[cursor.binding] });
  }
  return found;
}

/** The functions of a table in columns, sized as said above. */
export function readCoffFunctions(symbols: CoffSymbols, extents: FunctionExtents): FunctionSymbols {
  const { base, table, decorated } = symbols;
  const cursor = new CoffCursor(symbols);
  const start = new Float64Array(table.count);
  const sectionEnd = new Float64Array(table.count);
  const nameOffset = new Uint32Array(table.count);
  const binding = new Uint8Array(table.count);
  const untyped = new Uint8Array(table.count);
  const pieces = new Float64Array(table.count);
  let [n, pieceCount] = [0, 0];
  while (cursor.next()) {
    const { section } = cursor;
    if (section === undefined) continue;
    if (cursor.isSection && cursor.isCode) pieces[pieceCount++] = cursor.address;
    if (!cursor.isFunction) continue;
    start[n] = cursor.address;
    sectionEnd[n] = base + section.rva + section.size;
    nameOffset[n] = cursor.nameOffset;
    binding[n] = cursor.binding;
    untyped[n] = cursor.type === 0 ? 1 : 0;
    n++;
  }
  const order = withoutMarks(ascendingOrder(start.subarray(0, n)), start, untyped);
  const sorted = reordered(start, order);
  const borders = [sorted, pieces.subarray(0, pieceCount).sort(), extents.starts.map((rva) => base + rva)];
  const size = sorted.map((at, i) => {
    const next = borders.map((starts) => starts[firstAtOrAbove(starts, at + 1)] ?? Infinity);
    const end = extents.endOf(at - base);
    return Math.min(...next, sectionEnd[order[i]], end < 0 ? Infinity : base + end) - at;
  });
  const columns = [sorted, size, reordered(nameOffset, order), reordered(binding, order)] as const;
  return new CoffFunctions(...columns, cursor.names, table.count * SYMBOL_BYTES, decorated);
}

/**
 * Where a function begins, symbols without a type are marks: GNU ld puts `__rt_psrelocs_end` before the first one. Elsewhere they
 * are functions in assembly.
 */
function withoutMarks(order: Uint32Array, start: Float64Array, untyped: Uint8Array): Uint32Array {
  const typed = new Set<number>();
  order.forEach((symbol, i) => {
    const hasNeighbour = start[order[i - 1]] === start[symbol] || start[order[i + 1]] === start[symbol];
    if (untyped[symbol] === 0 && hasNeighbour) typed.add(start[symbol]);
  });
  return order.filter((symbol) => untyped[symbol] === 0 || !typed.has(start[symbol]));
}

class CoffFunctions extends FunctionColumns {
  readonly #names: SourceWindow;
  readonly #strings: number;
  readonly #decorated: boolean;

  constructor(
    start: Float64Array,
    size: Float64Array,
    nameOffset: Uint32Array,
    binding: Uint8Array,
    names: SourceWindow,
    strings: number,
    decorated: boolean,
  ) {
    super(start, size, nameOffset, binding, names);
    this.#names = names;
    this.#strings = strings;
    this.#decorated = decorated;
  }

  /** As the source has it, or its mangled form. */
  override name(index: number): string {
    const offset = this.nameOffset[index];
    if (offset === undefined) throw new RangeError(`function symbol ${index} of ${this.length}`);
    const name = nameAt(this.#names, offset, this.#strings);
    return this.#decorated ? undecorated(name) : name;
  }
}

/**
 * `_main` -> main (cdecl), `_WndProc@16` -> WndProc (stdcall), `@fast@8` -> fast (fastcall), `vector@@16` -> vector (vectorcall);
 * Microsoft's mangled names (`?f@@YAXXZ`) stay.
 */
export function undecorated(name: string): string {
  if (name.startsWith('?')) return name;
  const plain = /^[_@]/.test(name) ? name.slice(1) : name;
  const suffix = /@@?\d+$/.exec(plain);
  return suffix === null || suffix.index === 0 ? plain : plain.slice(0, suffix.index);
}
