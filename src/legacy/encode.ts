/**
 * A parsed profile as protobuf: byte for byte what google/pprof writes for it. Records are in the order of the schema's
 * numbers; strings are numbered in the order in which the records mention them; zeros are left out, but for
 * default_sample_type.
 */
import { FUNCTION, LABEL, LINE, LOCATION, MAPPING, PROFILE, SAMPLE, VALUE_TYPE } from '../profile/fields.ts';
import { LENGTH, VARINT, varintSize, WireWriter } from '../profile/wire.ts';
import { framesToDrop } from './frames.ts';
import { type MappedLocations, mapLocations, tidyMaps } from './mappings.ts';
import type { LegacyProfile, NamedAddresses, ValueType } from './profile.ts';
import type { LocationIds } from './stacks.ts';

/** Largest encodings: a field of 32 bits with its tag, one of 64, a record's tag and length. */
const FIELD_32 = 6;
const FIELD_64 = 11;
const RECORD = 6;

/** Integers up to here are exact as numbers, which are written faster. */
const MAX_EXACT = 2n ** 53n;

/** Numbers repeated more often than this are packed. */
const MAX_UNPACKED = 2;

export function encode(profile: LegacyProfile): Uint8Array {
  const { stacks, names, sampleTypes, periodType, period, durationNanos } = profile;
  const locations = stacks.locationIds();
  const isNamed = (address: number): boolean => names !== null && names.functionOf[address] !== 0;
  const mapped = mapLocations(tidyMaps(profile.maps), stacks, locations, isNamed);
  if (profile.doubledLeaves) stacks.dropDoubledLeaves();

  const strings = new StringTable();
  const types = sampleTypes.map((type) => valueType(strings, type));
  const labelKey = stacks.labelled && stacks.count > 0 ? strings.number('bytes') : 0;
  const files = mapped.mappings.map(({ file, buildId }) => [strings.number(file), strings.number(buildId)]);
  const functions = new Functions(names, locations);
  const functionNames = functions.used.map(({ name, file }) => [strings.number(name), strings.number(file)]);
  const frames = framesToDrop(sampleTypes);
  const drop = strings.number(frames.drop);
  const keep = strings.number(frames.keep);
  const periodTypeNumbers = periodType === null ? null : valueType(strings, periodType);

  const out = new WireWriter(
    1024 +
      strings.size +
      stacks.count * (2 * RECORD + stacks.width * FIELD_64 + RECORD + 2 * FIELD_64) +
      stacks.frameCount * FIELD_32 +
      mapped.mappings.length * (RECORD + 3 * FIELD_32 + 3 * FIELD_64) +
      locations.order.length * (RECORD + 3 * FIELD_32 + 2 * FIELD_64) +
      functionNames.length * (RECORD + 4 * FIELD_32),
  );
  for (const type of types) writeValueType(out, PROFILE.sample_type, type);
  writeSamples(out, profile, locations, labelKey);
  for (const [i, { start, limit, offset }] of mapped.mappings.entries()) {
    record(out, PROFILE.mapping, [
      [MAPPING.id, i + 1],
      [MAPPING.memory_start, start],
      [MAPPING.memory_limit, limit],
      [MAPPING.file_offset, offset],
      [MAPPING.filename, files[i][0]],
      [MAPPING.build_id, files[i][1]],
    ]);
  }
  writeLocations(out, profile, locations, mapped, functions);
  for (const [i, [name, file]] of functionNames.entries()) {
    record(out, PROFILE.function, [
      [FUNCTION.id, i + 1],
      [FUNCTION.name, name],
      [FUNCTION.system_name, name],
      [FUNCTION.filename, file],
    ]);
  }
  strings.write(out);
  field(out, PROFILE.drop_frames, drop);
  field(out, PROFILE.keep_frames, keep);
  field(out, PROFILE.duration_nanos, durationNanos);
  if (periodTypeNumbers !== null && (periodTypeNumbers[0] !== 0 || periodTypeNumbers[1] !== 0))
    writeValueType(out, PROFILE.period_type, periodTypeNumbers);
  field(out, PROFILE.period, period);
  tag(out, PROFILE.default_sample_type, VARINT);
  out.byte(0);
  return out.written();
}

function writeSamples(out: WireWriter, { stacks }: LegacyProfile, { ids }: LocationIds, labelKey: number): void {
  const { frames, width } = stacks;
  const values: (number | bigint)[] = new Array<number>(width).fill(0);
  for (let sample = 0; sample < stacks.count; sample++) {
    const from = stacks.from(sample);
    const to = stacks.to(sample);
    let stackSize = 0;
    for (let at = from; at < to; at++) stackSize += varintSize(ids[frames[at]]);
    let valuesSize = 0;
    for (let i = 0; i < width; i++) {
      values[i] = exact(stacks.value(sample, i));
      valuesSize += varintSize(values[i]);
    }
    const label = stacks.labelled ? exact(stacks.label(sample)) : 0;
    const labelSize = fieldSize(labelKey) + fieldSize(label);
    tag(out, PROFILE.sample, LENGTH);
    out.uint32(
      numbersSize(to - from, stackSize) + numbersSize(width, valuesSize) + (stacks.labelled ? 2 + labelSize : 0),
    );
    const isPacked = to - from > MAX_UNPACKED;
    if (isPacked) {
      tag(out, SAMPLE.location_id, LENGTH);
      out.uint32(stackSize);
    }
    for (let at = from; at < to; at++) {
      if (!isPacked) tag(out, SAMPLE.location_id, VARINT);
      out.uint32(ids[frames[at]]);
    }
    if (width > MAX_UNPACKED) {
      tag(out, SAMPLE.value, LENGTH);
      out.uint32(valuesSize);
    }
    for (const value of values) {
      if (width <= MAX_UNPACKED) tag(out, SAMPLE.value, VARINT);
      out.varint(value);
    }
    if (stacks.labelled) {
      tag(out, SAMPLE.label, LENGTH);
      out.uint32(labelSize);
      field(out, LABEL.key, labelKey);
      field(out, LABEL.num, label);
    }
  }
}

