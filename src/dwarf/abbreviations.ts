/**
 * .debug_abbrev: how the entries of a unit are laid out (DWARF 5, 7.5.3). A table is a run of declarations,
 *
 *     uleb code   uleb tag   u8 has children   { uleb attribute, uleb form [, sleb value of DW_FORM_implicit_const] }*   0 0
 *
 * and ends with code 0. An entry in .debug_info is a code and then the values in that order.
 *
 * Most entries are only stepped over, so each declaration is compiled for the unit's encoding into
 *
 *     size       bytes of all values, when that is fixed
 *     sibling    where the offset of the next sibling is, when there is one
 *
 * and when such an entry is met, into
 *
 *     skips      the steps over its values, when `size` is not fixed
 *     reads      for entries that are read: wanted attributes, and the steps between them
 *
 * so that an entry costs time proportional to its bytes, whatever a table declares.
 */
import { Cursor } from '../bytes/cursor.ts';
import * as dw from './constants.ts';
import { FormatError } from '../errors.ts';
import { type Encoding, SIZE_UNKNOWN, formSize, skipLeb } from './forms.ts';
import type { DebugSection } from './section.ts';

/** The largest tables are those of link-time optimised browsers: 20,000 declarations in some 500 KB. */
const MAX_TABLE_BYTES = 4 << 20;
/** Of 49 bits: longer ones may be no number. */
const MAX_NUMBER_LEB_BYTES = 7;
/** Codes are given out from 1 on; up to this they index an array. */
const MAX_DENSE_CODE = 1 << 16;

/** Attributes that are read, by slot in `Die`; everything else is stepped over. */
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

/** Slot by attribute, -1 for what is not read. DW_AT_MIPS_linkage_name, beyond it, is a linkage name too. */
const SLOT_OF = new Int8Array(dw.DW_AT_linkage_name + 1).fill(-1);
SLOT_OF[dw.DW_AT_sibling] = SLOT_SIBLING;
SLOT_OF[dw.DW_AT_name] = SLOT_NAME;
SLOT_OF[dw.DW_AT_linkage_name] = SLOT_LINKAGE_NAME;
SLOT_OF[dw.DW_AT_low_pc] = SLOT_LOW_PC;
SLOT_OF[dw.DW_AT_high_pc] = SLOT_HIGH_PC;
SLOT_OF[dw.DW_AT_ranges] = SLOT_RANGES;
SLOT_OF[dw.DW_AT_abstract_origin] = SLOT_ABSTRACT_ORIGIN;
SLOT_OF[dw.DW_AT_specification] = SLOT_SPECIFICATION;
SLOT_OF[dw.DW_AT_decl_line] = SLOT_DECL_LINE;
SLOT_OF[dw.DW_AT_call_file] = SLOT_CALL_FILE;
SLOT_OF[dw.DW_AT_call_line] = SLOT_CALL_LINE;
SLOT_OF[dw.DW_AT_call_column] = SLOT_CALL_COLUMN;

/** In `reads`: a step of a fixed number of bytes (the third number); any other value there is a slot to fill. */
export const READ_SKIP = -1;
/** In `reads`: a value of some form (the second number) that is not wanted. */
export const READ_SKIP_FORM = -2;

/** Forms up to this are looked up in a table. */
const MAX_TABLE_FORM = dw.DW_FORM_addrx4;

export class Abbreviation {
  readonly tag: number;
  readonly children: boolean;
  /** Bytes of all values, or -1 when that depends on the values. */
  readonly size: number;
  /** Bytes from the end of the code to DW_AT_sibling when that is fixed and the form is DW_FORM_ref4; else -1. */
  readonly siblingAt: number;
  readonly hasSibling: boolean;
  /** Has DW_AT_low_pc or DW_AT_ranges: the entry may own code. */
  readonly hasCode: boolean;
  /** A form resym does not know, 0 when all are known. Such entries cannot be stepped over. */
  readonly unknownForm: number;
  readonly #table: AbbreviationTable;
  readonly #at: number;
  #steps: Steps | undefined;

