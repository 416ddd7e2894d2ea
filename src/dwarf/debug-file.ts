import { FormatError } from '../errors.ts';
import { AddressSpace } from '../object/address.ts';
import type { ObjectFile, Section } from '../object/object.ts';
import { AbbreviationTable } from './abbreviations.ts';
import type { Encoding } from './forms.ts';
import type { Problems } from './problems.ts';
import { DebugSection } from './section.ts';
import { type DieRef, type SectionName, Unit, type UnitFile } from './unit.ts';
import { UnitList, debugSection, readUnitHeader } from './unit-headers.ts';

/** Tables kept: units of one file mostly have their own, and those touched together are near each other. */
const MAX_TABLES = 512;
/** Units that others refer to, kept with their bytes. */
const MAX_UNITS_HELD = 1024;

/**
 * One file with debug info: the program itself, its supplementary file, a .dwo or .dwp file. Holds its sections and what
 * several units share.
 */
export class DebugFile implements UnitFile {
  readonly object: ObjectFile;
  readonly info: DebugSection;
  readonly space: AddressSpace;
  readonly problems: Problems;
  readonly #dwo: boolean;
  readonly #findSupplement: () => DebugFile | null;
  readonly #sections = new Map<SectionName, DebugSection>();
  readonly #tables = new Map<string, AbbreviationTable>();
  readonly #units = new Map<number, Unit>();
  #list: UnitList | undefined;
  #supplement: DebugFile | null | undefined;

  /** null when the file has no .debug_info (or .debug_info.dwo). `supplement` is asked when it is first needed. */
  static open(
    object: ObjectFile,
    problems: Problems,
    options: { space?: AddressSpace; dwo?: boolean; supplement?: () => DebugFile | null } = {},
  ): DebugFile | null {
    const info = findSection(object, 'info', options.dwo ?? false);
    if (info === undefined) return null;
    const space = options.space ?? new AddressSpace(object.bias);
    const supplement = options.supplement ?? (() => null);
    return new DebugFile(object, new DebugSection(object, info), space, problems, options.dwo ?? false, supplement);
  }

  private constructor(
    object: ObjectFile,
    info: DebugSection,
    space: AddressSpace,
    problems: Problems,
    dwo: boolean,
    supplement: () => DebugFile | null,
  ) {
    this.object = object;
    this.info = info;
    this.space = space;
    this.problems = problems;
    this.#dwo = dwo;
    this.#findSupplement = supplement;
  }

  get units(): UnitList {
    this.#list ??= new UnitList(this.info, (error) => this.problems.caught(error));
    return this.#list;
  }

  /** The file this one shares strings and entries with (dwz); null when there is none or it is not at hand. */
  get supplement(): DebugFile | null {
    if (this.#supplement === undefined) this.#supplement = this.#findSupplement();
    return this.#supplement;
  }

  /** Throws FormatError when the file has no such section. */
  section(name: SectionName): DebugSection {
    let section = this.#sections.get(name);
    if (section === undefined) {
      const found = this.#find(name);
      if (found === undefined)
        throw new FormatError(`.debug_${name}`, 0, `referred to by ${this.info.name}, but absent`);
      section = new DebugSection(this.object, found);
      this.#sections.set(name, section);
    }
    return section;
  }

  has(name: SectionName): boolean {
    return this.#sections.has(name) || this.#find(name) !== undefined;
  }

  #find(name: SectionName): Section | undefined {
    return findSection(this.object, name, this.#dwo);
  }

  abbreviations(offset: number, encoding: Encoding): AbbreviationTable {
    const key = `${offset} ${encoding.version <= 2} ${encoding.offsetSize} ${encoding.addressSize}`;
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = new AbbreviationTable(this.section('abbrev'), offset, encoding);
      if (this.#tables.size >= MAX_TABLES) this.#tables.delete(this.#tables.keys().next().value!);
      this.#tables.set(key, table);
    }
    return table;
  }

  /** Unit number `index` of the list. */
  unit(index: number): Unit {
    let unit = this.#units.get(index);
    if (unit === undefined) {
      unit = new Unit(this, readUnitHeader(this.info, this.units.offsets[index]));
      if (this.#units.size >= MAX_UNITS_HELD) this.#units.delete(this.#units.keys().next().value!);
      this.#units.set(index, unit);
    }
    return unit;
  }

  /** Forgets a unit whose bytes are held, or all of them. */
  forget(index?: number): void {
    if (index === undefined) this.#units.clear();
    else this.#units.delete(index);
  }

  /** Gives all memory back that reading has taken. */
  release(): void {
    this.#units.clear();
    this.#tables.clear();
    this.info.forget();
    for (const section of this.#sections.values()) section.forget();
  }

  /** The entry at an offset of the section. Throws FormatError when no unit holds it. */
  entryAt(offset: number): DieRef {
    const index = this.units.holding(offset);
    if (index < 0) throw this.info.error(offset, 'no unit here, where an entry was referred to');
    return { unit: this.unit(index), at: offset - this.units.offsets[index] };
  }
}

/** A section under the names of a plain or of a split file. */
export function findSection(object: ObjectFile, name: string, dwo: boolean): Section | undefined {
  return debugSection(object, dwo ? `${name}.dwo` : name);
}
