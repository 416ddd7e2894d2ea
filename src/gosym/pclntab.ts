/**
 * Go symbols: address -> frames, as the Go runtime itself would name them, from the function table every Go binary carries.
 * layout.ts maps the format; locate.ts finds it; nothing is decoded before it is asked for.
 *
 *     address -> text offset (text-sections.ts)
 *             -> function: the last entry at or below it, by binary search in the file's own table
 *             -> line, file and inline index at that offset (function-tables.ts)
 *             -> for an index >= 0: name the inlined function, go on at its call site (inline-tree.ts); else name the function
 *             -> without wrappers (wrapper-id.ts)
 */
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, LimitError } from '../errors.ts';
import type { ObjectFile } from '../object/object.ts';
import type { GoFrame } from './frame.ts';
import { FunctionTables } from './function-tables.ts';
import { InlineTrees } from './inline-tree.ts';
import type { PclntabHeader, PclntabVersion } from './layout.ts';
import { locateTable, type LocatedTable } from './locate.ts';
import type { ModuleData } from './moduledata.ts';
import { withInlining } from './old-go.ts';
import { MAX_BYTES_IN_MEMORY, PagedBytes } from './paged-bytes.ts';
import { TextSections } from './text-sections.ts';
import { findWrapperId } from './wrapper-id.ts';

/** Names and paths kept as strings, in characters, together some 16 MB: those of a profile many times over. */
const MAX_KEPT_CHARS = 8 << 20;
/** Inlining deeper than this is damage: the compiler's budget ends long before. */
const MAX_INLINE_DEPTH = 1000;
/** A wrapper called by one of these stays: the panic is about it. */
const SHOWS_ITS_WRAPPER = new Set(['runtime.gopanic', 'runtime.sigpanic', 'runtime.panicwrap']);
const NO_FILE = 0xffffffff;

export class GoSymbols {
  readonly version: PclntabVersion;
  readonly functionCount: number;
  /** File address of runtime.text. */
  readonly textStart: number;
  /** The function table covers the file addresses [minPc, maxPc). */
  readonly minPc: number;
  readonly maxPc: number;
  readonly header: PclntabHeader;
  readonly module: ModuleData;
  /** The table's own bytes, from its header on. */
  readonly table: PagedBytes;
  readonly source: ByteSource;
  /** Of the header, bytes from the start of the file. */
  readonly tableFileOffset: number;
  /** File address of the header. */
  readonly tableAddress: number;

  readonly #text: TextSections;
  readonly #tables: FunctionTables;
  readonly #trees: InlineTrees;
  readonly #bias: number;
  /** Function entries where the file's words are not the final ones (PIE up to Go 1.17, relocations not applied). */
  readonly #relocated: Float64Array | null;
  readonly #strings = new Map<number, string>();
  #stringChars = 0;
  /** -2: not determined yet. */
  #wrapperId = -2;

  // The last answer: neighbouring addresses are asked for together, and a range of them has one answer.
  #function = -1;
  #functionStart = 0;
  #functionEnd = 0;
  #answerStart = 0;
  #answerEnd = 0;
  #answer: readonly GoFrame[] | null = null;

  /**
   * null when the file holds no Go table at all. Throws UnsupportedError for a table that cannot be read (altered or unknown
   * magic, packed file; the message says what was seen) and FormatError for a damaged or cut one. A table of more than
   * `maxBytesInMemory` is read in small windows, as they are needed.
   */
  static open(object: ObjectFile, maxBytesInMemory = MAX_BYTES_IN_MEMORY): GoSymbols | null {
    const located = locateTable(object);
    return located === null ? null : new GoSymbols(object, located, maxBytesInMemory);
  }

