/**
 * The header of a line number program (DWARF 5, 6.2.4), at DW_AT_stmt_list of .debug_line:
 *
 *     unit_length                        u32, or 0xffffffff and a u64
 *     version                            u16, 2 to 5; not that of the unit
 *     address_size, segment_selector_size  u8, u8                        from version 5 on
 *     header_length                      4 or 8: from here to the program
 *     minimum_instruction_length         u8
 *     maximum_operations_per_instruction u8                              from version 4 on
 *     default_is_stmt                    u8
 *     line_base, line_range              i8, u8
 *     opcode_base                        u8
 *     standard_opcode_lengths            u8 [opcode_base - 1]
 *   version 2 to 4
 *     include_directories                strings, "" ends; number 1 is the first, 0 the unit's directory
 *     file_names                         { string, uleb directory, uleb mtime, uleb size }, "" ends; number 1 is the first
 *   version 5
 *     directory_entry_format             u8 count of { uleb content, uleb form }
 *     directories                        uleb count of entries in that format; number 0 is the first, the unit's own
 *     file_name_entry_format, file_names the same; number 0 is the unit's main file
 */
import type { Cursor } from '../bytes/cursor.ts';
import * as dw from './constants.ts';
import { readValue } from './die.ts';
import { type Encoding, directForm, skipForm } from './forms.ts';
import type { Unit } from './unit.ts';
import { ABSENT, type RawValue } from './unit-root.ts';

/** A table with more is no table: the largest units name some 10,000 files. */
const MAX_FILES = 1 << 20;
/** Contents of one entry: path, directory, time, size, hash, and vendors' own. */
const MAX_FORMATS = 64;

/** A path in a table: inline strings are positions in the program's bytes. */
export interface FileEntry {
  readonly path: RawValue;
  readonly directory: number;
}

export interface LineHeader {
  readonly version: number;
  readonly encoding: Encoding;
  readonly minInstructionLength: number;
  readonly maxOperations: number;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** Operand counts by opcode; [0] unused. */
  readonly opcodeLengths: Uint8Array;
  /** By number as the version counts them, unused numbers left out. */
  readonly directories: (RawValue | undefined)[];
  readonly files: (FileEntry | undefined)[];
  /** Where the program begins and ends, in the cursor's bytes. */
  readonly programStart: number;
  readonly programEnd: number;
}

/** Reads the header from a cursor over exactly one program, `size` bytes of which `lengthBytes` are unit_length. */
export function readLineHeader(cursor: Cursor, unit: Unit): LineHeader {
  let length = cursor.u32();
  const offsetSize = length === 0xffffffff ? 8 : 4;
  if (offsetSize === 8) length = cursor.u64();
  const programEnd = cursor.offset + length;
  if (programEnd > cursor.length) throw cursor.error(`line program of ${length} bytes, ${cursor.remaining} are left`);
  const version = cursor.u16();
  if (version < 2 || version > 5) throw cursor.error(`line table version ${version}`);
  let { addressSize } = unit.encoding;
  if (version >= 5) {
    addressSize = cursor.u8();
    if (cursor.u8() !== 0) throw cursor.error('segmented addresses');
  }
  const headerLength = cursor.word(offsetSize);
  const programStart = cursor.offset + headerLength;
  if (programStart > programEnd) throw cursor.error(`header of ${headerLength} bytes in a program of ${length}`);
  const minInstructionLength = cursor.u8();
  const maxOperations = version >= 4 ? cursor.u8() : 1;
  cursor.skip(1);
  const lineBase = cursor.i8();
  const lineRange = cursor.u8();
  const opcodeBase = cursor.u8();
  if (lineRange === 0 || opcodeBase === 0) throw cursor.error(`line_range ${lineRange}, opcode_base ${opcodeBase}`);
  const opcodeLengths = new Uint8Array(256);
  opcodeLengths.set(cursor.take(opcodeBase - 1), 1);
  const encoding = { version: unit.encoding.version, offsetSize, addressSize } as const;
  const directories: (RawValue | undefined)[] = [];
  const files: (FileEntry | undefined)[] = [];
  if (version >= 5) {
    for (const { path } of readEntries(cursor, encoding, unit)) directories.push(path);
    files.push(...readEntries(cursor, encoding, unit));
  } else {
    directories.push(undefined);
    for (let path = inlineString(cursor); path !== null; path = inlineString(cursor)) directories.push(path);
    files.push(undefined);
    for (let path = inlineString(cursor); path !== null; path = inlineString(cursor)) {
      files.push(restOfFile(cursor, path));
    }
  }
  return {
    version,
    encoding,
    minInstructionLength,
    maxOperations: Math.max(1, maxOperations),
    lineBase,
    lineRange,
    opcodeBase,
    opcodeLengths,
    directories,
    files,
    programStart,
    programEnd,
  };
}

/** A string in the table itself; null for the empty one that ends it. */
export function inlineString(cursor: Cursor): RawValue | null {
  const value = cursor.offset;
  return cursor.cstringBytes().length === 0 ? null : { form: dw.DW_FORM_string, value };
}

/** What follows a path in tables up to version 4 and in DW_LNE_define_file. */
export function restOfFile(cursor: Cursor, path: RawValue): FileEntry {
  const directory = cursor.uleb();
  cursor.uleb();
  cursor.uleb();
  return { path, directory };
}

function readEntries(cursor: Cursor, encoding: Encoding, unit: Unit): FileEntry[] {
  const formats: number[] = [];
  const formatCount = cursor.u8();
  if (formatCount > MAX_FORMATS) throw cursor.error(`${formatCount} parts of a file entry`);
  for (let i = 0; i < formatCount; i++) formats.push(cursor.uleb(), cursor.uleb());
  const count = cursor.uleb();
  if (count > MAX_FILES || (count > 0 && formatCount === 0)) throw cursor.error(`${count} file entries`);
  const entries: FileEntry[] = [];
  for (let n = 0; n < count; n++) {
    const start = cursor.offset;
    let path = ABSENT;
    let directory = 0;
    for (let i = 0; i < formats.length; i += 2) {
      const content = formats[i];
      let form = formats[i + 1];
      if (form === dw.DW_FORM_indirect) form = directForm(cursor);
      if (content === dw.DW_LNCT_path) path = { form, value: readValue(cursor, form, encoding, unit.space) };
      else if (content === dw.DW_LNCT_directory_index) directory = readValue(cursor, form, encoding, unit.space);
      else skipForm(cursor, form, encoding);
    }
    if (cursor.offset === start) throw cursor.error('file entries of no bytes');
    entries.push({ path, directory });
  }
  return entries;
}
