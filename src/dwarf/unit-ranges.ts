/**
 * Which unit an address belongs to: from .debug_aranges for the units it speaks about, from the units' first entries for the
 * others, and from their functions when those say nothing either.
 *
 * .debug_aranges (DWARF 5, 6.1.2) is a run of sets, one a unit:
 *
 *     unit_length      u32, or 0xffffffff and a u64
 *     version          u16, 2
 *     info_offset      4 or 8, of the unit's header
 *     address_size, segment_selector_size    u8, u8
 *     padding          to a multiple of 2 * address_size from the start of the set
 *     { address, length }*   0, 0
 */
import type { Cursor } from '../bytes/cursor.ts';
import { ascendingOrder, reordered } from '../bytes/order.ts';
import { lastAtOrBelow } from '../bytes/search.ts';
import type { CodeRanges } from './code-ranges.ts';
import * as dw from './constants.ts';
import { type DebugFile } from './debug-file.ts';
import { readAddress } from './die.ts';
import { readFunctions } from './functions.ts';
import { RangeColumns, Segments } from './range-columns.ts';
import { DebugSection } from './section.ts';
import { debugSection } from './unit-headers.ts';

/** Ranges looked at for one address where many overlap: small functions of headers are in every unit that used them. */
const MAX_STEPS = 64;
/** Units whose own ranges are compared with .debug_aranges before it is believed. */
const UNITS_COMPARED = 4;

export class UnitRanges {
  readonly #file: DebugFile;
  readonly #code: CodeRanges;
  /** As they were found; where functions that several units have were merged, they overlap. */
  #ranges: RangeColumns;
  /** Numbers of `#ranges` by start, and the highest end up to and with each of them. */
  #order: Uint32Array = new Uint32Array(0);
  #starts = new Float64Array(0);
  #reaches = new Float64Array(0);
  /** The first unit at each address. */
  #first = Segments.NONE;
  /** By unit: 1 when its ranges are those of .debug_aranges. */
  #fromAranges = new Uint8Array(0);
  #compared = 0;

  constructor(file: DebugFile, code: CodeRanges) {
    this.#file = file;
    this.#code = code;
    this.#ranges = new RangeColumns(code);
    this.#build(true);
  }

  /** The first unit at each address. */
  get first(): Segments {
    return this.#first;
  }

