import { Cursor } from '../bytes/cursor.ts';
import { FormatError } from '../errors.ts';
import type { ObjectFile, Section } from '../object/object.ts';
import { type CompressedBytes, compressedBytes } from '../object/section-bytes.ts';

/** Uncompressed sections up to this size are read at once: as fast as a few hundred scattered reads. */
const WHOLE_BYTES = 16 << 20;
/** Larger ones are read in windows of this size, a power of two ... */
const PAGE_BYTES = 16 << 10;
/** ... that reach this far into the next one, so that a small read never crosses a border. */
const OVERLAP_BYTES = 4 << 10;
/** What is read of a large section for a look at one place. */
export const GLANCE_BYTES = 4 << 10;
/** Windows kept per section, some 10 MB. */
const MAX_PAGES = 512;
/** Texts kept per section, some 30 MB at most. */
const MAX_STRINGS = 1 << 18;
/** Mangled names of templates reach some 100 KiB; what is longer is no name. */
const MAX_STRING_BYTES = 1 << 20;

/**
 * One debug section: inflated once when it is compressed, read in pieces when it is large and not. Nothing is read before
 * it is asked for. All reads throw FormatError outside the section.
 */
export class DebugSection {
  readonly name: string;
  readonly littleEndian: boolean;
  readonly #object: ObjectFile;
  readonly #section: Section;
  readonly #pages = new Map<number, Uint8Array>();
  readonly #strings = new Map<number, string>();
  #whole: Uint8Array | undefined;
  #words: DataView | undefined;
  #shared: Cursor | undefined;

  constructor(object: ObjectFile, section: Section) {
    this.name = section.name;
    this.littleEndian = object.littleEndian;
    this.#object = object;
    this.#section = section;
  }

  /** Bytes, decompressed. */
  get size(): number {
    return this.#paged ? this.#section.size : this.whole().length;
  }

  /** Bytes in the file, compressed or not. */
  get fileBytes(): number {
    return this.#section.size;
  }

  /** Its compressed bytes; null when it is not compressed, or inflated already. */
  get compressed(): CompressedBytes | null {
    return this.#whole === undefined ? compressedBytes(this.#object, this.#section) : null;
  }

  /** Takes its bytes, which somebody else has inflated. */
  lend(whole: Uint8Array): void {
    this.#whole = whole;
  }

