/**
 * Walks over the Sample records, which scanning steps over. Values are read where they lie; nothing is kept per sample.
 */
import { PROFILE, SAMPLE } from './fields.ts';
import type { LocationTable } from './locations.ts';
import { WireReader } from './wire.ts';

/** Bits of `Profile.positions()`. */
export const IS_LEAF = 1;
export const IS_CALLER = 2;

/** Sums over all samples of one sample type, by location index; rounded beyond 2^53. */
export interface SampleWeights {
  /** Samples that have the location as leaf. */
  readonly flat: Float64Array;
  /** Samples that have the location anywhere, each counted once. */
  readonly cumulative: Float64Array;
  readonly total: number;
}

/** Calls `visit` for each sample, with the reader bounded to its content. `visit` need not read all of it. */
export function forEachSample(raw: Uint8Array, visit: (reader: WireReader) => void): void {
  const reader = new WireReader(raw);
  const whole = reader.len;
  while (reader.next()) {
    if (reader.field !== PROFILE.sample) {
      reader.skipField();
      continue;
    }
    const end = reader.body();
    reader.len = end;
    reader.message = 'Sample';
    visit(reader);
    reader.message = 'Profile';
    reader.pos = end;
    reader.len = whole;
  }
}

/** See `Profile.positions`. */
export function samplePositions(raw: Uint8Array, locations: LocationTable): Uint8Array {
  const { byId, count } = locations;
  const positions = new Uint8Array(count);
  forEachSample(raw, (reader) => {
    const sampleEnd = reader.len;
    let bit = IS_LEAF;
    while (reader.next()) {
      if (reader.field !== SAMPLE.location_id) {
        reader.skipField();
        continue;
      }
      const end = reader.numbers();
      while (reader.pos < end) {
        reader.varint();
        const index = byId.find(reader.low, reader.high);
        if (index >= 0) positions[index] |= bit;
        bit = IS_CALLER;
      }
      reader.len = sampleEnd;
    }
  });
  return positions;
}

/** Sums over all samples of one sample type, for a set of locations; rounded beyond 2^53. */
export interface SetWeight {
  /** Samples whose leaf is in the set. */
  readonly flat: number;
  /** Samples with any of the set in their stack. */
  readonly cumulative: number;
  readonly total: number;
}

/** See `Profile.weightOf`. */
export function setWeight(
  raw: Uint8Array,
  locations: LocationTable,
  type: number,
  members: readonly number[],
): SetWeight {
  const isMember = new Uint8Array(locations.count);
  for (const index of members) isMember[index] = 1;
  let [flat, cumulative, total] = [0, 0, 0];
  forEachStack(raw, locations, type, (value, stack) => {
    total += value;
    if (isMember[stack[0]] === 1) flat += value;
    if (stack.some((index) => isMember[index] === 1)) cumulative += value;
  });
  return { flat, cumulative, total };
}

/** See `Profile.sampleWeights`. */
export function sampleWeights(raw: Uint8Array, locations: LocationTable, type: number): SampleWeights {
  const flat = new Float64Array(locations.count);
  const cumulative = new Float64Array(locations.count);
  /** Number of the last sample that counted this location, so that recursion counts once. */
  const seen = new Uint32Array(locations.count);
  let sample = 0;
  let total = 0;
  forEachStack(raw, locations, type, (value, stack) => {
    sample++;
    total += value;
    if (stack.length > 0 && stack[0] >= 0) flat[stack[0]] += value;
    for (const index of stack) {
      if (index < 0 || seen[index] === sample) continue;
      seen[index] = sample;
      cumulative[index] += value;
    }
  });
  return { flat, cumulative, total };
}

/** Calls `visit` with each sample's value and its location indexes, -1 for unknown ones; the list is used again. */
function forEachStack(
  raw: Uint8Array,
  { byId }: LocationTable,
  type: number,
  visit: (value: number, stack: readonly number[]) => void,
): void {
  const stack: number[] = [];
  forEachSample(raw, (reader) => {
    const sampleEnd = reader.len;
    stack.length = 0;
    let column = 0;
    let value = 0;
    // Go writes values before location ids.
    while (reader.next()) {
      const isLocation = reader.field === SAMPLE.location_id;
      if (!isLocation && reader.field !== SAMPLE.value) {
        reader.skipField();
        continue;
      }
      const end = reader.numbers();
      while (reader.pos < end) {
        reader.varint();
        if (isLocation) stack.push(byId.find(reader.low, reader.high));
        else if (column++ === type) value = reader.signed();
      }
      reader.len = sampleEnd;
    }
    visit(value, stack);
  });
}
