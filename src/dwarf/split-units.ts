/**
 * Split debug info (DWARF 5, 7.3.2; -gsplit-dwarf): the program holds a skeleton of each unit, with its addresses, ranges and lines;
 * the entries are in a .dwo file, or with others in a package (.dwp). A 64-bit id in both ties them.
 */
import type { ObjectFile } from '../object/object.ts';
import * as dw from './constants.ts';
import { DebugFile } from './debug-file.ts';
import { PackageIndex } from './package-index.ts';
import { DebugSection } from './section.ts';
import { Unit } from './unit.ts';
import { debugSection, readUnitHeader } from './unit-headers.ts';

/** The files beside a program that its debug info is spread over. Whoever opens the program knows where they are. */
export interface SplitFiles {
  /** The package of all split units (`<program>.dwp`); null when there is none. */
  readonly dwp: ObjectFile | null;
  /** The file of one split unit: its name and its unit's directory as recorded, its id as 16 hex digits. null: not at hand. */
  dwo(name: string, compDir: string, dwoId: string): ObjectFile | null;
  /** The file dwz moved shared entries to: the name as recorded, the build ID in lower-case hex. null: not at hand. */
  supplementary(name: string, buildId: string): ObjectFile | null;
}

export class SplitUnits {
  readonly #main: DebugFile;
  readonly #files: SplitFiles | undefined;
  /** undefined: not opened yet. */
  #package: { file: DebugFile; index: PackageIndex } | null | undefined;

  constructor(main: DebugFile, files: SplitFiles | undefined) {
    this.#main = main;
    this.#files = files;
  }

  /** The unit with the entries: the split one of a skeleton when it is at hand, else the unit itself. */
  full(unit: Unit): Unit {
    const { dwoName, compDir, dwoId } = unit.root;
    if (dwoName.form === 0 || dwoId === '') return unit;
    const name = unit.string(dwoName);
    const { problems } = this.#main;
    try {
      const found = this.#fromPackage(unit, dwoId) ?? this.#fromFile(unit, name, unit.string(compDir), dwoId);
      if (found !== null) return found;
      problems.add(`split debug info is missing: ${name}`);
    } catch (error) {
      problems.caught(error, name);
    }
    return unit;
  }

  #fromPackage(skeleton: Unit, dwoId: string): Unit | null {
    if (this.#package === undefined) this.#package = this.#openPackage();
    if (this.#package === null) return null;
    const { file, index } = this.#package;
    const contributions = index.find(dwoId);
    if (contributions === null) return null;
    return new Unit(file, readUnitHeader(file.info, contributions.info), skeleton, contributions);
  }

  #openPackage(): { file: DebugFile; index: PackageIndex } | null {
    const object = this.#files?.dwp ?? null;
    if (object === null) return null;
    const file = this.#open(object);
    const section = debugSection(object, 'cu_index');
    if (file === null || section === undefined) {
      this.#main.problems.add('the .dwp file has no .debug_info.dwo or no .debug_cu_index');
      return null;
    }
    return { file, index: new PackageIndex(new DebugSection(object, section)) };
  }

  #fromFile(skeleton: Unit, name: string, compDir: string, dwoId: string): Unit | null {
    const object = this.#files?.dwo(name, compDir, dwoId) ?? null;
    const file = object && this.#open(object);
    if (file === null) return null;
    const { units } = file;
    for (let index = 0; index < units.length; index++) {
      if (units.types[index] === dw.DW_UT_split_type) continue;
      const unit = new Unit(file, readUnitHeader(file.info, units.offsets[index]), skeleton);
      if (unit.root.dwoId === dwoId) return unit;
    }
    this.#main.problems.add(`${name} is not the split debug info this file was linked with: id ${dwoId} is not in it`);
    return null;
  }

  #open(object: ObjectFile): DebugFile | null {
    const { problems, space } = this.#main;
    return DebugFile.open(object, problems, { space, dwo: true });
  }
}
