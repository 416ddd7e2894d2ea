/** Identifiers and literals of Rust's v0 mangling that are not written as they are: punycode, characters, strings. */
import { UNREADABLE } from './node.ts';

/** `'x'` or `"xyz"`, with what cannot be seen escaped as Rust's `escape_debug` does. */
export function quoted(text: string, quote: "'" | '"'): string {
  let escaped = quote;
  for (const character of text) escaped += escapedCharacter(character, quote);
  return escaped + quote;
}

function escapedCharacter(character: string, quote: string): string {
  switch (character) {
    case '\0':
      return '\\0';
    case '\t':
      return '\\t';
    case '\r':
      return '\\r';
    case '\n':
      return '\\n';
    case '\\':
    case quote:
      return `\\${character}`;
    case ' ':
      return character;
  }
  if (!/[\p{C}\p{Z}\p{Grapheme_Extend}]/u.test(character)) return character;
  return `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`;
}

/** The text whose UTF-8 bytes are written in hexadecimal. */
export function utf8(hex: string): string {
  if (hex.length % 2 !== 0) throw UNREADABLE;
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw UNREADABLE; // what the decoder throws for bytes that are not UTF-8
    throw error;
  }
}

/** The character of a number written in hexadecimal. */
export function character(hex: string): string {
  const digits = hex.replace(/^0+/, '');
  const code = digits === '' ? 0 : Number.parseInt(digits, 16);
  if (digits.length > 6 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw UNREADABLE;
  return String.fromCodePoint(code);
}

/** Longest identifier decoded, in characters: each is inserted into those before it. */
const MAX_PUNYCODE = 512;

/** The identifier written as punycode (RFC 3492, with `_` for `-`), as it is written if it cannot be decoded. */
export function punycode(ident: string): string {
  const split = ident.lastIndexOf('_');
  const ascii = split < 0 ? '' : ident.slice(0, split);
  const deltas = ident.slice(split + 1);
  if (deltas === '') throw UNREADABLE;
  return decoded(ascii, deltas) ?? `punycode{${ascii === '' ? '' : `${ascii}-`}${deltas}}`;
}

function decoded(ascii: string, deltas: string): string | null {
  const characters = [...ascii];
  let code = 128;
  let index = 0;
  let bias = 72;
  for (let at = 0; at < deltas.length;) {
    if (characters.length >= MAX_PUNYCODE) return null;
    const before = index;
    let weight = 1;
    for (let k = 36; ; k += 36) {
      const digit = punycodeDigit(deltas.charCodeAt(at++));
      const threshold = Math.min(Math.max(k - bias, 1), 26);
      index += digit * weight;
      if (digit < 0 || index > 0x7fff_ffff) return null;
      if (digit < threshold) break;
      weight *= 36 - threshold;
    }
    const length = characters.length + 1;
    bias = adapted(index - before, length, before === 0 && characters.length === ascii.length);
    code += Math.floor(index / length);
    index %= length;
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return null;
    characters.splice(index, 0, String.fromCodePoint(code));
    index++;
  }
  return characters.join('');
}

function punycodeDigit(code: number): number {
  if (code >= 0x61 && code <= 0x7a) return code - 0x61;
  return code >= 0x30 && code <= 0x39 ? code - 0x30 + 26 : -1;
}

function adapted(delta: number, length: number, first: boolean): number {
  let left = Math.floor(delta / (first ? 700 : 2));
  left += Math.floor(left / length);
  let k = 0;
  for (; left > 455; k += 36) left = Math.floor(left / 35);
  return k + Math.floor((36 * left) / (left + 38));
}
