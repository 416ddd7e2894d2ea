/**
 * What the rules of Rust's v0 mangling share: the symbol and the place in it, the text printed so far, numbers,
 * identifiers, references back, bound lifetimes, and the bounds.
 */
import { BEYOND, MAX_SYMBOL, MAX_TEXT, UNREADABLE } from './node.ts';
import { punycode } from './rust-literals.ts';

/** Nesting of paths, types and constants; rustc-demangle's own bound. */
const MAX_DEPTH = 500;
/** Paths, types and constants read, those read again through references included. Real names need up to 8,000. */
const MAX_STEPS = 30_000;

export abstract class V0Cursor {
  protected readonly symbol: string;
  protected at = 0;
  protected depth = 0;
  private steps = 0;
  /** Lifetimes bound by the `for<...>` around. */
  protected bound = 0;
  protected printing = true;
  protected out = '';

  constructor(symbol: string) {
    this.symbol = symbol;
  }

  protected put(text: string): void {
    if (!this.printing) return;
    this.out += text;
    if (this.out.length > MAX_TEXT) throw BEYOND;
  }

  protected next(): string {
    if (this.at >= this.symbol.length) throw UNREADABLE;
    return this.symbol[this.at++];
  }

  protected take(letter: string): boolean {
    if (this.symbol[this.at] !== letter) return false;
    this.at++;
    return true;
  }

  protected enter(): void {
    if (++this.depth > MAX_DEPTH || ++this.steps > MAX_STEPS) throw BEYOND;
  }

  /** Reads until `E`, with `separator` between; returns how many. */
  protected list(separator: string, read: () => void): number {
    let count = 0;
    for (; !this.take('E'); count++) {
      if (count > 0) this.put(separator);
      read();
    }
    return count;
  }

  /** `B` was just read: reads what stands at an earlier place. */
  protected reference(read: () => void): void {
    const start = this.at - 1;
    const target = this.base62();
    if (target >= start) throw UNREADABLE;
    if (!this.printing) return;
    const after = this.at;
    this.at = target;
    read();
    this.at = after;
  }

  /** `[s <base 62>]`: tells things of one name apart; 0 if absent. */
  protected disambiguator(): number {
    return this.take('s') ? this.base62() + 1 : 0;
  }

  /** Digits in base 62 and `_`; a bare `_` is 0. */
  protected base62(): number {
    if (this.take('_')) return 0;
    let value = 0;
    while (!this.take('_')) {
      value = value * 62 + base62Digit(this.next().charCodeAt(0));
      if (!(value < 2 ** 64)) throw UNREADABLE;
    }
    return value + 1;
  }

  /** Lowercase hexadecimal digits and `_`. */
  protected hexadecimal(): string {
    const end = this.symbol.indexOf('_', this.at);
    const digits = end < 0 ? 'none' : this.symbol.slice(this.at, end);
    if (!/^[0-9a-f]*$/.test(digits)) throw UNREADABLE;
    this.at = end + 1;
    return digits;
  }

  /** `[u] <length> [_] <text>` */
  protected identifier(): string {
    const encoded = this.take('u');
    const digits = this.at;
    let length = 0;
    for (let code; (code = this.symbol.charCodeAt(this.at)) >= 0x30 && code <= 0x39; this.at++) {
      length = length * 10 + code - 0x30;
      if (length > MAX_SYMBOL) throw UNREADABLE;
      if (this.symbol[digits] === '0') {
        this.at++;
        break; // no number has a leading zero: this one is 0
      }
    }
    if (this.at === digits) throw UNREADABLE;
    this.take('_');
    const start = this.at;
    this.at += length;
    if (this.at > this.symbol.length) throw UNREADABLE;
    const text = this.symbol.slice(start, this.at);
    return encoded ? punycode(text) : text;
  }

  /** `G <count>`: lifetimes that what follows is generic over. */
  protected binder(read: () => void): void {
    const count = this.take('G') ? this.base62() + 1 : 0;
    if (!this.printing) {
      read();
      return;
    }
    if (count > 0) {
      this.put('for<');
      for (let i = 0; i < count; i++) {
        if (i > 0) this.put(', ');
        this.bound++;
        this.lifetime(1);
      }
      this.put('> ');
    }
    read();
    this.bound -= count;
  }

  /** A lifetime by how far out it is bound, 1 the innermost; 0 is one nobody named. */
  protected lifetime(distance: number): void {
    if (!this.printing) return;
    if (distance === 0) {
      this.put("'_");
      return;
    }
    const index = this.bound - distance;
    if (index < 0) throw UNREADABLE;
    this.put(index < 26 ? `'${String.fromCharCode(0x61 + index)}` : `'_${index}`);
  }
}

function base62Digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x7a) return code - 0x61 + 10;
  if (code >= 0x41 && code <= 0x5a) return code - 0x41 + 36;
  return Number.NaN;
}
