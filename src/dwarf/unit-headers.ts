import { Cursor } from '../bytes/cursor.ts';
import { LimitError } from '../errors.ts';
import type { ObjectFile, Section } from '../object/object.ts';

/*
 * .debug_info is a run of units (DWARF 5, 7.5.1):
 *
 *     unit_length   u32, or 0xffffffff and a u64 (64-bit DWARF)     bytes after this field
 *     version       u16                                             2 to 5
 *     ...
 */

/** A unit of .debug_info. */
export interface UnitHeader {
  /** Bytes from the start of the section to unit_length. */
  readonly offset: number;
  /** Bytes in all, unit_length included. */
  readonly size: number;
  readonly version: number;
}

/** Far above what linkers make (Chromium has 40,000); each costs a few bytes here. */
const MAX_UNITS = 4_000_000;

/** The section under its plain or its old compressed name; undefined when absent or without bytes in this file. */
export function debugSection(object: ObjectFile, name: string): Section | undefined {
  const section = object.section(`.debug_${name}`) ?? object.section(`.zdebug_${name}`);
  return section && !section.noBits ? section : undefined;
}

/** The headers of all units in .debug_info, in section order; empty without DWARF. */
export function unitHeaders(object: ObjectFile): UnitHeader[] {
  const section = debugSection(object, 'info');
  if (section === undefined) return [];
  const cursor = new Cursor(object.sectionData(section), object.littleEndian, section.name);
  const units: UnitHeader[] = [];
  while (cursor.remaining > 0) {
    const offset = cursor.offset;
    let length = cursor.u32();
    if (length === 0xffffffff) length = cursor.u64();
    const end = cursor.offset + length;
    const version = cursor.u16();
    if (version < 2 || version > 5) throw cursor.error(`DWARF version ${version}`);
    cursor.seek(end);
    units.push({ offset, size: end - offset, version });
    if (units.length > MAX_UNITS) throw new LimitError(`${section.name}: more than ${MAX_UNITS} units`);
  }
  return units;
}