  /** The first address above this one where another unit begins or ends; Infinity above the last. */
  changesAfter(address: number): number {
    const { ends } = this.#ranges;
    const last = lastAtOrBelow(this.#starts, address);
    let change = last + 1 < this.#starts.length ? this.#starts[last + 1] : Infinity;
    for (let i = last; i >= 0 && i > last - MAX_STEPS && this.#reaches[i] > address; i--) {
      const end = ends[this.#order[i]];
      if (end > address) change = Math.min(change, end);
    }
    return change;
  }

  /** Number of the first unit that claims an address, or -1. */
  at(address: number): number {
    const found = this.#first.find(address);
    return found < 0 ? -1 : this.#first.owners[found];
  }

  /** Numbers of other units that claim it, at most `MAX_STEPS`. */
  othersAt(address: number): number[] {
    const first = this.at(address);
    const { ends, owners } = this.#ranges;
    const found = new Set<number>();
    const last = lastAtOrBelow(this.#starts, address);
    for (let i = last; i >= 0 && i > last - MAX_STEPS && this.#reaches[i] > address; i--) {
      const range = this.#order[i];
      if (ends[range] > address && owners[range] !== first) found.add(owners[range]);
    }
    return [...found].sort((a, b) => a - b);
  }

  /**
   * Compares what .debug_aranges says of a unit with the unit's own ranges, for the first units that are asked about. False when
   * they differ: from then on only the units are believed.
   */
  confirm(index: number): boolean {
    if (this.#fromAranges[index] !== 1 || this.#compared === UNITS_COMPARED) return true;
    this.#compared++;
    const own = new RangeColumns(this.#code);
    this.#file.unit(index).addRootCode(own);
    const { length, starts, ends, owners } = this.#ranges;
    const stated = new RangeColumns(this.#code);
    for (let i = 0; i < length; i++) if (owners[i] === index) stated.add(starts[i], ends[i]);
    const segments = Segments.of(stated);
    for (let i = 0; i < own.length; i++) {
      if (segments.find(own.starts[i]) < 0 || segments.find(own.ends[i] - 1) < 0) {
        this.#file.problems.add(`.debug_aranges does not cover unit ${index} of ${this.#file.info.name}: not used`);
        this.#build(false);
        return false;
      }
    }
    return true;
  }

  #build(useAranges: boolean): void {
    this.#fromAranges = new Uint8Array(this.#file.units.length);
    let ranges = new RangeColumns(this.#code);
    if (useAranges) this.#addAranges(ranges);
    this.#addUnits(ranges);
    ranges = this.#byUnit(ranges);
    const { length } = ranges;
    this.#ranges = ranges;
    this.#order = ascendingOrder(ranges.starts.subarray(0, length));
    this.#starts = reordered(ranges.starts, this.#order);
    this.#reaches = new Float64Array(length);
    let reach = 0;
    for (let i = 0; i < length; i++) {
      reach = Math.max(reach, ranges.ends[this.#order[i]]);
      this.#reaches[i] = reach;
    }
    this.#first = Segments.of(ranges, true);
  }

  #byUnit(ranges: RangeColumns): RangeColumns {
    const { length, starts, ends, owners } = ranges;
    const order = ascendingOrder(Float64Array.from(owners.subarray(0, length)));
    const sorted = new RangeColumns(this.#code);
    for (const i of order) {
      sorted.owner = owners[i];
      sorted.add(starts[i], ends[i]);
    }
    return sorted;
  }

  #addAranges(ranges: RangeColumns): void {
    const { object, problems } = this.#file;
    const found = debugSection(object, 'aranges');
    if (found === undefined) return;
    try {
      const cursor = new DebugSection(object, found).cursor(0);
      while (cursor.remaining > 0) this.#addSet(cursor, ranges);
    } catch (error) {
      problems.caught(error);
    }
  }

  #addSet(cursor: Cursor, ranges: RangeColumns): void {
    const { units, space } = this.#file;
    const start = cursor.offset;
    let length = cursor.u32();
    const offsetSize = length === 0xffffffff ? 8 : 4;
    if (offsetSize === 8) length = cursor.u64();
    const end = cursor.offset + length;
    if (end > cursor.length) throw cursor.error(`set of ${length} bytes, ${cursor.remaining} are left`);
    const version = cursor.u16();
    const infoOffset = cursor.word(offsetSize);
    const size = cursor.u8();
    const segmentSize = cursor.u8();
    const unit = units.holding(infoOffset);
    const known = (size === 8 || size === 4) && segmentSize === 0 && version === 2;
    if (known && unit >= 0 && units.offsets[unit] === infoOffset) {
      const before = ranges.length;
      ranges.owner = unit;
      const header = cursor.offset - start;
      cursor.skip((2 * size - (header % (2 * size))) % (2 * size));
      while (cursor.offset + 2 * size <= end) {
        const address = readAddress(cursor, size, space);
        const bytes = size === 8 ? cursor.u64() : cursor.u32();
        if (address >= 0) ranges.add(address, address + bytes);
      }
      // Without one of code in the file the unit's own word is wanted.
      if (ranges.length > before) this.#fromAranges[unit] = 1;
    }
    cursor.seek(end);
  }

  #addUnits(ranges: RangeColumns): void {
    const { units, problems } = this.#file;
    for (let index = 0; index < units.length; index++) {
      const type = units.types[index];
      if (this.#fromAranges[index] === 1 || type === dw.DW_UT_type || type === dw.DW_UT_partial) continue;
      try {
        this.#addUnit(index, ranges);
      } catch (error) {
        problems.caught(error);
      }
    }
  }

  #addUnit(index: number, ranges: RangeColumns): void {
    const unit = this.#file.unit(index);
    if (!unit.isCompileUnit) return;
    ranges.owner = index;
    if (unit.addRootCode(ranges) || !unit.root.children) return;
    const { segments } = readFunctions(unit, new RangeColumns(this.#code), true);
    segments.starts.forEach((start, i) => ranges.add(start, segments.ends[i]));
  }
}
