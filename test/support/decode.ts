/**
 * A second reader of pprof profiles, for comparing what went in with what came out: everything decoded, numbers as
 * bigints, nothing shared with src/.
 */
import { uncompressed } from './erase.ts';
import { fieldsOf, numberOf, numbersOf, type Field } from './fields.ts';

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
  readonly comments: readonly string[];
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
  const fields = fieldsOf(uncompressed(raw));
  const strings = all(fields, 6).map((bytes) => Buffer.from(bytes).toString());
  const text = (of: readonly Field[], number: number): string => {
    const found = strings[Number(numberOf(of, number))];
    if (found === undefined) throw new Error(`no string ${numberOf(of, number)}`);
    return found;
  };
  return {
    comments: numbersOf(fields, 13).map((index) => strings[Number(index)]),
    sampleTypes: all(fields, 1).map((bytes) => {
      const type = fieldsOf(bytes);
      return `${text(type, 1)}/${text(type, 2)}`;
    }),
    samples: all(fields, 2).map((bytes) => {
      const sample = fieldsOf(bytes);
      return { locations: numbersOf(sample, 1), values: numbersOf(sample, 2).map((value) => BigInt.asIntN(64, value)) };
    }),
    mappings: all(fields, 3).map((bytes) => {
      const mapping = fieldsOf(bytes);
      return {
        id: numberOf(mapping, 1),
        start: numberOf(mapping, 2),
        limit: numberOf(mapping, 3),
        offset: numberOf(mapping, 4),
        file: text(mapping, 5),
        buildId: text(mapping, 6),
        hasFunctions: numberOf(mapping, 7) !== 0n,
        hasFilenames: numberOf(mapping, 8) !== 0n,
        hasLineNumbers: numberOf(mapping, 9) !== 0n,
        hasInlineFrames: numberOf(mapping, 10) !== 0n,
      };
    }),
    locations: all(fields, 4).map((bytes) => {
      const location = fieldsOf(bytes);
      return {
        id: numberOf(location, 1),
        mappingId: numberOf(location, 2),
        address: numberOf(location, 3),
        lines: all(location, 4).map((lineBytes) => {
          const line = fieldsOf(lineBytes);
          return {
            functionId: numberOf(line, 1),
            line: BigInt.asIntN(64, numberOf(line, 2)),
            column: BigInt.asIntN(64, numberOf(line, 3)),
          };
        }),
      };
    }),
    functions: new Map(
      all(fields, 5).map((bytes) => {
        const fn = fieldsOf(bytes);
        const id = numberOf(fn, 1);
        return [
          id,
          {
            id,
            name: text(fn, 2),
            systemName: text(fn, 3),
            file: text(fn, 4),
            startLine: BigInt.asIntN(64, numberOf(fn, 5)),
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

/** The contents of a repeated message or string. */
function all(fields: readonly Field[], number: number): Uint8Array[] {
  return fields.filter((field) => field.number === number).map((field) => field.body);
}
