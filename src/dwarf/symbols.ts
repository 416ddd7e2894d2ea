/**
 * DWARF as a symbol source: address -> frames with inlined calls, files, lines and columns, for C, C++, Rust, Go and what else
 * compilers describe; versions 2 to 5, split or whole.
 *
 *     address -> unit (unit-ranges.ts)
 *             -> with its entries, perhaps in another file (split-units.ts)
 *             -> function, by a walk over the unit once (functions.ts)
 *             -> inlined calls, by a walk over the function once (inlines.ts)
 *             -> names, through the entries they are instances of (function-names.ts)
 *             -> line, by running the unit's line program once (line-rows.ts), and paths (line-table.ts)
 */
import { UnsupportedError } from '../errors.ts';
import type { ObjectFile } from '../object/object.ts';
import { CodeRanges } from './code-ranges.ts';
import { ALL_UNITS, type Cover, NO_PLACE, NO_SCOPE, type Share } from './cover.ts';
import { DebugFile } from './debug-file.ts';
import { Problems } from './problems.ts';
import { RangeColumns } from './range-columns.ts';
import type { DebugSection } from './section.ts';
import { type SplitFiles, SplitUnits } from './split-units.ts';
import { openSupplement } from './supplement.ts';
import type { SectionName } from './unit.ts';
import { UnitRanges } from './unit-ranges.ts';
import { type DwarfFrame, type DwarfLine, UnitSymbols } from './unit-symbols.ts';

/** What is kept of units that were looked into; beyond it the ones not used for longest are read again. */
const MAX_HELD_BYTES = 160 << 20;

const SECTIONS: readonly SectionName[] = [
  'abbrev',
  'addr',
  'line',
  'line_str',
  'ranges',
  'rnglists',
  'str',
  'str_offsets',
];

export class DwarfSymbols {
  /** Sentences about what could not be read; bounded. Grows with use. */
  readonly problems: readonly string[];
  readonly #problems: Problems;
  readonly #file: DebugFile;
  readonly #code: CodeRanges;
  readonly #split: SplitUnits;
  readonly #scratch: RangeColumns;
  /** By number, the least recently used first; null for one that cannot be read. */
  readonly #units = new Map<number, UnitSymbols | null>();
  #ranges: UnitRanges | undefined;
  #heldBytes = 0;
  /** Number of the unit asked last. */
  #last = -1;

  /**
   * null when the file has no DWARF. Reads nothing yet: damage becomes a problem when it is met. `files` finds what the debug
   * info has put elsewhere. Throws UnsupportedError for relocatable files, whose addresses only a linker knows.
   */
  static open(object: ObjectFile, files?: SplitFiles): DwarfSymbols | null {
    const problems = new Problems();
    const supplement = () => openSupplement(object, files, problems);
    const file = DebugFile.open(object, problems, { supplement });
    if (file === null) return null;
    if (object.type === 'rel') {
      throw new UnsupportedError(
        'DWARF of relocatable files (.o, .ko) is not supported: its relocations are not applied',
      );
    }
    return new DwarfSymbols(file, new SplitUnits(file, files), problems);
  }

  private constructor(file: DebugFile, split: SplitUnits, problems: Problems) {
    this.#file = file;
    this.#split = split;
    this.#problems = problems;
    this.problems = problems.list;
    this.#code = new CodeRanges(file.object);
    this.#scratch = new RangeColumns(this.#code);
  }

  /**
   * Frames at a file address, innermost first: the address is looked up as it is, so it must lie inside the instruction meant.
   * null: no function covers it. Never throws on damaged bytes.
   */
  frames(address: number): DwarfFrame[] | null {
    return this.#ask(address, (unit) => unit.frames(address));
  }

  /** What the line table says of a file address: also of code without a function (assembly). null: nothing. */
  line(address: number): DwarfLine | null {
    return this.#ask(address, (unit) => unit.line(address));
  }

