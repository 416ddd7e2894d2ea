/**
 * What dyld writes into pointers. Two ways, of which a file has one:
 *
 * Rebase opcodes (LC_DYLD_INFO): the pointer in the file is the link-time address, so reading needs nothing; the opcodes
 * only list where pointers are. A byte each, high half the opcode, low half an immediate I; U is a LEB128 operand:
 *
 *   00 end      10 type I (1 = pointer)      20 go to segment I, offset U      30 forward by U      40 forward by I words
 *   50 I times: rebase, next word      60 the same U times      70 rebase, next word, forward by U      80 U1 times: as 70 by U2
 *
 * Chained fixups (LC_DYLD_CHAINED_FIXUPS, from macOS 12 on): the pointers of a page are a linked list; a word holds the
 * target, or the number of an imported symbol, and the way to the next.
 *
 *   +0 u32 version 0   +4 u32 starts   +8 u32 imports, symbols, count, format, compression
 *   starts:   u32 segments, then for each the offset (from here) of its record, 0 = none
 *   record:   u32 size, u16 page size, u16 pointer format, u64 offset of the segment from __TEXT, u32 max valid pointer,
 *             u16 pages, u16 offset of the first pointer of each page; ffff = none; 8000 | i = several, in the list that
 *             begins at word i, up to the one with 8000 set
 *
 *   format                     bits of the word, lowest first                                                      step
 *   1 arm64e                   target 43, high8 8, next 11, bind 1, auth 1; auth: offset 32, 19 more, next...       8
 *   2 64                       target 36, high8 8, reserved 7, next 12, bind 1                                     4
 *   3 32                       target 26, next 5, bind 1                                                           4
 *   4 32 in a cache            target 30, next 2                                                                   4
 *   5 32 firmware              target 26, next 6                                                                   4
 *   6 64 offset                as 2                                                                                4
 *   7 arm64e kernel            as 1                                                                                4
 *   8, 11 64 kernel cache      target 30, level 2, 19 more, next 12, auth 1                                        4, 1
 *   9 arm64e user, 12 user 24  as 1                                                                                8
 *   10 arm64e firmware         as 1                                                                                4
 *
 *   The target is an address in 1, 2, 3, 5 and 10, else an offset from __TEXT. `next` counts steps; 0 ends the list.
 *
 * Example, format 2: 20 aa 09 00 01 00 08 00: target 0x10009aa20, next 1 (step 4, so 4 bytes on).
 */
import { ascendingOrder, reordered } from '../bytes/order.ts';
import { Cursor } from '../bytes/cursor.ts';
import { lastAtOrBelow } from '../bytes/search.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, LimitError, UnsupportedError } from '../errors.ts';
import type { AddressSpace, MappedMemory } from './address.ts';
import { MAX_RELOCATIONS } from './elf-relocations.ts';
import * as macho from './macho-constants.ts';
import type { DataRange } from './macho-header.ts';
import { SourceWindow } from './window.ts';

/** Opcodes of the largest programs are some MiB; chained fixups' symbols, which are in the same range, tens of them. */
export const MAX_FIXUP_BYTES = 1 << 28;

/** Bytes of the chain data that can hold starts: 2 a page, and symbols behind them are not read. */
const MAX_STARTS_BYTES = 1 << 24;

export interface FixupSegment {
  /** File address; -1 when it has none. */
  readonly address: number;
  /** Bytes in memory. */
  readonly size: number;
}

export interface FixupContext {
  readonly source: ByteSource;
  readonly littleEndian: boolean;
  readonly is64: boolean;
  readonly space: AddressSpace;
  readonly map: MappedMemory;
  /** All segments by their numbers. */
  readonly segments: readonly FixupSegment[];
  /** File address of the header: what offsets in chained pointers count from. */
  readonly imageBase: number;
}

/** The pointers dyld writes, sorted by address. */
export class Fixups {
  readonly #address: Float64Array;
  /** File address of what is pointed to; -1 for imported symbols and what is no address here. */
  readonly #value: Float64Array;

  constructor(address: Float64Array, value: Float64Array) {
    this.#address = address;
    this.#value = value;
  }

  get length(): number {
    return this.#address.length;
  }

