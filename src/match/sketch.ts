/**
 * A sketch: a few KiB a binary by which thousands of them are sieved for the one that has a profile's frames, without opening any.
 *
 * Two bit sets of (function, where its code lies), one bit each:
 *
 *   coarse   all functions, by 4 KiB of the file                  programs differ here
 *            (of large programs every 2nd, 4th ... by a hash of the name: half-full bits say most)
 *   fine     those in the last 128 KiB of Go text, by 32 bytes,   builds of one program differ here: main packages are linked last
 *            with and without each innermost line there
 *
 * Bits are shared, so others may pass too, the fewer the more frames are asked; the right binary always does.
 *
 *   0   version, 1
 *   1   log2 of the coarse set's bits; 2: of the fine one's, 0 = none; 3: log2 of how many functions there are to one in the coarse set
 *   4   u32 the fine set's first place, 8: u32 its end
 *   12  the coarse set, then the fine one
 *
 * A place is where a byte lies as far as a mapping tells: in ELF its offset in the file, elsewhere its distance from the image's start.
 */
import { isParseError } from '../errors.ts';
import type { GoSymbols } from '../gosym/pclntab.ts';
import type { ObjectFile } from '../object/object.ts';
import { canonical } from './evidence.ts';
import { type PlacedFunction, PlacedFunctions } from './placed-functions.ts';

const VERSION = 1;
const HEADER_BYTES = 12;
const COARSE_SHIFT = 12;
const FINE_SHIFT = 5;
const FINE_BYTES = 128 << 10;
/** With two bits a pair half of the bits stay clear. Bounds: 128 bytes to 4 KiB, and 2 KiB. */
const MIN_LOG2 = 10;
const MAX_COARSE_LOG2 = 15;
const FINE_LOG2 = 14;
/** Functions of more units than this are data. */
const MAX_UNITS = 4096;
const MAX_FUNCTIONS = 1 << 20;
/** A million functions of one to three units each; more overlap. */
const MAX_PAIRS = 3 << 20;
/** One function of 64: programs of 1.5 million functions. */
const MAX_SAMPLING = 6;
/** Linkers make one or two. */
const MAX_CODE_SEGMENTS = 16;
/** Places are stored as u32. */
const MAX_PLACE = 2 ** 32;

/** null for a file whose places are not known, or without functions. Never throws on damage: what can be read counts. */
export function makeSketch(object: ObjectFile, go: GoSymbols | null): Uint8Array | null {
  if (object.debugOnly || object.type === 'rel') return null;
  const placeOf = placesOf(object);
  const functions = new PlacedFunctions();
  try {
    for (const { name, start, end } of functionsOf(object, go)) {
      const place = placeOf(start);
      if (place < 0 || end <= start || place + end - start > MAX_PLACE || functions.length >= MAX_FUNCTIONS) continue;
      functions.push(nameHash(name), start, place, place + end - start);
    }
  } catch (error) {
    if (!isParseError(error)) throw error;
  }
  return functions.length === 0 ? null : packSketch(functions, go && ((address) => lineAt(go, address)));
}

/** `lineAt`: the innermost line at a file address, 0 for none; null when lines are not to be had. */
export function packSketch(
  functions: Iterable<PlacedFunction>,
  lineAt: ((address: number) => number) | null,
): Uint8Array | null {
  let last = 0;
  for (const { end } of functions) last = Math.max(last, end);
  const fineStart = lineAt === null ? last : Math.max(0, last - FINE_BYTES);
  let pairs = 0;
  for (const { start, end } of functions) pairs += units(start, end, COARSE_SHIFT);
  if (pairs > MAX_PAIRS) return null;
  const coarseLog2 = Math.min(MAX_COARSE_LOG2, Math.max(MIN_LOG2, Math.ceil(Math.log2(2 * pairs))));
  const fineLog2 = lineAt === null ? 0 : FINE_LOG2;
  const sampling = Math.min(MAX_SAMPLING, Math.max(0, Math.round(Math.log2(pairs / 2 ** coarseLog2 / Math.LN2))));
  const coarseBytes = 2 ** (coarseLog2 - 3);
  const sketch = new Uint8Array(HEADER_BYTES + coarseBytes + (fineLog2 === 0 ? 0 : 2 ** (fineLog2 - 3)));
  sketch.set([VERSION, coarseLog2, fineLog2, sampling]);
  const view = new DataView(sketch.buffer);
  view.setUint32(4, fineStart, true);
  view.setUint32(8, last, true);
  let lookups = 2 * FINE_BYTES; // overlapping functions end it
  for (const { hash, address, start, end } of functions) {
    if (isSampled(hash, sampling)) {
      for (let unit = start >>> COARSE_SHIFT, n = units(start, end, COARSE_SHIFT); n > 0; n--, unit++) {
        setBit(sketch, HEADER_BYTES, bitOf(hash, unit, coarseLog2));
      }
    }
    if (lineAt === null || end <= fineStart || lookups === 0) continue;
    const first = Math.max(start, fineStart);
    for (let unit = first >>> FINE_SHIFT, n = units(first, end, FINE_SHIFT); n > 0; n--, unit++) {
      setBit(sketch, HEADER_BYTES + coarseBytes, bitOf(hash, unit, fineLog2));
    }
    let lastUnit = -1;
    let lastLine = 0;
    for (let place = first; place < end && lookups > 0; place++, lookups--) {
      const line = lineAt(address + place - start);
      const unit = place >>> FINE_SHIFT;
      if (line === 0 || (line === lastLine && unit === lastUnit)) continue;
      setBit(sketch, HEADER_BYTES + coarseBytes, bitOf(withLine(hash, line), unit, fineLog2));
      lastUnit = unit;
      lastLine = line;
    }
  }
  return sketch;
}

