/** What symbolizers answered, read from their outputs and compared: a fast wrong answer is a failure. */
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { decodeProfile, type DecodedProfile, framesOf } from '../support/decode.ts';
import { Missing } from './cache.ts';
import type { Profiled } from './inputs.ts';
import type { Report } from './row.ts';

/** "function file:line", innermost first; nothing for an address nobody knows. */
export type Frames = readonly string[];

/** Frames by address, of a profile. */
export function profileFrames(path: string): Map<string, Frames> {
  const profile = decodeProfile(readFileSync(path));
  return new Map(
    profile.locations.map((location) => [
      `${location.address}`,
      framesOf(profile, location).map((frame) => `${plainName(frame.function)} ${place(frame.file, frame.line)}`),
    ]),
  );
}

export function lineCount(profile: DecodedProfile): number {
  return profile.locations.reduce((sum, { lines }) => sum + lines.length, 0);
}

/** Frames in order of the addresses, of a text output: addresses, then pairs of name and place. */
export async function textFrames(path: string, shape: 'addr2line' | 'llvm'): Promise<Frames[]> {
  const answers: string[][] = [];
  let name: string | null = null;
  let current: string[] = [];
  if (shape === 'llvm') answers.push(current);
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    if (shape === 'addr2line' && name === null && /^0x[0-9a-f]+$/.test(line)) answers.push((current = []));
    else if (shape === 'llvm' && line === '' && name === null) answers.push((current = []));
    else if (name === null) name = line;
    else {
      const where = textPlace(line, shape === 'llvm');
      if (name !== '??' || where !== ':0') current.push(`${plainName(name)} ${where}`);
      name = null;
    }
  }
  if (shape === 'llvm') answers.pop(); // after the last blank line
  return answers;
}

function textPlace(text: string, hasColumn: boolean): string {
  const cut = hasColumn ? text.replace(/:\d+$/, '') : text;
  const colon = cut.lastIndexOf(':');
  return place(cut.slice(0, colon), Number(cut.slice(colon + 1).replace(/\?| .*/g, '')) || 0);
}

/** Without a line the file is a matter of taste: some give the symbol's compilation unit. */
function place(file: string, line: number): string {
  return line === 0 ? ':0' : `${plainFile(file)}:${line}`;
}

/** Tools write the same path in different ways. */
function plainFile(file: string): string {
  return file === '??' ? '' : file.replace(/^\.\/(?=<)/, '').replace(/\/\.(?=\/)/g, '');
}

/** DWARF of Go marks assembly, compilers mark the parts they split functions into; spaces in C++ names are a matter of taste. */
function plainName(name: string): string {
  return name
    .replace(/\.abi0$/, '')
    .replace(/ ?\((\.[a-z]+(\.\d+)?)+\)$|(\.(part|isra|constprop|cold)(\.\d+)?)+$/g, '')
    .replace(/::h[0-9a-f]{16}$/, '')
    .replace(/ /g, '');
}

/** One may know a name only mangled, or (static functions in C++) only without its parameters. */
function sameName(a: string, b: string): boolean {
  if (a === b || /^_[ZR]/.test(a) || /^_[ZR]/.test(b)) return true;
  if (a.includes('(') === b.includes('(')) return false;
  return a.startsWith(`${b}(`) || b.startsWith(`${a}(`);
}

export interface Agreement {
  readonly addresses: number;
  readonly frames: readonly [ours: number, theirs: number];
  /** Answers with the same places: shares of the addresses both know. */
  readonly places: number;
  readonly names: number;
  readonly both: number;
  readonly example: string;
}

/** Compares answers pairwise. */
export function agreement(pairs: readonly (readonly [ours: Frames, theirs: Frames])[]): Agreement {
  let [ours, theirs, both, places, names] = [0, 0, 0, 0, 0];
  let example = '';
  for (const [a, b] of pairs) {
    ours += a.length;
    theirs += b.length;
    if (a.length === 0 || b.length === 0) continue;
    both++;
    const samePlaces = equal(a.map(placeOf), b.map(placeOf));
    if (samePlaces) places++;
    const sameNames = a.length === b.length && a.every((frame, i) => sameName(nameOf(frame), nameOf(b[i])));
    if (sameNames) names++;
    if (!(samePlaces && sameNames) && example === '') example = `${a.join(' | ')} <> ${b.join(' | ')}`.slice(0, 400);
  }
  const share = (count: number): number => (both === 0 ? 0 : count / both);
  return {
    addresses: pairs.length,
    frames: [ours, theirs],
    places: share(places),
    names: share(names),
    both,
    example,
  };
}

