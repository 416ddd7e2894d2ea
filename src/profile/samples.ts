/**
 * Walks over the Sample records, which scanning steps over. Values are read where they lie; nothing is kept per sample.
 */
import { PROFILE, SAMPLE } from './fields.ts';
import type { LocationTable } from './locations.ts';
import { LENGTH, VARINT, WireReader } from './wire.ts';

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

const SAMPLE_TAG = (PROFILE.sample << 3) | LENGTH;

/**
 * Calls `visit` for each sample, with the reader bounded to its content. `visit` need not read all of it.
 * @param quick is asked first for samples shorter than 2^14 bytes; false when it leaves the sample to `visit`
 * @param most bytes of samples, with the one that exceeds it
 */
export function forEachSample(
  raw: Uint8Array,
  visit: (reader: WireReader) => void,
  quick?: (buf: Uint8Array, start: number, end: number) => boolean,
  most = Infinity,
): void {
  const reader = new WireReader(raw);
  const { buf, len: whole } = reader;
  let left = most;
  while (left > 0) {
    if (quick !== undefined) {
      let { pos } = reader;
      while (left > 0 && pos + 2 < whole && buf[pos] === SAMPLE_TAG) {
        const low = buf[pos + 1];
        const high = low < 0x80 ? 0 : buf[pos + 2];
        const start = low < 0x80 ? pos + 2 : pos + 3;
        const end = start + ((low & 0x7f) | (high << 7));
        if (high >= 0x80 || end > whole || !quick(buf, start, end)) break;
        left -= end - pos;
        pos = end;
      }
      reader.pos = pos;
    }
    if (left <= 0 || !reader.next()) return;
    if (reader.field !== PROFILE.sample) {
      reader.skipField();
      continue;
    }
    const end = reader.body();
    left -= end - reader.fieldStart;
    reader.len = end;
    reader.message = 'Sample';
    visit(reader);
    reader.message = 'Profile';
    reader.pos = end;
    reader.len = whole;
  }
}

/** See `Profile.positions`. @param most bytes of samples */
export function samplePositions(raw: Uint8Array, locations: LocationTable, most = Infinity): Uint8Array {
  const positions = new Uint8Array(locations.count);
  forEachSample(
    raw,
    (reader) => markAny(reader, locations, positions),
    locations.byId.dense ? (buf, start, end) => markPlain(buf, start, end, positions) : undefined,
    most,
  );
  return positions;
}

function markAny(reader: WireReader, { byId }: LocationTable, positions: Uint8Array): void {
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
}

const LOCATIONS = (SAMPLE.location_id << 3) | LENGTH;
const LOCATION = (SAMPLE.location_id << 3) | VARINT;
const MAX_VARINT_BYTES = 10;

/**
 * Marks the locations of a sample as every known producer writes it: ids below 2^21, packed or not, fields below 2^14 bytes. False for
 * any other, of which some may be marked already. It takes a tenth of the time the reader does.
 */
function markPlain(buf: Uint8Array, start: number, end: number, positions: Uint8Array): boolean {
  let bit = IS_LEAF;
  let at = start;
  while (at < end) {
    const tag = buf[at++];
    if ((tag & 0x87) === LENGTH) {
      let length = buf[at++];
      if (length >= 0x80) {
        const high = buf[at++];
        if (high >= 0x80) return false;
        length = (length & 0x7f) | (high << 7);
      }
      const fieldEnd = at + length;
      if (fieldEnd > end || (tag === LOCATIONS && !markDense(buf, at, fieldEnd, bit, positions))) return false;
      if (tag === LOCATIONS && length > 0) bit = IS_CALLER;
      at = fieldEnd;
    } else {
      if ((tag & 0x87) !== VARINT) return false;
      const valueStart = at;
      const last = Math.min(end, at + MAX_VARINT_BYTES) - 1;
      while (at < last && buf[at] >= 0x80) at++;
      if (buf[at++] >= 0x80) return false;
      if (tag !== LOCATION) continue;
      if (!markDense(buf, valueStart, at, bit, positions)) return false;
      bit = IS_CALLER;
    }
  }
  return at === end;
}

/** Marks the first location of `buf[at, end)` with `bit`, the others as callers. Ids are 1 to the number of positions. */
function markDense(buf: Uint8Array, at: number, end: number, bit: number, positions: Uint8Array): boolean {
  const count = positions.length;
  while (at < end) {
    let id = buf[at++];
    if (id >= 0x80) {
      const second = buf[at++];
      id += (second << 7) - 0x80;
      if (second >= 0x80) {
        const third = buf[at++];
        if (third >= 0x80) return false;
        id += (third << 14) - 0x4000;
      }
    }
    if (id > 0 && id <= count) positions[id - 1] |= bit;
    bit = IS_CALLER;
  }
  return at === end;
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
