/**
 * Opens an object file of any format by its first bytes.
 *
 *   7f 45 4c 46                 ELF
 *   fe ed fa ce / cf, reversed  Mach-O, 32 / 64 bit
 *   ca fe ba be / bf            Mach-O for several architectures, or a Java class: the next word is a count or a version
 *   "MZ", "PE\0\0" at [0x3c]    PE
 */
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, UnsupportedError } from '../errors.ts';
import { openElf } from './elf.ts';
import type { ObjectFile } from './object.ts';

const MACHO_MAGICS: ReadonlySet<number> = new Set([0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe]);

/** Java class files have the same magic and a version of at least 45 where a fat file has its number of parts. */
const FIRST_JAVA_VERSION = 45;

/** Other things people hand over, by their first bytes. */
const KNOWN: readonly (readonly [prefix: string, what: string])[] = [
  ['!<arch>\n', 'an archive (.a); its members are object files'],
  ['!<thin>\n', 'a thin archive; its members are object files'],
  ['\x1f\x8b', 'gzip data'],
  ['\x28\xb5\x2f\xfd', 'zstd data'],
  ['\xfd7zXZ\0', 'xz data'],
  ['BZh', 'bzip2 data'],
  ['PK\x03\x04', 'a zip archive'],
  ['#!', 'a script'],
  ['\0asm', 'WebAssembly'],
  ['BC\xc0\xde', 'LLVM bitcode'],
  ['go object ', 'a Go object file, not a linked program'],
  ['%PDF', 'a PDF'],
  ['MDMP', 'a Windows minidump'],
];

/** Throws FormatError, saying what the bytes look like, when they are no object file; UnsupportedError for Mach-O and PE. */
export function openObject(source: ByteSource): ObjectFile {
  const start = source.read(0, Math.min(source.size, 512));
  const text = Buffer.from(start.buffer, start.byteOffset, start.length).toString('latin1');
  if (text.startsWith('\x7fELF')) return openElf(source);
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const magic = start.length >= 8 ? view.getUint32(0) : 0;
  if (MACHO_MAGICS.has(magic)) throw new UnsupportedError('Mach-O files are not supported yet');
  if (magic === 0xcafebabf || (magic === 0xcafebabe && view.getUint32(4) < FIRST_JAVA_VERSION)) {
    throw new UnsupportedError('universal ("fat") Mach-O files are not supported yet');
  }
  if (text.startsWith('MZ') && isPe(source)) throw new UnsupportedError('PE files (Windows) are not supported yet');
  throw new FormatError('file', 0, `not an object file: ${describe(text, magic)}`);
}

function isPe(source: ByteSource): boolean {
  if (source.size < 0x40) return false;
  const pointer = source.read(0x3c, 4);
  const at = new DataView(pointer.buffer, pointer.byteOffset, 4).getUint32(0, true);
  if (at + 4 > source.size) return false;
  const signature = source.read(at, 4);
  return signature[0] === 0x50 && signature[1] === 0x45 && signature[2] === 0 && signature[3] === 0;
}

function describe(text: string, magic: number): string {
  if (text === '') return 'it is empty';
  if (magic === 0xcafebabe) return 'it looks like a Java class';
  for (const [prefix, what] of KNOWN) if (text.startsWith(prefix)) return `it looks like ${what}`;
  if (text.startsWith('MZ')) return 'it looks like a DOS program';
  if (/^\s*<(?:!doctype|html|\?xml)/i.test(text)) return 'it looks like a web page (HTML or XML)';
  if (/^[\t\n\r -~]+$/.test(text)) return 'it looks like text';
  const hex = Buffer.from(text.slice(0, 8), 'latin1')
    .toString('hex')
    .replace(/..(?=.)/g, '$& ');
  return `it begins with ${hex}`;
}