  /**
   * Tells `cover` what `frames` and `line` would say of every address the units claim, a unit at a time; `isWanted` leaves
   * ranges out by their start. Of several threads that each cover a share of the same file, one after the other tells the very same
   * as one that covers all. Never throws on damaged bytes.
   */
  cover(cover: Cover, isWanted: (start: number) => boolean, share = ALL_UNITS): void {
    for (const [index, ranges] of this.#claimsOf(share)) {
      const holes: number[] = [];
      const taker = withHoles(cover, holes);
      for (let i = 0; i < ranges.length; i += 2) {
        if (!isWanted(ranges[i])) continue;
        if (this.#unit(index) === null) holes.push(ranges[i], ranges[i + 1]);
        else this.#coverUnit(index, ranges[i], ranges[i + 1], taker);
      }
      for (let i = 0; i < holes.length; i += 2) this.#coverHole(holes[i], holes[i + 1], cover);
      this.#forget(index);
    }
  }

  /** A share of the claims, by the units' bytes. */
  #claimsOf({ from, to }: Share): (readonly [unit: number, ranges: number[]])[] {
    const claims = [...this.#claims()];
    const { offsets } = this.#file.units;
    const sizes = claims.map(([index]) => offsets[index + 1] - offsets[index]);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    let before = 0;
    return claims.filter((_, i) => {
      const middle = (before + sizes[i] / 2) / total;
      before += sizes[i];
      return middle >= from && middle < to;
    });
  }

  /** By unit, the ranges that it is the first to claim: start, end, ... */
  #claims(): Map<number, number[]> {
    this.#ranges ??= new UnitRanges(this.#file, this.#code);
    const { starts, ends, owners } = this.#ranges.first;
    for (const start of starts) this.#firstAt(start); // after which .debug_aranges is believed or gone
    const claims = new Map<number, number[]>();
    const { first } = this.#ranges;
    if (first.starts !== starts) return this.#claims();
    for (let i = 0; i < starts.length; i++) {
      const ranges = claims.get(owners[i]);
      if (ranges === undefined) claims.set(owners[i], [starts[i], ends[i]]);
      else ranges.push(starts[i], ends[i]);
    }
    return claims;
  }

