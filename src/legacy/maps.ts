/**
 * The list of mappings at the end of a profile: /proc/self/maps as Linux prints it, or shorter.
 *
 *     00400000-004f2000 r-xp 00001000 08:01 1835  /usr/bin/app        as Linux prints it
 *     400000-4f2000: /usr/bin/app (@1000) 1a2b3c                      start, limit, file, offset, build ID
 *     build=/export/builds/17                                         $build stands for that from here on
 *     $build/app
 *
 * Offsets and addresses are hexadecimal, with or without "0x". Mappings whose permissions lack "x" are left out. What follows
 * a log prefix ("I0412 main.cc:12] ") counts as the line. All else is passed over.
 */
import { LimitError } from '../errors.ts';
import { type Lines, MAX_LINE_BYTES, trimText } from './lines.ts';
import type { Mapping } from './mappings.ts';
import { hexNumber } from './numbers.ts';

/** Executable mappings; Linux allows a process 65530 of all kinds. */
const MAX_MAPPINGS = 1 << 16;

/** Assignments; one or two are in use. */
const MAX_VARIABLES = 256;

/** Characters compared while replacing variables, in all: time for a hostile file to run out of. */
const MAX_COMPARED = 1 << 26;

/** `\s` as Go has it. */
const S = '[\\t\\n\\f\\r ]';
const X = '[0-9a-fA-F]';

const LOG_PREFIX = new RegExp(`^[^[\\]]+:[0-9]+\\]${S}`);
const RANGE_START = new RegExp(`${S}*(?:0x(?=${X}))?(${X}+)`, 'y');
const RANGE_LIMIT = new RegExp(`(?:${S}|-)?${S}*(?:0x(?=${X}))?(${X}+):?`, 'y');
/** permissions, offset, device, inode, file */
const PROC_REST = new RegExp(
  `(?:${S}+([-rwxp]+))?(?:${S}+(${X}+))?${S}+${X}+:${X}+${S}+[0-9]+(?:${S}+([^\\t\\n\\f\\r ]+))?`,
  'y',
);
/** permissions, file, offset, build ID: all may be missing */
const BRIEF_REST = new RegExp(
  `(?:${S}+([-rwxp]+))?(?:${S}+([^\\t\\n\\f\\r ]+))?(?:${S}+\\(@(${X}+)\\))?(?:${S}+(${X}+))?`,
  'y',
);

/** Reads the mappings from the next line on, to the end. */
export function readMaps(lines: Lines): Mapping[] {
  const mappings: Mapping[] = [];
  const variables = new Variables();
  while (lines.next()) {
    const line = variables.replace(lines.text().replace(LOG_PREFIX, ''));
    const mapping = parseEntry(line);
    if (mapping === 'not executable') continue;
    if (mapping === null) {
      const equals = line.indexOf('=');
      if (equals !== -1) variables.set(trimText(line.slice(0, equals)), trimText(line.slice(equals + 1)));
      continue;
    }
    if (mappings.length === MAX_MAPPINGS) throw new LimitError(`more than ${MAX_MAPPINGS} executable mappings`);
    mappings.push(mapping);
  }
  return mappings;
}

/** null for a line that is no mapping. */
function parseEntry(line: string): Mapping | 'not executable' | null {
  const first = matchAt(RANGE_START, line, 0);
  if (first === null) return null;
  // A limit may follow, or the digits of the start hold it too: "4000 r-xp" is 400 to 0.
  const ranges: { start: string; limit: string; end: number }[] = [];
  const whole = first[0].length;
  const second = matchAt(RANGE_LIMIT, line, whole);
  if (second !== null) ranges.push({ start: first[1], limit: second[1], end: whole + second[0].length });
  const last = first[1].length > 1 ? matchAt(RANGE_LIMIT, line, whole - 1) : null;
  if (last !== null) ranges.push({ start: first[1].slice(0, -1), limit: last[1], end: whole - 1 + last[0].length });
  for (const { start, limit, end } of ranges) {
    const rest = matchAt(PROC_REST, line, end);
    if (rest !== null) return entry(start, limit, rest[1], rest[2], rest[3], undefined);
  }
  if (ranges.length === 0) return null;
  const [{ start, limit, end }] = ranges;
  const rest = matchAt(BRIEF_REST, line, end);
  return rest === null ? null : entry(start, limit, rest[1], rest[3], rest[2], rest[4]);
}

function entry(
  startText: string,
  limitText: string,
  permissions: string | undefined,
  offsetText: string | undefined,
  file = '',
  buildId = '',
): Mapping | 'not executable' | null {
  if (permissions !== undefined && !permissions.includes('x')) return 'not executable';
  const start = hexNumber(startText);
  const limit = hexNumber(limitText);
  const offset = offsetText === undefined ? 0n : hexNumber(offsetText);
  return start === null || limit === null || offset === null ? null : { start, limit, offset, file, buildId };
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Assignments met so far; of several to one name the first counts. */
class Variables {
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  #compared = 0;

  set(name: string, value: string): void {
    if (this.#names.length === MAX_VARIABLES)
      throw new LimitError(`more than ${MAX_VARIABLES} lines of mappings are none`);
    this.#names.push(`$${name}`);
    this.#values.push(value);
  }

  /** At each "$" the first name that fits is replaced. */
  replace(line: string): string {
    if (this.#names.length === 0) return line;
    let replaced = '';
    let from = 0;
    for (let at = line.indexOf('$'); at !== -1;) {
      const found = this.#names.findIndex((name) => {
        this.#compared += name.length;
        return line.startsWith(name, at);
      });
      if (this.#compared > MAX_COMPARED) throw new LimitError('too many variables in the list of mappings');
      let next = at + 1;
      if (found !== -1) {
        replaced += line.slice(from, at) + this.#values[found];
        next = from = at + this.#names[found].length;
        if (replaced.length > MAX_LINE_BYTES) throw new LimitError('variables make a line of mappings too long');
      }
      at = line.indexOf('$', next);
    }
    return replaced + line.slice(from);
  }
}
