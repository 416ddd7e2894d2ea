/**
 * Reading one entry of .debug_info (a DIE): its wanted attributes into the slots of a `Die` that is used again and again,
 * so that a walk over a million entries allocates nothing. Values stay raw (an index, an offset, a constant); what they
 * mean depends on their form and is asked of the unit.
 */
import type { Cursor } from '../bytes/cursor.ts';
import { FormatError } from '../errors.ts';
import type { AddressSpace } from '../object/address.ts';
import { type Abbreviation, READ_SKIP, READ_SKIP_FORM, SLOTS, SLOT_SIBLING } from './abbreviations.ts';
import * as dw from './constants.ts';
import {
  type Encoding,
  SIZE_BLOCK,
  SIZE_BLOCK1,
  SIZE_BLOCK2,
  SIZE_BLOCK4,
  SIZE_INDIRECT,
  SIZE_LEB,
  SIZE_LEB_AND_4,
  SIZE_STRING,
  directForm,
  formSize,
  skipForm,
  unknownForm,
} from './forms.ts';

/** The bytes of one unit and how to read them. Positions are relative to the unit's start. */
export interface UnitBytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Over the same bytes. */
  readonly cursor: Cursor;
  readonly encoding: Encoding;
  readonly space: AddressSpace;
}

/** The wanted attributes of one entry. */
export class Die {
  /** By slot: the attribute's form, 0 when the entry has no such attribute. */
  readonly form = new Uint16Array(SLOTS);
  /**
   * By slot: constants and references as numbers (-1 when beyond 2^53), addresses as file addresses (-1 when outside the
   * file's space), inline strings as their position in the unit, DW_FORM_LLVM_addrx_offset (and its like) as index * 2^32 + offset,
   * everything else as the number in the entry.
   */
  readonly value = new Float64Array(SLOTS);
}

/** Reads the entry whose values begin at `at` and returns the position after it. Throws FormatError, UnsupportedError. */
export function readDie(unit: UnitBytes, abbreviation: Abbreviation, at: number, die: Die): number {
  const { bytes, view, cursor } = unit;
  const { littleEndian } = cursor;
  const { reads, constants } = abbreviation.steps;
  const { form: forms, value: values } = die;
  const end = bytes.length;
  if (abbreviation.unknownForm !== 0) throw unknownForm(abbreviation.unknownForm, cursor.section, cursor.base + at);
  for (let slot = 0; slot < SLOTS; slot++) forms[slot] = 0;
  let p = at;
  for (let i = 0; i < reads.length; i += 3) {
    const slot = reads[i];
    let form = reads[i + 1];
    const size = reads[i + 2];
    if (slot === READ_SKIP) {
      p += size;
      continue;
    }
    if (form === dw.DW_FORM_implicit_const) values[slot] = constants[size];
    else if (slot >= 0 && p + size <= end && size === 4 && form !== dw.DW_FORM_addr) {
      values[slot] = view.getUint32(p, littleEndian);
      p += 4;
    } else if (slot >= 0 && p < end && size === 1 && form !== dw.DW_FORM_addr) values[slot] = bytes[p++];
    else {
      cursor.seek(Math.min(p, end));
      if (slot === READ_SKIP_FORM) skipForm(cursor, form, unit.encoding);
      else {
        if (form === dw.DW_FORM_indirect) form = directForm(cursor);
        values[slot] = readValue(cursor, form, unit.encoding, unit.space);
      }
      p = cursor.offset;
    }
    if (slot >= 0) forms[slot] = form;
  }
  if (p > end) throw pastEnd(cursor, at);
  return p;
}

/** One value, as `Die.value` describes it. */
export function readValue(cursor: Cursor, form: number, encoding: Encoding, space: AddressSpace): number {
  switch (form) {
    case dw.DW_FORM_addr:
      return readAddress(cursor, encoding.addressSize, space);
    case dw.DW_FORM_string: {
      const at = cursor.offset;
      cursor.cstringBytes();
      return at;
    }
    case dw.DW_FORM_sdata:
      return cursor.sleb();
    case dw.DW_FORM_data8:
    case dw.DW_FORM_ref8:
    case dw.DW_FORM_ref_sup8:
      return readU64(cursor);
    case dw.DW_FORM_flag_present:
      return 1;
    case dw.DW_FORM_data16:
    case dw.DW_FORM_block:
    case dw.DW_FORM_block1:
    case dw.DW_FORM_block2:
    case dw.DW_FORM_block4:
    case dw.DW_FORM_ref_sig8:
      skipForm(cursor, form, encoding);
      return -1;
    case dw.DW_FORM_exprloc:
      return readExpression(cursor);
    case dw.DW_FORM_LLVM_addrx_offset: {
      const index = cursor.uleb();
      const offset = cursor.u32();
      return index < 1 << 21 ? index * 0x100000000 + offset : -1;
    }
  }
  switch (formSize(form, encoding)) {
    case 1:
      return cursor.u8();
    case 2:
      return cursor.u16();
    case 3:
      return readU24(cursor);
    case 4:
      return cursor.u32();
    case 8:
      return readU64(cursor);
    case SIZE_LEB:
      return cursor.uleb();
    default:
      throw unknownForm(form, cursor.section, cursor.base + cursor.offset);
  }
}

