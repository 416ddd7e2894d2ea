/**
 * The lines of samples, matched byte by byte. These patterns, found anywhere in a line, leftmost first:
 *
 *     heap         <count>: <bytes> [<count>: <bytes>] @ <stack>       counts in use may be negative
 *     contention   <delay> <count> @ <stack>
 *     Java         <bytes> <count> @ <stack>
 *
 * A stack is what follows of blanks, "x" and hexadecimal digits; its addresses are the "0x..." in it. By hand rather than by
 * regular expression because a hostile line must not cost the square of its length, and because it is five times as fast.
 */
import { isDigit } from './numbers.ts';
import type { Stacks } from './stacks.ts';

const SPACE = 0x20;
const MINUS = 0x2d;
const ZERO = 0x30;
const COLON = 0x3a;
const AT = 0x40;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const X = 0x78;

/** Where the parts of a matched line are: [0], [1] the first number, and so on; the stack comes last. */
export type Parts = Int32Array;

export function newParts(): Parts {
  return new Int32Array(10);
}

type Match = (bytes: Uint8Array, at: number, end: number, parts: Parts) => boolean;

/** Four numbers: in use, allocated. */
export const matchHeap = (bytes: Uint8Array, start: number, end: number, parts: Parts): boolean =>
  search(heapAt, bytes, start, end, parts);

/** Two numbers. */
export const matchContention = (bytes: Uint8Array, start: number, end: number, parts: Parts): boolean =>
  search(contentionAt, bytes, start, end, parts);

/** Two numbers. */
export const matchJava = (bytes: Uint8Array, start: number, end: number, parts: Parts): boolean =>
  search(javaAt, bytes, start, end, parts);

/** Tries a pattern wherever a number begins: one that matches within a number matches from its beginning too. */
function search(match: Match, bytes: Uint8Array, start: number, end: number, parts: Parts): boolean {
  for (let at = start; at < end;) {
    if (!isDigit(bytes[at])) {
      at++;
      continue;
    }
    if (match(bytes, at > start && bytes[at - 1] === MINUS ? at - 1 : at, end, parts)) return true;
    at = digits(bytes, at, end);
  }
  return false;
}

function heapAt(bytes: Uint8Array, at: number, end: number, parts: Parts): boolean {
  for (let i = 0; i < 4; i++) {
    const first = i < 2 && at < end && bytes[at] === MINUS ? at + 1 : at;
    const last = digits(bytes, first, end);
    if (last === first) return false;
    parts[2 * i] = at;
    parts[2 * i + 1] = last;
    at = last;
    if (i % 2 === 0) {
      if (at >= end || bytes[at] !== COLON) return false;
      at = blanks(bytes, at + 1, end);
    } else {
      at = blanks(bytes, at, end);
      if (at >= end || bytes[at] !== (i === 1 ? OPEN : CLOSE)) return false;
      at = i === 1 ? blanks(bytes, at + 1, end) : at + 1;
    }
  }
  return stackAfter(bytes, at, end, parts, 8);
}

function contentionAt(bytes: Uint8Array, at: number, end: number, parts: Parts): boolean {
  if (bytes[at] === MINUS) at++;
  const last = digits(bytes, at, end);
  const second = blanks(bytes, last, end);
  const secondLast = digits(bytes, second, end);
  parts[0] = at;
  parts[1] = last;
  parts[2] = second;
  parts[3] = secondLast;
  if (second > last && secondLast > second && stackAfter(bytes, secondLast, end, parts, 4)) return true;
  // Nothing asks for a blank between the numbers: the last digit of a single one is the second.
  if (last - at < 2 || !stackAfter(bytes, last, end, parts, 4)) return false;
  parts[1] = last - 1;
  parts[2] = last - 1;
  parts[3] = last;
  return true;
}

function javaAt(bytes: Uint8Array, at: number, end: number, parts: Parts): boolean {
  if (bytes[at] === MINUS) at++;
  const last = digits(bytes, at, end);
  const second = blanks(bytes, last, end);
  const secondLast = digits(bytes, second, end);
  const sign = blanks(bytes, secondLast, end);
  if (second === last || secondLast === second || sign === secondLast) return false;
  if (sign >= end || bytes[sign] !== AT) return false;
  const stack = blanks(bytes, sign + 1, end);
  if (stack === sign + 1) return false;
  parts[0] = at;
  parts[1] = last;
  parts[2] = second;
  parts[3] = secondLast;
  parts[4] = stack;
  parts[5] = stackEnd(bytes, stack, end);
  return true;
}

/** " @" and the stack behind it. */
function stackAfter(bytes: Uint8Array, at: number, end: number, parts: Parts, part: number): boolean {
  if (at + 1 >= end || bytes[at] !== SPACE || bytes[at + 1] !== AT) return false;
  parts[part] = at + 2;
  parts[part + 1] = stackEnd(bytes, at + 2, end);
  return true;
}

function stackEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && (bytes[at] === SPACE || bytes[at] === X || hexDigit(bytes[at]) !== -1)) at++;
  return at;
}

function digits(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && isDigit(bytes[at])) at++;
  return at;
}

function blanks(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at] === SPACE) at++;
  return at;
}

/** Lower case only, as these formats have it. */
function hexDigit(byte: number): number {
  if (isDigit(byte)) return byte - ZERO;
  return byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : -1;
}

/** Which frames point behind a call: none, all, all but the leaf. */
export type Callers = 'none' | 'all' | 'all but the leaf';

/** Adds the addresses in [start, end) to the sample being read. False when one has more than 64 bits. */
export function pushAddresses(
  stacks: Stacks,
  bytes: Uint8Array,
  start: number,
  end: number,
  callers: Callers,
): boolean {
  for (let at = start; at + 2 < end;) {
    if (bytes[at] !== ZERO || bytes[at + 1] !== X || hexDigit(bytes[at + 2]) === -1) {
      at++;
      continue;
    }
    at += 2;
    let high = 0;
    let low = 0;
    for (; at < end; at++) {
      const digit = hexDigit(bytes[at]);
      if (digit === -1) break;
      if (high >= 0x10000000) return false;
      high = (high * 16 + (low >>> 28)) >>> 0;
      low = ((low << 4) | digit) >>> 0;
    }
    if (callers === 'all' || (callers === 'all but the leaf' && stacks.depth > 0)) stacks.pushCall(high, low);
    else stacks.push(high, low);
  }
  return true;
}
