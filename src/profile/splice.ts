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
import type { MappingFlags, ProfileEdits } from './edits.ts';
import { LINE, LOCATION, MAPPING, PROFILE } from './fields.ts';
import { NewFunctions } from './newfunctions.ts';
import type { NewFunction } from './function-pool.ts';
import { type NewLine, NewLines } from './newlines.ts';
import { MAX_PROFILE_BYTES, type Profile } from './profile.ts';
import { LENGTH, VARINT, varintSize, WireReader, WireWriter } from './wire.ts';

export type { MappingFlags, NewFunction, NewLine, ProfileEdits };

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
  const lines = edits.lines instanceof NewLines ? edits.lines : NewLines.of(edits.lines);
  const edited = lines.locations();
  const highest = edited[edited.length - 1];
  if (highest >= locations.count) throw new RangeError(`location ${highest} of ${locations.count}`);
  const functions = new NewFunctions(profile, lines, edited, { ...edits, docUrl });
  const lineWriter = new LineWriter(lines, functions);

  const reader = new WireReader(profile.raw);
  // At most. Memory that is not written to is not taken.
  let size = profile.raw.length + functions.size + MAX_LINE_BYTES * functions.lines + MAX_HEAD_BYTES * edited.length;
  for (const comment of functions.comments) size += 1 + varintSize(comment);
  if (functions.docUrl !== 0) size += 1 + varintSize(functions.docUrl);
  // A flag takes two bytes, and up to ten of them one more for the record's length.
  size += 9 * mappings.length;
  if (size > MAX_PROFILE_BYTES)
    throw new LimitError(`the rewritten profile may take ${size} bytes, the limit is ${MAX_PROFILE_BYTES}`);

  // In file order.
  const writer = new WireWriter(size);
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
    const content = writer.begin(tag(PROFILE.location, LENGTH));
    if (locations.isBare(edited[i])) {
      reader.enter(start, copied);
      writer.copy(reader.buf, reader.pos, copied);
      lineWriter.write(writer, edited[i]);
    } else writeLocation(reader, start, copied, writer, () => lineWriter.write(writer, edited[i]));
    writer.end(content);
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

/** Writes the content of a location that has lines, or the flag that goes with them. */
function writeLocation(
  reader: WireReader,
  start: number,
  end: number,
  writer: WireWriter,
  writeLines: () => void,
): void {
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
      writeLines();
      written = true;
    }
  }
  writer.copy(reader.buf, keepFrom, end);
  if (!written) writeLines();
}

/** A line's tag and length, and three numbers with their tags. */
const MAX_LINE_BYTES = 2 + 3 * 11;
/** A location's tag and length. */
const MAX_HEAD_BYTES = 6;

/** Writes Line records. */
class LineWriter {
  readonly #lines: NewLines;
  readonly #functions: NewFunctions;

  constructor(lines: NewLines, functions: NewFunctions) {
    this.#lines = lines;
    this.#functions = functions;
  }

  write(writer: WireWriter, location: number): void {
    const { table } = this.#lines;
    const list = this.#lines.list(location);
    const depth = table.depth(list);
    for (let i = 0; i < depth; i++) {
      const content = writer.begin(tag(LOCATION.line, LENGTH));
      writer.byte(tag(LINE.function_id, VARINT));
      writer.varint(this.#functions.id(table.function(list, i)));
      writeNumber(writer, LINE.line, table.line(list, i));
      writeNumber(writer, LINE.column, table.column(list, i));
      writer.end(content);
    }
  }
}

/** Nothing for 0, as proto3 has it. */
function writeNumber(writer: WireWriter, field: number, value: number): void {
  if (value === 0) return;
  writer.byte(tag(field, VARINT));
  writer.varint(value);
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
