/**
 * .debug_info is a run of units (DWARF 5, 7.5.1), each a header and a tree of entries:
 *
 *     unit_length        u32, or 0xffffffff and a u64 (64-bit DWARF)     bytes after this field
 *     version            u16                                             2 to 5
 *   version 2 to 4                       version 5
 *     abbrev_offset      4 or 8            unit_type        u8
 *     address_size       u8                address_size     u8
 *                                          abbrev_offset    4 or 8
 *                                          dwo_id           u64 in skeleton and split compile units
 *                                          type_signature   u64, type_offset 4 or 8, in type units
 *
 * Example: 3d 00 00 00 | 05 00 | 01 | 08 | 00 00 00 00 | entries: a full unit of DWARF 5, abbreviations at 0.
 */
import type { Cursor } from '../bytes/cursor.ts';
import { lastAtOrBelow } from '../bytes/search.ts';
import { LimitError } from '../errors.ts';
import type { ObjectFile, Section } from '../object/object.ts';
import * as dw from './constants.ts';
import type { Encoding } from './forms.ts';
import { DebugSection } from './section.ts';

/** A unit of .debug_info. */
export interface UnitHeader {
  /** Bytes from the start of the section to unit_length. */
  readonly offset: number;
  /** Bytes in all, unit_length included. */
  readonly size: number;
  readonly version: number;
}

/** A header in full. */
export interface FullUnitHeader extends UnitHeader {
  readonly encoding: Encoding;
  /** DW_UT_*; DW_UT_compile before version 5, where the header does not say. */
  readonly type: number;
  readonly abbrevOffset: number;
  /** 16 hex digits; "" when the header has none. */
  readonly dwoId: string;
  /** Bytes of the header: where the entries begin. */
  readonly headerSize: number;
}

/** Above what linkers make: browsers have 40,000, files shrunk by dwz some more. */
const MAX_UNITS = 1 << 19;
/** The longest header is that of a type unit in 64-bit DWARF: 40 bytes. */
const MAX_HEADER_BYTES = 40;

/** The section under its plain or its old compressed name (ELF, PE, Mach-O); undefined when absent or without bytes in this file. */
export function debugSection(object: ObjectFile, name: string): Section | undefined {
  const section =
    object.section(`.debug_${name}`) ??
    object.section(`.zdebug_${name}`) ??
    // Mach-O cuts names at 16 characters.
    object.section(`__debug_${name}`.slice(0, 16)) ??
    object.section(`__zdebug_${name}`.slice(0, 16));
  return section && !section.noBits && section.size > 0 ? section : undefined;
}

/** The headers of all units in .debug_info (or .debug_info.dwo), in section order; empty without DWARF. */
export function unitHeaders(object: ObjectFile, name: 'info' | 'info.dwo' = 'info'): UnitHeader[] {
  const section = debugSection(object, name);
  if (section === undefined) return [];
  const info = new DebugSection(object, section);
  const units: UnitHeader[] = [];
  for (let offset = 0; offset < info.size;) {
    const { size, version } = readUnitHeader(info, offset);
    units.push({ offset, size, version });
    offset += size;
    if (units.length > MAX_UNITS) throw tooMany(info);
  }
  return units;
}

/** The header at `offset`. Throws FormatError when it is damaged, of an unknown version or longer than the section. */
export function readUnitHeader(info: DebugSection, offset: number): FullUnitHeader {
  const cursor = info.glance(offset, MAX_HEADER_BYTES);
  let length = cursor.u32();
  const offsetSize = length === 0xffffffff ? 8 : 4;
  if (offsetSize === 8) length = cursor.u64();
  else if (length >= 0xfffffff0) throw cursor.seek(0).error(`reserved unit length 0x${length.toString(16)}`);
  const size = cursor.offset + length;
  if (offset + size > info.size) throw cursor.error(`unit of ${size} bytes, section of ${info.size}`);
  const version = cursor.u16();
  if (version < 2 || version > 5) throw cursor.error(`DWARF version ${version}`);
  let type = dw.DW_UT_compile;
  let dwoId = '';
  let addressSize: number;
  let abbrevOffset: number;
  if (version === 5) {
    type = cursor.u8();
    addressSize = cursor.u8();
    abbrevOffset = cursor.word(offsetSize);
    if (type === dw.DW_UT_skeleton || type === dw.DW_UT_split_compile) dwoId = hex64(cursor);
    else if (type === dw.DW_UT_type || type === dw.DW_UT_split_type) cursor.skip(8 + offsetSize);
  } else {
    abbrevOffset = cursor.word(offsetSize);
    addressSize = cursor.u8();
  }
  if (addressSize !== 8 && addressSize !== 4 && addressSize !== 2 && addressSize !== 1) {
    throw cursor.error(`addresses of ${addressSize} bytes`);
  }
  if (cursor.offset > size) throw cursor.error(`header longer than its unit of ${size} bytes`);
  const encoding = { version, offsetSize, addressSize } as const;
  return { offset, size, version, encoding, type, abbrevOffset, dwoId, headerSize: cursor.offset };
}

/** A u64 as it is compared and printed: 16 hex digits. */
export function hex64(cursor: Cursor): string {
  return cursor.u64n().toString(16).padStart(16, '0');
}

/** Where the units of a section are, in flat columns: their headers are read again when one is used. */
export class UnitList {
  readonly length: number;
  /** Section offsets, ascending, and one more: the end of the last unit. */
  readonly offsets: Float64Array;
  /** DW_UT_*. */
  readonly types: Uint8Array;

  /** Stops at the first header that cannot be read, which `damaged` is told: what follows it cannot be found. */
  constructor(info: DebugSection, damaged: (error: unknown) => void) {
    const offsets: number[] = [];
    const types: number[] = [];
    let offset = 0;
    try {
      while (offset < info.size) {
        const { size, type } = readUnitHeader(info, offset);
        offsets.push(offset);
        types.push(type);
        offset += size;
        if (offsets.length > MAX_UNITS) throw tooMany(info);
      }
    } catch (error) {
      damaged(error);
    }
    this.length = offsets.length;
    this.offsets = Float64Array.from([...offsets, offset]);
    this.types = Uint8Array.from(types);
  }

  /** Number of the unit that holds a section offset, or -1. */
  holding(offset: number): number {
    const found = lastAtOrBelow(this.offsets, offset);
    return found < this.length ? found : -1;
  }
}

function tooMany(info: DebugSection): LimitError {
  return new LimitError(`${info.name}: more than ${MAX_UNITS} units`);
}