function writeLocations(
  out: WireWriter,
  { stacks, names }: LegacyProfile,
  { order }: LocationIds,
  { mappingOf }: MappedLocations,
  functions: Functions,
): void {
  const { high, low } = stacks.addresses;
  for (let i = 0; i < order.length; i++) {
    const address = order[i];
    const mapping = mappingOf[i];
    const id = i + 1;
    if (names === null) {
      const size = addressSize(high[address], low[address]);
      tag(out, PROFILE.location, LENGTH);
      out.uint32(fieldSize(id) + fieldSize(mapping) + (size === 0 ? 0 : 1 + size));
      field(out, LOCATION.id, id);
      field(out, LOCATION.mapping_id, mapping);
      if (size === 0) continue;
      tag(out, LOCATION.address, VARINT);
      writeAddress(out, high[address], low[address]);
      continue;
    }
    // Names make a profile comparable with that of another run; its addresses would not be.
    const fn = functions.id(names.functionOf[address]);
    const line = exact(names.lineOf[address]);
    const lineSize = fieldSize(fn) + fieldSize(line);
    tag(out, PROFILE.location, LENGTH);
    out.uint32(fieldSize(id) + fieldSize(mapping) + (fn === 0 ? 0 : 1 + varintSize(lineSize) + lineSize));
    field(out, LOCATION.id, id);
    field(out, LOCATION.mapping_id, mapping);
    if (fn === 0) continue;
    tag(out, LOCATION.line, LENGTH);
    out.uint32(lineSize);
    field(out, LINE.function_id, fn);
    field(out, LINE.line, line);
  }
}

/** The functions that locations mention, numbered from 1 in the order in which they do. */
class Functions {
  readonly used: { readonly name: string; readonly file: string }[] = [];
  readonly #ids: Uint32Array;

  constructor(names: NamedAddresses | null, { order }: LocationIds) {
    this.#ids = new Uint32Array(1 + (names?.functions.length ?? 0));
    if (names === null) return;
    for (const address of order) {
      const number = names.functionOf[address];
      if (number === 0 || this.#ids[number] !== 0) continue;
      this.used.push(names.functions[number - 1]);
      this.#ids[number] = this.used.length;
    }
  }

  id(number: number): number {
    return this.#ids[number];
  }
}

/** Strings of one character per byte. */
class StringTable {
  readonly #numbers = new Map<string, number>([['', 0]]);
  /** Bytes that `write` writes at most. */
  size = RECORD;

  number(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(text, number);
      this.size += RECORD + text.length;
    }
    return number;
  }

  write(out: WireWriter): void {
    for (const text of this.#numbers.keys()) {
      tag(out, PROFILE.string_table, LENGTH);
      out.uint32(text.length);
      const bytes = Buffer.from(text, 'latin1');
      out.copy(bytes, 0, bytes.length);
    }
  }
}

function valueType(strings: StringTable, { type, unit }: ValueType): [type: number, unit: number] {
  return [strings.number(type), strings.number(unit)];
}

function writeValueType(out: WireWriter, number: number, [type, unit]: readonly [number, number]): void {
  record(out, number, [
    [VALUE_TYPE.type, type],
    [VALUE_TYPE.unit, unit],
  ]);
}

/** A message of varints. */
function record(out: WireWriter, number: number, fields: readonly (readonly [number, number | bigint])[]): void {
  tag(out, number, LENGTH);
  out.uint32(fields.reduce((sum, [, value]) => sum + fieldSize(value), 0));
  for (const [fieldNumber, value] of fields) field(out, fieldNumber, value);
}

/** Tags here are of one byte: no field has a number above 15. */
function tag(out: WireWriter, number: number, wire: number): void {
  out.byte(number * 8 + wire);
}

/** Nothing for 0. */
function field(out: WireWriter, number: number, value: number | bigint): void {
  if (value === 0 || value === 0n) return;
  tag(out, number, VARINT);
  out.varint(value);
}

function fieldSize(value: number | bigint): number {
  return value === 0 || value === 0n ? 0 : 1 + varintSize(value);
}

/** A repeated field: packed when there are enough. */
function numbersSize(count: number, size: number): number {
  return count > MAX_UNPACKED ? 1 + varintSize(size) + size : count + size;
}

function exact(value: bigint): number | bigint {
  return value <= MAX_EXACT && value >= -MAX_EXACT ? Number(value) : value;
}

function addressSize(high: number, low: number): number {
  if (high === 0) return low === 0 ? 0 : varintSize(low);
  return Math.ceil((64 - Math.clz32(high)) / 7);
}

function writeAddress(out: WireWriter, high: number, low: number): void {
  while (high !== 0) {
    out.byte((low & 0x7f) | 0x80);
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  out.uint32(low);
}
