/**
 * Java's heap and contention profiles: text with its own names, so that addresses say nothing.
 *
 *     --- heapz 1 ---                     --- contentionz 1 ---
 *     format = java                       format = java
 *     resolution = bytes                  resolution = microseconds
 *                                         sampling period = 100
 *                                         ms since reset = 6019923
 *       7048 1 @ 0x3 0x4 0x5                14 1 @ 0x3 0x4       bytes or delay, then how often
 *     0x3 com.example.Main.run (Main.java:7)                     names; see java-names.ts
 */
import { FormatError } from '../errors.ts';
import { scaled } from './heap.ts';
import { readJavaNames } from './java-names.ts';
import { latin1, Lines, trimText } from './lines.ts';
import { goInteger, wrapInt64 } from './numbers.ts';
import { Declined, type LegacyProfile, PLAIN, type ValueType } from './profile.ts';
import { matchJava, newParts, pushAddresses } from './sample-line.ts';
import { Stacks } from './stacks.ts';

export const JAVA_SECTION = 'Java profile';

/** Bytes between two samples of Java's heap. */
const HEAP_RATE = 524288n;

const KINDS = new Map([
  ['--- heapz 1 ---', 'heap'],
  ['--- contentionz 1 ---', 'contention'],
] as const);

export function isJavaHeader(line: string): boolean {
  return (KINDS as Map<string, string>).has(trimText(line));
}

interface Header {
  sampleTypes: readonly ValueType[];
  periodType: ValueType | null;
  period: bigint;
  durationNanos: bigint;
}

export function parseJava(bytes: Uint8Array): LegacyProfile | Declined {
  const end = bytes.indexOf(0x0a);
  const kind =
    end === -1
      ? undefined
      : (KINDS as Map<string, 'heap' | 'contention'>).get(trimText(latin1(bytes, 0, Math.min(end, 200))));
  if (kind === undefined) return new Declined(0, 'no header of a Java profile');
  const lines = new Lines(bytes, JAVA_SECTION, end + 1);
  const header: Header = { sampleTypes: [], periodType: null, period: 0n, durationNanos: 0n };
  const declined = readHeader(kind, lines, header);
  if (declined !== null) return declined;

  const stacks = new Stacks(2, kind === 'heap');
  const namesAt = readSamples(kind, lines, header.period, stacks);
  const names = readJavaNames(bytes, namesAt, stacks.addresses, JAVA_SECTION);
  if (header.sampleTypes.length === 0 && stacks.count > 0)
    throw new FormatError(JAVA_SECTION, 0, 'samples without a resolution: their unit is missing');
  return { ...PLAIN, ...header, stacks, maps: [], names };
}

/** Attributes, up to the first line that is none, which is to be read again. Lines without an end are no attributes. */
function readHeader(kind: string, lines: Lines, header: Header): Declined | null {
  while (lines.nextWhole()) {
    lines.trim();
    if (lines.start === lines.end) continue;
    const attribute = attributeOf(lines.text());
    if (attribute === null) {
      lines.again();
      return null;
    }
    const { name, value } = attribute;
    const integer = (): bigint => {
      const number = goInteger(value);
      if (number === null) throw lines.error('an attribute is no number');
      return number;
    };
    switch (`${kind}/${name}`) {
      case 'heap/format':
      case 'contention/format':
        if (value !== 'java') return Declined.line(lines, 'a format other than java');
        break;
      case 'heap/resolution':
        header.sampleTypes = [
          { type: 'inuse_objects', unit: 'count' },
          { type: 'inuse_space', unit: value },
        ];
        break;
      case 'contention/resolution':
        header.sampleTypes = [
          { type: 'contentions', unit: 'count' },
          { type: 'delay', unit: value },
        ];
        break;
      case 'contention/sampling period':
        header.periodType = { type: 'contentions', unit: 'count' };
        header.period = integer();
        break;
      case 'contention/ms since reset':
        header.durationNanos = wrapInt64(integer() * 1_000_000n);
        break;
      default:
        return Declined.line(lines, `the attribute ${name.slice(0, 40)} is not known`);
    }
  }
  return null;
}

/** The first "words = words" in a line. */
function attributeOf(line: string): { name: string; value: string } | null {
  for (let equals = line.indexOf('='); equals !== -1; equals = line.indexOf('=', equals + 1)) {
    let from = equals;
    while (from > 0 && isWord(line, from - 1)) from--;
    let to = equals + 1;
    while (to < line.length && isWord(line, to)) to++;
    if (from < equals && to > equals + 1)
      return { name: trimText(line.slice(from, equals)), value: trimText(line.slice(equals + 1, to)) };
  }
  return null;
}

function isWord(line: string, at: number): boolean {
  return /[\w ]/.test(line[at]);
}

/** Gives where the names begin. */
function readSamples(kind: string, lines: Lines, period: bigint, stacks: Stacks): number {
  const parts = newParts();
  const { bytes } = lines;
  while (lines.nextWhole()) {
    lines.trim();
    if (lines.start === lines.end) continue;
    if (!matchJava(bytes, lines.start, lines.end, parts)) return lines.start;
    let size = goInteger(latin1(bytes, parts[0], parts[1]));
    let count = goInteger(latin1(bytes, parts[2], parts[3]));
    if (count === null || size === null) throw lines.error('a number has more than 64 bits');
    if (!pushAddresses(stacks, bytes, parts[4], parts[5], 'none'))
      throw lines.error('an address has more than 64 bits');
    let label = 0n;
    if (kind === 'heap') {
      if (count === 0n) throw lines.error('a sample of 0 objects');
      label = wrapInt64(size / count);
      [count, size] = scaled(count, size, HEAP_RATE);
    } else if (period !== 0n) {
      count *= period;
      size *= period;
    }
    stacks.close([count, size], label);
  }
  return lines.rest;
}