  private constructor(object: ObjectFile, located: LocatedTable, maxBytesInMemory: number) {
    const { header, module } = located;
    this.header = header;
    this.module = module;
    this.version = header.layout.version;
    this.functionCount = header.functionCount;
    this.textStart = module.text;
    this.source = object.source;
    this.tableFileOffset = located.fileOffset;
    this.tableAddress = located.address;
    this.table = new PagedBytes(
      object.source,
      located.fileOffset,
      located.length,
      object.littleEndian,
      located.section,
      maxBytesInMemory,
    );
    this.#bias = Number(object.bias);
    this.#text = new TextSections(module.text, module.textSections);
    this.#relocated = this.#relocateEntries(object);
    if (this.version === '1.2') this.header = withInlining(object, located, this.table, (i) => this.#entry(i));
    this.#trees = new InlineTrees(object, located, this.table, this.header);
    this.#tables = new FunctionTables(this.table, this.header, (record) => this.#trees.treeOf(record));
    this.minPc = this.functionStart(0);
    this.maxPc = this.functionEnd(this.functionCount - 1);
    if (this.minPc !== module.minPc || this.maxPc !== module.maxPc || this.maxPc <= this.minPc) {
      const seen = [this.minPc, this.maxPc, module.minPc, module.maxPc].map((pc) => pc.toString(16)).join(' ');
      throw new FormatError(
        located.section,
        header.functab,
        `function table and moduledata disagree on the text: ${seen}`,
      );
    }
  }

  /** Bytes this holds in memory, about. Grows with use, to some 90 MiB at most. */
  get heldBytes(): number {
    const entries = this.#relocated?.byteLength ?? 0;
    return this.table.heldBytes + this.#trees.heldBytes + this.#tables.heldBytes + 2 * this.#stringChars + entries;
  }

  /** Gives back the memory that lookups have taken. The next ones read anew. */
  release(): void {
    this.table.release();
    this.#trees.release();
    this.#tables.release();
    this.#strings.clear();
    this.#stringChars = 0;
    this.#function = -1;
    this.#functionStart = this.#functionEnd = 0;
    this.#answerStart = this.#answerEnd = 0;
    this.#answer = null;
  }

  /** True for addresses in Go text: the function table speaks about them. */
  covers(address: number): boolean {
    return address >= this.minPc && address < this.maxPc && this.#text.offsetOf(address) >= 0;
  }

  /**
   * Frames at a file address, innermost first, without the wrappers runtime.CallersFrames leaves out. The address is looked up
   * as it is: it must lie inside the instruction meant, as the addresses of a Go profile do, not be a return address.
   * null: not Go text, or padding between functions. The array is shared between calls. Throws FormatError or LimitError when the table is damaged there.
   */
  frames(address: number): readonly GoFrame[] | null {
    if (address >= this.#answerStart && address < this.#answerEnd) return this.#answer;
    if (!(address >= this.#functionStart && address < this.#functionEnd) && this.#enter(address) < 0) return null;
    return this.#lookUp(address);
  }

  /** Number of the function whose range (padding included) holds a file address; -1 none. */
  findFunction(address: number): number {
    if (!this.covers(address)) return -1;
    const needle = this.header.layout.absoluteEntries ? address : this.#text.offsetOf(address);
    let low = 0;
    let high = this.functionCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entry(middle) <= needle) low = middle + 1;
      else high = middle;
    }
    const found = low - 1;
    if (found < 0 || this.#isHole(found)) return -1;
    if (!(this.#entry(found) <= needle && needle < this.#entry(found + 1))) {
      throw new FormatError(this.table.section, this.#entryOffset(found), 'function table not in ascending order');
    }
    return found;
  }

  /** File address of the first byte of function `i`. */
  functionStart(i: number): number {
    return this.#addressOf(this.#entry(this.#checked(i)));
  }

  /** File address past its last byte, padding included. */
  functionEnd(i: number): number {
    return this.#addressOf(this.#entry(this.#checked(i) + 1));
  }

  /** Full name, as frames() gives it; "" for the space between two text sections, which counts as a function up to Go 1.17. */
  functionName(i: number): string {
    if (this.#isHole(this.#checked(i))) return '';
    const at = this.recordOffset(i) + this.header.fieldSize;
    return this.#name(this.table.u32(at));
  }

  /** Offset of function `i`'s record in the table. */
  recordOffset(i: number): number {
    const offset = this.#field(2 * i + 1) + this.header.pcln;
    if (offset >= this.table.length) {
      throw new FormatError(this.table.section, this.#entryOffset(i), `function record at 0x${offset.toString(16)}`);
    }
    return offset;
  }

  #checked(i: number): number {
    if (!(Number.isInteger(i) && i >= 0 && i < this.functionCount)) {
      throw new RangeError(`function ${i} of ${this.functionCount}`);
    }
    return i;
  }

  #enter(address: number): number {
    const found = this.findFunction(address);
    if (found < 0) return found;
    const [start, end] = [this.functionStart(found), this.functionEnd(found)];
    this.#function = found;
    this.#functionStart = start;
    this.#functionEnd = end;
    return found;
  }

  #lookUp(address: number): readonly GoFrame[] | null {
    const record = this.recordOffset(this.#function);
    if (!this.header.layout.absoluteEntries && this.table.u32(record) !== this.#entry(this.#function)) {
      throw new FormatError(this.table.section, record, 'function record and function table disagree on the entry');
    }
    const tables = this.#tables;
    tables.enter(this.#function, record, this.#functionEnd - this.#functionStart);
    tables.at(address - this.#functionStart);
    const { start, end } = tables;
    const answer = this.#framesHere();
    this.#answerStart = this.#functionStart + start;
    this.#answerEnd = this.#functionStart + end;
    this.#answer = answer;
    return answer;
  }

  /** The frames where `#tables` is. */
  #framesHere(): GoFrame[] | null {
    const tables = this.#tables;
    const trees = this.#trees;
    // Without a line table it is C code linked into the function table: a name is all there is. With one: padding.
    if (tables.hasLines && tables.line < 0) return null;
    const frames: GoFrame[] = [];
    let wrapper: GoFrame | null = null;
    let callee = '';
    const tree = tables.inlineTree;
    let index = tree < 0 ? -1 : tables.inlineIndex;
    for (let depth = 0; ; depth++) {
      if (depth > MAX_INLINE_DEPTH) throw new LimitError(`inlining deeper than ${MAX_INLINE_DEPTH}`);
      const inlined = index >= 0;
      const name = this.#name(inlined ? trees.nameOffset(tree, index) : tables.nameOffset);
      const startLine = inlined ? trees.startLine(tree, index) : tables.startLine;
      const funcId = inlined ? trees.funcId(tree, index) : tables.funcId;
      const known = tables.line >= 0 && tables.fileNumber >= 0;
      const file = known ? this.#file(tables.unit, tables.fileNumber) : '';
      const frame = { function: name, file, line: known ? tables.line : 0, startLine };
      if (this.#isWrapper(funcId) && !SHOWS_ITS_WRAPPER.has(callee)) wrapper = frame;
      else frames.push(frame);
      callee = name;
      if (!inlined) break;
      const parentPc = trees.parentPc(tree, index);
      if (!(parentPc >= 0 && parentPc < this.#functionEnd - this.#functionStart)) {
        throw new FormatError('inline trees', tree, `call site ${parentPc} of entry ${index} outside the function`);
      }
      tables.at(parentPc);
      // A caller always comes before its callee. Programs with entries that name themselves have shipped.
      index = tables.inlineIndex < index ? tables.inlineIndex : -1;
    }
    if (frames.length === 0 && wrapper !== null) frames.push(wrapper);
    return frames;
  }

  #isWrapper(funcId: number): boolean {
    if (funcId === 0) return false;
    if (this.#wrapperId === -2) {
      const { layout, fieldSize } = this.header;
      const at = fieldSize + 28 + (layout.separateTables ? 4 : 0) + (layout.startLine ? 4 : 0);
      const funcIdAt = (i: number): number => (this.#isHole(i) ? -1 : this.recordOffset(i) + at);
      this.#wrapperId = findWrapperId(this.table, this.functionCount, funcIdAt);
    }
    return funcId === this.#wrapperId;
  }

  #name(offset: number): string {
    const { funcname, cu, layout } = this.header;
    return this.#string(funcname + offset, layout.separateTables ? cu : this.table.length);
  }

  /** "" when the unit or the file is unknown. */
  #file(unit: number, number: number): string {
    const { header, table } = this;
    if (!header.layout.separateTables) {
      if (number === 0 || number >= table.u32(header.filetab)) return '';
      return this.#string(table.u32(header.filetab + 4 * number), table.length);
    }
    if (unit < 0) return '';
    const at = header.cu + 4 * (unit + number);
    if (at + 4 > header.filetab) {
      throw new FormatError(table.section, at, `file ${number} of unit ${unit} outside the unit table`);
    }
    const offset = table.u32(at);
    return offset === NO_FILE ? '' : this.#string(header.filetab + offset, header.pctab);
  }

  /** The string at an offset of the table. */
  #string(offset: number, end: number): string {
    const known = this.#strings.get(offset);
    if (known !== undefined) return known;
    if (offset >= end) throw new FormatError(this.table.section, offset, 'string outside its table');
    const text = this.table.cstring(offset, end);
    if (this.#stringChars + text.length > MAX_KEPT_CHARS) {
      this.#strings.clear();
      this.#stringChars = 0;
    }
    this.#strings.set(offset, text);
    this.#stringChars += text.length;
    return text;
  }

  /** Entry `i` of the function table; `functionCount` is the end. An address or a text offset, as the layout has it. */
  #entry(i: number): number {
    if (this.#relocated !== null) return this.#relocated[i];
    return this.header.layout.absoluteEntries ? this.#field(2 * i) - this.#bias : this.#field(2 * i);
  }

  #entryOffset(i: number): number {
    return this.header.functab + 2 * i * this.header.fieldSize;
  }

  #field(i: number): number {
    const { functab, fieldSize } = this.header;
    return this.table.word(functab + i * fieldSize, fieldSize);
  }

  #addressOf(entry: number): number {
    return this.header.layout.absoluteEntries ? entry : this.#text.addressOf(entry);
  }

  /** With several text sections, the 1.2 to 1.17 layouts mark the space between two by a record offset of all ones. */
  #isHole(i: number): boolean {
    const { layout, fieldSize } = this.header;
    return layout.absoluteEntries && this.table.u32(this.#entryOffset(i) + fieldSize) === 0xffffffff;
  }

  #relocateEntries(object: ObjectFile): Float64Array | null {
    const { layout, functab, fieldSize, functionCount } = this.header;
    if (!layout.absoluteEntries || this.#field(0) - this.#bias === this.module.minPc) return null;
    const entries = new Float64Array(functionCount + 1);
    for (let i = 0; i <= functionCount; i++) {
      entries[i] = object.readPointer(this.tableAddress + functab + 2 * i * fieldSize);
    }
    return entries;
  }
}
