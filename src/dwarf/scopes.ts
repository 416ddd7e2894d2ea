/**
 * The namespaces and classes around an entry. Entries do not know their parents, so the first question to a unit walks it once
 * and keeps its scopes in flat columns: nested intervals of positions.
 */
import { lastAtOrBelow } from '../bytes/search.ts';
import { LimitError } from '../errors.ts';
import { SLOT_ABSTRACT_ORIGIN, SLOT_NAME, SLOT_SPECIFICATION } from './abbreviations.ts';
import * as dw from './constants.ts';
import { Die, pastEnd, readDie, siblingOf, skipValues } from './die.ts';
import type { Unit } from './unit.ts';

/** Entries nested deeper than this are damage. */
const MAX_DEPTH = 4096;
/** Scopes above this give a name nobody reads. */
const MAX_SCOPES = 64;
/** A definition, its abstract entry and the declaration; further than that nobody looks. */
const MAX_ORIGINS = 3;

const ANONYMOUS_NAMESPACE = '(anonymous namespace)';
/** A class or function without a name. */
export const ANONYMOUS = '(anonymous)';

/** Languages without scopes around functions, or whose names bring them along. */
const PLAIN = new Set([
  dw.DW_LANG_C89,
  dw.DW_LANG_C,
  dw.DW_LANG_C99,
  dw.DW_LANG_C11,
  dw.DW_LANG_C17,
  dw.DW_LANG_Go,
  dw.DW_LANG_Mips_Assembler,
]);
const DOTTED = new Set([
  dw.DW_LANG_Ada83,
  dw.DW_LANG_Ada95,
  dw.DW_LANG_Java,
  dw.DW_LANG_Modula2,
  dw.DW_LANG_Modula3,
  dw.DW_LANG_D,
  dw.DW_LANG_Python,
  dw.DW_LANG_Swift,
]);

/** What stands between scopes in the language of a unit; null when its functions have none. */
export function scopeSeparator(unit: Unit): string | null {
  const { language } = unit.root;
  return PLAIN.has(language) ? null : DOTTED.has(language) ? '.' : '::';
}

/** Intervals of positions, by start; `parents` are numbers of intervals, -1 the unit. */
interface Scopes {
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly parents: Int32Array;
}

const known = new WeakMap<Unit, Scopes>();

/**
 * Names of the scopes around the entry at `at`, outermost first. A definition stands outside its namespaces and classes; what is
 * inside it (a lambda in a member function) has those around the declaration it refers to.
 */
export function scopesOf(unit: Unit, at: number): string[] {
  const names: string[] = [];
  let from = at;
  for (let n = 0; n < MAX_ORIGINS; n++) {
    let declared = -1;
    for (const scope of scopesAround(unit, from)) {
      names.push(nameOf(unit, scope));
      declared = originOf(unit, scope);
      if (declared >= 0 || names.length >= MAX_SCOPES) break;
    }
    if (declared < 0) break;
    from = declared;
  }
  return names.reverse();
}

/** Positions of the scopes around an entry, innermost first. */
function scopesAround(unit: Unit, at: number): number[] {
  if (unit.abbreviations.hasSiblings) return scopesOnTheWay(unit, at).reverse();
  let scopes = known.get(unit);
  if (scopes === undefined) known.set(unit, (scopes = readScopes(unit)));
  let scope = lastAtOrBelow(scopes.starts, at - 1);
  while (scope >= 0 && at >= scopes.ends[scope]) scope = scopes.parents[scope];
  const around: number[] = [];
  for (; scope >= 0 && around.length < MAX_SCOPES; scope = scopes.parents[scope]) around.push(scopes.starts[scope]);
  return around;
}

function isScope(tag: number): boolean {
  switch (tag) {
    case dw.DW_TAG_namespace:
    case dw.DW_TAG_module:
    case dw.DW_TAG_class_type:
    case dw.DW_TAG_structure_type:
    case dw.DW_TAG_union_type:
    case dw.DW_TAG_interface_type:
    case dw.DW_TAG_enumeration_type:
    case dw.DW_TAG_subprogram:
      return true;
    default:
      return false;
  }
}

/** Where walks have been, ascending, so that later ones start near their target. */
interface Waypoints {
  readonly positions: number[];
  /** What is around the entry at each position, outermost first, and which of that are scopes. */
  readonly around: number[][];
  readonly scopes: number[][];
}

const waypoints = new WeakMap<Unit, Waypoints>();
/** Entries between two of them. */
const WAYPOINT_STEP = 64;
/** Deeper in, walks are seldom and short. */
const WAYPOINT_DEPTH = 3;

