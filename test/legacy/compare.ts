/** Two conversions of one legacy profile, ours and google/pprof's. */
import { decodeProfile } from '../support/decode.ts';
import { fieldsOf, numbersOf } from '../support/fields.ts';

/**
 * Formats resym reads and google/pprof does not; the other way round there is none. What google/pprof takes for a protobuf
 * never comes here.
 */
const OURS_ONLY = /^refused: parsing profile: unrecognized profile format$/;

/**
 * null when they agree: both refuse, or the same bytes. Values that come of scaling may differ by the last bit of exp(), as a
 * few parts in 2^38 of themselves; everything else may not.
 */
export function differenceWithinScaling(theirs: Uint8Array | string, ours: Uint8Array | string): string | null {
  if (typeof theirs === 'string' || typeof ours === 'string') {
    if (typeof theirs === typeof ours) return null;
    if (typeof theirs === 'string') return OURS_ONLY.test(theirs) && isOursOnly(ours) ? null : `taken: ${theirs}`;
    return `refused: ${ours as string}`;
  }
  if (Buffer.compare(theirs, ours) === 0) return null;
  const [a, b] = [decodeProfile(theirs), decodeProfile(ours)];
  if (a.samples.length !== b.samples.length) return `${b.samples.length} samples for ${a.samples.length}`;
  for (const [i, { values }] of a.samples.entries()) {
    for (const [j, value] of values.entries()) {
      const other = b.samples[i].values[j];
      const off = value > other ? value - other : other - value;
      const magnitude = value < 0n ? -value : value;
      if (off > 1n + (magnitude >> 38n)) return `sample ${i}: ${other} for ${value}`;
    }
  }
  return Buffer.compare(withoutValues(theirs), withoutValues(ours)) === 0 ? null : 'not the same but for values';
}

function isOursOnly(ours: Uint8Array | string): boolean {
  return typeof ours !== 'string';
}

/** The message with the values of samples taken out. */
function withoutValues(message: Uint8Array): Buffer {
  const parts = fieldsOf(message).map(({ number, body, value }) => {
    if (number !== 2) return Buffer.from(`${number} ${value} ${Buffer.from(body).toString('hex')}`);
    const sample = fieldsOf(body);
    const labels = sample.filter((field) => field.number === 3).map((field) => Buffer.from(field.body).toString('hex'));
    return Buffer.from(`sample ${numbersOf(sample, 1).join(' ')} ${labels.join(' ')}`);
  });
  return Buffer.concat(parts);
}
