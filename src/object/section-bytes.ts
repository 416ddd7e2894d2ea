/**
 * What sections hold. Compressed ones come in two kinds:
 *
 *   SHF_COMPRESSED (gABI 4, "Section Compression"): a header in the file's byte order, then the stream
 *       32-bit: u32 ch_type, u32 ch_size, u32 ch_addralign                          12 bytes
 *       64-bit: u32 ch_type, u32 reserved, u64 ch_size, u64 ch_addralign            24 bytes
 *       ch_type 1 zlib, 2 zstd; ch_size is the size inflated
 *   .zdebug_* (GNU, before 2012; Go up to 1.18): "ZLIB", u64 size inflated, always big endian, then a zlib stream
 *
 * Example, .zdebug_line: 5a 4c 49 42 | 00 00 00 00 00 01 2c 40 | 78 9c ...
 */
import { Cursor } from '../bytes/cursor.ts';
import { checkClaim, inflateZlib, inflateZstd } from '../bytes/inflate.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, LimitError, UnsupportedError } from '../errors.ts';
import { ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD } from './elf-constants.ts';
import type { ObjectFile, Section } from './object.ts';

/** The .debug_info of a browser, the largest known, is a little below this. */
const MAX_SECTION_BYTES = 2 ** 30;

export function compressionHeaderSize(is64: boolean): 12 | 24 {
  return is64 ? 24 : 12;
}

/** What ch_type says of a section's stream. */
export function compressionKind(header: Uint8Array, littleEndian: boolean, name: string): Section['compression'] {
  const type = new Cursor(header, littleEndian, name).u32();
  return type === ELFCOMPRESS_ZLIB ? 'zlib' : type === ELFCOMPRESS_ZSTD ? 'zstd' : 'unknown';
}

/** The sections' contents; inflated ones are kept as long as somebody holds them. */
export class SectionBytes {
  readonly #source: ByteSource;
  readonly #is64: boolean;
  readonly #littleEndian: boolean;
  readonly #inflated = new Map<number, WeakRef<Uint8Array>>();

  constructor(source: ByteSource, is64: boolean, littleEndian: boolean) {
    this.#source = source;
    this.#is64 = is64;
    this.#littleEndian = littleEndian;
  }

  /** As `ObjectFile.sectionData`. */
  of(section: Section): Uint8Array {
    const { name, size, fileOffset, index } = section;
    if (section.noBits) throw new FormatError(name, 0, 'the section has no bytes in this file');
    if (size > MAX_SECTION_BYTES) throw new LimitError(`${name} is ${size} bytes; the limit is ${MAX_SECTION_BYTES}`);
    if (fileOffset + size > this.#source.size) {
      throw new FormatError(
        name,
        0,
        `${size} bytes at ${fileOffset} of a file of ${this.#source.size} bytes: truncated or damaged`,
      );
    }
    if (section.compression === 'none') return this.#source.read(fileOffset, size);
    const held = this.#inflated.get(index)?.deref();
    if (held !== undefined) return held;
    const data = inflate(section, this.#source.read(fileOffset, size), this.#is64, this.#littleEndian);
    this.#inflated.set(index, new WeakRef(data));
    return data;
  }
}

/** Compressed bytes of a section, and their size inflated as its header states it: not more than their method can make of them. */
export interface CompressedBytes {
  readonly method: 'zlib' | 'zstd';
  readonly stream: Uint8Array;
  readonly size: number;
}

/** null for a section that is not compressed. For those who inflate by themselves. */
export function compressedBytes(
  { source, pointerSize, littleEndian }: ObjectFile,
  section: Section,
): CompressedBytes | null {
  if (section.compression === 'none' || section.noBits || section.size > MAX_SECTION_BYTES) return null;
  const compressed = unwrap(section, source.read(section.fileOffset, section.size), pointerSize === 8, littleEndian);
  checkClaim(compressed.stream, compressed.size, compressed.method, section.name);
  return compressed;
}

function inflate(section: Section, bytes: Uint8Array, is64: boolean, littleEndian: boolean): Uint8Array {
  const { method, stream, size } = unwrap(section, bytes, is64, littleEndian);
  return method === 'zlib' ? inflateZlib(stream, size, section.name) : inflateZstd(stream, size, section.name);
}

function unwrap(section: Section, bytes: Uint8Array, is64: boolean, littleEndian: boolean): CompressedBytes {
  const { name, compression } = section;
  const cursor = new Cursor(bytes, compression === 'zdebug' ? false : littleEndian, name);
  if (compression === 'zdebug') {
    if (cursor.u32() !== 0x5a4c4942) throw new FormatError(name, 0, 'does not begin with "ZLIB"');
    return { method: 'zlib', stream: bytes.subarray(12), size: boundedSize(cursor.u64(), name) };
  }
  if (compression !== 'zlib' && compression !== 'zstd') {
    const method = cursor.skip(compressionHeaderSize(is64)).seek(0).u32();
    throw new UnsupportedError(`${name} is compressed with method ${method}; known are 1 (zlib) and 2 (zstd)`);
  }
  const size = boundedSize(cursor.skip(is64 ? 8 : 4).word(is64 ? 8 : 4), name);
  return { method: compression, stream: bytes.subarray(Math.min(compressionHeaderSize(is64), bytes.length)), size };
}

function boundedSize(size: number, name: string): number {
  if (size > MAX_SECTION_BYTES)
    throw new LimitError(`${name} is ${size} bytes inflated; the limit is ${MAX_SECTION_BYTES}`);
  return size;
}
