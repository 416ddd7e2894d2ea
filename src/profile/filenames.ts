/**
 * Gives functions other file names without decoding the profile: Function records whose file changes are written anew in their
 * place, with their other fields as they are; new strings follow at the end. All other bytes are copied in runs.
 */
import { LimitError } from '../errors.ts';
import { FUNCTION, PROFILE } from './fields.ts';
import { MAX_PROFILE_BYTES, type Profile } from './profile.ts';
import { LENGTH, VARINT, varintSize, WireReader, WireWriter } from './wire.ts';

/** The profile with every function's file name as `rename` gives it; `profile.raw` itself when none changes. Throws LimitError. */
export function renameFiles(profile: Profile, rename: (filename: string) => string): Uint8Array {
  const renamed = newIndexes(profile, rename);
  if (renamed.indexes.size === 0) return profile.raw;
  const records = functionRecords(profile.raw).filter(({ filename }) => renamed.indexes.has(filename));
  const added = renamed.strings.reduce((sum, { length }) => sum + 1 + varintSize(length) + length, 0);
  // The new index takes up to five bytes, its tag one, and the record's length up to two more than before.
  const size = profile.raw.length + added + records.length * 8;
  if (size > MAX_PROFILE_BYTES) {
    throw new LimitError(
      `the profile with its files renamed would take ${size} bytes, the limit is ${MAX_PROFILE_BYTES}`,
    );
  }
  const writer = new WireWriter(size);
  const reader = new WireReader(profile.raw);
  let copied = 0;
  for (const { start, end, filename } of records) {
    writer.copy(profile.raw, copied, start);
    writeRecord(reader, start, end, renamed.indexes.get(filename)!, writer);
    copied = end;
  }
  writer.copy(profile.raw, copied, profile.raw.length);
  for (const bytes of renamed.strings) {
    writer.byte((PROFILE.string_table << 3) | LENGTH);
    writer.varint(bytes.length);
    writer.copy(bytes, 0, bytes.length);
  }
  return writer.written();
}

/** New string indexes by the old one of a file's name, and the strings to append. */
function newIndexes(
  { functions, strings }: Profile,
  rename: (filename: string) => string,
): { indexes: Map<number, number>; strings: Uint8Array[] } {
  const seen = new Set<number>();
  const indexes = new Map<number, number>();
  const byName = new Map<string, number>();
  const added: Uint8Array[] = [];
  for (let i = 0; i < functions.count; i++) {
    const filename = functions.filename(i);
    if (seen.has(filename)) continue;
    seen.add(filename);
    const text = strings.text(filename);
    const name = rename(text);
    if (name === text) continue;
    let index = byName.get(name);
    if (index === undefined) {
      index = strings.count + added.length;
      byName.set(name, index);
      added.push(Buffer.from(name));
    }
    indexes.set(filename, index);
  }
  return { indexes, strings: added };
}

/** Where the Function records lie, and the string index of each one's file. */
function functionRecords(raw: Uint8Array): { start: number; end: number; filename: number }[] {
  const reader = new WireReader(raw);
  const records: { start: number; end: number; filename: number }[] = [];
  while (reader.next()) {
    if (reader.field !== PROFILE.function) {
      reader.skipField();
      continue;
    }
    const start = reader.fieldStart;
    const end = reader.body();
    let filename = 0;
    const whole = reader.len;
    reader.len = end;
    while (reader.next()) {
      if (isFilename(reader)) filename = reader.index();
      else reader.skipField();
    }
    reader.len = whole;
    records.push({ start, end, filename });
  }
  return records;
}

function isFilename(reader: WireReader): boolean {
  return reader.field === FUNCTION.filename;
}

/** Leaves out every occurrence of the file's name and writes the new one at the end: the last occurrence counts. */
function writeRecord(reader: WireReader, start: number, end: number, filename: number, writer: WireWriter): void {
  const kept: [number, number][] = [];
  let size = 1 + varintSize(filename);
  reader.enter(start, end);
  let from = reader.pos;
  const keep = (to: number): void => {
    if (to > from) kept.push([from, to]);
    size += to - from;
  };
  while (reader.next()) {
    const { fieldStart } = reader;
    reader.skipField();
    if (!isFilename(reader)) continue;
    keep(fieldStart);
    from = reader.pos;
  }
  keep(end);
  writer.byte((PROFILE.function << 3) | LENGTH);
  writer.varint(size);
  for (const [a, b] of kept) writer.copy(reader.buf, a, b);
  writer.byte((FUNCTION.filename << 3) | VARINT);
  writer.varint(filename);
}
