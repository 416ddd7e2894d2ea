/**
 * Is this body a profile? Told from its first bytes, not from the path or the Content-Type: a service has its own endpoints,
 * and a login page comes with status 200.
 *
 * A profile is gzip (1f 8b) around a protobuf message, that message itself, or gzip around gzip. A message shows in its first
 * tags: a sequence of known fields, each with its own wire type. Text fails within a few bytes, a trace at its first ("go 1.26
 * trace"). A profile is also what gperftools and its like write (legacy/), where it is asked for. The answer is allowed to be wrong towards "profile": such a body is held back until it is complete, found to be none
 * and passed on as it came.
 */
import { constants, gunzipSync } from 'node:zlib';
import { isLegacyProfile, LEGACY_HEAD_BYTES, mayBeginLegacy } from '../legacy/legacy.ts';

export type Verdict = 'profile' | 'other' | 'undecided';

/** More is not looked at: what is plausible so far is taken for a profile. */
export const SNIFF_BYTES = 4096;

/** RFC 1952, 2.3.1: ID1, ID2. */
const MAGIC = [0x1f, 0x8b] as const;

/** Compressed bytes looked into; at the highest ratio (1032) they inflate to a megabyte. */
const INFLATE_BYTES = 1024;

/** Text passes one step in seven by chance; this many steps, once in two thousand. */
const STEPS_THAT_CONVINCE = 4;

/** Wire types of perftools.profiles.Profile by field number (proto/profile.proto); repeated integers may be packed. */
const VARINT = 0;
const LEN = 2;
const WIRE_TYPES: readonly (readonly number[])[] = [
  [], // 0 is no field
  [LEN], // sample_type
  [LEN], // sample
  [LEN], // mapping
  [LEN], // location
  [LEN], // function
  [LEN], // string_table
  [VARINT], // drop_frames
  [VARINT], // keep_frames
  [VARINT], // time_nanos
  [VARINT], // duration_nanos
  [LEN], // period_type
  [VARINT], // period
  [VARINT, LEN], // comment
  [VARINT], // default_sample_type
  [VARINT], // doc_url
];
/** Wire types of fields from later versions: anything but groups. */
const ANY_WIRE_TYPE = [VARINT, 1, LEN, 5];

/** `undecided` asks for more bytes. `legacy`: profiles that are no protobuf count too. */
export function sniff(start: Uint8Array, legacy = false): Verdict {
  const prefix = start.subarray(0, SNIFF_BYTES);
  const verdict = isGzip(prefix) ? sniffInside(prefix, legacy) : sniffPlain(prefix, legacy);
  return verdict === 'undecided' && prefix.length === SNIFF_BYTES ? 'profile' : verdict;
}

export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === MAGIC[0] && bytes[1] === MAGIC[1];
}

/** What the first bytes of gzip inflate to. Throws zlib's error when they are damaged. */
export function inflateStart(bytes: Uint8Array): Uint8Array {
  // Flushing says: more may follow, give what there is.
  return gunzipSync(bytes.subarray(0, INFLATE_BYTES), { finishFlush: constants.Z_SYNC_FLUSH });
}

function sniffInside(prefix: Uint8Array, legacy: boolean): Verdict {
  let inner: Uint8Array;
  try {
    inner = inflateStart(prefix);
  } catch {
    return 'profile'; // damaged: whoever reads it whole says how
  }
  if (isGzip(inner)) return 'profile';
  const verdict = sniffPlain(inner, legacy);
  return verdict === 'undecided' && prefix.length >= INFLATE_BYTES ? 'profile' : verdict;
}

function sniffPlain(bytes: Uint8Array, legacy: boolean): Verdict {
  if (legacy && isLegacyProfile(bytes)) return 'profile';
  if (legacy && bytes.length < LEGACY_HEAD_BYTES && mayBeginLegacy(bytes)) return 'undecided';
  return sniffMessage(bytes);
}

function sniffMessage(bytes: Uint8Array): Verdict {
  if (bytes.length === 1 && bytes[0] === MAGIC[0]) return 'undecided'; // half of a magic
  let at = 0;
  for (let step = 0; step < STEPS_THAT_CONVINCE; step++) {
    const tag = varint(bytes, at);
    if (tag === null) return 'other';
    if (tag === CUT) return 'undecided';
    const field = Math.floor(tag.value / 8);
    const wireType = tag.value % 8;
    if (!(WIRE_TYPES[field] ?? ANY_WIRE_TYPE).includes(wireType)) return 'other';
    at = tag.end;
    if (wireType === VARINT || wireType === LEN) {
      const value = varint(bytes, at);
      if (value === null) return 'other';
      if (value === CUT) return 'undecided';
      at = value.end + (wireType === LEN ? value.value : 0);
    } else at += wireType === 1 ? 8 : 4;
    if (at > bytes.length) return 'undecided';
  }
  return 'profile';
}

const CUT = Symbol('cut');
const MAX_VARINT_BYTES = 10;

/** An unsigned varint, exact up to 2^53, which is more than a tag or a length may be. null when it is none. */
function varint(bytes: Uint8Array, at: number): { value: number; end: number } | typeof CUT | null {
  let value = 0;
  for (let i = 0; i < MAX_VARINT_BYTES; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return CUT;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  return null;
}
