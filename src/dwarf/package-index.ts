/**
 * .debug_cu_index of a package file (.dwp): where the parts of each compile unit are (DWARF 5, 7.3.5; version 2 is GNU's).
 *
 *     version         u32 2, or u16 5 and u16 0
 *     columns, units, slots    u32 each; slots is a power of two
 *     signatures      u64 [slots]: DWO ids, 0 in an empty slot
 *     rows            u32 [slots]: 1-based, 0 in an empty slot
 *     sections        u32 [columns]: DW_SECT_*
 *     offsets         u32 [units][columns]
 *     sizes           u32 [units][columns]
 *
 * A hash table: slot = id & (slots - 1), then on by ((id >> 32) & (slots - 1)) | 1.
 */
import * as dw from './constants.ts';
import type { DebugSection } from './section.ts';
import type { Contributions } from './unit.ts';
import { hex64 } from './unit-headers.ts';

export class PackageIndex {
  readonly #section: DebugSection;
  readonly #version: number;
  readonly #columns: number;
  readonly #units: number;
  readonly #slots: number;

  /** Throws FormatError when the table is damaged or its version unknown. */
  constructor(section: DebugSection) {
    this.#section = section;
    const cursor = section.cursor(0, 16);
    const word = cursor.u32();
    this.#version = word === 2 ? 2 : cursor.seek(0).u16();
    if (this.#version !== 2 && this.#version !== 5) throw cursor.error(`package index version ${word}`);
    cursor.seek(4);
    this.#columns = cursor.u32();
    this.#units = cursor.u32();
    this.#slots = cursor.u32();
    const size = 16 + 12 * this.#slots + 4 * this.#columns * (1 + 2 * this.#units);
    const powerOfTwo = Number.isInteger(Math.log2(this.#slots));
    if (!powerOfTwo || size > section.size) {
      throw cursor.error(
        `${this.#slots} slots, ${this.#units} units of ${this.#columns} parts in ${section.size} bytes`,
      );
    }
  }

  /** The DWO ids of all its units, 16 hex digits each. */
  *ids(): Generator<string> {
    for (let slot = 0; slot < this.#slots; slot++) {
      if (this.#section.u32(16 + 8 * this.#slots + 4 * slot) === 0) continue;
      yield hex64(this.#section.cursor(16 + 8 * slot, 8));
    }
  }

  /** The parts of the unit with a DWO id (16 hex digits); null when the package has no such unit. */
  find(dwoId: string): Contributions | null {
    const high = parseInt(dwoId.slice(0, 8), 16);
    const low = parseInt(dwoId.slice(8), 16);
    const mask = this.#slots - 1;
    const step = ((high & mask) | 1) >>> 0;
    let slot = (low & mask) >>> 0;
    for (let n = 0; n < this.#slots; n++) {
      const row = this.#section.u32(16 + 8 * this.#slots + 4 * slot);
      if (row === 0) return null;
      const at = 16 + 8 * slot;
      const [first, second] = [this.#section.u32(at), this.#section.u32(at + 4)];
      const little = this.#section.littleEndian;
      if ((little ? second : first) === high && (little ? first : second) === low) return this.#row(row);
      slot = ((slot + step) & mask) >>> 0;
    }
    return null;
  }

  #row(row: number): Contributions {
    const sections = 16 + 12 * this.#slots;
    if (row > this.#units) throw this.#section.error(sections, `row ${row} of ${this.#units}`);
    const offsets = sections + 4 * this.#columns * row;
    const found = new Map<number, number>();
    for (let i = 0; i < this.#columns; i++) {
      found.set(this.#section.u32(sections + 4 * i), this.#section.u32(offsets + 4 * i));
    }
    return {
      info: found.get(dw.DW_SECT_INFO) ?? 0,
      abbrev: found.get(dw.DW_SECT_ABBREV) ?? 0,
      strOffsets: found.get(dw.DW_SECT_STR_OFFSETS) ?? 0,
      // Number 8 was another section in version 2.
      rnglists: this.#version === 5 ? (found.get(dw.DW_SECT_RNGLISTS) ?? 0) : 0,
    };
  }
}
