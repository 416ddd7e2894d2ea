/**
 * Writes names into a profile without decoding it.
 *
 * The output is the input with three kinds of change: Location records whose lines were replaced and Mapping records whose flags
 * were set are written anew in their place, and at the end follow new Function records, new strings, new comments and a URL. All
 * other bytes are copied in runs: samples, ids, addresses, unknown fields, fields written in unusual ways.
 *
 *   input    ... sample | location 1 | sample | location 2 | mapping 1 | string_table ...
 *   output   ... sample | LOCATION 1 | sample | location 2 | MAPPING 1 | string_table ... | function N+1 | string M
 *
 * Function records and strings that are there already are used again; clients tell functions apart by name, system name, file
 * and start line, so a second record for one function would split it in two in every graph.
 */
import { LimitError } from '../errors.ts';
import { type MappingFlags, type NewFunction, type NewLine, NewLines, type ProfileEdits } from './edits.ts';
import { LINE, LOCATION, MAPPING, PROFILE } from './fields.ts';
import { NewFunctions } from './newfunctions.ts';
import { MAX_PROFILE_BYTES, type Profile } from './profile.ts';
import { LENGTH, VARINT, varintSize, WireReader, WireWriter } from './wire.ts';

export { type MappingFlags, type NewFunction, type NewLine, NewLines, type ProfileEdits };

/**
 * The profile with `edits` applied, uncompressed; `profile.raw` itself when they change nothing. Throws LimitError when the
 * result would be too large.
 */
export function splice(profile: Profile, edits: ProfileEdits): Uint8Array {
  const mappings = [...edits.flags.keys()].sort((a, b) => a - b).filter((index) => flagsChange(profile, edits, index));
  const docUrl = profile.docUrl === '' ? (edits.docUrl ?? '') : '';
  const isUntouched = edits.lines.size === 0 && mappings.length === 0 && edits.comments.length === 0 && docUrl === '';
  if (isUntouched) return profile.raw;
  const { locations } = profile;
  const edited = ascending(edits.lines.keys());
  const lists: (readonly NewLine[])[] = [];
  for (const index of edited) {
    if (!(index >= 0 && index < locations.count)) throw new RangeError(`location ${index} of ${locations.count}`);
    lists.push(edits.lines.get(index)!);
  }
  const functions = new NewFunctions(profile, lists, { ...edits, docUrl });

  // First pass: how large everything becomes.
  const reader = new WireReader(profile.raw);
  const contentSizes = new Float64Array(edited.length);
  let size = profile.raw.length + functions.size;
  let line = 0;
  for (let i = 0; i < edited.length; i++) {
    const start = locations.recordStart(edited[i]);
    const end = locations.recordEnd(edited[i]);
    let content = locations.isBare(edited[i]) ? contentSize(reader, start, end) : keptSize(reader, start, end);
    for (const newLine of lists[i]) content += 2 + lineSize(functions.id(line++), newLine);
    contentSizes[i] = content;
    size += 1 + varintSize(content) + content - (end - start);
  }
  for (const comment of functions.comments) size += 1 + varintSize(comment);
  if (functions.docUrl !== 0) size += 1 + varintSize(functions.docUrl);
  // A flag takes two bytes, and up to ten of them one more for the record's length.
  size += 9 * mappings.length;
  if (size > MAX_PROFILE_BYTES)
    throw new LimitError(`the rewritten profile would take ${size} bytes, the limit is ${MAX_PROFILE_BYTES}`);

  // Second pass: write, in file order.
  const writer = new WireWriter(size);
  const lines = new LineWriter(writer, functions);
  let copied = 0;
  let nextMapping = 0;
  for (let i = 0; i <= edited.length; i++) {
    const start = i < edited.length ? locations.recordStart(edited[i]) : Infinity;
    for (; nextMapping < mappings.length; nextMapping++) {
      const { index, recordStart, recordEnd } = profile.mappings[mappings[nextMapping]];
      if (recordStart > start) break;
      writer.copy(reader.buf, copied, recordStart);
      writeMapping(reader, recordStart, recordEnd, edits.flags.get(index)!, writer);
      copied = recordEnd;
    }
    if (i === edited.length) break;
    writer.copy(reader.buf, copied, start);
    copied = locations.recordEnd(edited[i]);
    writer.byte(tag(PROFILE.location, LENGTH));
    writer.varint(contentSizes[i]);
    if (locations.isBare(edited[i])) {
      writer.copy(reader.buf, copied - contentSize(reader, start, copied), copied);
      lines.write(lists[i]);
    } else writeLocation(reader, start, copied, lists[i], lines);
  }
  writer.copy(reader.buf, copied, profile.raw.length);
  functions.write(writer);
  // One number a field: Alloy's decoder does not read packed comments.
  for (const comment of functions.comments) {
    writer.byte(tag(PROFILE.comment, VARINT));
    writer.varint(comment);
  }
  if (functions.docUrl !== 0) {
    writer.byte(tag(PROFILE.doc_url, VARINT));
    writer.varint(functions.docUrl);
  }
  return writer.written();
}

/** The tag of a field below 16. */
function tag(field: number, wire: number): number {
  return (field << 3) | wire;
}

