import { Cursor } from '../bytes/cursor.ts';
import { FormatError } from '../errors.ts';
import type { AddressSpace } from '../object/address.ts';
import type { AbbreviationTable } from './abbreviations.ts';
import { findDeclaration } from './abbreviations.ts';
import * as dw from './constants.ts';
import { type Die, type UnitBytes, readAddress } from './die.ts';
import { SLOT_HIGH_PC, SLOT_LOW_PC, SLOT_RANGES } from './abbreviations.ts';
import type { Encoding } from './forms.ts';
import type { Problems } from './problems.ts';
import type { RangeColumns } from './range-columns.ts';
import { ABSOLUTE, MAX_LIST_ENTRIES, NO_BASE, readRangeList, readRanges, tooManyEntries } from './range-lists.ts';
import { type DebugSection, GLANCE_BYTES, text, viewOf } from './section.ts';
import { type FullUnitHeader } from './unit-headers.ts';
import { type RawValue, type UnitRoot, readRoot } from './unit-root.ts';

/** Its declaration is the first of the table, except in tables that many units share. */
const ROOT_DECLARATION_BYTES = 64 << 10;

/** Where a unit's parts begin in the sections of a package file (.dwp); all 0 in any other file. */
export interface Contributions {
  readonly info: number;
  readonly abbrev: number;
  readonly strOffsets: number;
  readonly rnglists: number;
}

const NO_CONTRIBUTIONS: Contributions = { info: 0, abbrev: 0, strOffsets: 0, rnglists: 0 };

/** The sections a unit refers to, without prefix and suffix. */
export type SectionName = 'abbrev' | 'addr' | 'line' | 'line_str' | 'ranges' | 'rnglists' | 'str' | 'str_offsets';

/** What a unit needs of the file it is in; see debug-file.ts. */
export interface UnitFile {
  readonly info: DebugSection;
  readonly space: AddressSpace;
  readonly problems: Problems;
  /** The file that dwz moved shared entries to. */
  readonly supplement: UnitFile | null;
  section(name: SectionName): DebugSection;
  abbreviations(offset: number, encoding: Encoding): AbbreviationTable;
  /** The entry at an offset of .debug_info. */
  entryAt(offset: number): DieRef | null;
}

/** An entry: a unit and a position in it. */
export interface DieRef {
  readonly unit: Unit;
  readonly at: number;
}

/**
 * One unit: its bytes, its abbreviations and what its values refer to. Positions (`at`) are relative to the unit's start.
 * Everything is read when it is asked for.
 */
export class Unit implements UnitBytes {
  readonly file: UnitFile;
  readonly header: FullUnitHeader;
  readonly encoding: Encoding;
  readonly space: AddressSpace;
  /** The unit in the main file that stands for this one, when this one is in a .dwo or .dwp file. */
  readonly skeleton: Unit | null;
  readonly #contributions: Contributions;
  #bytes: Uint8Array | undefined;
  #view: DataView | undefined;
  #cursor: Cursor | undefined;
  #root: UnitRoot | undefined;
  #abbreviations: AbbreviationTable | undefined;
  #baseAddress: number | undefined;
  #listEntries = 0;

  constructor(
    file: UnitFile,
    header: FullUnitHeader,
    skeleton: Unit | null = null,
    contributions: Contributions = NO_CONTRIBUTIONS,
  ) {
    this.file = file;
    this.header = header;
    this.encoding = header.encoding;
    this.space = file.space;
    this.skeleton = skeleton;
    this.#contributions = contributions;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= this.file.info.bytes(this.header.offset, this.header.size);
    return this.#bytes;
  }

  get view(): DataView {
    this.#view ??= viewOf(this.bytes);
    return this.#view;
  }

  get cursor(): Cursor {
    this.#cursor ??= new Cursor(this.bytes, this.file.info.littleEndian, this.file.info.name, this.header.offset);
    return this.#cursor;
  }

  get abbreviations(): AbbreviationTable {
    this.#abbreviations ??= this.file.abbreviations(this.#abbrevOffset, this.encoding);
    return this.#abbreviations;
  }