/** True for bytes that can be asked. */
export function isSketch(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION) return false;
  const [, coarseLog2, fineLog2, sampling] = bytes;
  if (sampling > MAX_SAMPLING) return false;
  if (coarseLog2 < MIN_LOG2 || coarseLog2 > MAX_COARSE_LOG2 || (fineLog2 !== 0 && fineLog2 !== FINE_LOG2)) return false;
  return bytes.length === HEADER_BYTES + 2 ** (coarseLog2 - 3) + (fineLog2 === 0 ? 0 : 2 ** (fineLog2 - 3));
}

/** A frame that a profile names. */
export interface SketchFrame {
  /** Names the function may go by. */
  readonly names: readonly string[];
  /** Where its address may lie, 0 to 2^53. */
  readonly places: readonly number[];
  /** Of the innermost frame; 0 or left out when unknown. */
  readonly line?: number;
}

/** The frames of one mapping, to be asked of many sketches. */
export class SketchQuery {
  readonly #frames: readonly {
    readonly hashes: readonly number[];
    readonly places: readonly number[];
    readonly line: number;
  }[];

  constructor(frames: readonly SketchFrame[]) {
    this.#frames = frames.map(({ names, places, line = 0 }) => ({
      hashes: [...new Set(names.map(nameHash))],
      places: places.filter((place) => place >= 0 && place < MAX_PLACE),
      line,
    }));
  }

  /** Of the frames that the sketch tells of, the share that the binary may have: 1 for the right one. 0 without frames. */
  score(sketch: Uint8Array): number {
    if (this.#frames.length === 0) return 0;
    const [, coarseLog2, fineLog2, sampling] = sketch;
    const view = new DataView(sketch.buffer, sketch.byteOffset);
    const fineStart = fineLog2 === 0 ? Infinity : view.getUint32(4, true);
    const fineEnd = view.getUint32(8, true);
    const fine = HEADER_BYTES + 2 ** (coarseLog2 - 3);
    let asked = 0;
    let hits = 0;
    for (const { hashes, places, line } of this.#frames) {
      let isTold = true;
      let isHit = false;
      for (const hash of hashes) {
        const inCoarse = isSampled(hash, sampling);
        const fineHash = line === 0 ? hash : withLine(hash, line);
        for (const place of places) {
          const inFine = place >= fineStart && place < fineEnd;
          if (!inCoarse && !inFine) isTold = false;
          else if (
            (!inCoarse || hasBit(sketch, HEADER_BYTES, bitOf(hash, place >>> COARSE_SHIFT, coarseLog2))) &&
            (!inFine || hasBit(sketch, fine, bitOf(fineHash, place >>> FINE_SHIFT, fineLog2)))
          ) {
            isHit = true;
          }
        }
      }
      if (!isTold) continue;
      asked++;
      if (isHit) hits++;
    }
    return asked === 0 ? 1 : hits / asked;
  }
}

function* functionsOf(
  object: ObjectFile,
  go: GoSymbols | null,
): Generator<{ name: string; start: number; end: number }> {
  if (go !== null) {
    for (let i = 0; i < go.functionCount; i++) {
      yield { name: go.functionName(i), start: go.functionStart(i), end: go.functionEnd(i) };
    }
    return;
  }
  const symbols = object.functionSymbols();
  for (let i = 0; i < symbols.length; i++) {
    const start = symbols.start[i];
    yield { name: symbols.name(i), start, end: start + Math.max(1, symbols.size[i]) };
  }
}

/** The innermost line; 0 outside of functions and where the table is damaged. */
function lineAt(go: GoSymbols, address: number): number {
  try {
    return go.frames(address)?.[0].line ?? 0;
  } catch (error) {
    if (!isParseError(error)) throw error;
    return 0;
  }
}

/** From a file address to its place, or -1. */
function placesOf(object: ObjectFile): (address: number) => number {
  const { segments } = object;
  if (object.format === 'elf') {
    const code = segments.filter(({ executable }) => executable).slice(0, MAX_CODE_SEGMENTS);
    return (address) => {
      const segment = code.find((s) => address >= s.address && address < s.address + s.size);
      return segment === undefined ? -1 : address - segment.address + segment.fileOffset;
    };
  }
  const first = segments.reduce((least, { address }) => Math.min(least, address), Infinity);
  // Of Mach-O the mapping begins with __TEXT; of PE with the headers.
  const start = object.format === 'macho' ? segments.find(({ name }) => name === '__TEXT')?.address : undefined;
  const base = start ?? first;
  return (address) => address - base;
}

function units(start: number, end: number, shift: number): number {
  return Math.min(MAX_UNITS, ((end - 1) >>> shift) - (start >>> shift) + 1);
}

/** Of its canonical spelling. */
export function nameHash(name: string): number {
  return hashOf(canonical(name));
}

/** FNV-1a over UTF-16 units. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function bitOf(hash: number, unit: number, log2: number): number {
  let mixed = Math.imul(hash ^ Math.imul(unit, 0x9e3779b1), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> (32 - log2);
}

function withLine(hash: number, line: number): number {
  return Math.imul(hash ^ line, 0x2c1b3c6d);
}

/** True for one function in 2^sampling. */
function isSampled(hash: number, sampling: number): boolean {
  return sampling === 0 || Math.imul(hash ^ (hash >>> 16), 0x7feb352d) >>> (32 - sampling) === 0;
}

function setBit(bytes: Uint8Array, at: number, bit: number): void {
  bytes[at + (bit >>> 3)] |= 1 << (bit & 7);
}

function hasBit(bytes: Uint8Array, at: number, bit: number): boolean {
  return (bytes[at + (bit >>> 3)] & (1 << (bit & 7))) !== 0;
}
