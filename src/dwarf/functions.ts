/**
 * The functions of a unit: a walk over its entries that reads only subprograms with code. An entry's children follow it, so
 * the walk needs no stack; entries without interest are stepped over, with all they contain where DW_AT_sibling says how far
 * that is (GCC writes it, LLVM, rustc and Go do not).
 *
 * With siblings, the first walk stays at the level of the unit and its namespaces: that is where compilers put functions, save
 * a few (nested functions of C, Fortran and Ada, OpenMP regions). `complete` tells whether anything was passed over.
 */
import type { Abbreviation } from './abbreviations.ts';
import * as dw from './constants.ts';
import { Die, pastEnd, readDie, siblingOf, skipValues } from './die.ts';
import { type RangeColumns, Segments } from './range-columns.ts';
import type { Unit } from './unit.ts';

const die = new Die();

export interface Functions {
  /** The innermost function at each address; owners are positions of entries in the unit. */
  readonly segments: Segments;
  /** False when entries were passed over that may contain functions. */
  readonly complete: boolean;
}

/** Walks a unit's entries. With `everything`, into all of them. Throws FormatError, LimitError, UnsupportedError. */
export function readFunctions(unit: Unit, ranges: RangeColumns, everything: boolean): Functions {
  const { bytes, abbreviations, header } = unit;
  const { dense } = abbreviations;
  const end = bytes.length;
  let complete = true;
  ranges.clear();
  if (!abbreviations.hasCode) return { segments: Segments.NONE, complete };
  for (let p = header.headerSize; p < end;) {
    const at = p;
    let code = bytes[p++];
    if (code === 0) continue;
    if (code >= 0x80) {
      unit.cursor.offset = at;
      code = unit.cursor.uleb();
      p = unit.cursor.offset;
    }
    const abbreviation: Abbreviation | undefined = dense[code] ?? abbreviations.get(code);
    if (abbreviation === undefined) throw unit.noAbbreviation(at, code);
    const { tag } = abbreviation;
    if (tag === dw.DW_TAG_subprogram && abbreviation.hasCode) {
      readDie(unit, abbreviation, p, die);
      ranges.owner = at;
      unit.addCode(die, ranges);
    }
    if (abbreviation.hasSibling && !everything && tag !== dw.DW_TAG_namespace && tag !== dw.DW_TAG_module) {
      const sibling = siblingOf(unit, abbreviation, p, die);
      if (sibling !== 0) {
        p = sibling;
        complete = false;
        continue;
      }
    }
    if (abbreviation.size >= 0) {
      p += abbreviation.size;
      if (p > end) throw pastEnd(unit.cursor, at);
    } else p = skipValues(unit, abbreviation, p);
  }
  return { segments: Segments.of(ranges), complete };
}
