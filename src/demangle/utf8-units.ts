/**
 * Symbols that are not ASCII. The lengths inside a mangled name count bytes, so it is read as a string of bytes (one UTF-16
 * unit for each byte of its UTF-8), and what comes out is put together again.
 */
export function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}

/** The UTF-8 bytes of a text, one unit for each. */
export function toByteUnits(text: string): string {
  let units = '';
  for (const byte of new TextEncoder().encode(text)) units += String.fromCharCode(byte);
  return units;
}

/** The text whose UTF-8 bytes the units are; what is not UTF-8 becomes U+FFFD. */
export function fromByteUnits(units: string): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(units, (unit) => unit.charCodeAt(0)));
}
