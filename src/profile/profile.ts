/**
 * A pprof profile, scanned but not decoded.
 *
 * The profile stays the bytes it is (`raw`, uncompressed). One walk over the top-level fields notes where the records lie;
 * strings, functions, mappings and locations are then read into columns in that order, so that every index can be checked at
 * once although the file may have them in any order (a Go runtime writes its string table last). Samples, nine tenths of most
 * profiles, are stepped over. See `proto/profile.proto` for the schema.
 *
 * What scan refuses is what google/pprof's decoder refuses outside of Sample records: broken wire format, an empty profile, a
 * string table that is missing or does not start with "", a string index outside the table, `time_nanos` after a non-zero one
 * (two profiles concatenated). The rest (the inside of samples, ids, references) is `checkValid` in check.ts, so that a profile
 * can be looked at although a client would not take it.
 */
import { FormatError, LimitError } from '../errors.ts';
import { Extents } from './extents.ts';
import { PROFILE, VALUE_TYPE } from './fields.ts';
import { FunctionTable } from './functions.ts';
import type { IdIndex } from './ids.ts';
import { LocationTable } from './locations.ts';
import { mappingIds, readMappings, type MappingRecord } from './mappings.ts';
import { samplePositions, sampleWeights, type SampleWeights, type SetWeight, setWeight } from './samples.ts';
import { StringTable } from './strings.ts';
import { LENGTH, SECTION, WireReader } from './wire.ts';

export type { LineRecord } from './locations.ts';
export type { MappingRecord } from './mappings.ts';

/** Positions are kept in 32 bits. */
export const MAX_PROFILE_BYTES = 2 ** 31;
/** Locations, functions, strings: ten times the largest profile seen; about 40 bytes of memory each. */
export const MAX_RECORDS = 2 ** 23;
/** Each becomes an object. The largest processes have some 65,000 mappings (vm.max_map_count). */
export const MAX_MAPPINGS = 2 ** 18;
/** Comments and sample types; each becomes a string. */
export const MAX_HEADER_ENTRIES = 2 ** 18;

/** For `somePositions`, bytes. */
const SOME_SAMPLES = 2 ** 20;

export interface SampleType {
  /** For example "cpu". */
  readonly type: string;
  /** For example "nanoseconds". */
  readonly unit: string;
}

/** The header's fields as they stand in the bytes: string indexes not yet checked. */
interface Header {
  readonly sampleTypes: { type: number; unit: number }[];
  readonly comments: number[];
  periodType: { type: number; unit: number };
  dropFrames: number;
  keepFrames: number;
  defaultSampleType: number;
  docUrl: number;
  timeNanos: bigint;
  durationNanos: bigint;
  period: bigint;
  sampleCount: number;
}

export class Profile {
  /** The uncompressed profile. Read-only. */
  readonly raw: Uint8Array;
  readonly strings: StringTable;
  readonly mappings: readonly MappingRecord[];
  readonly mappingsById: IdIndex;
  readonly functions: FunctionTable;
  readonly locations: LocationTable;
  readonly sampleTypes: readonly SampleType[];
  readonly sampleCount: number;
  readonly comments: readonly string[];
  /** "" when there is none. */
  readonly docUrl: string;
  /** Nanoseconds since 1970-01-01 UTC; 0 = unknown. */
  readonly timeNanos: bigint;
  readonly durationNanos: bigint;
  readonly period: bigint;
  /** Name of a sample type; "" when the profile does not say. */
  readonly defaultSampleType: string;
  #positions: Uint8Array | undefined;
  #somePositions: Uint8Array | undefined;

  private constructor(raw: Uint8Array) {
    if (raw.length === 0) throw new FormatError(SECTION, 0, 'empty input');
    if (raw.length > MAX_PROFILE_BYTES) {
      throw new LimitError(`a profile of ${raw.length} bytes exceeds the limit of ${MAX_PROFILE_BYTES}`);
    }
    this.raw = raw;
    const reader = new WireReader(raw);
    const strings = new Extents('string', MAX_RECORDS);
    const mappings = new Extents('Mapping', MAX_MAPPINGS);
    const locations = new Extents('Location', MAX_RECORDS);
    const functions = new Extents('Function', MAX_RECORDS);
    const header = walk(reader, strings, mappings, locations, functions);
    if (strings.count === 0) throw new FormatError(SECTION, raw.length, 'Profile: no string table');

    this.strings = new StringTable(reader.buf, strings.pairs());
    this.functions = new FunctionTable(reader, functions, strings.count);
    this.mappings = readMappings(reader, mappings, this.strings);
    this.mappingsById = mappingIds(this.mappings);
    this.locations = new LocationTable(reader, locations, this.mappingsById, this.functions);

    reader.message = 'Profile';
    reader.pos = raw.length;
    const text = (index: number) => this.strings.text(reader.stringIndex(index, strings.count));
    const valueType = ({ type, unit }: { type: number; unit: number }) => ({ type: text(type), unit: text(unit) });
    this.sampleTypes = header.sampleTypes.map(valueType);
    this.comments = header.comments.map(text);
    valueType(header.periodType);
    text(header.dropFrames);
    text(header.keepFrames);
    this.docUrl = text(header.docUrl);
    this.defaultSampleType = text(header.defaultSampleType);
    this.timeNanos = header.timeNanos;
    this.durationNanos = header.durationNanos;
    this.period = header.period;
    this.sampleCount = header.sampleCount;
  }

