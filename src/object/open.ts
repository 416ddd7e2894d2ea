/**
 * Opens an object file of any format by its first bytes.
 *
 *   7f 45 4c 46                 ELF
 *   fe ed fa ce / cf, reversed  Mach-O, 32 / 64 bit
 *   ca fe ba be / bf            Mach-O for several architectures, or a Java class: the next word is a count or a version
 *   "MZ", "PE\0\0" at [0x3c]    PE
 *   a machine number of PE       COFF object (.obj), which is recognised but not read
 */
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, UnsupportedError } from '../errors.ts';
import { openElf } from './elf.ts';
import { chooseSlice, type FatSlice, fatSlices, sliceSource } from './macho-fat.ts';
import { openMacho } from './macho.ts';
import type { ObjectFile } from './object.ts';
import { openPe } from './pe.ts';
import { isCoffObject, peSignature } from './pe-header.ts';

const MACHO_MAGICS: ReadonlySet<number> = new Set([0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe]);

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

export interface OpenOptions {
  /**
   * Which part of a universal file, by Go's name for the architecture or by Apple's (see `chooseSlice`, which also says what is
   * opened without it). Other files are what they are.
   */
  readonly arch?: string;
}

/** Throws FormatError, saying what the bytes look like, when they are no object file; UnsupportedError for COFF objects. */
export function openObject(source: ByteSource, options: OpenOptions = {}): ObjectFile {
  const start = source.read(0, Math.min(source.size, 512));
  const text = Buffer.from(start.buffer, start.byteOffset, start.length).toString('latin1');
  if (text.startsWith('\x7fELF')) return openElf(source);
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const magic = start.length >= 8 ? view.getUint32(0) : 0;
  if (MACHO_MAGICS.has(magic)) return openMacho(source);
  const slices = fatSlices(source);
  if (slices !== null) return openSlice(source, chooseSlice(slices, options.arch));
  if (peSignature(source) >= 0) return openPe(source);
  if (isCoffObject(source)) {
    throw new UnsupportedError('a COFF object file (.obj) is not supported: what it is linked into has the addresses');
  }
  throw new FormatError('file', 0, `not an object file: ${describe(text, magic)}`);
}

/**
 * One slice of a universal file: a Mach-O file like any other, whose offsets count from the slice. Throws FormatError when
 * the slice is none, or one for another architecture than the universal file says.
 */
export function openSlice(source: ByteSource, slice: FatSlice): ObjectFile {
  const part = sliceSource(source, slice);
  const start = part.read(0, Math.min(part.size, 512));
  const magic = start.length < 4 ? 0 : new DataView(start.buffer, start.byteOffset, 4).getUint32(0);
  if (!MACHO_MAGICS.has(magic)) {
    const text = Buffer.from(start.buffer, start.byteOffset, start.length).toString('latin1');
    throw new FormatError(`${slice.appleArch} of a universal file`, 0, `not an object file: ${describe(text, magic)}`);
  }
  const object = openMacho(part);
  if (object.arch !== slice.arch) {
    throw new FormatError('universal file', 0, `says ${slice.arch} of a slice that is for ${object.arch}`);
  }
  return object;
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