/** True for the fields of a Location that go when its lines are replaced. */
function isReplaced(reader: WireReader): boolean {
  return reader.field === LOCATION.line || reader.field === LOCATION.is_folded;
}

/** In order; mostly they come so. */
function ascending(keys: Iterable<number>): number[] {
  const sorted: number[] = [];
  let isSorted = true;
  let last = -Infinity;
  for (const key of keys) {
    if (!(key > last)) isSorted = false;
    sorted.push((last = key));
  }
  return isSorted ? sorted : sorted.sort((a, b) => a - b);
}

/** Bytes of the record without its tag and length. */
function contentSize(reader: WireReader, start: number, end: number): number {
  reader.enter(start, end);
  return end - reader.pos;
}

/** Bytes of the location's content that stay. */
function keptSize(reader: WireReader, start: number, end: number): number {
  reader.enter(start, end);
  let size = end - reader.pos;
  while (reader.next()) {
    const { fieldStart } = reader;
    reader.skipField();
    if (isReplaced(reader)) size -= reader.pos - fieldStart;
  }
  return size;
}

/** Writes the content of a location that has lines, or the flag that goes with them. */
function writeLocation(
  reader: WireReader,
  start: number,
  end: number,
  newLines: readonly NewLine[],
  lines: LineWriter,
): void {
  const { writer } = lines;
  reader.enter(start, end);
  // New lines stand where the first old one stood, else at the end.
  let written = false;
  let keepFrom = reader.pos;
  while (reader.next()) {
    const { fieldStart } = reader;
    reader.skipField();
    if (!isReplaced(reader)) continue;
    writer.copy(reader.buf, keepFrom, fieldStart);
    keepFrom = reader.pos;
    if (reader.field === LOCATION.line && !written) {
      lines.write(newLines);
      written = true;
    }
  }
  writer.copy(reader.buf, keepFrom, end);
  if (!written) lines.write(newLines);
}

function lineSize(id: number | bigint, { line, column }: NewLine): number {
  return 1 + varintSize(id) + (line === 0 ? 0 : 1 + varintSize(line)) + (column === 0 ? 0 : 1 + varintSize(column));
}

/** Writes Line records, one list after the other in the order in which `functions` was given them. */
class LineWriter {
  readonly writer: WireWriter;
  readonly #functions: NewFunctions;
  #line = 0;

  constructor(writer: WireWriter, functions: NewFunctions) {
    this.writer = writer;
    this.#functions = functions;
  }

  write(list: readonly NewLine[]): void {
    const { writer } = this;
    for (const newLine of list) {
      const { line, column } = newLine;
      const id = this.#functions.id(this.#line++);
      writer.byte(tag(LOCATION.line, LENGTH));
      // At most 33 bytes, so one byte of length.
      writer.byte(lineSize(id, newLine));
      writer.byte(tag(LINE.function_id, VARINT));
      writer.varint(id);
      if (line !== 0) {
        writer.byte(tag(LINE.line, VARINT));
        writer.varint(line);
      }
      if (column !== 0) {
        writer.byte(tag(LINE.column, VARINT));
        writer.varint(column);
      }
    }
  }
}

/** Which of the fields 7 to 10 to set, in order. */
function wanted(flags: MappingFlags): boolean[] {
  return [flags.functions, flags.filenames, flags.lineNumbers, flags.inlineFrames];
}

function flagsChange(profile: Profile, edits: ProfileEdits, index: number): boolean {
  const mapping = profile.mappings[index];
  if (mapping === undefined) throw new RangeError(`mapping ${index} of ${profile.mappings.length}`);
  const present = [mapping.hasFunctions, mapping.hasFilenames, mapping.hasLineNumbers, mapping.hasInlineFrames];
  return wanted(edits.flags.get(index)!).some((set, i) => set && !present[i]);
}

function writeMapping(reader: WireReader, start: number, end: number, flags: MappingFlags, writer: WireWriter): void {
  const missing = wanted(flags);
  reader.enter(start, end);
  const contentStart = reader.pos;
  // First which flags are there, to know the size.
  const present = [false, false, false, false];
  let size = end - contentStart;
  while (reader.next()) {
    const { field } = reader;
    const flag = field - MAPPING.has_functions;
    const valueStart = reader.pos;
    reader.skipField();
    if (flag < 0 || flag >= 4 || !missing[flag]) continue;
    present[flag] = true;
    size -= reader.pos - valueStart - 1;
  }
  for (let flag = 0; flag < 4; flag++) if (missing[flag] && !present[flag]) size += 2;

  writer.byte(tag(PROFILE.mapping, LENGTH));
  writer.varint(size);
  reader.enter(start, end);
  let keepFrom = reader.pos;
  while (reader.next()) {
    const flag = reader.field - MAPPING.has_functions;
    const valueStart = reader.pos;
    reader.skipField();
    if (flag < 0 || flag >= 4 || !missing[flag]) continue;
    writer.copy(reader.buf, keepFrom, valueStart);
    writer.byte(1);
    keepFrom = reader.pos;
  }
  writer.copy(reader.buf, keepFrom, end);
  for (let flag = 0; flag < 4; flag++) {
    if (!missing[flag] || present[flag]) continue;
    writer.byte(tag(MAPPING.has_functions + flag, VARINT));
    writer.byte(1);
  }
}
