/**
 * .debug_abbrev: how the entries of a unit are laid out (DWARF 5, 7.5.3). A table is a run of declarations,
 *
 *     uleb code   uleb tag   u8 has children   { uleb attribute, uleb form [, sleb value of DW_FORM_implicit_const] }*   0 0
 *
 * and ends with code 0. An entry in .debug_info is a code and then the values in that order.
 *
 * Most entries are only stepped over, so each declaration is compiled for the unit's encoding into
 *
 *     size, or skips     bytes of all values when that is fixed; else the steps
 *     sibling            where the offset of the next sibling is, when there is one
 *     reads              for entries that are read: wanted attributes, and the steps between them
 *
 * so that an entry costs time proportional to its bytes, whatever a table declares.
 */
import type { Cursor } from '../bytes/cursor.ts';
import * as dw from './constants.ts';
import { type Encoding, SIZE_UNKNOWN, formSize } from './forms.ts';
import type { DebugSection } from './section.ts';

/** The largest tables are those of link-time optimised browsers: 20,000 declarations in some 500 KB. */
const MAX_TABLE_BYTES = 4 << 20;
/** Codes are given out from 1 on; up to this they index an array. */
const MAX_DENSE_CODE = 1 << 16;

/** Attributes that are read; everything else is stepped over. Values are their slots in `Die`. */
const WANTED: ReadonlyMap<number, number> = new Map([
  [dw.DW_AT_sibling, 0],
  [dw.DW_AT_name, 1],
  [dw.DW_AT_linkage_name, 2],
  [dw.DW_AT_MIPS_linkage_name, 2],
  [dw.DW_AT_low_pc, 3],
  [dw.DW_AT_high_pc, 4],
  [dw.DW_AT_ranges, 5],
  [dw.DW_AT_abstract_origin, 6],
  [dw.DW_AT_specification, 7],
  [dw.DW_AT_decl_line, 8],
  [dw.DW_AT_call_file, 9],
  [dw.DW_AT_call_line, 10],
  [dw.DW_AT_call_column, 11],
]);
export const SLOT_SIBLING = 0;
export const SLOT_NAME = 1;
export const SLOT_LINKAGE_NAME = 2;
export const SLOT_LOW_PC = 3;
export const SLOT_HIGH_PC = 4;
export const SLOT_RANGES = 5;
export const SLOT_ABSTRACT_ORIGIN = 6;
export const SLOT_SPECIFICATION = 7;
export const SLOT_DECL_LINE = 8;
export const SLOT_CALL_FILE = 9;
export const SLOT_CALL_LINE = 10;
export const SLOT_CALL_COLUMN = 11;
export const SLOTS = 12;

/** In `reads`: a step of a fixed number of bytes (the third number); any other value there is a slot to fill. */
export const READ_SKIP = -1;
/** In `reads`: a value of some form (the second number) that is not wanted. */
export const READ_SKIP_FORM = -2;

export interface Abbreviation {
  readonly tag: number;
  readonly children: boolean;
  /** Bytes of all values, or -1 when that depends on the values. */
  readonly size: number;
  /** When `size` is -1: numbers >= 0 are bytes to step over, others SIZE_ constants. */
  readonly skips: Int32Array;
  /** Triples (slot or READ_ constant, form, bytes or index into `constants`). */
  readonly reads: Int32Array;
  /** Values of DW_FORM_implicit_const in `reads`, cut to what fits a number. */
  readonly constants: readonly number[];
  /** Bytes from the end of the code to DW_AT_sibling when that is fixed and the form is DW_FORM_ref4; else -1. */
  readonly siblingAt: number;
  readonly hasSibling: boolean;
  /** Has DW_AT_low_pc or DW_AT_ranges: the entry may own code. */
  readonly hasCode: boolean;
  /** The first form resym does not know, 0 when all are known. Such entries cannot be stepped over. */
  readonly unknownForm: number;
}

/** The declarations of one table by code. */
export class AbbreviationTable {
  /** By code, for codes below its length. */
  readonly dense: (Abbreviation | undefined)[] = [];
  readonly #sparse = new Map<number, Abbreviation>();
  /** True when some subprogram may own code. */
  readonly hasCode: boolean;

