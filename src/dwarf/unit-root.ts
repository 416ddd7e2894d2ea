/** The first entry of a unit: where the unit's lines, ranges, addresses and strings are. */
import type { Cursor } from '../bytes/cursor.ts';
import type { AddressSpace } from '../object/address.ts';
import type { Declaration } from './abbreviations.ts';
import * as dw from './constants.ts';
import { readValue } from './die.ts';
import { directForm, skipForm } from './forms.ts';
import { type FullUnitHeader, hex64 } from './unit-headers.ts';

/** A value whose meaning depends on its form; form 0: the attribute is absent. */
export interface RawValue {
  readonly form: number;
  readonly value: number;
}

export const ABSENT: RawValue = { form: 0, value: 0 };

/** Offsets are of the sections their attributes name, -1 when absent. */
export interface UnitRoot {
  readonly tag: number;
  readonly children: boolean;
  readonly lowPc: RawValue;
  readonly highPc: RawValue;
  readonly ranges: RawValue;
  readonly compDir: RawValue;
  readonly dwoName: RawValue;
  /** Of the header, or of DW_AT_GNU_dwo_id; 16 hex digits, "" when neither is there. */
  readonly dwoId: string;
  /** DW_LANG_*, 0 unknown. */
  readonly language: number;
  readonly lines: number;
  readonly strOffsetsBase: number;
  readonly addrBase: number;
  readonly rnglistsBase: number;
  /** DW_AT_GNU_ranges_base; 0 when absent. */
  readonly gnuRangesBase: number;
}

/** Reads the values of `declaration` at the cursor. Strings are positions in what the cursor reads. */
export function readRoot(
  cursor: Cursor,
  declaration: Declaration,
  header: FullUnitHeader,
  space: AddressSpace,
): UnitRoot {
  const raw = new Map<number, RawValue>();
  let dwoId = header.dwoId;
  const { attributes } = declaration;
  for (let i = 0; i < attributes.length; i += 3) {
    const attribute = attributes[i];
    let form = attributes[i + 1];
    if (form === dw.DW_FORM_indirect) form = directForm(cursor);
    if (attribute === dw.DW_AT_GNU_dwo_id && form === dw.DW_FORM_data8) dwoId = hex64(cursor);
    else if (!READ.has(attribute)) skipForm(cursor, form, header.encoding);
    else {
      const value =
        form === dw.DW_FORM_implicit_const ? attributes[i + 2] : readValue(cursor, form, header.encoding, space);
      raw.set(attribute, { form, value });
    }
  }
  const value = (attribute: number): RawValue => raw.get(attribute) ?? ABSENT;
  const number = (...attributes: number[]): number => {
    const found = attributes.map(value).find(({ form }) => form !== 0);
    return found === undefined ? -1 : found.value;
  };
  const dwoName = value(dw.DW_AT_dwo_name);
  return {
    tag: declaration.tag,
    children: declaration.children,
    lowPc: value(dw.DW_AT_low_pc),
    highPc: value(dw.DW_AT_high_pc),
    ranges: value(dw.DW_AT_ranges),
    compDir: value(dw.DW_AT_comp_dir),
    dwoName: dwoName.form === 0 ? value(dw.DW_AT_GNU_dwo_name) : dwoName,
    dwoId,
    language: Math.max(0, number(dw.DW_AT_language)),
    lines: number(dw.DW_AT_stmt_list),
    strOffsetsBase: number(dw.DW_AT_str_offsets_base),
    addrBase: number(dw.DW_AT_addr_base, dw.DW_AT_GNU_addr_base),
    rnglistsBase: number(dw.DW_AT_rnglists_base),
    gnuRangesBase: Math.max(0, number(dw.DW_AT_GNU_ranges_base)),
  };
}

const READ = new Set([
  dw.DW_AT_low_pc,
  dw.DW_AT_high_pc,
  dw.DW_AT_ranges,
  dw.DW_AT_comp_dir,
  dw.DW_AT_dwo_name,
  dw.DW_AT_GNU_dwo_name,
  dw.DW_AT_language,
  dw.DW_AT_stmt_list,
  dw.DW_AT_str_offsets_base,
  dw.DW_AT_addr_base,
  dw.DW_AT_GNU_addr_base,
  dw.DW_AT_rnglists_base,
  dw.DW_AT_GNU_ranges_base,
]);
