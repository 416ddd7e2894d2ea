/**
 * DWARF made by hand, for what no compiler at hand writes: every form, either byte order, 32 and 64 bit, any table, any damage.
 *
 *   const made = new Assembler({ littleEndian: false });
 *   made.unit({ version: 5 }, { tag: DW_TAG_compile_unit, attributes: [[DW_AT_name, DW_FORM_string, 'a.c']] });
 *   const symbols = DwarfSymbols.open(made.object());
 *
 * An entry is referred to by the label it carries: `{ to: 'label' }` as the value of a reference.
 */
import { BufferSource } from '../../src/bytes/source.ts';
import * as dw from '../../src/dwarf/constants.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';
import { type CraftedSection, craftElf } from '../object/craft.ts';

/** Where the code of every crafted file is. */
export const TEXT = 0x1000;
export const TEXT_BYTES = 0x10000;

type Width = 1 | 2 | 3 | 4 | 8;

/** Bytes in one byte order, written one after the other. */
export class Bytes {
  readonly list: number[] = [];
  readonly littleEndian: boolean;

  constructor(littleEndian = true) {
    this.littleEndian = littleEndian;
  }

  get length(): number {
    return this.list.length;
  }

  number(width: Width, value: number | bigint): this {
    this.list.push(...this.#digits(width, value));
    return this;
  }

  put(at: number, width: Width, value: number | bigint): void {
    this.list.splice(at, width, ...this.#digits(width, value));
  }

  u8(...values: number[]): this {
    for (const value of values) this.list.push(value & 0xff);
    return this;
  }

  /** With `pad`, in that many bytes. */
  uleb(value: number | bigint, pad = 1): this {
    let rest = BigInt(value);
    for (let n = 1; ; n++) {
      const more = rest >= 0x80n || n < pad;
      this.list.push(Number(rest & 0x7fn) | (more ? 0x80 : 0));
      rest >>= 7n;
      if (!more) return this;
    }
  }

  sleb(value: number): this {
    let rest = BigInt(value);
    for (;;) {
      const byte = Number(rest & 0x7fn);
      rest >>= 7n;
      const last = (rest === 0n && byte < 0x40) || (rest === -1n && byte >= 0x40);
      this.list.push(last ? byte : byte | 0x80);
      if (last) return this;
    }
  }

  text(value: string): this {
    this.list.push(...Buffer.from(value, 'utf8'), 0);
    return this;
  }

  bytes(values: Iterable<number>): this {
    for (const value of values) this.list.push(value);
    return this;
  }

  #digits(width: Width, value: number | bigint): number[] {
    const digits: number[] = [];
    for (let i = 0; i < width; i++) digits.push(Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
    return this.littleEndian ? digits : digits.reverse();
  }
}

export type Value = number | bigint | string | { readonly to: string } | { readonly raw: readonly number[] };

export interface Entry {
  readonly tag: number;
  readonly label?: string;
  /** Attribute, form, value; of DW_FORM_implicit_const the value goes into the declaration. */
  readonly attributes?: readonly (readonly [attribute: number, form: number, value: Value])[];
  readonly children?: readonly Entry[];
}

export interface UnitOptions {
  readonly version?: number;
  /** DW_UT_*, of version 5. */
  readonly type?: number;
  /** What follows the header's common part: an id, a signature and a type's place. */
  readonly more?: readonly number[];
  /** Instead of the unit's own. */
  readonly abbreviations?: number;
}

export interface AssemblerOptions {
  readonly littleEndian?: boolean;
  /** 4, or 8: 64-bit DWARF. */
  readonly offsetSize?: 4 | 8;
  readonly addressSize?: 4 | 8;
  /** Where the code is, instead of `TEXT`. */
  readonly text?: bigint;
}

interface Fixup {
  readonly at: number;
  readonly form: number;
  readonly label: string;
  readonly unit: number;
}

export class Assembler {
  readonly littleEndian: boolean;
  readonly offsetSize: 4 | 8;
  readonly addressSize: 4 | 8;
  readonly info: Bytes;
  readonly abbrev: Bytes;
  readonly #text: bigint;
  readonly #sections = new Map<string, Bytes>();
  readonly #labels = new Map<string, number>();
  readonly #fixups: Fixup[] = [];
  #code = 0;

  constructor({ littleEndian = true, offsetSize = 4, addressSize = 8, text = BigInt(TEXT) }: AssemblerOptions = {}) {
    this.littleEndian = littleEndian;
    this.offsetSize = offsetSize;
    this.addressSize = addressSize;
    this.#text = text;
    this.info = this.section('.debug_info');
    this.abbrev = this.section('.debug_abbrev');
  }

  /** The section of that name, begun when it is first asked for. */
  section(name: string): Bytes {
    let bytes = this.#sections.get(name);
    if (bytes === undefined) this.#sections.set(name, (bytes = new Bytes(this.littleEndian)));
    return bytes;
  }

  /** Offset of a string in .debug_str (or another section of strings). */
  str(value: string, name = '.debug_str'): number {
    const section = this.section(name);
    const at = section.length;
    section.text(value);
    return at;
  }

  /** Begins something with a length in front (32 or 64 bit); the result, called, writes the length. */
  begin(bytes: Bytes): () => void {
    if (this.offsetSize === 8) bytes.number(4, 0xffffffff);
    const at = bytes.length;
    bytes.number(this.offsetSize, 0);
    return () => bytes.put(at, this.offsetSize, bytes.length - at - this.offsetSize);
  }

  /** Adds a unit; its offset in .debug_info. */
  unit({ version = 5, type = dw.DW_UT_compile, more = [], abbreviations }: UnitOptions, root: Entry): number {
    const { info, abbrev, offsetSize, addressSize } = this;
    const start = info.length;
    const table = abbreviations ?? abbrev.length;
    const end = this.begin(info);
    info.number(2, version);
    if (version >= 5) info.u8(type, addressSize).number(offsetSize, table);
    else info.number(offsetSize, table).u8(addressSize);
    info.bytes(more);
    this.#code = 0;
    this.#entry(root, start, version);
    abbrev.u8(0);
    end();
    return start;
  }

  #entry({ tag, label, attributes = [], children }: Entry, unit: number, version: number): void {
    const { info, abbrev } = this;
    if (label !== undefined) this.#labels.set(label, info.length);
    const code = ++this.#code;
    abbrev
      .uleb(code)
      .uleb(tag)
      .u8(children === undefined ? 0 : 1);
    info.uleb(code);
    for (const [attribute, form, value] of attributes) {
      abbrev.uleb(attribute).uleb(form);
      if (form === dw.DW_FORM_implicit_const) abbrev.sleb(Number(value));
      else this.#value(form, value, unit, version);
    }
    abbrev.u8(0, 0);
    if (children === undefined) return;
    for (const child of children) this.#entry(child, unit, version);
    info.u8(0);
  }

  #value(form: number, value: Value, unit: number, version: number): void {
    const { info } = this;
    if (typeof value === 'object' && 'raw' in value) {
      info.bytes(value.raw);
      return;
    }
    if (typeof value === 'string') {
      if (form === dw.DW_FORM_string) info.text(value);
      else {
        const name = form === dw.DW_FORM_line_strp ? '.debug_line_str' : '.debug_str';
        info.number(this.offsetSize, this.str(value, name));
      }
      return;
    }
    if (typeof value === 'object') {
      this.#fixups.push({ at: info.length, form, label: value.to, unit });
      if (form === dw.DW_FORM_ref_udata) info.uleb(0, 4);
      else info.number(this.#width(form, version), 0);
      return;
    }
    if (form === dw.DW_FORM_sdata) info.sleb(Number(value));
    else if (LEB_FORMS.has(form)) info.uleb(value);
    else info.number(this.#width(form, version), value);
  }

  #width(form: number, version = 5): Width {
    const width = WIDTHS.get(form);
    if (width !== undefined) return width;
    if (form === dw.DW_FORM_addr || (form === dw.DW_FORM_ref_addr && version <= 2)) return this.addressSize;
    return this.offsetSize;
  }

  /** The file, once all is written. */
  file(): Uint8Array {
    this.#link();
    return this.#file();
  }

  /** As it is now, after `file()`: with whatever was done to the sections since. */
  damaged(): ObjectFile {
    return openObject(new BufferSource(this.#file()));
  }

  #link(): void {
    for (const { at, form, label, unit } of this.#fixups) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new Error(`no entry ${label}`);
      if (form === dw.DW_FORM_ref_udata) {
        const leb = new Bytes().uleb(target - unit, 4).list;
        this.info.list.splice(at, 4, ...leb);
      } else {
        const global = form === dw.DW_FORM_ref_addr;
        this.info.put(at, this.#width(form), global ? target : target - unit);
      }
    }
  }

  #file(): Uint8Array {
    const text: CraftedSection = {
      name: '.text',
      type: 8,
      flags: 6,
      address: this.#text,
      size: BigInt(TEXT_BYTES),
    };
    const sections = [...this.#sections].map(([name, { list }]): CraftedSection => ({
      name,
      type: 1,
      data: Uint8Array.from(list),
    }));
    const is64 = this.addressSize === 8;
    const machine = this.littleEndian ? (is64 ? 62 : 3) : is64 ? 22 : 8;
    const type = 2;
    return craftElf({ is64, littleEndian: this.littleEndian, type, machine, sections: [text, ...sections] });
  }

