/**
 * The names at the end of Java's profiles: one address a line.
 *
 *     0x00000000bccc97 com.example.Worker.run (Worker.java:1415)      function, file, line
 *     0x00000000c61202 copy (/usr/lib/libnative.so)                   function in a library
 *     0x00000000c6120f GC                                             a state of the machine
 */
import type { AddressTable } from './address-table.ts';
import { latin1, trimText } from './lines.ts';
import { FormatError } from '../errors.ts';
import { hexNumber, decimal } from './numbers.ts';
import type { NamedAddresses } from './profile.ts';

const ENTRY = /^0x([0-9a-fA-F]+)[\t\n\f\r ]+([^\n]*)$/;
const DIGITS_AT_END = /:(-?[0-9]+)\)$/;
const MAX_ENTRY = 64 * 1024; // as long as any line elsewhere; the rest of a longer one is not looked at

/** Reads from `at` to the end; addresses no sample has are passed over, as is what is no name. */
export function readJavaNames(bytes: Uint8Array, at: number, addresses: AddressTable, section: string): NamedAddresses {
  const functionOf = new Uint32Array(addresses.count);
  const lineOf = new BigInt64Array(addresses.count);
  const functions: { name: string; file: string }[] = [];
  const byName = new Map<string, number>();
  while (at < bytes.length) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline === -1 ? bytes.length : newline;
    const entry = ENTRY.exec(trimText(latin1(bytes, at, Math.min(end, at + MAX_ENTRY))));
    if (entry !== null) {
      const address = hexNumber(entry[1]);
      if (address === null) throw new FormatError(section, at, 'an address has more than 64 bits');
      const number = addresses.find(Number(address >> 32n), Number(address & 0xffffffffn));
      if (number !== -1) {
        const { name, file, line } = parseName(entry[2]);
        let fn = byName.get(name);
        if (fn === undefined) {
          functions.push({ name, file });
          fn = functions.length;
          byName.set(name, fn);
        }
        functionOf[number] = fn;
        lineOf[number] = line;
      }
    }
    at = end + 1;
  }
  return { functionOf, lineOf, functions };
}

function parseName(text: string): { name: string; file: string; line: bigint } {
  const line = DIGITS_AT_END.exec(text);
  if (line !== null) {
    const open = lastOpen(text, line.index - 2);
    if (open !== -1) {
      const value = decimal(Buffer.from(line[1], 'latin1'), 0, line[1].length);
      return {
        name: text.slice(0, open - 1),
        file: text.slice(open + 1, line.index),
        line: value !== null && value > 0n ? value : 0n,
      };
    }
  }
  if (text.endsWith(')')) {
    const open = lastOpen(text, text.length - 2);
    if (open !== -1) return { name: text.slice(0, open - 1), file: base(text.slice(open + 1, -1)), line: 0n };
  }
  return { name: text.includes('generated stub/JIT') ? 'STUB' : text, file: '', line: 0n };
}

/** The last "(" at or before `at` that follows white space, -1 if there is none. */
function lastOpen(text: string, at: number): number {
  for (let open = Math.min(at, text.length - 1); open > 0; open--) {
    if (text[open] === '(' && /[\t\n\f\r ]/.test(text[open - 1])) return open;
  }
  return -1;
}

/** filepath.Base */
function base(path: string): string {
  if (path === '') return '.';
  const trimmed = path.replace(/(?<!\/)\/+$/, '');
  if (/^\/+$/.test(trimmed)) return '/';
  return trimmed.slice(trimmed.lastIndexOf('/') + 1);
}
