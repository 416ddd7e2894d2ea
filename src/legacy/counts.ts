/**
 * Counts of goroutines, threads or anything, as Go writes them for people (debug=1): text.
 *
 *     goroutine profile: total 4
 *     2 @ 0x434ba3 0x434c63 0x42e0a5
 *     #	0x434ba2	main.wait+0x22	/src/main.go:7         comments
 *
 * Every address is behind a call.
 */
import { skipToMaps } from './heap.ts';
import { Lines } from './lines.ts';
import { readMaps } from './maps.ts';
import { goInteger } from './numbers.ts';
import { Declined, type LegacyProfile, PLAIN } from './profile.ts';
import { pushAddresses } from './sample-line.ts';
import { Stacks } from './stacks.ts';

export const COUNT_SECTION = 'count profile';

const HEADER = /^([^\t\n\f\r ]+) profile: total [0-9]+$/;

export function isCountHeader(line: string): boolean {
  return HEADER.test(line);
}

export function parseCounts(bytes: Uint8Array): LegacyProfile | Declined {
  const lines = new Lines(bytes, COUNT_SECTION);
  while (lines.next() && lines.isBlank()) continue;
  const header = HEADER.exec(lines.text());
  if (header === null) return Declined.line(lines, 'no header of a count profile');
  const type = { type: header[1], unit: 'count' };
  const stacks = new Stacks(1);
  while (lines.next()) {
    if (lines.isBlank()) continue;
    if (lines.startsWith('---')) break;
    const line = lines.text();
    const at = line.indexOf(' @');
    if (at < 1 || /[^0-9]/.test(line.slice(0, at)) || !isStack(line.slice(at + 2)))
      throw lines.error('neither a count with its stack nor a comment');
    const count = goInteger(line.slice(0, at));
    if (count === null) throw lines.error('the count is no number of 64 bits');
    if (!pushAddresses(stacks, bytes, lines.start + at + 2, lines.end, 'all'))
      throw lines.error('an address has more than 64 bits');
    stacks.close([count]);
  }
  skipToMaps(lines);
  return { ...PLAIN, sampleTypes: [type], periodType: type, period: 1n, stacks, maps: readMaps(lines) };
}

/** " 0x…" at least once, and nothing else. */
function isStack(text: string): boolean {
  if (!text.startsWith(' ')) return false;
  return text
    .slice(1)
    .split(' ')
    .every((word) => /^0x[0-9a-f]+$/.test(word));
}
