/**
 * Takes the names out of a profile: what a profiler that knows only addresses would have written. Restoring them is then
 * a test with the runtime's own answers as the key.
 */
import { gunzipSync } from 'node:zlib';
import { fieldsOf, lengthField } from './fields.ts';

const MAPPING = 3;
const LOCATION = 4;
const FUNCTION = 5;
const LOCATION_LINE = 4;

export interface EraseOptions {
  /** The mappings' has_* flags: kept as they are unless told. */
  readonly flags?: 'keep' | 'drop';
}

/**
 * The uncompressed profile without lines and without functions; every other byte is as it was. Takes a profile gzipped or
 * not. The names stay in the string table, unused.
 */
export function erase(profile: Uint8Array, { flags = 'keep' }: EraseOptions = {}): Uint8Array {
  const kept: Uint8Array[] = [];
  for (const field of fieldsOf(uncompressed(profile))) {
    if (field.number === FUNCTION) continue;
    if (field.number === LOCATION) kept.push(without(field.body, LOCATION, (number) => number === LOCATION_LINE));
    else if (field.number === MAPPING && flags === 'drop') kept.push(without(field.body, MAPPING, isFlag));
    else kept.push(field.bytes);
  }
  return new Uint8Array(Buffer.concat(kept));
}

/** has_functions, has_filenames, has_line_numbers, has_inline_frames. */
function isFlag(number: number): boolean {
  return number >= 7 && number <= 10;
}

function without(message: Uint8Array, number: number, dropped: (number: number) => boolean): Uint8Array {
  const rest = fieldsOf(message).filter((field) => !dropped(field.number));
  return lengthField(number, Buffer.concat(rest.map((field) => field.bytes)));
}

/** The bytes of a profile without their gzip wrapping, if any. */
export function uncompressed(profile: Uint8Array): Uint8Array {
  return profile[0] === 0x1f && profile[1] === 0x8b ? gunzipSync(profile) : profile;
}
