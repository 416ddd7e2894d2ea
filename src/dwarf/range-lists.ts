/**
 * Lists of address ranges: what DW_AT_ranges points to.
 *
 * DWARF 2 to 4, .debug_ranges: pairs of addresses, relative to the base address of the unit.
 *
 *     begin, end       a range                     ffff..., address     a new base address
 *     0, 0             the end of the list         equal ones           an empty range, skipped
 *
 * DWARF 5, .debug_rnglists: a header (12 bytes, 20 in 64-bit DWARF; the last four are the number of offsets), offsets of
 * lists relative to the end of the header, and lists of entries, each a byte (DW_RLE_*) and its operands.
 *
 *     07 <address> 30 | 05 <address> | 04 10 20 | 00      [address, address + 0x30), then [address + 0x10, address + 0x20)
 */
import type { Cursor } from '../bytes/cursor.ts';
import { LimitError } from '../errors.ts';
import type { AddressSpace } from '../object/address.ts';
import * as dw from './constants.ts';
import { readAddress } from './die.ts';
import type { Encoding } from './forms.ts';
import type { RangeColumns } from './range-columns.ts';
import type { DebugSection } from './section.ts';

/** What a list needs of the unit it belongs to; see unit.ts. */
export interface RangeBase {
  readonly encoding: Encoding;
  readonly space: AddressSpace;
  /** What offsets are relative to until the list says otherwise. */
  readonly baseAddress: number;
  /** The entry of the unit's address table. */
  addressAt(index: number): number;
  /** Throws LimitError when the unit's lists have too many entries together. */
  countListEntry(): void;
}

/** Bytes looked at first; a list that reaches further is begun again with more. */
const FIRST_WINDOW = 1 << 10;
/** The longest entry: a byte and two LEB128 of at most 16 bytes. */
const MAX_ENTRY_BYTES = 33;
/** Entries of all lists of one unit together: the largest units have a million. Overlapping lists must not run for hours. */
export const MAX_LIST_ENTRIES = 1 << 23;

/** Adds the ranges of the list at `offset` of .debug_ranges. */
export function readRanges(unit: RangeBase, section: DebugSection, offset: number, out: RangeColumns): void {
  inWindows(section, offset, out, (cursor) => readPairs(unit, cursor, section, out));
}

/** Adds the ranges of the list at `offset` of .debug_rnglists. */
export function readRangeList(unit: RangeBase, section: DebugSection, offset: number, out: RangeColumns): void {
  inWindows(section, offset, out, (cursor) => readEntries(unit, cursor, section, out));
}

/** `read` answers false when the list is longer than the window. */
function inWindows(section: DebugSection, offset: number, out: RangeColumns, read: (cursor: Cursor) => boolean): void {
  const before = out.length;
  for (let length = FIRST_WINDOW; ; length *= 16) {
    if (read(section.shared(offset, length))) return;
    out.length = before;
  }
}

function fits(cursor: Cursor, section: DebugSection): boolean {
  return cursor.remaining >= MAX_ENTRY_BYTES || cursor.base + cursor.length >= section.size;
}

function readPairs(unit: RangeBase, cursor: Cursor, section: DebugSection, out: RangeColumns): boolean {
  const { space } = unit;
  const size = unit.encoding.addressSize;
  let base = unit.baseAddress;
  while (fits(cursor, section)) {
    unit.countListEntry();
    const at = cursor.offset;
    const begin = readOffset(cursor, size);
    const end = readOffset(cursor, size);
    if (begin === 0 && end === 0) return true;
    if (begin === HIGHEST) base = addressAgain(unit, cursor, at + size, size);
    else if (base === ABSOLUTE) {
      cursor.seek(at);
      const first = readAddress(cursor, size, space);
      const last = readAddress(cursor, size, space);
      if (first >= 0) out.add(first, last);
    } else if (base >= 0 && begin >= 0 && end >= 0) out.add(base + begin, base + end);
  }
  return false;
}

/** A base address that ranges are not relative to: zero, so that they are addresses themselves. */
export const ABSOLUTE = -2;
/** A base address that is none: what the linker left out. */
export const NO_BASE = -1;
const HIGHEST = -2;

/** Offset of `size` bytes; -1 above 2^53, HIGHEST when all bits are set. */
function readOffset(cursor: Cursor, size: number): number {
  if (size === 8) {
    const first = cursor.u32();
    const second = cursor.u32();
    const [high, low] = cursor.littleEndian ? [second, first] : [first, second];
    if (high <= 0x1fffff) return high * 0x100000000 + low;
    return high === 0xffffffff && low === 0xffffffff ? HIGHEST : -1;
  }
  if (size === 4) {
    const value = cursor.u32();
    return value === 0xffffffff ? HIGHEST : value;
  }
  return size === 2 ? cursor.u16() : cursor.u8();
}

/** The base address at `at`: read as an address this time. */
function addressAgain(unit: RangeBase, cursor: Cursor, at: number, size: number): number {
  const raw = readOffset(cursor.seek(at), size);
  return raw === 0 ? ABSOLUTE : readAddress(cursor.seek(at), size, unit.space);
}

function readEntries(unit: RangeBase, cursor: Cursor, section: DebugSection, out: RangeColumns): boolean {
  const { space } = unit;
  const size = unit.encoding.addressSize;
  let base = unit.baseAddress;
  while (fits(cursor, section)) {
    unit.countListEntry();
    const kind = cursor.u8();
    switch (kind) {
      case dw.DW_RLE_end_of_list:
        return true;
      case dw.DW_RLE_base_addressx:
        base = unit.addressAt(cursor.uleb());
        break;
      case dw.DW_RLE_startx_endx: {
        const start = unit.addressAt(cursor.uleb());
        const end = unit.addressAt(cursor.uleb());
        if (start >= 0) out.add(start, end);
        break;
      }
      case dw.DW_RLE_startx_length: {
        const start = unit.addressAt(cursor.uleb());
        const length = cursor.uleb();
        if (start >= 0) out.add(start, start + length);
        break;
      }
      case dw.DW_RLE_offset_pair: {
        // Go writes offsets below the base, from 1.25 on.
        const begin = cursor.ulebAsSigned();
        const end = cursor.ulebAsSigned();
        if (base >= 0) out.add(base + begin, base + end);
        else if (base === ABSOLUTE && space.bias === 0n) out.add(begin, end);
        break;
      }
      case dw.DW_RLE_base_address:
        base = addressAgain(unit, cursor, cursor.offset, size);
        break;
      case dw.DW_RLE_start_end: {
        const start = readAddress(cursor, size, space);
        const end = readAddress(cursor, size, space);
        if (start >= 0) out.add(start, end);
        break;
      }
      case dw.DW_RLE_start_length: {
        const start = readAddress(cursor, size, space);
        const length = cursor.uleb();
        if (start >= 0) out.add(start, start + length);
        break;
      }
      default:
        throw cursor.error(`range list entry of kind ${kind}`);
    }
  }
  return false;
}

/** For `Unit.countListEntry`. */
export function tooManyEntries(section: string, offset: number): LimitError {
  return new LimitError(
    `${section}+0x${offset.toString(16)}: range lists of more than ${MAX_LIST_ENTRIES} entries in a unit`,
  );
}
