/**
 * How many bytes the value of each form takes (DWARF 5, 7.5.5 and 7.5.6), as a function of three sizes of the unit.
 * Knowing that is enough to step over an entry without reading it.
 */
import type { Cursor } from '../bytes/cursor.ts';
import { UnsupportedError } from '../errors.ts';
import * as dw from './constants.ts';

/** What of a unit's header decides how its entries are encoded. */
export interface Encoding {
  /** 2 to 5. */
  readonly version: number;
  /** 4 or 8: of offsets into other sections (32-bit or 64-bit DWARF). */
  readonly offsetSize: 4 | 8;
  /** Bytes of an address: 1, 2, 4 or 8. */
  readonly addressSize: number;
}

/** Not a fixed number of bytes; what to do instead. */
export const SIZE_LEB = -1;
export const SIZE_STRING = -2;
export const SIZE_BLOCK1 = -3;
export const SIZE_BLOCK2 = -4;
export const SIZE_BLOCK4 = -5;
export const SIZE_BLOCK = -6;
export const SIZE_INDIRECT = -7;
/** A LEB128 and four bytes. */
export const SIZE_LEB_AND_4 = -8;
export const SIZE_UNKNOWN = -9;

/** Bytes of a value of `form`, or one of the SIZE_ constants. */
export function formSize(form: number, { version, offsetSize, addressSize }: Encoding): number {
  switch (form) {
    case dw.DW_FORM_flag_present:
    case dw.DW_FORM_implicit_const:
      return 0;
    case dw.DW_FORM_data1:
    case dw.DW_FORM_flag:
    case dw.DW_FORM_ref1:
    case dw.DW_FORM_strx1:
    case dw.DW_FORM_addrx1:
      return 1;
    case dw.DW_FORM_data2:
    case dw.DW_FORM_ref2:
    case dw.DW_FORM_strx2:
    case dw.DW_FORM_addrx2:
      return 2;
    case dw.DW_FORM_strx3:
    case dw.DW_FORM_addrx3:
      return 3;
    case dw.DW_FORM_data4:
    case dw.DW_FORM_ref4:
    case dw.DW_FORM_ref_sup4:
    case dw.DW_FORM_strx4:
    case dw.DW_FORM_addrx4:
      return 4;
    case dw.DW_FORM_data8:
    case dw.DW_FORM_ref8:
    case dw.DW_FORM_ref_sig8:
    case dw.DW_FORM_ref_sup8:
      return 8;
    case dw.DW_FORM_data16:
      return 16;
    case dw.DW_FORM_strp:
    case dw.DW_FORM_line_strp:
    case dw.DW_FORM_strp_sup:
    case dw.DW_FORM_sec_offset:
    case dw.DW_FORM_GNU_ref_alt:
    case dw.DW_FORM_GNU_strp_alt:
      return offsetSize;
    case dw.DW_FORM_ref_addr:
      return version <= 2 ? addressSize : offsetSize; // DWARF 2 said address, 3 corrected it
    case dw.DW_FORM_addr:
      return addressSize;
    case dw.DW_FORM_sdata:
    case dw.DW_FORM_udata:
    case dw.DW_FORM_ref_udata:
    case dw.DW_FORM_strx:
    case dw.DW_FORM_addrx:
    case dw.DW_FORM_loclistx:
    case dw.DW_FORM_rnglistx:
    case dw.DW_FORM_GNU_addr_index:
    case dw.DW_FORM_GNU_str_index:
      return SIZE_LEB;
    case dw.DW_FORM_LLVM_addrx_offset:
      return SIZE_LEB_AND_4;
    case dw.DW_FORM_string:
      return SIZE_STRING;
    case dw.DW_FORM_block1:
      return SIZE_BLOCK1;
    case dw.DW_FORM_block2:
      return SIZE_BLOCK2;
    case dw.DW_FORM_block4:
      return SIZE_BLOCK4;
    case dw.DW_FORM_block:
    case dw.DW_FORM_exprloc:
      return SIZE_BLOCK;
    case dw.DW_FORM_indirect:
      return SIZE_INDIRECT;
    default:
      return SIZE_UNKNOWN;
  }
}

/** Steps over one value of `form`. Throws UnsupportedError for a form that is not known. */
export function skipForm(cursor: Cursor, form: number, encoding: Encoding): void {
  const size = formSize(form, encoding);
  if (size >= 0) {
    cursor.skip(size);
    return;
  }
  switch (size) {
    case SIZE_LEB:
      skipLeb(cursor);
      return;
    case SIZE_LEB_AND_4:
      skipLeb(cursor);
      cursor.skip(4);
      return;
    case SIZE_STRING:
      cursor.cstringBytes();
      return;
    case SIZE_BLOCK1:
      cursor.skip(cursor.u8());
      return;
    case SIZE_BLOCK2:
      cursor.skip(cursor.u16());
      return;
    case SIZE_BLOCK4:
      cursor.skip(cursor.u32());
      return;
    case SIZE_BLOCK:
      cursor.skip(cursor.uleb());
      return;
    case SIZE_INDIRECT:
      skipForm(cursor, directForm(cursor), encoding);
      return;
    default:
      throw unknownForm(form, cursor.section, cursor.base + cursor.offset);
  }
}

/** The form that a DW_FORM_indirect value names; never an indirect one again, nor one whose value is elsewhere. */
export function directForm(cursor: Cursor): number {
  const form = cursor.uleb();
  if (form === dw.DW_FORM_indirect || form === dw.DW_FORM_implicit_const) {
    throw cursor.error(`DW_FORM_indirect to form 0x${form.toString(16)}`);
  }
  return form;
}

/** A LEB128 of any length: its value is not wanted, so it may be one that does not fit. */
export function skipLeb(cursor: Cursor): void {
  while (cursor.u8() >= 0x80);
}

export function unknownForm(form: number, section: string, offset: number): UnsupportedError {
  return new UnsupportedError(`${section}+0x${offset.toString(16)}: form 0x${form.toString(16)} is not known`);
}
