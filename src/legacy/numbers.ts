/** Numbers as Go's strconv reads them, from bytes: 64 bits, and nothing is rounded. */

const MAX_INT64 = (1n << 63n) - 1n;
export const MIN_INT64 = -(1n << 63n);
const TWO_63 = 2 ** 63;

const ZERO = 0x30;
const MINUS = 0x2d;

export function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39;
}

/** Digits in [start, end), one "-" allowed before them. null beyond 64 bits. */
export function decimal(bytes: Uint8Array, start: number, end: number): bigint | null {
  const negative = bytes[start] === MINUS;
  let at = negative ? start + 1 : start;
  while (at < end - 1 && bytes[at] === ZERO) at++;
  if (end - at <= 15) {
    let value = 0;
    for (; at < end; at++) value = value * 10 + bytes[at] - ZERO;
    return BigInt(negative ? -value : value);
  }
  if (end - at > 19) return null;
  let value = 0n;
  for (; at < end; at++) value = value * 10n + BigInt(bytes[at] - ZERO);
  if (negative) value = -value;
  return value > MAX_INT64 || value < MIN_INT64 ? null : value;
}

/**
 * ParseInt with base 0: "0x", "0o", "0b" and a leading "0" say the base, "_" may stand between digits where there is a
 * prefix. null when it is none, or beyond 64 bits.
 */
export function goInteger(text: string): bigint | null {
  const match =
    /^([+-]?)(?:0[xX]((?:_?[0-9a-fA-F])+)|0[bB]((?:_?[01])+)|0[oO]?((?:_?[0-7])+)|((?:[1-9](?:_?[0-9])*)|0))$/.exec(
      text,
    );
  if (match === null || text.length > 200) return null; // no 64-bit number is as long, but for zeros
  const [, sign, hex, binary, octal, plain] = match;
  const [prefix, digits] =
    hex !== undefined
      ? ['0x', hex]
      : binary !== undefined
        ? ['0b', binary]
        : octal !== undefined
          ? ['0o', octal]
          : ['', plain];
  const magnitude = BigInt(prefix + digits.replaceAll('_', ''));
  const value = sign === '-' ? -magnitude : magnitude;
  return value > MAX_INT64 || value < MIN_INT64 ? null : value;
}

/** ParseUint with base 16. null when it is none, or beyond 64 bits. */
export function hexNumber(text: string): bigint | null {
  const digits = text.replace(/^0+(?=.)/, '');
  return digits.length <= 16 && /^[0-9a-fA-F]+$/.test(digits) ? BigInt(`0x${digits}`) : null;
}

/** int64(f): cut off towards zero. Beyond 64 bits, and for what is no number, what amd64 makes of it. */
export function toInt64(value: number): bigint {
  return value > -TWO_63 && value < TWO_63 ? BigInt(Math.trunc(value)) : MIN_INT64;
}

export function wrapInt64(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}