  constructor(table: AbbreviationTable, at: number, tag: number, children: boolean, shape: Shape) {
    this.tag = tag;
    this.children = children;
    this.size = shape.size;
    this.siblingAt = shape.siblingAt;
    this.hasSibling = shape.hasSibling;
    this.hasCode = shape.hasCode;
    this.unknownForm = shape.unknownForm;
    this.#table = table;
    this.#at = at;
  }

  get steps(): Steps {
    this.#steps ??= compile(this.#table.attributesAt(this.#at), this.#table.encoding);
    return this.#steps;
  }
}

/** How to get over an entry's values, or through them. */
interface Steps {
  /** Numbers >= 0 are bytes to step over, others SIZE_ constants. */
  readonly skips: Int32Array;
  /** Triples (slot or READ_ constant, form, formSize of it; bytes of a step; index into `constants`). */
  readonly reads: Int32Array;
  /** Values of DW_FORM_implicit_const in `reads`. */
  readonly constants: readonly number[];
}

/** Filled for one declaration after the other. */
class Shape {
  size = 0;
  siblingAt = -1;
  hasSibling = false;
  hasCode = false;
  unknownForm = 0;
}

/** The declarations of one table by code. */
export class AbbreviationTable {
  readonly encoding: Encoding;
  /** By code, for codes below its length. */
  readonly dense: (Abbreviation | undefined)[] = [];
  readonly #sparse = new Map<number, Abbreviation>();
  /** True when some subprogram may own code. */
  readonly hasCode: boolean;
  /** True when some entries say where their next sibling is. */
  readonly hasSiblings: boolean;
  readonly #bytes: Uint8Array;
  readonly #section: string;
  readonly #offset: number;

  /** Throws FormatError for a damaged table. */
  constructor(section: DebugSection, offset: number, encoding: Encoding) {
    this.encoding = encoding;
    const bytes = section.upTo(offset, MAX_TABLE_BYTES);
    this.#bytes = bytes;
    this.#section = section.name;
    this.#offset = offset;
    const sizes = new Int8Array(MAX_TABLE_FORM + 1);
    for (let form = 0; form <= MAX_TABLE_FORM; form++) sizes[form] = formSize(form, encoding);
    const shape = new Shape();
    let hasCode = false;
    let hasSiblings = false;
    let p = 0;
    const end = bytes.length;
    while (p < end) {
      let code = bytes[p++];
      if (code >= 0x80) [code, p] = longLeb(bytes, p - 1);
      if (code === 0) {
        this.hasCode = hasCode;
        this.hasSiblings = hasSiblings;
        return;
      }
      let tag = bytes[p++];
      if (tag >= 0x80) [tag, p] = longLeb(bytes, p - 1);
      const children = bytes[p++] !== 0;
      const at = p;
      shape.size = 0;
      shape.siblingAt = -1;
      shape.hasSibling = false;
      shape.hasCode = false;
      shape.unknownForm = 0;
      for (;;) {
        let attribute = bytes[p++];
        if (attribute >= 0x80) [attribute, p] = longLeb(bytes, p - 1);
        let form = bytes[p++];
        if (form >= 0x80) [form, p] = longLeb(bytes, p - 1);
        if (form === 0 && attribute === 0) break;
        if (form === dw.DW_FORM_implicit_const) while (bytes[p++] >= 0x80);
        if (!(p < end))
          throw new FormatError(section.name, offset + end, `abbreviation table without end in ${end} bytes`);
        const size = form <= MAX_TABLE_FORM ? sizes[form] : formSize(form, encoding);
        if (size === SIZE_UNKNOWN) shape.unknownForm = form || -1;
        switch (attribute) {
          case dw.DW_AT_sibling:
            if (!shape.hasSibling && form === dw.DW_FORM_ref4 && shape.size >= 0) shape.siblingAt = shape.size;
            shape.hasSibling = hasSiblings = true;
            break;
          case dw.DW_AT_low_pc:
          case dw.DW_AT_ranges:
            shape.hasCode = true;
        }
        if (size < 0) shape.size = -1;
        else if (shape.size >= 0) shape.size += size;
      }
      if (tag === dw.DW_TAG_subprogram && shape.hasCode) hasCode = true;
      this.#add(code, new Abbreviation(this, at, tag, children, shape));
    }
    throw new FormatError(section.name, offset + end, `abbreviation table without end in ${end} bytes`);
  }