  get #paged(): boolean {
    return this.#whole === undefined && this.#section.compression === 'none' && this.#section.size > WHOLE_BYTES;
  }

  /** All of it. */
  whole(): Uint8Array {
    this.#whole ??= this.#object.sectionData(this.#section);
    return this.#whole;
  }

  /** Exactly `length` bytes at `offset`: a view where the section is in memory, read-only. */
  bytes(offset: number, length: number): Uint8Array {
    if (!this.#paged) {
      const whole = this.whole();
      this.#check(offset, length, whole.length);
      return whole.subarray(offset, offset + length);
    }
    this.#check(offset, length, this.#section.size);
    if (length > OVERLAP_BYTES) return this.#object.source.read(this.#section.fileOffset + offset, length);
    const number = Math.floor(offset / PAGE_BYTES);
    const page = this.#pages.get(number) ?? this.#readPage(number);
    const at = offset - number * PAGE_BYTES;
    return page.subarray(at, at + length);
  }

  /** The bytes from `offset` on, at most `length`. */
  upTo(offset: number, length: number): Uint8Array {
    return this.bytes(offset, Math.max(0, Math.min(length, this.size - offset)));
  }

  /** A cursor over `[offset, offset + length)`, cut at the section's end; its errors give offsets in the section. */
  cursor(offset: number, length = this.size - offset): Cursor {
    return new Cursor(this.upTo(offset, length), this.littleEndian, this.name, offset);
  }

  /**
   * The same for places that nobody reads around: what is not in memory is read without its window. At most `GLANCE_BYTES`: the
   * block cache lets reads of that size past.
   */
  glance(offset: number, length: number): Cursor {
    if (!this.#paged || this.#pages.has(Math.floor(offset / PAGE_BYTES))) return this.cursor(offset, length);
    const left = this.#section.size - offset;
    if (!(offset >= 0 && left >= 0)) throw this.error(offset, 'outside the section');
    const bytes = this.#object.source.read(this.#section.fileOffset + offset, Math.min(GLANCE_BYTES, left));
    return new Cursor(bytes, this.littleEndian, this.name, offset);
  }

  /**
   * A cursor at `offset` over at least `length` bytes or up to the section's end. Where the section is in memory it is one and the
   * same each time and sees all of it: good until the next call.
   */
  shared(offset: number, length: number): Cursor {
    if (this.#paged) return this.cursor(offset, length);
    this.#shared ??= new Cursor(this.whole(), this.littleEndian, this.name);
    return this.#shared.seek(offset);
  }

  u32(offset: number): number {
    if (!this.#paged) {
      const words = this.#view();
      this.#check(offset, 4, words.byteLength);
      return words.getUint32(offset, this.littleEndian);
    }
    return viewOf(this.bytes(offset, 4)).getUint32(0, this.littleEndian);
  }

  /** The UTF-8 text from `offset` to its NUL. Units share most of theirs: they are kept. */
  string(offset: number): string {
    let known = this.#strings.get(offset);
    if (known === undefined) {
      known = this.#readString(offset);
      if (this.#strings.size >= MAX_STRINGS) this.#strings.clear();
      this.#strings.set(offset, known);
    }
    return known;
  }

  #readString(offset: number): string {
    for (let length = 256; ; length *= 16) {
      const bytes = this.#paged ? this.upTo(offset, length) : this.whole();
      const start = this.#paged ? 0 : offset;
      if (start >= bytes.length) throw this.error(offset, 'string outside the section');
      const end = bytes.indexOf(0, start);
      if (end >= 0 && end - start <= MAX_STRING_BYTES) return text(bytes, start, end);
      if (!this.#paged || length > MAX_STRING_BYTES || offset + length >= this.size) {
        throw this.error(offset, `string longer than ${MAX_STRING_BYTES} bytes or without end`);
      }
    }
  }

  /** Gives its memory back; it is read again when it is needed. Cursors and bytes handed out stay good. */
  forget(): void {
    this.#whole = undefined;
    this.#words = undefined;
    this.#shared = undefined;
    this.#pages.clear();
    this.#strings.clear();
  }

  error(offset: number, problem: string): FormatError {
    return new FormatError(this.name, Math.max(0, offset || 0), problem);
  }

  #check(offset: number, length: number, size: number): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
      throw this.error(Math.min(offset, size), `need ${length} bytes at ${offset}, have ${size}`);
    }
  }

  #view(): DataView {
    this.#words ??= viewOf(this.whole());
    return this.#words;
  }

  #readPage(number: number): Uint8Array {
    const start = number * PAGE_BYTES;
    const length = Math.min(PAGE_BYTES + OVERLAP_BYTES, this.#section.size - start);
    // A copy: the source's answer may be a view that keeps a larger block alive.
    const page = new Uint8Array(this.#object.source.read(this.#section.fileOffset + start, length));
    if (this.#pages.size >= MAX_PAGES) this.#pages.clear();
    this.#pages.set(number, page);
    return page;
  }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const utf8 = new TextDecoder('utf-8');
/** Below this, the text of ASCII bytes is put together faster here than the decoder is called. */
const SHORT = 24;

/** UTF-8 text of `bytes[start, end)`. */
export function text(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT) {
    let result = '';
    let at = start;
    for (; at < end && bytes[at] < 0x80; at++) result += String.fromCharCode(bytes[at]);
    if (at === end) return result;
  }
  return utf8.decode(bytes.subarray(start, end));
}