  object(): ObjectFile {
    return openObject(new BufferSource(this.file()));
  }
}

const WIDTHS = new Map<number, Width>([
  ...[dw.DW_FORM_data1, dw.DW_FORM_flag, dw.DW_FORM_ref1, dw.DW_FORM_strx1, dw.DW_FORM_addrx1].map(
    (form) => [form, 1] as const,
  ),
  ...[dw.DW_FORM_data2, dw.DW_FORM_ref2, dw.DW_FORM_strx2, dw.DW_FORM_addrx2].map((form) => [form, 2] as const),
  ...[dw.DW_FORM_strx3, dw.DW_FORM_addrx3].map((form) => [form, 3] as const),
  ...[dw.DW_FORM_data4, dw.DW_FORM_ref4, dw.DW_FORM_strx4, dw.DW_FORM_addrx4].map((form) => [form, 4] as const),
  ...[dw.DW_FORM_data8, dw.DW_FORM_ref8, dw.DW_FORM_ref_sig8].map((form) => [form, 8] as const),
]);

const LEB_FORMS = new Set([
  dw.DW_FORM_udata,
  dw.DW_FORM_strx,
  dw.DW_FORM_addrx,
  dw.DW_FORM_rnglistx,
  dw.DW_FORM_GNU_addr_index,
  dw.DW_FORM_GNU_str_index,
]);