  #add(code: number, abbreviation: Abbreviation): void {
    const { dense } = this;
    if (code < MAX_DENSE_CODE && code <= dense.length * 2 + 64) {
      while (dense.length <= code) dense.push(undefined);
      dense[code] ??= abbreviation;
    } else if (!this.#sparse.has(code)) this.#sparse.set(code, abbreviation);
  }

  /** undefined when the table has no such code. */
  get(code: number): Abbreviation | undefined {
    return this.dense[code] ?? this.#sparse.get(code);
  }

  /** A cursor at the attributes of a declaration. */
  attributesAt(at: number): Cursor {
    return new Cursor(this.#bytes, true, this.#section, this.#offset).seek(at);
  }
}

/** A LEB128 of more than one byte, and the position after it. A value beyond 2^53 is rounded: it is no code, tag or form. */
function longLeb(bytes: Uint8Array, at: number): [number, number] {
  let p = at;
  let value = 0;
  let scale = 1;
  let byte: number;
  do {
    byte = bytes[p++];
    value += (byte & 0x7f) * scale;
    scale *= 128;
  } while (byte >= 0x80);
  return [value, p];
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
      const value = form === dw.DW_FORM_implicit_const ? implicitConst(cursor) : 0;
      if (next === code) attributes.push(attribute, form, value);
    }
    if (next === code) return { tag, children, attributes };
  }
}

/** A value in a declaration; -1 when it is beyond 2^53, as constants of 64 bits may be: none that is wanted here. */
function implicitConst(cursor: Cursor): number {
  const at = cursor.offset;
  skipLeb(cursor);
  return cursor.offset - at > MAX_NUMBER_LEB_BYTES ? -1 : cursor.seek(at).sleb();
}

/** Steps under way: the attributes of most declarations fit, and the arrays grow by themselves. */
const skips: number[] = [];
const reads: number[] = [];

function compile(cursor: Cursor, encoding: Encoding): Steps {
  const constants: number[] = [];
  skips.length = 0;
  reads.length = 0;
  let wanted = 0;
  /** Bytes of fixed size since the last step in each. */
  let toSkip = 0;
  let unread = 0;
  for (;;) {
    const attribute = cursor.uleb();
    const form = cursor.uleb();
    if (attribute === 0 && form === 0) break;
    const slot =
      attribute < SLOT_OF.length
        ? SLOT_OF[attribute]
        : attribute === dw.DW_AT_MIPS_linkage_name
          ? SLOT_LINKAGE_NAME
          : -1;
    // The first of equals counts: a table may not make one byte of an entry cost a thousand values.
    const isWanted = slot >= 0 && (wanted & (1 << slot)) === 0;
    const bytes = formSize(form, encoding);
    if (isWanted) {
      wanted |= 1 << slot;
      if (unread > 0) reads.push(READ_SKIP, 0, unread);
      unread = 0;
    }
    if (form === dw.DW_FORM_implicit_const) {
      if (isWanted) reads.push(slot, form, constants.push(implicitConst(cursor)) - 1);
      else skipLeb(cursor);
    } else if (isWanted) reads.push(slot, form, bytes);
    else if (bytes >= 0) unread += bytes;
    else {
      if (unread > 0) reads.push(READ_SKIP, 0, unread);
      unread = 0;
      reads.push(READ_SKIP_FORM, form, bytes);
    }
    if (bytes >= 0) toSkip += bytes;
    else {
      if (toSkip > 0) skips.push(toSkip);
      toSkip = 0;
      skips.push(bytes);
    }
  }
  if (unread > 0) reads.push(READ_SKIP, 0, unread);
  if (toSkip > 0) skips.push(toSkip);
  return { skips: Int32Array.from(skips), reads: Int32Array.from(reads), constants };
}