  /** Throws FormatError for a damaged table. */
  constructor(section: DebugSection, offset: number, encoding: Encoding) {
    const cursor = section.cursor(offset, MAX_TABLE_BYTES);
    let hasCode = false;
    for (;;) {
      const code = cursor.uleb();
      if (code === 0) break;
      const abbreviation = compile(cursor, encoding);
      if (code < MAX_DENSE_CODE && code <= this.dense.length * 2 + 64) {
        while (this.dense.length <= code) this.dense.push(undefined);
        this.dense[code] ??= abbreviation;
      } else if (!this.#sparse.has(code)) this.#sparse.set(code, abbreviation);
      if (abbreviation.tag === dw.DW_TAG_subprogram && abbreviation.hasCode) hasCode = true;
    }
    this.hasCode = hasCode;
  }

  /** undefined when the table has no such code. */
  get(code: number): Abbreviation | undefined {
    return this.dense[code] ?? this.#sparse.get(code);
  }
}

/** A declaration that is read once, attribute by attribute. */
export interface Declaration {
  readonly tag: number;
  readonly children: boolean;
  /** Triples (attribute, form, value of DW_FORM_implicit_const). */
  readonly attributes: readonly number[];
}

/**
 * The declaration of one code, without compiling the table around it; undefined when there is none. That of a unit's
 * first entry is at the start of its table, so only `within` bytes are searched.
 */
export function findDeclaration(
  section: DebugSection,
  offset: number,
  code: number,
  within: number,
): Declaration | undefined {
  const cursor = section.cursor(offset, within);
  for (;;) {
    const next = cursor.uleb();
    if (next === 0) return undefined;
    const tag = cursor.uleb();
    const children = cursor.u8() !== 0;
    const attributes: number[] = [];
    for (;;) {
      const attribute = cursor.uleb();
      const form = cursor.uleb();
      if (attribute === 0 && form === 0) break;
      const value = form === dw.DW_FORM_implicit_const ? cursor.sleb() : 0;
      if (next === code) attributes.push(attribute, form, value);
    }
    if (next === code) return { tag, children, attributes };
  }
}

function compile(cursor: Cursor, encoding: Encoding): Abbreviation {
  const tag = cursor.uleb();
  const children = cursor.u8() !== 0;
  const skips: number[] = [];
  const reads: number[] = [];
  const constants: number[] = [];
  let wanted = 0;
  let size = 0;
  let siblingAt = -1;
  let unknownForm = 0;
  for (;;) {
    const attribute = cursor.uleb();
    const form = cursor.uleb();
    if (attribute === 0 && form === 0) break;
    const constant = form === dw.DW_FORM_implicit_const ? cursor.sleb() : 0;
    const bytes = formSize(form, encoding);
    if (bytes === SIZE_UNKNOWN) unknownForm ||= form || -1;
    const slot = WANTED.get(attribute);
    // The first of equals counts: a table may not make one byte of an entry cost a thousand values.
    if (slot !== undefined && (wanted & (1 << slot)) === 0) {
      wanted |= 1 << slot;
      if (slot === SLOT_SIBLING && form === dw.DW_FORM_ref4 && size >= 0) siblingAt = size;
      if (form === dw.DW_FORM_implicit_const) reads.push(slot, form, constants.push(constant) - 1);
      else reads.push(slot, form, 0);
    } else if (bytes > 0 && reads.at(-3) === READ_SKIP) reads[reads.length - 1] += bytes;
    else if (bytes > 0) reads.push(READ_SKIP, 0, bytes);
    else if (bytes < 0) reads.push(READ_SKIP_FORM, form, 0);
    if (bytes < 0) size = -1;
    else if (size >= 0) size += bytes;
    const last = skips.at(-1);
    if (bytes < 0) skips.push(bytes);
    else if (last !== undefined && last >= 0) skips[skips.length - 1] += bytes;
    else if (bytes > 0) skips.push(bytes);
  }
  return {
    tag,
    children,
    size,
    skips: Int32Array.from(skips),
    reads: Int32Array.from(reads),
    constants,
    siblingAt,
    hasSibling: (wanted & (1 << SLOT_SIBLING)) !== 0,
    hasCode: (wanted & ((1 << SLOT_LOW_PC) | (1 << SLOT_RANGES))) !== 0,
    unknownForm,
  };
}
