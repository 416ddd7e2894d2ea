/** Escapes of one letter in Go's interpreted strings (Go specification, "Rune literals"). */
const LETTERS: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
};

/** The value of a Go string literal, `"..."` or in backquotes; the text itself when it is none. */
export function unquoteGo(text: string): string {
  if (text.length < 2 || text[0] !== text.at(-1)) return text;
  const inside = text.slice(1, -1);
  if (text.startsWith('`')) return inside.includes('`') ? text : inside.replaceAll('\r', '');
  if (!text.startsWith('"')) return text;
  // Runs of bytes given in hex or octal are UTF-8 together; everything else is text already.
  const parts: Buffer[] = [];
  const token = /\\([abfnrtv\\"])|\\x([0-9a-fA-F]{2})|\\([0-7]{3})|\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|[^\\"\n]+/y;
  while (token.lastIndex < inside.length) {
    const match = token.exec(inside);
    if (match === null) return text;
    const [whole, letter, hex, octal, short, long] = match;
    const rune = short ?? long;
    if (letter !== undefined) parts.push(Buffer.from(LETTERS[letter]));
    else if (hex !== undefined) parts.push(Buffer.of(parseInt(hex, 16)));
    else if (octal !== undefined) parts.push(Buffer.of(parseInt(octal, 8)));
    else if (rune === undefined) parts.push(Buffer.from(whole));
    else if (parseInt(rune, 16) > 0x10ffff) return text;
    else parts.push(Buffer.from(String.fromCodePoint(parseInt(rune, 16))));
  }
  return Buffer.concat(parts).toString('utf8');
}
