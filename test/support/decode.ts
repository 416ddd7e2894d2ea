/**
 * A second reader of pprof profiles, for comparing what went in with what came out. It shares nothing with src/: plain
 * objects, one bigint per number, everything decoded, no care for speed.
 */
import { gunzipSync } from 'node:zlib';

export interface DecodedLine {
  readonly functionId: bigint;
  readonly line: bigint;
  readonly column: bigint;
}

export interface DecodedFunction {
  readonly id: bigint;
  readonly name: string;
  readonly systemName: string;
  readonly file: string;
  readonly startLine: bigint;
}

export interface DecodedLocation {
  readonly id: bigint;
  readonly mappingId: bigint;
  readonly address: bigint;
  /** Innermost first. */
  readonly lines: readonly DecodedLine[];
}

export interface DecodedMapping {
  readonly id: bigint;
  readonly start: bigint;
  readonly limit: bigint;
  readonly offset: bigint;
  readonly file: string;
  readonly buildId: string;
  readonly hasFunctions: boolean;
  readonly hasFilenames: boolean;
  readonly hasLineNumbers: boolean;
  readonly hasInlineFrames: boolean;
}

export interface DecodedProfile {
  /** "cpu/nanoseconds" */
  readonly sampleTypes: readonly string[];
  /** Location ids, leaf first, and values. Labels are left out. */
  readonly samples: readonly { readonly locations: readonly bigint[]; readonly values: readonly bigint[] }[];
  readonly mappings: readonly DecodedMapping[];
  readonly locations: readonly DecodedLocation[];
  readonly functions: ReadonlyMap<bigint, DecodedFunction>;
  readonly strings: readonly string[];
}

/** One frame as people compare them. */
export interface DecodedFrame {
  readonly function: string;
  readonly file: string;
  readonly line: number;
  readonly startLine: number;
}

/** Decodes a profile, gzipped or not. Throws plain Errors: the bytes come from a runtime or from resym. */
export function decodeProfile(raw: Uint8Array): DecodedProfile {
  const fields = messageOf(raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw);
  const strings = all(fields, 6).map((bytes) => Buffer.from(bytes).toString('utf8'));
  const text = (fieldsOf: Fields, number: number): string => {
    const found = strings[Number(one(fieldsOf, number))];
    if (found === undefined) throw new Error(`no string ${one(fieldsOf, number)}`);
    return found;
  };
  return {
    sampleTypes: all(fields, 1).map((bytes) => {
      const type = messageOf(bytes);
      return `${text(type, 1)}/${text(type, 2)}`;
    }),
    samples: all(fields, 2).map((bytes) => {
      const sample = messageOf(bytes);
      return { locations: integers(sample, 1), values: integers(sample, 2).map((value) => BigInt.asIntN(64, value)) };
    }),
    mappings: all(fields, 3).map((bytes) => {
      const mapping = messageOf(bytes);
      return {
        id: one(mapping, 1),
        start: one(mapping, 2),
        limit: one(mapping, 3),
        offset: one(mapping, 4),
        file: text(mapping, 5),
        buildId: text(mapping, 6),
        hasFunctions: one(mapping, 7) !== 0n,
        hasFilenames: one(mapping, 8) !== 0n,
        hasLineNumbers: one(mapping, 9) !== 0n,
        hasInlineFrames: one(mapping, 10) !== 0n,
      };
    }),
    locations: all(fields, 4).map((bytes) => {
      const location = messageOf(bytes);
      return {
        id: one(location, 1),
        mappingId: one(location, 2),
        address: one(location, 3),
        lines: all(location, 4).map((lineBytes) => {
          const line = messageOf(lineBytes);
          return {
            functionId: one(line, 1),
            line: BigInt.asIntN(64, one(line, 2)),
            column: BigInt.asIntN(64, one(line, 3)),
          };
        }),
      };
    }),
    functions: new Map(
      all(fields, 5).map((bytes) => {
        const fn = messageOf(bytes);
        const id = one(fn, 1);
        return [
          id,
          {
            id,
            name: text(fn, 2),
            systemName: text(fn, 3),
            file: text(fn, 4),
            startLine: BigInt.asIntN(64, one(fn, 5)),
          },
        ];
      }),
    ),
    strings,
  };
}

/** A location's frames, innermost first. A line whose function is missing is an error. */
export function framesOf(profile: DecodedProfile, location: DecodedLocation): DecodedFrame[] {
  return location.lines.map(({ functionId, line }) => {
    const fn = profile.functions.get(functionId);
    if (fn === undefined) throw new Error(`location ${location.id} has a line with unknown function ${functionId}`);
    return { function: fn.name, file: fn.file, line: Number(line), startLine: Number(fn.startLine) };
  });
}

type Value = bigint | Uint8Array;
type Fields = Map<number, Value[]>;

function one(fields: Fields, number: number): bigint {
  const value = fields.get(number)?.at(-1) ?? 0n;
  if (typeof value !== 'bigint') throw new Error(`field ${number} is not a number`);
  return value;
}

function all(fields: Fields, number: number): Uint8Array[] {
  return (fields.get(number) ?? []).map((value) => {
    if (typeof value === 'bigint') throw new Error(`field ${number} is not a message`);
    return value;
  });
}

/** A repeated integer, packed or not. */
function integers(fields: Fields, number: number): bigint[] {
  const out: bigint[] = [];
  for (const value of fields.get(number) ?? []) {
    if (typeof value === 'bigint') {
      out.push(value);
      continue;
    }
    for (let at = 0; at < value.length;) {
      const [integer, next] = varint(value, at);
      out.push(integer);
      at = next;
    }
  }
  return out;
}

function messageOf(bytes: Uint8Array): Fields {
  const fields: Fields = new Map();
  for (let at = 0; at < bytes.length;) {
    const [key, afterKey] = varint(bytes, at);
    const number = Number(key >> 3n);
    const wire = Number(key & 7n);
    let value: Value;
    if (wire === 0) {
      [value, at] = varint(bytes, afterKey);
    } else if (wire === 2) {
      const [length, start] = varint(bytes, afterKey);
      at = start + Number(length);
      if (at > bytes.length) throw new Error(`field ${number} ends at ${at} of ${bytes.length}`);
      value = bytes.subarray(start, at);
    } else if (wire === 1 || wire === 5) {
      at = afterKey + (wire === 1 ? 8 : 4);
      value = bytes.subarray(afterKey, at);
    } else {
      throw new Error(`wire type ${wire} at ${at}`);
    }
    const list = fields.get(number);
    if (list === undefined) fields.set(number, [value]);
    else list.push(value);
  }
  return fields;
}

function varint(bytes: Uint8Array, start: number): [bigint, number] {
  let value = 0n;
  for (let at = start, shift = 0n; at < bytes.length; at++, shift += 7n) {
    const byte = bytes[at] ?? 0;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return [BigInt.asUintN(64, value), at + 1];
  }
  throw new Error(`varint at ${start} has no end`);
}
