/**
 * The operators of C++ as the Itanium ABI abbreviates them (5.1.5 <operator-name>, 5.1.6 <expression>).
 *
 * In a name, `pl` is `operator+`; in an expression it says how operands follow and how tightly it binds. Some can only
 * be one of the two.
 */
import {
  ADDITIVE,
  AND,
  ASSIGNMENT,
  CAST,
  COMMA,
  CONDITIONAL,
  EQUALITY,
  LOGICAL_AND,
  LOGICAL_OR,
  MULTIPLICATIVE,
  OR,
  POINTER_TO_MEMBER,
  POSTFIX,
  PRIMARY,
  RELATIONAL,
  SHIFT,
  SPACESHIP,
  UNARY,
  XOR,
} from './node.ts';

/** What follows the abbreviation in an expression. */
export type OperatorForm =
  | 'prefix' // an operand, written behind
  | 'postfix' // an operand, written before; with `_` behind the abbreviation it is a prefix
  | 'binary'
  | 'subscript'
  | 'member'
  | 'call'
  | 'new'
  | 'delete'
  | 'cast' // <type> <operand>, or <type> _ <operand>* E
  | 'named-cast' // <type> <operand>, written static_cast<type>(operand)
  | 'of-type' // <type>
  | 'of-value' // an operand
  | 'conditional'
  | 'name-only';

export interface Operator {
  /** As in an expression: `+`, `new`, `sizeof `. */
  readonly symbol: string;
  /** As in a name: `operator+`; null for what cannot be overloaded. */
  readonly name: string | null;
  readonly form: OperatorForm;
  readonly precedence: number;
}

/** Abbreviation, symbol. A word gets a space after `operator`. */
const BINARY: readonly [number, string][] = [
  [MULTIPLICATIVE, 'ml * dv / rm %'],
  [ADDITIVE, 'pl + mi -'],
  [SHIFT, 'ls << rs >>'],
  [SPACESHIP, 'ss <=>'],
  [RELATIONAL, 'lt < gt > le <= ge >='],
  [EQUALITY, 'eq == ne !='],
  [AND, 'an &'],
  [XOR, 'eo ^'],
  [OR, 'or |'],
  [LOGICAL_AND, 'aa &&'],
  [LOGICAL_OR, 'oo ||'],
  [ASSIGNMENT, 'aS = pL += mI -= mL *= dV /= rM %= aN &= oR |= eO ^= lS <<= rS >>='],
  [COMMA, 'cm ,'],
];

const OTHERS: readonly [string, OperatorForm, number, string, named: boolean][] = [
  ['ad', 'prefix', UNARY, '&', true],
  ['de', 'prefix', UNARY, '*', true],
  ['ng', 'prefix', UNARY, '-', true],
  ['ps', 'prefix', UNARY, '+', true],
  ['nt', 'prefix', UNARY, '!', true],
  ['co', 'prefix', UNARY, '~', true],
  ['aw', 'prefix', UNARY, 'co_await ', true],
  ['pp', 'postfix', POSTFIX, '++', true],
  ['mm', 'postfix', POSTFIX, '--', true],
  ['ix', 'subscript', POSTFIX, '[]', true],
  ['cl', 'call', POSTFIX, '()', true],
  ['cp', 'call', POSTFIX, '()', false],
  ['dt', 'member', POSTFIX, '.', false],
  ['pt', 'member', POSTFIX, '->', true],
  ['ds', 'member', POINTER_TO_MEMBER, '.*', false],
  ['pm', 'member', POINTER_TO_MEMBER, '->*', true],
  ['nw', 'new', UNARY, 'new', true],
  ['na', 'new', UNARY, 'new[]', true],
  ['dl', 'delete', UNARY, 'delete', true],
  ['da', 'delete', UNARY, 'delete[]', true],
  ['cv', 'cast', CAST, '', false],
  ['cc', 'named-cast', POSTFIX, 'const_cast', false],
  ['dc', 'named-cast', POSTFIX, 'dynamic_cast', false],
  ['rc', 'named-cast', POSTFIX, 'reinterpret_cast', false],
  ['sc', 'named-cast', POSTFIX, 'static_cast', false],
  ['at', 'of-type', UNARY, 'alignof ', false],
  ['st', 'of-type', UNARY, 'sizeof ', false],
  ['ti', 'of-type', POSTFIX, 'typeid ', false],
  ['az', 'of-value', UNARY, 'alignof ', false],
  ['sz', 'of-value', UNARY, 'sizeof ', false],
  ['te', 'of-value', POSTFIX, 'typeid ', false],
  ['nx', 'of-value', UNARY, 'noexcept ', false],
  ['qu', 'conditional', CONDITIONAL, '?', true],
  ['li', 'name-only', PRIMARY, '""', true],
];

/** Every operator by its two letters. */
export const OPERATORS: ReadonlyMap<string, Operator> = table();

function table(): Map<string, Operator> {
  const operators = new Map<string, Operator>();
  for (const [precedence, pairs] of BINARY) {
    const words = pairs.split(' ');
    for (let i = 0; i < words.length; i += 2) {
      operators.set(words[i], {
        symbol: words[i + 1],
        name: `operator${words[i + 1]}`,
        form: 'binary',
        precedence,
      });
    }
  }
  for (const [code, form, precedence, symbol, named] of OTHERS) {
    const space = /^[a-z]/.test(symbol) ? ' ' : '';
    const name = named ? `operator${space}${symbol.trimEnd()}` : null;
    operators.set(code, { symbol, name, form, precedence });
  }
  return operators;
}