/** Positions of the scopes around `target`: with siblings the walk goes straight there. */
function scopesOnTheWay(unit: Unit, target: number): number[] {
  const { bytes, abbreviations, header } = unit;
  let known = waypoints.get(unit);
  if (known === undefined) {
    waypoints.set(unit, (known = { positions: [header.headerSize], around: [[]], scopes: [[]] }));
  }
  const nearest = Math.max(0, lastAtOrBelow(known.positions, target));
  const around = [...known.around[nearest]];
  const scopes = [...known.scopes[nearest]];
  let steps = 0;
  for (let p = known.positions[nearest]; p < target;) {
    const at = p;
    if (
      ++steps >= WAYPOINT_STEP &&
      around.length <= WAYPOINT_DEPTH &&
      at > known.positions[known.positions.length - 1]
    ) {
      known.positions.push(at);
      known.around.push([...around]);
      known.scopes.push([...scopes]);
      steps = 0;
    }
    let code = bytes[p++];
    if (code === 0) {
      const parent = around.pop();
      if (parent !== undefined && scopes.at(-1) === parent) scopes.pop();
      continue;
    }
    if (code >= 0x80) {
      unit.cursor.offset = at;
      code = unit.cursor.uleb();
      p = unit.cursor.offset;
    }
    const abbreviation = abbreviations.get(code);
    if (abbreviation === undefined) throw unit.noAbbreviation(at, code);
    if (abbreviation.hasSibling) {
      const sibling = siblingOf(unit, abbreviation, p, die);
      if (sibling !== 0 && sibling <= target) {
        p = sibling;
        continue;
      }
    }
    p = abbreviation.size >= 0 ? p + abbreviation.size : skipValues(unit, abbreviation, p);
    if (p > bytes.length) throw pastEnd(unit.cursor, at);
    if (!abbreviation.children) continue;
    if (around.push(at) > MAX_DEPTH) throw tooDeep(unit);
    if (isScope(abbreviation.tag) && scopes.length < MAX_SCOPES) scopes.push(at);
  }
  return scopes;
}

function tooDeep(unit: Unit): LimitError {
  return new LimitError(`${unit.file.info.name}: entries nested deeper than ${MAX_DEPTH}`);
}

function readScopes(unit: Unit): Scopes {
  const { bytes, abbreviations, header } = unit;
  const end = bytes.length;
  const starts: number[] = [];
  const ends: number[] = [];
  const parents: number[] = [];
  /** By depth: the scope that entries there are in. */
  const around: number[] = [-1];
  let depth = 0;
  for (let p = header.headerSize; p < end;) {
    const at = p;
    let code = bytes[p++];
    if (code === 0) {
      if (depth === 0) continue; // padding at the end
      const scope = around[depth--];
      if (scope !== around[depth]) ends[scope] = p;
      continue;
    }
    if (code >= 0x80) {
      unit.cursor.offset = at;
      code = unit.cursor.uleb();
      p = unit.cursor.offset;
    }
    const abbreviation = abbreviations.get(code);
    if (abbreviation === undefined) throw unit.noAbbreviation(at, code);
    if (abbreviation.size >= 0) p += abbreviation.size;
    else p = skipValues(unit, abbreviation, p);
    if (p > end) throw pastEnd(unit.cursor, at);
    if (!abbreviation.children) continue;
    let scope = around[depth];
    if (isScope(abbreviation.tag)) {
      parents.push(scope);
      ends.push(end);
      scope = starts.push(at) - 1;
    }
    if (++depth > MAX_DEPTH) throw tooDeep(unit);
    around[depth] = scope;
  }
  return { starts: Uint32Array.from(starts), ends: Uint32Array.from(ends), parents: Int32Array.from(parents) };
}

const die = new Die();

function nameOf(unit: Unit, at: number): string {
  let where = at;
  let tag = 0;
  for (let n = 0; n < MAX_ORIGINS && where >= 0; n++) {
    tag = readAt(unit, where);
    if (die.form[SLOT_NAME] !== 0) return unit.string({ form: die.form[SLOT_NAME], value: die.value[SLOT_NAME] });
    where = originIn(unit);
  }
  return tag === dw.DW_TAG_namespace ? ANONYMOUS_NAMESPACE : ANONYMOUS;
}

/** Position of the declaration or abstract entry that the one at `at` refers to in its own unit, or -1. */
function originOf(unit: Unit, at: number): number {
  readAt(unit, at);
  return originIn(unit);
}

/** Reads an entry into `die`; its tag, 0 when its abbreviation is missing. */
function readAt(unit: Unit, at: number): number {
  const { cursor, abbreviations } = unit;
  cursor.offset = at;
  const abbreviation = abbreviations.get(cursor.uleb());
  if (abbreviation === undefined) {
    die.form.fill(0);
    return 0;
  }
  readDie(unit, abbreviation, cursor.offset, die);
  return abbreviation.tag;
}

/** What the entry in `die` refers to, if that is in the same unit; else -1. */
function originIn(unit: Unit): number {
  const { form, value } = die;
  const slot = form[SLOT_SPECIFICATION] !== 0 ? SLOT_SPECIFICATION : SLOT_ABSTRACT_ORIGIN;
  const origin = form[slot] === 0 ? null : unit.reference(form[slot], value[slot]);
  if (origin === null || origin.unit !== unit) return -1;
  return origin.at < unit.bytes.length && origin.at >= unit.header.headerSize ? origin.at : -1;
}
