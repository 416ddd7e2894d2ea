/**
 * Would a client take this profile?
 *
 * google/pprof (and with it `go tool pprof`, Parca, Alloy) refuses a profile in two steps: its decoder, then its CheckValid.
 * `Profile.scan` stands for the decoder, except for what is inside of samples; the rest is here, in google/pprof's order:
 *
 *   in samples     broken wire format; a label whose key, text or unit is no string of the table
 *   samples        samples but no sample types; a number of values that is not the number of sample types; an unknown location
 *   mappings, functions, locations
 *                  id 0; the same id twice; a line without a function or with an unknown one
 *
 * Not looked at, as there: whether a location's mapping exists, whether addresses lie in their mapping, negative values, unused
 * records, missing sample type names.
 *
 * Known differences, all of them about what resym refuses and google/pprof does not: the limits in profile.ts and strings.ts.
 * google/pprof also reads several text formats and a binary one that are no protobuf; those are not profiles to resym.
 */
import { isParseError } from '../errors.ts';
import { LABEL, SAMPLE } from './fields.ts';
import type { IdIndex } from './ids.ts';
import type { Profile } from './profile.ts';
import { forEachSample } from './samples.ts';
import type { WireReader } from './wire.ts';

/** The first reason for google/pprof to refuse the profile, as a sentence; null when it would take it. */
export function checkValid(profile: Profile): string | null {
  const { mappings, mappingsById, functions, locations } = profile;
  return (
    checkSamples(profile) ??
    checkIds('mapping', mappings.length, mappingsById, (index) => mappings[index].id) ??
    checkIds('function', functions.count, functions.byId, (index) => functions.id(index)) ??
    checkIds('location', locations.count, locations.byId, (index) => locations.id(index)) ??
    checkLines(profile)
  );
}

/** No location id: negative. */
const NONE = -1n;

function checkSamples(profile: Profile): string | null {
  const types = profile.sampleTypes.length;
  const { byId } = profile.locations;
  const stringCount = profile.strings.count;
  let reason = profile.sampleCount > 0 && types === 0 ? 'there are samples but no sample types' : null;
  let sample = 0;
  try {
    forEachSample(profile.raw, (reader) => {
      const sampleEnd = reader.len;
      let values = 0;
      let unknown = NONE;
      while (reader.next()) {
        if (reader.field === SAMPLE.value) {
          const end = reader.numbers();
          for (; reader.pos < end; values++) reader.varint();
          reader.len = sampleEnd;
        } else if (reader.field === SAMPLE.location_id) {
          const end = reader.numbers();
          while (reader.pos < end) {
            reader.varint();
            if (byId.find(reader.low, reader.high) < 0 && unknown === NONE) unknown = reader.bigUnsigned();
          }
          reader.len = sampleEnd;
        } else if (reader.field === SAMPLE.label) checkLabel(reader, stringCount);
        else reader.skipField();
      }
      // Kept, not returned: a sample further on that cannot be read comes first, as in google/pprof.
      if (values !== types) reason ??= `sample ${sample} has ${values} values, there are ${types} sample types`;
      if (unknown !== NONE) reason ??= `sample ${sample} refers to location ${unknown}, which does not exist`;
      sample++;
    });
  } catch (error) {
    if (isParseError(error)) return error.message;
    throw error;
  }
  return reason;
}

/** Reads a Label and checks its string indexes. Throws FormatError. */
function checkLabel(reader: WireReader, stringCount: number): void {
  const outer = reader.len;
  reader.len = reader.body();
  reader.message = 'Label';
  let key = 0;
  let text = 0;
  let unit = 0;
  while (reader.next()) {
    switch (reader.field) {
      case LABEL.key:
        key = reader.index();
        break;
      case LABEL.str:
        text = reader.index();
        break;
      case LABEL.num:
        reader.value();
        break;
      case LABEL.num_unit:
        unit = reader.index();
        break;
      default:
        reader.skipField();
    }
  }
  reader.stringIndex(key, stringCount);
  // The unit of a label that has text is not looked at.
  reader.stringIndex(text === 0 ? unit : text, stringCount);
  reader.len = outer;
  reader.message = 'Sample';
}

function checkIds(kind: string, count: number, byId: IdIndex, id: (index: number) => bigint): string | null {
  if (byId.dense) return null;
  for (let i = 0; i < count; i++) {
    if (id(i) === 0n) return `${kind} ${i} has the reserved id 0`;
    if (i === byId.duplicate) return `two ${kind}s have the id ${id(i)}`;
  }
  return null;
}

function checkLines({ locations }: Profile): string | null {
  for (let i = 0; i < locations.count; i++) {
    if (locations.hasUnknownFunction(i))
      return `location ${locations.id(i)} has a line without a function, or with one that does not exist`;
  }
  return null;
}
