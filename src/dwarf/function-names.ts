/**
 * What a function is called: its own entry may say, or the one it is an instance of (DW_AT_abstract_origin), or the one it
 * defines (DW_AT_specification), in another unit or file.
 */
import {
  SLOT_ABSTRACT_ORIGIN,
  SLOT_DECL_LINE,
  SLOT_LINKAGE_NAME,
  SLOT_NAME,
  SLOT_SPECIFICATION,
} from './abbreviations.ts';
import { Die, readDie } from './die.ts';
import { ANONYMOUS, scopeSeparator, scopesOf } from './scopes.ts';
import type { DieRef, Unit } from './unit.ts';

/** An instance, its abstract entry and the declaration: three, in what compilers write. */
const MAX_ORIGINS = 16;

export interface FunctionName {
  /** DW_AT_name; with the scopes around it when there is no linkage name. "" when nothing names it. */
  readonly name: string;
  /** "" when there is none. */
  readonly linkageName: string;
  /** DW_AT_decl_line, 1-based; 0 unknown. */
  readonly line: number;
}

const die = new Die();

/** Follows origins from the entry at position `at` of a unit. Throws FormatError and what reading an entry throws. */
export function readFunctionName(unit: Unit, at: number): FunctionName {
  let name = '';
  let linkageName = '';
  let line = 0;
  let next: DieRef | null = { unit, at };
  let last = next;
  for (let n = 0; next !== null && n < MAX_ORIGINS; n++) {
    last = next;
    readEntry(last, die);
    const { form, value } = die;
    const string = (slot: number) => last.unit.string({ form: form[slot], value: value[slot] });
    if (name === '' && form[SLOT_NAME] !== 0) name = string(SLOT_NAME);
    if (linkageName === '' && form[SLOT_LINKAGE_NAME] !== 0) linkageName = string(SLOT_LINKAGE_NAME);
    if (line === 0 && form[SLOT_DECL_LINE] !== 0) line = value[SLOT_DECL_LINE];
    if (name !== '' && linkageName !== '' && line !== 0) break;
    const slot = form[SLOT_SPECIFICATION] !== 0 ? SLOT_SPECIFICATION : SLOT_ABSTRACT_ORIGIN;
    next = form[slot] === 0 ? null : last.unit.reference(form[slot], value[slot]);
  }
  const separator = linkageName === '' && name !== '' ? scopeSeparator(last.unit) : null;
  if (separator !== null) name = scoped(name, scopesOf(last.unit, last.at), separator);
  return { name, linkageName, line: line > 0 && line <= 0xffffffff ? line : 0 };
}

/** A nameless class with a call operator is what a C++ lambda becomes. */
function scoped(name: string, scopes: string[], separator: string): string {
  if (name === 'operator()' && scopes.at(-1) === ANONYMOUS) scopes[scopes.length - 1] = '{lambda}';
  return [...scopes, name].join(separator);
}

function readEntry({ unit, at }: DieRef, into: Die): void {
  const { bytes, header, cursor, abbreviations } = unit;
  if (!(at >= header.headerSize && at < bytes.length)) {
    throw unit.error(at, 'a function refers to an entry outside its unit');
  }
  cursor.offset = at;
  const code = cursor.uleb();
  const abbreviation = abbreviations.get(code);
  if (abbreviation === undefined) throw unit.noAbbreviation(at, code);
  readDie(unit, abbreviation, cursor.offset, into);
}