/** An address as LLVM writes it on request: addrx, const4u, plus; as DW_FORM_LLVM_addrx_offset would have it. -1 for any other expression. */
function readExpression(cursor: Cursor): number {
  const length = cursor.uleb();
  const end = cursor.offset + length;
  let value = -1;
  if (length >= 8 && cursor.u8() === dw.DW_OP_addrx) {
    const index = cursor.uleb();
    if (cursor.offset + 6 === end && cursor.u8() === dw.DW_OP_const4u && index < 1 << 21) {
      value = index * 0x100000000 + cursor.u32();
      if (cursor.u8() !== dw.DW_OP_plus) value = -1;
    }
  }
  cursor.seek(end);
  return value;
}

/** A u64, or -1 when it is above 2^53. */
function readU64(cursor: Cursor): number {
  const first = cursor.u32();
  const second = cursor.u32();
  const high = cursor.littleEndian ? second : first;
  const low = cursor.littleEndian ? first : second;
  return high > 0x1fffff ? -1 : high * 0x100000000 + low;
}

function readU24(cursor: Cursor): number {
  const [a, b, c] = [cursor.u8(), cursor.u8(), cursor.u8()];
  return cursor.littleEndian ? a | (b << 8) | (c << 16) : (a << 16) | (b << 8) | c;
}

/** An address as file address, -1 when it is none: outside the file's space, or the highest number, as linkers mark code they left out. */
export function readAddress(cursor: Cursor, size: number, space: AddressSpace): number {
  if (size === 8) {
    const first = cursor.u32();
    const second = cursor.u32();
    return cursor.littleEndian ? space.fromHalves(second, first) : space.fromHalves(first, second);
  }
  if (size === 4) {
    const value = cursor.u32();
    return value === 0xffffffff ? -1 : space.fromHalves(0, value);
  }
  return space.fromHalves(0, size === 2 ? cursor.u16() : cursor.u8());
}

/** Steps over the values at `at`, when their size is not fixed, and returns the position after them. */
export function skipValues(unit: UnitBytes, abbreviation: Abbreviation, at: number): number {
  const { bytes, view, cursor } = unit;
  const { littleEndian } = cursor;
  const end = bytes.length;
  const { skips } = abbreviation.steps;
  if (abbreviation.unknownForm !== 0) throw unknownForm(abbreviation.unknownForm, cursor.section, cursor.base + at);
  let p = at;
  for (let i = 0; i < skips.length; i++) {
    const step = skips[i];
    if (step >= 0) {
      p += step;
      continue;
    }
    switch (step) {
      case SIZE_LEB:
        while (bytes[p++] >= 0x80);
        break;
      case SIZE_STRING:
        while (p < end && bytes[p] !== 0) p++;
        p++;
        break;
      case SIZE_BLOCK:
        if (p < end && bytes[p] < 0x80) p += 1 + bytes[p];
        else {
          cursor.offset = Math.min(p, end);
          p = cursor.uleb() + cursor.offset;
        }
        break;
      case SIZE_BLOCK1:
        p += p < end ? 1 + bytes[p] : 1;
        break;
      case SIZE_BLOCK2:
        p += p + 2 <= end ? 2 + view.getUint16(p, littleEndian) : 2;
        break;
      case SIZE_BLOCK4:
        p += p + 4 <= end ? 4 + view.getUint32(p, littleEndian) : 4;
        break;
      case SIZE_LEB_AND_4:
        while (bytes[p++] >= 0x80);
        p += 4;
        break;
      case SIZE_INDIRECT:
        cursor.offset = Math.min(p, end);
        skipForm(cursor, directForm(cursor), unit.encoding);
        p = cursor.offset;
        break;
    }
    // Beyond the end nothing is read (undefined compares false), only added up: it shows here.
    if (p > end) break;
  }
  if (p > end) throw pastEnd(cursor, at);
  return p;
}

/** Position of the next sibling of the entry at `at`, when its values say so: 0 else. `values` is where they begin. */
export function siblingOf(unit: UnitBytes, abbreviation: Abbreviation, values: number, die: Die): number {
  const { view, bytes, cursor } = unit;
  let sibling: number;
  if (abbreviation.siblingAt >= 0) {
    const at = values + abbreviation.siblingAt;
    if (at + 4 > bytes.length) throw pastEnd(cursor, values);
    sibling = view.getUint32(at, cursor.littleEndian);
  } else {
    readDie(unit, abbreviation, values, die);
    sibling = die.form[SLOT_SIBLING] === dw.DW_FORM_ref_addr ? 0 : die.value[SLOT_SIBLING];
  }
  return checkedSibling(unit, sibling, values);
}

/** A sibling must lie ahead and inside the unit: each step of a walk has to lead on. */
export function checkedSibling(unit: UnitBytes, sibling: number, after: number): number {
  if (sibling === 0) return 0;
  if (!(sibling > after && sibling <= unit.bytes.length)) {
    throw new FormatError(unit.cursor.section, unit.cursor.base + after, `sibling at ${sibling} of the unit`);
  }
  return sibling;
}

export function pastEnd({ section, base }: Cursor, at: number): FormatError {
  return new FormatError(section, base + at, 'entry reaches past the end of its unit');
}