export interface LineOptions {
  readonly version?: number;
  readonly minInstructionLength?: number;
  readonly maxOperations?: number;
  readonly lineBase?: number;
  readonly lineRange?: number;
  /** Operand counts of the standard opcodes: as many as there are. */
  readonly opcodeLengths?: readonly number[];
  readonly directories?: readonly string[];
  /** Name, number of the directory. */
  readonly files?: readonly (readonly [name: string, directory: number])[];
  /** Version 5: with a hash behind each file. */
  readonly md5?: boolean;
}

const STANDARD_LENGTHS = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];

/** Adds a line program; its offset in .debug_line. `program` writes the byte code. */
export function addLines(made: Assembler, options: LineOptions, program: (code: LineCode) => void): number {
  const { version = 5, minInstructionLength = 1, maxOperations = 1, lineBase = -5, lineRange = 14 } = options;
  const { opcodeLengths = STANDARD_LENGTHS, directories = ['/src'], files = [['a.c', 0]], md5 = false } = options;
  const out = made.section('.debug_line');
  const offset = out.length;
  const end = made.begin(out);
  out.number(2, version);
  if (version >= 5) out.u8(made.addressSize, 0);
  const lengthAt = out.length;
  out.number(made.offsetSize, 0);
  out.u8(minInstructionLength);
  if (version >= 4) out.u8(maxOperations);
  out.u8(1, lineBase, lineRange, opcodeLengths.length + 1, ...opcodeLengths);
  if (version >= 5) {
    out.u8(1).uleb(dw.DW_LNCT_path).uleb(dw.DW_FORM_line_strp).uleb(directories.length);
    for (const name of directories) out.number(made.offsetSize, made.str(name, '.debug_line_str'));
    out
      .u8(md5 ? 3 : 2)
      .uleb(dw.DW_LNCT_path)
      .uleb(dw.DW_FORM_string);
    out.uleb(dw.DW_LNCT_directory_index).uleb(dw.DW_FORM_udata);
    if (md5) out.uleb(5).uleb(dw.DW_FORM_data16);
    out.uleb(files.length);
    for (const [name, directory] of files) {
      out.text(name).uleb(directory);
      if (md5) out.bytes(new Uint8Array(16).fill(0xab));
    }
  } else {
    for (const name of directories) out.text(name);
    out.u8(0);
    for (const [name, directory] of files) out.text(name).uleb(directory).uleb(0).uleb(0);
    out.u8(0);
  }
  out.put(lengthAt, made.offsetSize, out.length - lengthAt - made.offsetSize);
  program(new LineCode(out, made.addressSize));
  end();
  return offset;
}

/** The byte code of a line program. */
export class LineCode {
  readonly out: Bytes;
  readonly #addressSize: 4 | 8;

  constructor(out: Bytes, addressSize: 4 | 8) {
    this.out = out;
    this.#addressSize = addressSize;
  }

  setAddress(address: number | bigint): this {
    this.out.u8(0, this.#addressSize + 1, dw.DW_LNE_set_address).number(this.#addressSize, address);
    return this;
  }

  /** Goes to a line and writes a row. */
  row(lineStep: number): this {
    if (lineStep !== 0) this.out.u8(dw.DW_LNS_advance_line).sleb(lineStep);
    this.out.u8(dw.DW_LNS_copy);
    return this;
  }

  advance(operations: number): this {
    this.out.u8(dw.DW_LNS_advance_pc).uleb(operations);
    return this;
  }

  column(value: number): this {
    this.out.u8(dw.DW_LNS_set_column).uleb(value);
    return this;
  }

  fileNumber(value: number): this {
    this.out.u8(dw.DW_LNS_set_file).uleb(value);
    return this;
  }

  endSequence(): this {
    this.out.u8(0, 1, dw.DW_LNE_end_sequence);
    return this;
  }
}