  /** What is written at `address`: a file address, -1 = not known, undefined = nothing. */
  at(address: number): number | undefined {
    const i = lastAtOrBelow(this.#address, address);
    return i >= 0 && this.#address[i] === address ? this.#value[i] : undefined;
  }

  /** Addresses of the pointers to `target`, ascending. */
  to(target: number): number[] {
    const found: number[] = [];
    for (let i = 0; i < this.#value.length; i++) if (this.#value[i] === target) found.push(this.#address[i]);
    return found;
  }
}

/** Grows as needed: neither kind of table says how many there are. */
class FixupColumns {
  #address = new Float64Array(1024);
  #value = new Float64Array(1024);
  #count = 0;

  add(address: number, value: number): void {
    if (this.#count >= MAX_RELOCATIONS) throw new LimitError(`more than ${MAX_RELOCATIONS} fixups`);
    if (this.#count === this.#address.length) {
      this.#address = grown(this.#address);
      this.#value = grown(this.#value);
    }
    this.#address[this.#count] = address;
    this.#value[this.#count++] = value;
  }

  finish(): Fixups {
    const order = ascendingOrder(this.#address.subarray(0, this.#count));
    return new Fixups(reordered(this.#address, order), reordered(this.#value, order));
  }
}

function grown(column: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(column.length * 2);
  larger.set(column);
  return larger;
}

function readRange({ source }: FixupContext, range: DataRange, name: string, most: number): Uint8Array {
  if (range.offset + range.size > source.size) {
    throw new FormatError(name, 0, `${range.size} bytes at ${range.offset} of a file of ${source.size} bytes`);
  }
  if (range.size > MAX_FIXUP_BYTES)
    throw new LimitError(`${range.size} bytes of ${name}; the limit is ${MAX_FIXUP_BYTES}`);
  return source.read(range.offset, Math.min(range.size, most));
}

/** The pointers rebase opcodes list, with what the file holds there. */
export function readRebases(context: FixupContext, range: DataRange): Fixups {
  const cursor = new Cursor(readRange(context, range, 'rebase opcodes', MAX_FIXUP_BYTES), true, 'rebase opcodes');
  const { segments, is64, map, source } = context;
  const wordSize = is64 ? 8 : 4;
  const columns = new FixupColumns();
  const window = new SourceWindow(source, 0, source.size, 'rebased words');
  let segment: FixupSegment | undefined;
  let offset = 0;
  let type = 0;

  const rebase = (times: number, skip: number): void => {
    for (let i = 0; i < times; i++) {
      // An end to hostile counts: a pointer has to lie in its segment.
      if (segment === undefined || !(offset + wordSize <= segment.size)) {
        throw cursor.error(`pointer at 0x${offset.toString(16)} outside its segment`);
      }
      if (type === macho.REBASE_TYPE_POINTER && segment.address >= 0) {
        const address = segment.address + offset;
        const at = map.offsetOf(address, wordSize);
        columns.add(address, at < 0 ? -1 : readWord(context, window.read(at, wordSize)));
      }
      offset += wordSize + skip;
    }
  };
  while (cursor.remaining > 0) {
    const byte = cursor.u8();
    const immediate = byte & 0x0f;
    switch (byte & 0xf0) {
      case macho.REBASE_OPCODE_DONE:
        return columns.finish();
      case macho.REBASE_OPCODE_SET_TYPE_IMM:
        type = immediate;
        break;
      case macho.REBASE_OPCODE_SET_SEGMENT_AND_OFFSET_ULEB:
        segment = segments[immediate];
        offset = cursor.uleb();
        break;
      case macho.REBASE_OPCODE_ADD_ADDR_ULEB:
        offset += cursor.uleb();
        break;
      case macho.REBASE_OPCODE_ADD_ADDR_IMM_SCALED:
        offset += immediate * wordSize;
        break;
      case macho.REBASE_OPCODE_DO_REBASE_IMM_TIMES:
        rebase(immediate, 0);
        break;
      case macho.REBASE_OPCODE_DO_REBASE_ULEB_TIMES:
        rebase(cursor.uleb(), 0);
        break;
      case macho.REBASE_OPCODE_DO_REBASE_ADD_ADDR_ULEB:
        rebase(1, cursor.uleb());
        break;
      case macho.REBASE_OPCODE_DO_REBASE_ULEB_TIMES_SKIPPING_ULEB: {
        const times = cursor.uleb();
        rebase(times, cursor.uleb());
        break;
      }
      default:
        throw cursor.error(`rebase opcode 0x${byte.toString(16)}`);
    }
  }
  return columns.finish();
}

function readWord({ littleEndian: le, is64, space }: FixupContext, bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!is64) return space.fromHalves(0, view.getUint32(0, le));
  return space.fromHalves(view.getUint32(le ? 4 : 0, le), view.getUint32(le ? 0 : 4, le));
}

/** How a word of a chain is read. */
interface PointerFormat {
  readonly size: 4 | 8;
  /** Bytes that `next` counts. */
  readonly step: 1 | 4 | 8;
  /** Targets are offsets from the header, not addresses. */
  readonly relative: boolean;
  /** How the bits are laid out. */
  readonly layout: 'plain' | 'arm64e' | 'kernel-cache' | 'word32';
  /** Of `word32`: bits of the target; a bind bit follows those of `next`, or none. */
  readonly targetBits?: number;
  readonly nextBits?: number;
}

const ARM64E = { size: 8, step: 8, relative: true, layout: 'arm64e' } as const;
const PLAIN = { size: 8, step: 4, relative: false, layout: 'plain' } as const;
const CACHE = { size: 8, step: 4, relative: true, layout: 'kernel-cache' } as const;
const WORD32 = { size: 4, step: 4, relative: false, layout: 'word32', targetBits: 26, nextBits: 5 } as const;

const FORMATS: ReadonlyMap<number, PointerFormat> = new Map<number, PointerFormat>([
  [macho.DYLD_CHAINED_PTR_ARM64E, { ...ARM64E, relative: false }],
  [macho.DYLD_CHAINED_PTR_64, PLAIN],
  [macho.DYLD_CHAINED_PTR_32, WORD32],
  [macho.DYLD_CHAINED_PTR_32_CACHE, { ...WORD32, relative: true, targetBits: 30, nextBits: 2 }],
  [macho.DYLD_CHAINED_PTR_32_FIRMWARE, { ...WORD32, nextBits: 6 }],
  [macho.DYLD_CHAINED_PTR_64_OFFSET, { ...PLAIN, relative: true }],
  [macho.DYLD_CHAINED_PTR_ARM64E_KERNEL, { ...ARM64E, step: 4 }],
  [macho.DYLD_CHAINED_PTR_64_KERNEL_CACHE, CACHE],
  [macho.DYLD_CHAINED_PTR_ARM64E_USERLAND, ARM64E],
  [macho.DYLD_CHAINED_PTR_ARM64E_FIRMWARE, { ...ARM64E, step: 4, relative: false }],
  [macho.DYLD_CHAINED_PTR_X86_64_KERNEL_CACHE, { ...CACHE, step: 1 }],
  [macho.DYLD_CHAINED_PTR_ARM64E_USERLAND24, ARM64E],
]);

/** The pointers of all chains. Throws UnsupportedError for a pointer format that is not known. */
export function readChainedFixups(context: FixupContext, range: DataRange): Fixups {
  const name = 'chained fixups';
  const bytes = readRange(context, range, name, MAX_STARTS_BYTES);
  const data = new Cursor(bytes, context.littleEndian, name);
  const version = data.u32();
  if (version !== 0) throw new UnsupportedError(`chained fixups of version ${version}; only version 0 is known`);
  const starts = data.u32();
  const count = data.seek(starts).u32();
  if (count > context.segments.length) throw data.error(`starts of ${count} segments of ${context.segments.length}`);
  const offsets = Array.from({ length: count }, () => data.u32());
  const columns = new FixupColumns();
  offsets.forEach((offset, i) => {
    if (offset !== 0) readSegmentChains(context, context.segments[i], data.seek(starts + offset), columns);
  });
  return columns.finish();
}

/** `data` is at the segment's record. */
function readSegmentChains(context: FixupContext, segment: FixupSegment, data: Cursor, columns: FixupColumns): void {
  const at = data.offset;
  const size = data.u32();
  if (size < 22) throw data.error(`starts record of ${size} bytes`);
  const pageSize = data.u16();
  const pointerFormat = data.u16();
  data.skip(8); // offset of the segment, which its command has too
  const maxValid = data.u32();
  const pages = data.u16();
  const list = data.sub(at + 22, Math.max(size - 22, 0)); // starts of the pages, and further ones where a page has several
  const format = FORMATS.get(pointerFormat);
  if (format === undefined) throw new UnsupportedError(`chained fixups of pointer format ${pointerFormat}`);
  const chains = new Chains(context, segment, format, maxValid, columns);
  for (let page = 0; page < pages; page++) {
    const start = list.seek(2 * page).u16();
    if (start === macho.DYLD_CHAINED_PTR_START_NONE) continue;
    if ((start & macho.DYLD_CHAINED_PTR_START_MULTI) === 0) {
      chains.walk(page * pageSize, start, pageSize);
      continue;
    }
    list.seek(2 * (start & ~macho.DYLD_CHAINED_PTR_START_MULTI));
    for (let last = false; !last;) {
      const one = list.u16();
      last = (one & macho.DYLD_CHAINED_PTR_START_LAST) !== 0;
      chains.walk(page * pageSize, one & ~macho.DYLD_CHAINED_PTR_START_LAST, pageSize);
    }
  }
}

class Chains {
  readonly #context: FixupContext;
  readonly #segment: FixupSegment;
  readonly #format: PointerFormat;
  readonly #maxValid: number;
  readonly #columns: FixupColumns;
  readonly #window: SourceWindow;
  /** Of the word read last. */
  #next = 0;

  constructor(
    context: FixupContext,
    segment: FixupSegment,
    format: PointerFormat,
    maxValid: number,
    columns: FixupColumns,
  ) {
    this.#context = context;
    this.#segment = segment;
    this.#format = format;
    this.#maxValid = maxValid;
    this.#columns = columns;
    this.#window = new SourceWindow(context.source, 0, context.source.size, 'chained pointers');
  }

  /** Follows one chain of a page: offsets ascend, so it ends with the page. */
  walk(pageStart: number, start: number, pageSize: number): void {
    const { size, step } = this.#format;
    for (let within = start; ; within += this.#next * step) {
      const address = this.#segment.address + pageStart + within;
      const at = this.#segment.address < 0 ? -1 : this.#context.map.offsetOf(address, size);
      if (at < 0 || within >= pageSize) {
        throw new FormatError('chained fixups', pageStart + within, 'a chain leaves its page or the file');
      }
      this.#columns.add(address, this.#value(this.#window.read(at, size)));
      if (this.#next === 0) return;
    }
  }

  /** What a word of the chain points to, a file address or -1; sets `#next`. */
  #value(bytes: Uint8Array): number {
    const { littleEndian: le, is64 } = this.#context;
    const { size, layout } = this.#format;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (size === 4 || !is64) return this.#value32(view.getUint32(0, le));
    const low = view.getUint32(le ? 0 : 4, le);
    const high = view.getUint32(le ? 4 : 0, le);
    switch (layout) {
      case 'plain': {
        this.#next = (high >>> 19) & 0xfff;
        const [bind, high8] = [high >>> 31, (high >>> 4) & 0xff];
        return bind === 1 || high8 !== 0 ? -1 : this.#target(high & 0xf, low);
      }
      case 'arm64e': {
        this.#next = (high >>> 19) & 0x7ff;
        if (((high >>> 30) & 1) === 1) return -1;
        if (high >>> 31 === 1) return this.#context.imageBase + low;
        return ((high >>> 11) & 0xff) === 0 ? this.#target(high & 0x7ff, low) : -1;
      }
      default:
        this.#next = (high >>> 19) & 0xfff;
        return low >>> 30 === 0 ? this.#target(0, low) : -1; // other levels are in other files
    }
  }

  #value32(word: number): number {
    const { targetBits = 26, nextBits = 5, relative } = this.#format;
    this.#next = Math.floor(word / 2 ** targetBits) % 2 ** nextBits;
    if (targetBits + nextBits < 32 && word >>> 31 === 1) return -1;
    const target = word % 2 ** targetBits;
    // Format 3 threads numbers that look like pointers into its chains.
    return !relative && this.#maxValid !== 0 && target > this.#maxValid ? -1 : this.#target(0, target);
  }

  #target(high: number, low: number): number {
    const { relative } = this.#format;
    return relative ? this.#context.imageBase + high * 0x100000000 + low : this.#context.space.fromHalves(high, low);
  }
}