  /** Scans an uncompressed profile. Throws FormatError on anything that is none, LimitError beyond the limits above. */
  static scan(raw: Uint8Array): Profile {
    return new Profile(raw);
  }

  /**
   * Where each location occurs: bit 0 is set when it is the leaf (first location) of some sample, bit 1 when it is a caller.
   * By location index; computed once. Throws FormatError on a malformed sample.
   */
  positions(): Uint8Array {
    return (this.#positions ??= samplePositions(this.raw, this.locations));
  }

  /** The same of the first samples only, a mebibyte of them: what is certain is where a location occurs, not where it does not. */
  somePositions(): Uint8Array {
    return this.#positions ?? (this.#somePositions ??= samplePositions(this.raw, this.locations, SOME_SAMPLES));
  }

  /**
   * What each location weighs, for the sample type at `type` (default: the profile's default, else the last).
   * Throws FormatError on a malformed sample.
   */
  sampleWeights(type = this.defaultSampleTypeIndex): SampleWeights {
    return sampleWeights(this.raw, this.locations, type);
  }

  /** What some locations weigh together, as `sampleWeights` for one. By location index. */
  weightOf(locations: readonly number[], type = this.defaultSampleTypeIndex): SetWeight {
    return setWeight(this.raw, this.locations, type, locations);
  }

  /** Of the sample type pprof shows first; -1 without any. */
  get defaultSampleTypeIndex(): number {
    const named = this.sampleTypes.findIndex(({ type }) => type === this.defaultSampleType);
    return named >= 0 ? named : this.sampleTypes.length - 1;
  }
}

/** True when some line of the location has a function whose name is not empty. */
export function isNamed(profile: Profile, locationIndex: number): boolean {
  for (const { functionIndex } of profile.locations.lines(locationIndex)) {
    if (functionIndex >= 0 && profile.strings.byteLength(profile.functions.name(functionIndex)) > 0) return true;
  }
  return false;
}

/** One pass over the top-level fields: header values, and where the records are. */
function walk(reader: WireReader, strings: Extents, mappings: Extents, locations: Extents, functions: Extents): Header {
  const header: Header = {
    sampleTypes: [],
    comments: [],
    periodType: { type: 0, unit: 0 },
    dropFrames: 0,
    keepFrames: 0,
    defaultSampleType: 0,
    docUrl: 0,
    timeNanos: 0n,
    durationNanos: 0n,
    period: 0n,
    sampleCount: 0,
  };
  const record = (extents: Extents) => {
    const start = reader.fieldStart;
    reader.pos = reader.body();
    extents.push(start, reader.pos);
  };
  while (reader.next()) {
    switch (reader.field) {
      case PROFILE.sample:
        reader.pos = reader.body();
        header.sampleCount += 1 + reader.skipRun((PROFILE.sample << 3) | LENGTH);
        break;
      case PROFILE.location:
        record(locations);
        break;
      case PROFILE.function:
        record(functions);
        break;
      case PROFILE.mapping:
        record(mappings);
        break;
      case PROFILE.string_table: {
        const end = reader.body();
        if (strings.count === 0 && end !== reader.pos) throw reader.error('the first string is not empty');
        strings.push(reader.pos, end);
        reader.pos = end;
        break;
      }
      case PROFILE.sample_type:
        addBounded(header.sampleTypes, readValueType(reader));
        break;
      case PROFILE.period_type:
        header.periodType = readValueType(reader);
        break;
      case PROFILE.drop_frames:
        header.dropFrames = reader.index();
        break;
      case PROFILE.keep_frames:
        header.keepFrames = reader.index();
        break;
      case PROFILE.default_sample_type:
        header.defaultSampleType = reader.index();
        break;
      case PROFILE.doc_url:
        header.docUrl = reader.index();
        break;
      case PROFILE.time_nanos:
        if (header.timeNanos !== 0n) throw reader.error('time_nanos twice: concatenated profiles', reader.fieldStart);
        reader.value();
        header.timeNanos = reader.bigSigned();
        break;
      case PROFILE.duration_nanos:
        reader.value();
        header.durationNanos = reader.bigSigned();
        break;
      case PROFILE.period:
        reader.value();
        header.period = reader.bigSigned();
        break;
      case PROFILE.comment: {
        const outer = reader.len;
        const end = reader.numbers();
        while (reader.pos < end) addBounded(header.comments, reader.packedIndex());
        reader.len = outer;
        break;
      }
      default:
        reader.skipField();
    }
  }
  return header;
}

function readValueType(reader: WireReader): { type: number; unit: number } {
  const outer = reader.len;
  reader.len = reader.body();
  let type = 0;
  let unit = 0;
  while (reader.next()) {
    if (reader.field === VALUE_TYPE.type) type = reader.index();
    else if (reader.field === VALUE_TYPE.unit) unit = reader.index();
    else reader.skipField();
  }
  reader.len = outer;
  return { type, unit };
}

function addBounded<T>(list: T[], item: T): void {
  if (list.length >= MAX_HEADER_ENTRIES)
    throw new LimitError(`more than ${MAX_HEADER_ENTRIES} comments or sample types`);
  list.push(item);
}