  get #abbrevOffset(): number {
    return this.#contributions.abbrev + this.header.abbrevOffset;
  }

  get root(): UnitRoot {
    this.#root ??= this.#readRoot();
    return this.#root;
  }

  #readRoot(): UnitRoot {
    const { header, file } = this;
    if (header.size > GLANCE_BYTES && this.#bytes === undefined) {
      try {
        return this.#readRootFrom(file.info.glance(header.offset, GLANCE_BYTES));
      } catch (error) {
        if (!(error instanceof FormatError)) throw error; // the first entry may only be longer than that
      }
    }
    return this.#readRootFrom(new Cursor(this.bytes, file.info.littleEndian, file.info.name, header.offset));
  }

  #readRootFrom(cursor: Cursor): UnitRoot {
    const { header, file } = this;
    const code = cursor.seek(header.headerSize).uleb();
    const table = file.section('abbrev');
    const declaration = findDeclaration(table, this.#abbrevOffset, code, ROOT_DECLARATION_BYTES);
    if (declaration === undefined) throw this.noAbbreviation(header.headerSize, code);
    return readRoot(cursor, declaration, header, this.space);
  }

  noAbbreviation(at: number, code: number): FormatError {
    return this.error(at, `no abbreviation ${code} in the table at 0x${this.#abbrevOffset.toString(16)}`);
  }

  /** True when this is code of its own: not a partial or type unit, whose entries others refer to. */
  get isCompileUnit(): boolean {
    const { tag } = this.root;
    return tag === dw.DW_TAG_compile_unit || tag === dw.DW_TAG_skeleton_unit;
  }

  /** What range lists are relative to: a file address, ABSOLUTE or NO_BASE. */
  get baseAddress(): number {
    this.#baseAddress ??= this.#readBaseAddress();
    return this.#baseAddress;
  }

  #readBaseAddress(): number {
    if (this.skeleton !== null) return this.skeleton.baseAddress;
    const { form, value } = this.root.lowPc;
    if (form === 0) return ABSOLUTE;
    const address = this.address(form, value);
    if (address > 0) return address;
    // Far from zero (a kernel), a plain zero is no file address; and nothing of such a file is left out at the highest one.
    return address === 0 || this.space.bias !== 0n ? ABSOLUTE : NO_BASE;
  }

  /** A value of class address as file address; -1 when it is none of this file. */
  address(form: number, value: number): number {
    switch (form) {
      case dw.DW_FORM_addr:
        return value;
      case dw.DW_FORM_addrx:
      case dw.DW_FORM_addrx1:
      case dw.DW_FORM_addrx2:
      case dw.DW_FORM_addrx3:
      case dw.DW_FORM_addrx4:
      case dw.DW_FORM_GNU_addr_index:
        return this.addressAt(value);
      case dw.DW_FORM_exprloc:
      case dw.DW_FORM_LLVM_addrx_offset: {
        if (value < 0) return -1;
        const base = this.addressAt(Math.floor(value / 0x100000000));
        return base < 0 ? -1 : base + (value % 0x100000000);
      }
      default:
        return -1;
    }
  }

  /** Entry `index` of the unit's part of .debug_addr. */
  addressAt(index: number): number {
    if (this.skeleton !== null) return this.skeleton.addressAt(index);
    const { addrBase } = this.root;
    const size = this.encoding.addressSize;
    const table = this.file.section('addr');
    if (addrBase < 0) throw this.error(this.header.headerSize, 'addresses by index in a unit without DW_AT_addr_base');
    return readAddress(table.shared(addrBase + index * size, size), size, this.space);
  }

  /** A value of class string; "" when it is of no such class or in a file that is not at hand. */
  string({ form, value }: RawValue): string {
    switch (form) {
      case dw.DW_FORM_string:
        return text(this.bytes, value, this.bytes.indexOf(0, value));
      case dw.DW_FORM_strp:
        return this.file.section('str').string(value);
      case dw.DW_FORM_line_strp:
        return this.file.section('line_str').string(value);
      case dw.DW_FORM_strx:
      case dw.DW_FORM_strx1:
      case dw.DW_FORM_strx2:
      case dw.DW_FORM_strx3:
      case dw.DW_FORM_strx4:
      case dw.DW_FORM_GNU_str_index:
        return this.#indexedString(value);
      case dw.DW_FORM_strp_sup:
      case dw.DW_FORM_GNU_strp_alt:
        return this.file.supplement?.section('str').string(value) ?? '';
      default:
        return '';
    }
  }

  #indexedString(index: number): string {
    const size = this.encoding.offsetSize;
    const table = this.file.section('str_offsets');
    let base = this.root.strOffsetsBase;
    if (base < 0) {
      // In a .dwo file it is implied: after the header, which the GNU extension of version 4 does not have.
      const header = this.encoding.version < 5 ? 0 : size === 8 ? 16 : 8;
      base = this.#contributions.strOffsets + header;
    }
    return this.file.section('str').string(table.shared(base + index * size, size).word(size));
  }

  /** The entry that a value of class reference names; null for one in a file that is not at hand. */
  reference(form: number, value: number): DieRef | null {
    switch (form) {
      case dw.DW_FORM_ref1:
      case dw.DW_FORM_ref2:
      case dw.DW_FORM_ref4:
      case dw.DW_FORM_ref8:
      case dw.DW_FORM_ref_udata:
        return { unit: this, at: value };
      case dw.DW_FORM_ref_addr: {
        const offset = this.#contributions.info + value;
        const at = offset - this.header.offset;
        return at >= 0 && at < this.header.size ? { unit: this, at } : this.file.entryAt(offset);
      }
      case dw.DW_FORM_ref_sup4:
      case dw.DW_FORM_ref_sup8:
      case dw.DW_FORM_GNU_ref_alt:
        return this.file.supplement?.entryAt(value) ?? null;
      default:
        this.file.problems.add(
          `${this.file.info.name}: a function's origin by form 0x${form.toString(16)} is not followed`,
        );
        return null;
    }
  }

  /** Adds the code of an entry that was just read: its ranges, or from its low to its high address. */
  addCode({ form, value }: Die, out: RangeColumns): void {
    if (form[SLOT_RANGES] !== 0) this.addRanges(form[SLOT_RANGES], value[SLOT_RANGES], out);
    else if (form[SLOT_LOW_PC] !== 0 && form[SLOT_HIGH_PC] !== 0) {
      this.addSpan(form[SLOT_LOW_PC], value[SLOT_LOW_PC], form[SLOT_HIGH_PC], value[SLOT_HIGH_PC], out);
    }
  }

  /** Adds the code of the unit as its first entry states it. False when it states nothing. */
  addRootCode(out: RangeColumns): boolean {
    const { ranges, lowPc, highPc } = this.root;
    if (ranges.form !== 0) this.addRanges(ranges.form, ranges.value, out);
    else if (lowPc.form !== 0 && highPc.form !== 0) {
      this.addSpan(lowPc.form, lowPc.value, highPc.form, highPc.value, out);
    } else return false;
    return true;
  }

  addSpan(lowForm: number, low: number, highForm: number, high: number, out: RangeColumns): void {
    const start = this.address(lowForm, low);
    if (start < 0) return;
    const end = this.address(highForm, high);
    // Of class constant it is a size (from DWARF 4 on); an address is never negative where the other is not.
    out.add(start, isAddress(highForm) ? end : start + high);
  }

  addRanges(form: number, value: number, out: RangeColumns): void {
    const { file, skeleton } = this;
    if (this.encoding.version >= 5) {
      const section = file.section('rnglists');
      readRangeList(
        this,
        section,
        form === dw.DW_FORM_rnglistx ? this.#rangeListAt(value) : this.#contributions.rnglists + value,
        out,
      );
    } else {
      // The ranges of a version 4 .dwo file are in the main file, at its skeleton's base.
      const section = (skeleton?.file ?? file).section('ranges');
      readRanges(this, section, (skeleton?.root.gnuRangesBase ?? 0) + value, out);
    }
  }

  #rangeListAt(index: number): number {
    const size = this.encoding.offsetSize;
    let base = this.root.rnglistsBase;
    if (base < 0) base = this.#contributions.rnglists + (size === 8 ? 20 : 12); // implied in a .dwo file
    return (
      base +
      this.file
        .section('rnglists')
        .shared(base + index * size, size)
        .word(size)
    );
  }

  /** Bounds the work of reading range lists. */
  countListEntry(): void {
    if (++this.#listEntries > MAX_LIST_ENTRIES) throw tooManyEntries(this.file.info.name, this.header.offset);
  }

  error(at: number, problem: string): FormatError {
    return new FormatError(this.file.info.name, this.header.offset + Math.max(0, at || 0), problem);
  }
}

function isAddress(form: number): boolean {
  switch (form) {
    case dw.DW_FORM_addr:
    case dw.DW_FORM_addrx:
    case dw.DW_FORM_addrx1:
    case dw.DW_FORM_addrx2:
    case dw.DW_FORM_addrx3:
    case dw.DW_FORM_addrx4:
    case dw.DW_FORM_GNU_addr_index:
    case dw.DW_FORM_exprloc:
    case dw.DW_FORM_LLVM_addrx_offset:
      return true;
    default:
      return false;
  }
}
