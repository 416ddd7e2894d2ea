/**
 * Gives functions other file names without decoding the profile: in Function records whose file changes, only the index of
 * the file's name (and the record's length) is written anew; new strings follow at the end. All other bytes are copied in runs.
 *
 *   input    ... function 1 | function 2 | string_table ...
 *   output   ... FUNCTION 1 | function 2 | string_table ... | string M
 */
import { LimitError } from '../errors.ts';
import { FUNCTION, PROFILE } from './fields.ts';
import { MAX_PROFILE_BYTES, type Profile } from './profile.ts';
import { LENGTH, VARINT, varintSize, WireReader, WireWriter } from './wire.ts';

/** What a record may grow by: an index of up to five bytes and its tag, and up to three bytes of length. */
const MAX_GROWTH = 9;

/** Ten times the source files of the largest programs; under a second. */
const MAX_FILES = 2 ** 18;

/** In `NewNames.indexes`. */
const UNSEEN = 0;
const UNCHANGED = -1;

interface NewNames {
  /** By the string index of a file's name: that of its new one, or one of the above. */
  readonly indexes: Int32Array;
  /** UTF-8, to append. */
  readonly strings: readonly Uint8Array[];
  /** Function records that change. */
  readonly records: number;
}

/**
 * The profile with every function's file name as `rename` gives it; `profile.raw` itself when none changes, or when there are more
 * than MAX_FILES. Names that are not UTF-8 stay. Throws LimitError.
 */
export function renameFiles(profile: Profile, rename: (filename: string) => string): Uint8Array {
  const { indexes, strings, records } = newNames(profile, rename);
  if (records === 0) return profile.raw;
  const added = strings.reduce((sum, { length }) => sum + 1 + varintSize(length) + length, 0);
  const size = profile.raw.length + added + records * MAX_GROWTH;
  if (size > MAX_PROFILE_BYTES) {
    throw new LimitError(
      `the profile with its files renamed would take ${size} bytes, the limit is ${MAX_PROFILE_BYTES}`,
    );
  }
  const writer = new WireWriter(size);
  const reader = new WireReader(profile.raw);
  const whole = reader.len;
  let copied = 0;
  for (let record = 0; reader.next();) {
    if (reader.field !== PROFILE.function) {
      reader.skipField();
      continue;
    }
    const start = reader.fieldStart;
    const end = reader.body();
    // The table has the records in file order.
    const filename = indexes[profile.functions.filename(record++)];
    if (filename !== UNCHANGED) {
      writer.copy(reader.buf, copied, start);
      reader.len = end;
      writeRecord(reader, filename, writer);
      reader.len = whole;
      copied = end;
    }
    reader.pos = end;
  }
  writer.copy(reader.buf, copied, whole);
  for (const bytes of strings) {
    writer.byte((PROFILE.string_table << 3) | LENGTH);
    writer.varint(bytes.length);
    writer.copy(bytes, 0, bytes.length);
  }
  return writer.written();
}

function newNames({ functions, strings }: Profile, rename: (filename: string) => string): NewNames {
  const indexes = new Int32Array(strings.count);
  const byName = new Map<string, number>();
  const added: Uint8Array[] = [];
  const newIndex = (text: string): number => {
    // What is not UTF-8 has lost bytes on its way to a text.
    const name = text.includes('\ufffd') ? text : rename(text);
    if (name === text) return UNCHANGED;
    let index = byName.get(name);
    if (index === undefined) {
      index = strings.count + added.length;
      byName.set(name, index);
      added.push(Buffer.from(name));
    }
    return index;
  };
  let records = 0;
  let files = 0;
  for (let i = 0; i < functions.count; i++) {
    const filename = functions.filename(i);
    if (indexes[filename] === UNSEEN) {
      if (++files > MAX_FILES) return { indexes, strings: [], records: 0 };
      indexes[filename] = newIndex(strings.text(filename));
    }
    if (indexes[filename] !== UNCHANGED) records++;
  }
  return { indexes, strings: added, records };
}

/** Writes the record whose content lies between `pos` and `len`. */
function writeRecord(reader: WireReader, filename: number, writer: WireWriter): void {
  const { pos: start, len: end } = reader;
  // Of a field that occurs twice the last counts.
  let from = end;
  let to = end;
  while (reader.next()) {
    const { field, pos } = reader;
    reader.skipField();
    if (field === FUNCTION.filename) [from, to] = [pos, reader.pos];
  }
  const isAbsent = to === from;
  writer.byte((PROFILE.function << 3) | LENGTH);
  writer.varint(end - start - (to - from) + varintSize(filename) + (isAbsent ? 1 : 0));
  writer.copy(reader.buf, start, from);
  if (isAbsent) writer.byte((FUNCTION.filename << 3) | VARINT);
  writer.varint(filename);
  writer.copy(reader.buf, to, end);
}
