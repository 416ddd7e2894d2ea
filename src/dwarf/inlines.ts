/**
 * What was inlined into one function: the tree of DW_TAG_inlined_subroutine below its entry, through lexical blocks, without
 * the functions nested in it. In flat columns; a number of an inlined call is smaller than those of the calls inside it.
 */
import { LimitError } from '../errors.ts';
import {
  type Abbreviation,
  SLOT_ABSTRACT_ORIGIN,
  SLOT_CALL_COLUMN,
  SLOT_CALL_FILE,
  SLOT_CALL_LINE,
} from './abbreviations.ts';
import * as dw from './constants.ts';
import { Die, pastEnd, readDie, siblingOf, skipValues } from './die.ts';
import { type RangeColumns, Segments } from './range-columns.ts';
import type { Unit } from './unit.ts';

/** Entries nested deeper than this are damage: compilers stop inlining and nesting long before. */
const MAX_DEPTH = 4096;

/** Tags whose content belongs to no frame of this function, and can be passed over with a sibling. */
const PASSED_OVER = new Set([
  dw.DW_TAG_subprogram,
  dw.DW_TAG_class_type,
  dw.DW_TAG_structure_type,
  dw.DW_TAG_union_type,
  dw.DW_TAG_interface_type,
  dw.DW_TAG_enumeration_type,
  dw.DW_TAG_call_site,
  dw.DW_TAG_GNU_call_site,
]);

/** In a walk: inside an entry that belongs to no frame. */
const ELSEWHERE = -2;

const die = new Die();

/** Numbers per call, while they are collected. */
const FIELDS = 6;

export class Inlines {
  /** The innermost inlined call at each address; owners are numbers of calls. */
  readonly segments: Segments;
  /** Number of the call around it; -1: the function itself. */
  readonly parents: Int32Array;
  /** DW_AT_abstract_origin, raw: the function that was inlined. */
  readonly originForms: Uint16Array;
  readonly origins: Float64Array;
  /** Where it was called, in the function around it; as the line table counts files. 0 unknown. */
  readonly callFiles: Uint32Array;
  readonly callLines: Uint32Array;
  readonly callColumns: Uint32Array;

  static readonly NONE = new Inlines(Segments.NONE, []);

  constructor(segments: Segments, calls: readonly number[]) {
    const count = calls.length / FIELDS;
    this.segments = segments;
    this.parents = new Int32Array(count);
    this.originForms = new Uint16Array(count);
    this.origins = new Float64Array(count);
    this.callFiles = new Uint32Array(count);
    this.callLines = new Uint32Array(count);
    this.callColumns = new Uint32Array(count);
    for (let i = 0, at = 0; i < count; i++) {
      this.parents[i] = calls[at++];
      this.originForms[i] = calls[at++];
      this.origins[i] = calls[at++];
      this.callFiles[i] = calls[at++];
      this.callLines[i] = calls[at++];
      this.callColumns[i] = calls[at++];
    }
  }

  /** Bytes held in memory, about. */
  get heldBytes(): number {
    return 200 + this.segments.byteLength + 26 * this.parents.length;
  }
}

/** Walks below the entry at position `at` of a unit. Throws FormatError, LimitError, UnsupportedError. */
export function readInlines(unit: Unit, at: number, ranges: RangeColumns): Inlines {
  const { bytes, abbreviations } = unit;
  const { dense } = abbreviations;
  const end = bytes.length;
  const calls: number[] = [];
  /** By depth: the call, -1 the function, or ELSEWHERE, that entries there belong to. */
  const around: number[] = [-1];
  let depth = -1; // of the function's own entry
  ranges.clear();
  for (let p = at; p < end;) {
    const entry = p;
    let code = bytes[p++];
    if (code === 0) {
      if (--depth < 0) break;
      continue;
    }
    if (code >= 0x80) {
      unit.cursor.offset = entry;
      code = unit.cursor.uleb();
      p = unit.cursor.offset;
    }
    const abbreviation: Abbreviation | undefined = dense[code] ?? abbreviations.get(code);
    if (abbreviation === undefined) throw unit.noAbbreviation(entry, code);
    const { tag } = abbreviation;
    let inside = depth < 0 ? -1 : around[depth];
    if (tag === dw.DW_TAG_inlined_subroutine && inside !== ELSEWHERE) {
      const values = p;
      p = readDie(unit, abbreviation, values, die);
      const number = calls.length / FIELDS;
      ranges.owner = number;
      unit.addCode(die, ranges);
      calls.push(
        inside,
        die.form[SLOT_ABSTRACT_ORIGIN],
        die.value[SLOT_ABSTRACT_ORIGIN],
        constant(die, SLOT_CALL_FILE),
        constant(die, SLOT_CALL_LINE),
        constant(die, SLOT_CALL_COLUMN),
      );
      inside = number;
    } else if (depth >= 0 && abbreviation.children && PASSED_OVER.has(tag)) {
      if (abbreviation.hasSibling) {
        const sibling = siblingOf(unit, abbreviation, p, die);
        if (sibling !== 0) {
          p = sibling;
          continue;
        }
      }
      p = step(unit, abbreviation, p, end);
      inside = ELSEWHERE;
    } else p = step(unit, abbreviation, p, end);
    if (abbreviation.children) {
      if (++depth > MAX_DEPTH) throw new LimitError(`${unit.file.info.name}: entries nested deeper than ${MAX_DEPTH}`);
      around[depth] = inside;
    } else if (depth < 0) break;
  }
  return calls.length === 0 ? Inlines.NONE : new Inlines(Segments.of(ranges), calls);
}

function step(unit: Unit, abbreviation: Abbreviation, at: number, end: number): number {
  if (abbreviation.size < 0) return skipValues(unit, abbreviation, at);
  const p = at + abbreviation.size;
  if (p > end) throw pastEnd(unit.cursor, at);
  return p;
}

function constant(die: Die, slot: number): number {
  const value = die.value[slot];
  return die.form[slot] !== 0 && value > 0 && value <= 0xffffffff ? value : 0;
}