  #coverUnit(index: number, from: number, to: number, cover: Cover): void {
    this.#askUnit(index, (unit) => {
      unit.cover(from, to, cover);
      return null;
    });
  }

  /** Where the first unit has neither function nor line, the others that claim it are asked, as in `#ask`. */
  #coverHole(from: number, to: number, cover: Cover): void {
    for (let at = from; at < to;) {
      const end = Math.min(to, this.#ranges!.changesAfter(at));
      const answers: number[][] = [];
      const cuts = [at, end];
      for (const index of this.#ranges!.othersAt(at)) {
        const found: number[] = [];
        const range = (start: number, stop: number, scope: number, place: number): void => {
          found.push(start, stop, scope, place);
          cuts.push(start);
        };
        this.#coverUnit(index, at, end, delegating(cover, range));
        answers.push(found);
      }
      cuts.sort((a, b) => a - b);
      for (let i = 0; i + 1 < cuts.length; i++) {
        if (cuts[i] < cuts[i + 1]) cover.range(cuts[i], cuts[i + 1], ...firstAnswer(answers, cuts[i]));
      }
      at = end;
    }
  }

  /** Gives all memory back that reading has taken: somebody else answers from now on. */
  release(): void {
    this.#units.clear();
    this.#heldBytes = 0;
    this.#ranges = undefined;
    this.#file.release();
  }

  /** The sections that covering takes, as far as the file has them: for those who inflate them ahead. */
  get sections(): DebugSection[] {
    const file = this.#file;
    return [file.info, ...SECTIONS.filter((name) => file.has(name)).map((name) => file.section(name))];
  }

  /** Bytes of .debug_info, as they are in the file. */
  get fileBytes(): number {
    return this.#file.info.fileBytes;
  }

  /** Bytes held in memory beside the sections, about. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * The answer of the first unit that claims the address and has one. Of functions that several units compiled the linker keeps
   * one, and what the others say of their own is not about this code: a unit with lines for it has the last word, also when
   * that is none.
   */
  #ask<T>(address: number, question: (unit: UnitSymbols) => T | null): T | null {
    const first = this.#firstAt(address);
    if (first < 0) return null;
    const answer = this.#askUnit(first, question);
    if (answer !== null || this.#askUnit(first, (unit) => unit.line(address)) !== null) return answer;
    for (const index of this.#ranges!.othersAt(address)) {
      const other = this.#askUnit(index, question);
      if (other !== null) return other;
    }
    return null;
  }

  #askUnit<T>(index: number, question: (unit: UnitSymbols) => T | null): T | null {
    const unit = this.#unit(index);
    if (unit === null) return null;
    const before = unit.heldBytes;
    try {
      return question(unit);
    } catch (error) {
      this.#problems.caught(error);
      this.#units.set(index, null);
      this.#heldBytes -= before;
      unit.heldBytes = before;
      return null;
    } finally {
      this.#heldBytes += unit.heldBytes - before;
      if (this.#heldBytes > MAX_HELD_BYTES) this.#forgetSome(index);
    }
  }

  #firstAt(address: number): number {
    this.#ranges ??= new UnitRanges(this.#file, this.#code);
    const first = this.#ranges.at(address);
    if (first < 0 || this.#units.has(first)) return first;
    try {
      return this.#ranges.confirm(first) ? first : this.#ranges.at(address);
    } catch (error) {
      this.#problems.caught(error);
      return first;
    }
  }

  #unit(index: number): UnitSymbols | null {
    let unit = this.#units.get(index);
    if (unit !== undefined) {
      if (index !== this.#last) {
        this.#units.delete(index);
        this.#units.set(index, unit);
        this.#last = index;
      }
      return unit;
    }
    try {
      unit = new UnitSymbols(this.#split.full(this.#file.unit(index)), this.#code, this.#scratch);
      this.#heldBytes += unit.heldBytes;
    } catch (error) {
      this.#problems.caught(error);
      unit = null;
    }
    this.#units.set(index, unit);
    return unit;
  }

  #forgetSome(keep: number): void {
    for (const index of this.#units.keys()) {
      if (this.#heldBytes <= MAX_HELD_BYTES / 2) break;
      if (index !== keep) this.#forget(index);
    }
    this.#file.forget();
  }

  /** A unit that cannot be read is remembered as such. */
  #forget(index: number): void {
    const unit = this.#units.get(index) ?? null;
    if (unit === null) return;
    this.#heldBytes -= unit.heldBytes;
    this.#units.delete(index);
    this.#file.forget(index);
  }
}

function delegating(cover: Cover, range: Cover['range']): Cover {
  return {
    file: (path) => cover.file(path),
    name: (name) => cover.name(name),
    place: (file, line, column) => cover.place(file, line, column),
    function: (name, start) => cover.function(name, start),
    call: (name, around, place) => cover.call(name, around, place),
    range,
  };
}

/** Passes everything on but ranges of which nothing is known: their starts and ends go to `holes`. */
function withHoles(cover: Cover, holes: number[]): Cover {
  return delegating(cover, (start, end, scope, place) => {
    if (scope === NO_SCOPE && place === NO_PLACE) holes.push(start, end);
    else cover.range(start, end, scope, place);
  });
}

/** Of ranges (start, end, scope, place) by unit: the first with a function at the address, else the first with a line. */
function firstAnswer(answers: readonly number[][], address: number): [scope: number, place: number] {
  let line = NO_PLACE;
  for (const found of answers) {
    for (let i = 0; i < found.length; i += 4) {
      if (address < found[i] || address >= found[i + 1]) continue;
      if (found[i + 2] !== NO_SCOPE) return [found[i + 2], found[i + 3]];
      if (line === NO_PLACE) line = found[i + 3];
    }
  }
  return [NO_SCOPE, line];
}
