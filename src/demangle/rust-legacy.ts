/**
 * Rust's older mangling: an Itanium nested name whose last part is a hash of the types, which C++ never ends in.
 *
 * `_ZN` (<length> <text>)* `17h` <16 hexadecimal digits> `E`: `_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE` is
 * `core::fmt::Write::write_fmt`. What an identifier cannot hold is escaped in the text: `..` is `::`, `$LT$` is `<`,
 * `$u7b$` is the character 0x7b; a part that would begin with an escape has `_` before it.
 *
 * The text is that of rustc-demangle's alternate form: without the hash, which names a version of the function and
 * would keep profiles of two builds from being compared.
 */
import { MAX_SYMBOL, MAX_TEXT } from './node.ts';
import { rustSuffix } from './rust-suffix.ts';
import { isAscii } from './utf8-units.ts';

const ESCAPES = new Map([
  ['SP', '@'],
  ['BP', '*'],
  ['RF', '&'],
  ['LT', '<'],
  ['GT', '>'],
  ['LP', '('],
  ['RP', ')'],
  ['C', ','],
]);

const HASH_LENGTH = 17; // `h` and 16 digits

/** The readable name of a symbol of this mangling, null if it is not one. */
export function demangleRustLegacy(symbol: string): string | null {
  const start = symbol.startsWith('_ZN') ? 3 : symbol.startsWith('__ZN') ? 4 : -1;
  if (start < 0 || symbol.length > MAX_SYMBOL) return null;
  const parts: string[] = [];
  let at = start;
  while (symbol.charCodeAt(at) !== 0x45 /* E */) {
    let length = 0;
    const digits = at;
    for (let code; (code = symbol.charCodeAt(at)) >= 0x30 && code <= 0x39 && length < MAX_SYMBOL; at++) {
      length = length * 10 + code - 0x30;
    }
    if (at === digits || at + length > symbol.length) return null;
    parts.push(symbol.slice(at, at + length));
    at += length;
  }
  const hash = parts.pop();
  if (hash === undefined || parts.length === 0 || !isHash(hash) || !isAscii(symbol)) return null;
  const suffix = rustSuffix(symbol.slice(at + 1));
  if (suffix === null) return null;
  const text = parts.map(unescaped).join('::') + suffix;
  return text.length > MAX_TEXT ? null : text;
}

function isHash(part: string): boolean {
  return part.length === HASH_LENGTH && /^h[0-9a-f]{16}$/.test(part);
}

function unescaped(part: string): string {
  let text = '';
  let at = part.startsWith('_$') ? 1 : 0;
  while (at < part.length) {
    const first = part[at];
    if (first === '.') {
      const isPath = part[at + 1] === '.';
      text += isPath ? '::' : '.';
      at += isPath ? 2 : 1;
    } else if (first === '$') {
      const end = part.indexOf('$', at + 1);
      const plain = end < 0 ? null : escaped(part.slice(at + 1, end));
      if (plain === null) return text + part.slice(at); // no escape: the rest is as it is
      text += plain;
      at = end + 1;
    } else {
      let end = at + 1;
      while (end < part.length && part[end] !== '$' && part[end] !== '.') end++;
      text += part.slice(at, end);
      at = end;
    }
  }
  return text;
}

function escaped(escape: string): string | null {
  const known = ESCAPES.get(escape);
  if (known !== undefined) return known;
  if (!/^u[0-9a-f]{1,6}$/.test(escape)) return null;
  const code = Number.parseInt(escape.slice(1), 16);
  const isScalar = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  const isControl = code < 0x20 || (code >= 0x7f && code < 0xa0);
  return isScalar && !isControl ? String.fromCodePoint(code) : null;
}
