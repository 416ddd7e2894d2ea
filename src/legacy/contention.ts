/**
 * Time spent waiting for locks: text of C++'s contentionz, Go's mutex and block profiles, and brpc.
 *
 *     --- contentionz 1 ---           Go: "--- mutex:" or "--- contention:"; brpc: "--- contention"
 *     cycles/second = 3201000000
 *     sampling period = 100           one in so many was taken
 *     ms since reset = 16502830       how long it took
 *     discarded samples = 0
 *       19490304 27 @ 0xbccc97 0xc61202     cycles waited, times, stack
 *     --- Memory map: ---             brpc: the maps follow without it
 *     (maps)
 *
 * Every address is behind a call.
 */
import { skipToMaps } from './heap.ts';
import { Lines, trimText } from './lines.ts';
import { readMaps } from './maps.ts';
import { decimal, goInteger, toInt64, wrapInt64 } from './numbers.ts';
import { Declined, type LegacyProfile, PLAIN } from './profile.ts';
import { matchContention, newParts, pushAddresses } from './sample-line.ts';
import { Stacks } from './stacks.ts';

export const CONTENTION_SECTION = 'contention profile';

const HEADS = ['--- contentionz ', '--- mutex:', '--- contention:'];
const BRPC_HEAD = '--- contention';

export function isContentionHeader(line: string): boolean {
  return HEADS.some((head) => line.startsWith(head));
}

/** True for the headers Go's runtime writes, which people read with debug=1. */
export function isGoContentionHeader(line: string): boolean {
  return isContentionHeader(line) && !line.startsWith(HEADS[0]);
}

export function isBrpcContentionHeader(line: string): boolean {
  return line.trimEnd() === BRPC_HEAD;
}

interface Attributes {
  period: bigint;
  hertz: bigint;
  durationNanos: bigint;
}

export function parseContention(bytes: Uint8Array): LegacyProfile | Declined {
  const lines = new Lines(bytes, CONTENTION_SECTION);
  if (!lines.next()) return new Declined(0, 'empty');
  if (!isContentionHeader(lines.text())) return Declined.line(lines, 'no header of a contention profile');
  return parse(lines, false);
}

/** google/pprof does not read these; they are contention profiles but for head and end. */
export function parseBrpcContention(bytes: Uint8Array): LegacyProfile | Declined {
  const lines = new Lines(bytes, CONTENTION_SECTION);
  if (!lines.next()) return new Declined(0, 'empty');
  if (!isBrpcContentionHeader(lines.text())) return Declined.line(lines, "no header of brpc's contention profile");
  return parse(lines, true);
}

function parse(lines: Lines, isBrpc: boolean): LegacyProfile | Declined {
  const attributes: Attributes = { period: 1n, hertz: 0n, durationNanos: 0n };
  const declined = readAttributes(lines, attributes);
  if (declined !== null) return declined;
  const { period, hertz, durationNanos } = attributes;
  const { bytes } = lines;
  const stacks = new Stacks(2);
  const parts = newParts();
  let mapsFollow = false;
  // The attributes end at the first line that is none.
  do {
    lines.trim();
    if (lines.startsWith('---')) break;
    if (lines.isBlank()) continue;
    if (!matchContention(bytes, lines.start, lines.end, parts) || (isBrpc && parts[0] !== lines.start)) {
      mapsFollow = isBrpc;
      if (mapsFollow) break;
      return Declined.line(lines, 'no sample of a contention profile');
    }
    let delay = decimal(bytes, parts[0], parts[1]);
    let times = decimal(bytes, parts[2], parts[3]);
    if (delay === null || times === null) throw lines.error('a number has more than 64 bits');
    if (period > 0n) {
      if (hertz > 0n) delay = toInt64((Number(delay) * Number(period)) / (Number(hertz) / 1e9));
      times = wrapInt64(times * period);
    }
    if (!pushAddresses(stacks, bytes, parts[4], parts[5], 'all')) throw lines.error('an address has more than 64 bits');
    stacks.close([times, delay]);
  } while (lines.next());
  if (mapsFollow) lines.again();
  else skipToMaps(lines);
  return {
    ...PLAIN,
    sampleTypes: [
      { type: 'contentions', unit: 'count' },
      { type: 'delay', unit: 'nanoseconds' },
    ],
    periodType: { type: 'contentions', unit: 'count' },
    period,
    durationNanos,
    stacks,
    maps: readMaps(lines),
  };
}

function readAttributes(lines: Lines, attributes: Attributes): Declined | null {
  while (lines.next()) {
    lines.trim();
    if (lines.isBlank()) continue;
    if (lines.startsWith('---')) return null;
    const line = lines.text();
    const equals = line.indexOf('=');
    if (equals === -1) return null;
    const name = trimText(line.slice(0, equals));
    if (name === 'discarded samples') continue;
    const value = goInteger(trimText(line.slice(equals + 1)));
    if (value === null) return Declined.line(lines, 'an attribute is no number');
    if (name === 'cycles/second') attributes.hertz = value;
    else if (name === 'sampling period') attributes.period = value;
    else if (name === 'ms since reset') attributes.durationNanos = wrapInt64(value * 1_000_000n);
    else return Declined.line(lines, `the attribute ${name.slice(0, 40)} is not known`); // "format": Java's
  }
  return null;
}
