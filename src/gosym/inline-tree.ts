/**
 * Inline trees: who called whom at an address whose code was inlined.
 *
 * A function with inlined calls has an array of records as its "inline tree" funcdata, and a pc-value table of indexes into it;
 * index -1 is the function itself. `parentPc` is the offset of an instruction at the call site, so the caller's line, file and
 * index are those at `entry + parentPc`. The array's length is stored nowhere.
 *
 *     20 bytes, Go 1.12 to 1.19: i16 parent, u8 funcID, u8, i32 file, i32 line, i32 name, i32 parentPc
 *     16 bytes, Go 1.20 on:      u8 funcID, u8[3], i32 name, i32 parentPc, i32 startLine
 *
 * Where the records are: up to Go 1.17 the funcdata word is the array's address; from 1.18 an offset from moduledata.gofunc,
 * which lies in .rodata up to 1.25 and behind the function table in 1.26.
 *
 * Source: src/runtime/symtabinl.go, src/internal/abi/symtab.go.
 */
import { FormatError } from '../errors.ts';
import type { ObjectFile } from '../object/object.ts';
import type { FunctionRecord } from './function-tables.ts';
import type { PclntabHeader } from './layout.ts';
import type { LocatedTable } from './locate.ts';
import { PagedBytes } from './paged-bytes.ts';

/** Windows kept of the segment the trees lie in: the trees of one function share a window or two. */
const MAX_HELD_BYTES = 8 << 20;
const NO_FUNCDATA = 0xffffffff;

export class InlineTrees {
  readonly #object: ObjectFile;
  readonly #header: PclntabHeader;
  readonly #table: PagedBytes;
  readonly #tableAddress: number;
  readonly #gofunc: number;
  /** What holds the trees; null before the first is asked for. */
  #bytes: PagedBytes | null = null;
  /** File address of its first byte. */
  #start = 0;

  /** `located` and its table; `header` says which kind of trees it has. */
  constructor(object: ObjectFile, located: LocatedTable, table: PagedBytes, header = located.header) {
    this.#object = object;
    this.#header = header;
    this.#table = table;
    this.#tableAddress = located.address;
    this.#gofunc = located.module.gofunc;
  }

  get heldBytes(): number {
    return this.#bytes?.heldBytes ?? 0;
  }

  release(): void {
    this.#bytes?.release();
  }

  /** Where the function's tree is, for the accessors below; -1 none. Throws FormatError when it is nowhere in the file. */
  treeOf(record: FunctionRecord): number {
    const { layout, pointerSize } = this.#header;
    if (record.funcdataCount <= layout.inlineTree) return -1;
    let address: number;
    if (layout.absoluteEntries) {
      const at = record.funcdata + layout.inlineTree * pointerSize;
      address = this.#table.word(at, pointerSize) - Number(this.#object.bias);
      // 0 is "none", unless the loader fills it in.
      if (address <= 0 || this.#object.type !== 'exec') address = this.#object.readPointer(this.#tableAddress + at);
      if (address <= 0) return -1;
    } else {
      const offset = this.#table.u32(record.funcdata + 4 * layout.inlineTree);
      if (offset === NO_FUNCDATA) return -1;
      address = this.#gofunc + offset;
    }
    const bytes = this.#holding(address);
    return bytes === null ? this.#outside(address) : address - this.#start;
  }

  funcId(tree: number, index: number): number {
    const { inlineRecord } = this.#header.layout;
    return this.#bytes!.u8(tree + index * inlineRecord + (inlineRecord === 16 ? 0 : 2));
  }

  nameOffset(tree: number, index: number): number {
    const { inlineRecord } = this.#header.layout;
    return this.#bytes!.u32(tree + index * inlineRecord + (inlineRecord === 16 ? 4 : 12));
  }

  /** Bytes from the function's entry; negative only in damaged files. */
  parentPc(tree: number, index: number): number {
    const { inlineRecord } = this.#header.layout;
    return this.#bytes!.i32(tree + index * inlineRecord + (inlineRecord === 16 ? 8 : 16));
  }

  /** Entry of the caller, -1 the function itself: 20-byte records only, and there what follows from parentPc too. */
  parent(tree: number, index: number): number {
    return (this.#bytes!.u16(tree + index * 20) << 16) >> 16;
  }

  /** Line of the call, as `parent`. */
  callLine(tree: number, index: number): number {
    return this.#bytes!.i32(tree + index * 20 + 8);
  }

  startLine(tree: number, index: number): number {
    const { inlineRecord } = this.#header.layout;
    return inlineRecord === 16 ? Math.max(0, this.#bytes!.i32(tree + index * inlineRecord + 12)) : 0;
  }

  /** All trees of a file lie in one segment: its windows are opened with the first. */
  #holding(address: number): PagedBytes | null {
    const held = this.#bytes;
    if (held !== null) return address >= this.#start && address < this.#start + held.length ? held : null;
    for (const segment of this.#object.segments) {
      if (address < segment.address || address >= segment.address + segment.fileSize) continue;
      const { source, littleEndian } = this.#object;
      const length = Math.min(segment.fileSize, source.size - segment.fileOffset);
      this.#bytes = new PagedBytes(source, segment.fileOffset, length, littleEndian, 'inline trees', MAX_HELD_BYTES);
      this.#start = segment.address;
      return this.#bytes;
    }
    return null;
  }

  #outside(address: number): never {
    throw new FormatError('inline trees', 0, `no bytes in the file at address 0x${address.toString(16)}`);
  }
}
