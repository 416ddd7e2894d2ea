/**
 * Text profiles, line by line, over the bytes they came in.
 *
 * A line ends at "\n"; one "\r" before it does not count. What follows the last "\n" is a line too, unless it is empty. Go's
 * bufio.Scanner, by which google/pprof reads these files, refuses a line of 64 KiB; so does this, and every line is bounded.
 *
 * Text is bytes: where a string is needed it has one character per byte (latin1), so that file names which are not UTF-8
 * come out as they went in.
 */
import { FormatError } from '../errors.ts';

/** bufio.MaxScanTokenSize: a line of this many bytes no client reads. A stack of 3000 frames fits. */
export const MAX_LINE_BYTES = 64 * 1024;

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const HASH = 0x23;

/** Heads of the list of mappings; whatever line holds one starts it. */
const MAP_SENTINELS = ['--- Memory map: ---', 'MAPPED_LIBRARIES:'];
const MAP_SENTINEL_LETTER = 0x4d; // M is in both, and in no line of samples

export class Lines {
  readonly bytes: Uint8Array;
  /** The line at hand is [start, end), without its end of line; empty before the first and after the last. */
  start: number;
  end: number;
  /** 1-based, counted from where reading began. */
  number = 0;
  readonly #section: string;
  #next: number;

  /** @param at where the text begins */
  constructor(bytes: Uint8Array, section: string, at = 0) {
    this.bytes = bytes;
    this.#section = section;
    this.#next = at;
    this.start = at;
    this.end = at;
  }

  /** Steps to the next line; false after the last. */
  next(): boolean {
    const { bytes } = this;
    const start = this.#next;
    if (start >= bytes.length) {
      this.start = this.end = bytes.length;
      return false;
    }
    let end = bytes.indexOf(NEWLINE, start);
    if (end === -1) end = bytes.length;
    this.number++;
    this.start = start;
    this.#next = end + 1;
    if (end - start >= MAX_LINE_BYTES) throw this.error(`longer than the ${MAX_LINE_BYTES} bytes pprof reads`);
    this.end = end > start && bytes[end - 1] === RETURN ? end - 1 : end;
    return true;
  }

  /** The same, but what has no "\n" at its end is no line. */
  nextWhole(): boolean {
    return this.bytes.indexOf(NEWLINE, this.#next) !== -1 && this.next();
  }

  /** Where the next line begins. */
  get rest(): number {
    return Math.min(this.#next, this.bytes.length);
  }

  /** The same, but the last line stays at hand. */
  nextOrStay(): boolean {
    return this.#next < this.bytes.length && this.next();
  }

  /** The line at hand will be the next one once more. */
  again(): void {
    this.#next = this.start;
    this.number--;
  }

  /** Narrows the line at hand to what is not white space. */
  trim(): void {
    ({ start: this.start, end: this.end } = trimmed(this.bytes, this.start, this.end));
  }

  /** The line at hand, one character per byte. */
  text(): string {
    return latin1(this.bytes, this.start, this.end);
  }

  /** Nothing but white space, or a comment. */
  isBlank(): boolean {
    const { bytes, end } = this;
    for (let at = this.start; at < end;) {
      const width = spaceAt(bytes, at, end);
      if (width === 0) return bytes[at] === HASH;
      at += width;
    }
    return true;
  }

  startsWith(text: string): boolean {
    if (this.end - this.start < text.length) return false;
    for (let i = 0; i < text.length; i++) {
      if (this.bytes[this.start + i] !== text.charCodeAt(i)) return false;
    }
    return true;
  }

  /** The line at hand announces the list of mappings. */
  isMapSentinel(): boolean {
    for (let at = this.start; at < this.end; at++) {
      if (this.bytes[at] !== MAP_SENTINEL_LETTER) continue;
      const text = this.text();
      return MAP_SENTINELS.some((sentinel) => text.includes(sentinel));
    }
    return false;
  }

  /** The error for the line at hand. */
  error(problem: string): FormatError {
    return new FormatError(this.#section, this.start, `line ${this.number}: ${problem}`);
  }
}

export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, Math.max(0, end - start)).toString('latin1');
}

/** A text of one character per byte without the white space around it, as strings.TrimSpace has it. */
export function trimText(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  const { start, end } = trimmed(bytes, 0, bytes.length);
  return text.slice(start, end);
}

function trimmed(bytes: Uint8Array, start: number, end: number): { start: number; end: number } {
  for (let width; start < end && (width = spaceAt(bytes, start, end)) > 0;) start += width;
  for (let width; start < end && (width = spaceBefore(bytes, start, end)) > 0;) end -= width;
  return { start, end };
}

/** Bytes of the white space character at `at`, 0 if there is none. Beyond ASCII: U+0085, U+00A0, and what Unicode calls space. */
function spaceAt(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at];
  if (first < 0x80) return first === 0x20 || (first >= 0x09 && first <= 0x0d) ? 1 : 0;
  if (first === 0xc2) return at + 1 < end && (bytes[at + 1] === 0x85 || bytes[at + 1] === 0xa0) ? 2 : 0;
  return at + 2 < end && isWideSpace(first, bytes[at + 1], bytes[at + 2]) ? 3 : 0;
}

/** The same for the character that ends at `end`. */
function spaceBefore(bytes: Uint8Array, start: number, end: number): number {
  const last = bytes[end - 1];
  if (last < 0x80) return last === 0x20 || (last >= 0x09 && last <= 0x0d) ? 1 : 0;
  if (end - start >= 2 && spaceAt(bytes, end - 2, end) === 2) return 2;
  return end - start >= 3 && spaceAt(bytes, end - 3, end) === 3 ? 3 : 0;
}

/** UTF-8 of U+1680, U+2000 to 200A, 2028, 2029, 202F, 205F, 3000. */
function isWideSpace(a: number, b: number, c: number): boolean {
  if (a === 0xe1) return b === 0x9a && c === 0x80;
  if (a === 0xe3) return b === 0x80 && c === 0x80;
  if (a !== 0xe2) return false;
  if (b === 0x81) return c === 0x9f;
  return b === 0x80 && (c <= 0x8a || c === 0xa8 || c === 0xa9 || c === 0xaf);
}