const placeOf = (frame: string): string => frame.slice(frame.lastIndexOf(' ') + 1);
const nameOf = (frame: string): string => frame.slice(0, frame.lastIndexOf(' '));

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}

/** The frame without type arguments, `Vec<>` for `Vec<u8>`: google/pprof leaves them out. */
export function withoutArguments(frame: string): string {
  let text = '';
  let depth = 0;
  for (let i = 0; i < frame.length; i++) {
    const letter = frame[i];
    if (depth > 0) {
      if (letter === '<') depth++;
      else if (letter === '>' && frame[i - 1] !== '-') depth--;
      if (depth === 0) text += letter;
    } else {
      if (letter === '<' && /[\w:]/.test(frame[i - 1] ?? '')) depth = 1;
      text += letter;
    }
  }
  return text;
}

export interface Demands {
  /** Least share of equal answers, places and names. */
  readonly places: number;
  readonly names: number;
  /** Least ratio of our frames to theirs. */
  readonly frames: number;
}

/** Notes the agreement as a check. */
export function checkAgreement(report: Report, title: string, name: string, found: Agreement, demands: Demands): void {
  const [ours, theirs] = found.frames;
  const ok =
    found.both > 0 && found.places >= demands.places && found.names >= demands.names && ours >= theirs * demands.frames;
  const percent = (value: number): string => `${(value * 100).toFixed(2)} %`;
  const detail = [
    `${ours} frames, theirs ${theirs}`,
    `of ${found.both} both know: places ${percent(found.places)}, names ${percent(found.names)} equal`,
    ...(found.example === '' ? [] : [`first difference: ${found.example}`]),
  ];
  report.check(title, name, ok, detail.join('; '));
}

/** Pairs of answers about the same addresses, of two profiles. */
export function byAddress(ours: Map<string, Frames>, theirs: Map<string, Frames>): (readonly [Frames, Frames])[] {
  return [...theirs].map(([address, frames]) => [ours.get(address) ?? [], frames] as const);
}

/** The answers of the runtime itself and of a symbolizer that reads DWARF: where the two differ, either is right. */
export function eitherWay(
  ours: Map<string, Frames>,
  one: Map<string, Frames>,
  other: Map<string, Frames>,
): (readonly [Frames, Frames])[] {
  return [...one].map(([address, frames]) => {
    const mine = ours.get(address) ?? [];
    const second = other.get(address) ?? frames;
    return [mine, equal(mine, second) ? second : frames] as const;
  });
}

const LOCATION = 4;
const LOCATION_LINE = 4;

/** Locations and their lines in a profile of any size, without decoding it. */
export function countLines(raw: Uint8Array): { locations: number; lines: number } {
  const counts = { locations: 0, lines: 0 };
  walk(raw, 0, raw.length, (number, start, end) => {
    if (number !== LOCATION) return;
    counts.locations++;
    walk(raw, start, end, (inner) => {
      if (inner === LOCATION_LINE) counts.lines++;
    });
  });
  return counts;
}

/** The length fields of a message. */
function walk(bytes: Uint8Array, from: number, to: number, each: (number: number, start: number, end: number) => void) {
  let at = from;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * scale;
      if (!(byte & 0x80)) return value;
    }
  };
  while (at < to) {
    const tag = varint();
    const wire = tag & 7;
    if (wire === 2) {
      const length = varint();
      each(tag >>> 3, at, at + length);
      at += length;
    } else if (wire === 0) varint();
    else at += wire === 1 ? 8 : 4;
  }
}

/** Every frame as the runtime has it, or as google/pprof has it from DWARF: the runtime's writer merges what has one name. */
export function checkGoFrames(report: Report, title: string, name: string, ours: Map<string, Frames>, of: Profiled) {
  const truth = profileFrames(of.named);
  const pairs =
    of.google instanceof Missing ? byAddress(ours, truth) : eitherWay(ours, truth, profileFrames(of.google));
  const least = of.google instanceof Missing ? 0.98 : 1;
  const what = `${name}: the runtime's own frames${of.google instanceof Missing ? '' : ', or those of DWARF'}`;
  checkAgreement(report, title, what, agreement(pairs), { places: least, names: least, frames: 1 });
}
