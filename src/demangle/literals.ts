/**
 * Literals of floating point types: the bytes of the value in hexadecimal, most significant first, which are printed
 * as C's `%a` prints them.
 */
/** Hexadecimal digits of the types' bytes, as x86-64 lays them out. */
const DIGITS = { f: 8, d: 16, e: 20, g: 32 } as const;
const SUFFIX = { f: 'f', d: '', e: 'L' } as const;

/** `float`, `double`, `long double`, `__float128`. */
export type FloatType = keyof typeof DIGITS;

/** `hex` as a literal, null if it has not the type's length. A `__float128` stays in hexadecimal, as in c++filt. */
export function floatLiteral(type: FloatType, hex: string): string | null {
  if (hex.length !== DIGITS[type]) return null;
  if (type === 'g') return `(__float128)[${hex}]`;
  const text = type === 'e' ? extended(hex) : binary64(type === 'f' ? doubleOf(hex) : BigInt(`0x${hex}`));
  return text + SUFFIX[type];
}

/** The bits of the double that has the value of a float. */
function doubleOf(hex: string): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, Number.parseInt(hex, 16));
  view.setFloat64(0, view.getFloat32(0));
  return view.getBigUint64(0);
}

function binary64(bits: bigint): string {
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = (bits & 0xf_ffff_ffff_ffffn).toString(16).padStart(13, '0');
  const isZero = /^0*$/.test(fraction);
  const sign = bits >> 63n === 1n ? '-' : '';
  if (exponent === 0x7ff) return sign + (isZero ? 'inf' : 'nan');
  if (exponent === 0) return sign + (isZero ? '0x0p+0' : hexFloat('0', fraction, -1022));
  return sign + hexFloat('1', fraction, exponent - 1023);
}

/** The 80-bit format of the x87: a sign, 15 bits of exponent, 64 of mantissa with its leading bit written out. */
function extended(hex: string): string {
  const head = Number.parseInt(hex.slice(0, 4), 16);
  const exponent = head & 0x7fff;
  const mantissa = hex.slice(4);
  const sign = head & 0x8000 ? '-' : '';
  const leadingBit = Number.parseInt(mantissa[0], 16) >= 8;
  if (exponent === 0x7fff) return sign + (/^80*$/.test(mantissa) ? 'inf' : 'nan');
  if (exponent !== 0 && !leadingBit) return `${sign}nan`; // no value of this format
  if (/^0*$/.test(mantissa)) return `${sign}0x0p+0`;
  return sign + hexFloat(mantissa[0], mantissa.slice(1), exponent === 0 ? -16385 : exponent - 16386);
}

function hexFloat(lead: string, fraction: string, exponent: number): string {
  let end = fraction.length;
  while (end > 0 && fraction[end - 1] === '0') end--;
  const point = end === 0 ? '' : `.${fraction.slice(0, end)}`;
  return `0x${lead}${point}p${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`;
}
