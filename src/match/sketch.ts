/**
 * A sketch: a few KiB a binary by which thousands of them are sieved for the one that has a profile's frames, without opening any.
 *
 * Two bit sets of (function, where its code lies), one bit a pair:
 *
 *   coarse   all functions, by 4 KiB of the file                  programs differ here
 *   fine     those in the last 128 KiB of Go text, by 32 bytes    builds of one program differ here: main packages are linked last
 *
 * Full bit sets still tell binaries apart, since dozens of frames are asked. A sketch never misses the right binary.
 *
 *   0   version, 1
 *   1   log2 of the coarse set's bits; 2: of the fine one's, 0 = none; 3: 0
 *   4   u32 the fine set's first place, 8: u32 its end
 *   12  the coarse set, then the fine one
 *
 * A place is where a byte lies as far as a mapping tells: in ELF its offset in the file, elsewhere its distance from the image's start.
 */
import { isParseError } from '../errors.ts';
import type { GoSymbols } from '../gosym/pclntab.ts';
import type { ObjectFile } from '../object/object.ts';
import { canonical } from './evidence.ts';

const VERSION = 1;
const HEADER_BYTES = 12;
const COARSE_SHIFT = 12;
const FINE_SHIFT = 5;
const FINE_BYTES = 128 << 10;
/** With two bits a pair half of the bits stay clear. Bounds: 128 bytes to 4 KiB, and 1 KiB. */
const MIN_LOG2 = 10;
const MAX_COARSE_LOG2 = 15;
const FINE_LOG2 = 13;
/** Functions of more units than this are data. */
const MAX_UNITS = 4096;
const MAX_FUNCTIONS = 1 << 20;
const PE_GRANULARITY = 0x10000;
/** Places are stored as u32. */
const MAX_PLACE = 2 ** 32;

interface PlacedFunction {
  readonly hash: number;
  readonly start: number;
  readonly end: number;
}

/** null for a file whose places are not known, or without functions. Never throws on damage: what can be read counts. */
export function makeSketch(object: ObjectFile, go: GoSymbols | null): Uint8Array | null {
  if (object.debugOnly || object.type === 'rel') return null;
  const placeOf = placesOf(object);
  const functions: PlacedFunction[] = [];
  try {
    for (const { name, start, end } of functionsOf(object, go)) {
      const place = placeOf(start);
      if (place < 0 || place + end - start > MAX_PLACE || functions.length >= MAX_FUNCTIONS) continue;
      functions.push({ hash: hashOf(canonical(name)), start: place, end: place + end - start });
    }
  } catch (error) {
    if (!isParseError(error)) throw error;
  }
  if (functions.length === 0) return null;
  let last = 0;
  for (const { end } of functions) last = Math.max(last, end);
  const fineStart = go === null ? last : Math.max(0, last - FINE_BYTES);
  let pairs = 0;
  for (const { start, end } of functions) pairs += units(start, end, COARSE_SHIFT);
  const coarseLog2 = Math.min(MAX_COARSE_LOG2, Math.max(MIN_LOG2, Math.ceil(Math.log2(2 * pairs))));
  const fineLog2 = go === null ? 0 : FINE_LOG2;
  const coarseBytes = 2 ** (coarseLog2 - 3);
  const sketch = new Uint8Array(HEADER_BYTES + coarseBytes + (fineLog2 === 0 ? 0 : 2 ** (fineLog2 - 3)));
  sketch.set([VERSION, coarseLog2, fineLog2, 0]);
  const view = new DataView(sketch.buffer);
  view.setUint32(4, fineStart, true);
  view.setUint32(8, last, true);
  for (const { hash, start, end } of functions) {
    for (let unit = start >>> COARSE_SHIFT, n = units(start, end, COARSE_SHIFT); n > 0; n--, unit++) {
      setBit(sketch, HEADER_BYTES, bitOf(hash, unit, coarseLog2));
    }
    if (fineLog2 === 0 || end <= fineStart) continue;
    const first = Math.max(start, fineStart);
    for (let unit = first >>> FINE_SHIFT, n = units(first, end, FINE_SHIFT); n > 0; n--, unit++) {
      setBit(sketch, HEADER_BYTES + coarseBytes, bitOf(hash, unit, fineLog2));
    }
  }
  return sketch;
}

/** True for bytes that can be asked. */
export function isSketch(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION) return false;
  const [, coarseLog2, fineLog2] = bytes;
  if (coarseLog2 < MIN_LOG2 || coarseLog2 > MAX_COARSE_LOG2 || (fineLog2 !== 0 && fineLog2 !== FINE_LOG2)) return false;
  return bytes.length === HEADER_BYTES + 2 ** (coarseLog2 - 3) + (fineLog2 === 0 ? 0 : 2 ** (fineLog2 - 3));
}

/** A frame that a profile names. */
export interface SketchFrame {
  /** Names the function may go by. */
  readonly names: readonly string[];
  /** Where its address may lie, 0 to 2^53. */
  readonly places: readonly number[];
}

/** The frames of one mapping, to be asked of many sketches. */
export class SketchQuery {
  readonly #frames: readonly { readonly hashes: readonly number[]; readonly places: readonly number[] }[];

  constructor(frames: readonly SketchFrame[]) {
    this.#frames = frames.map(({ names, places }) => ({
      hashes: names.map((name) => hashOf(canonical(name))),
      places: places.filter((place) => place < MAX_PLACE),
    }));
  }

  /** Share of the frames that the binary may have: 1 for the right one. 0 without frames. */
  score(sketch: Uint8Array): number {
    if (this.#frames.length === 0) return 0;
    const [, coarseLog2, fineLog2] = sketch;
    const view = new DataView(sketch.buffer, sketch.byteOffset);
    const fineStart = fineLog2 === 0 ? Infinity : view.getUint32(4, true);
    const fineEnd = view.getUint32(8, true);
    const fine = HEADER_BYTES + 2 ** (coarseLog2 - 3);
    let hits = 0;
    for (const { hashes, places } of this.#frames) {
      const isHit = places.some((place) =>
        hashes.some((hash) => {
          if (!hasBit(sketch, HEADER_BYTES, bitOf(hash, place >>> COARSE_SHIFT, coarseLog2))) return false;
          if (place < fineStart || place >= fineEnd) return true;
          return hasBit(sketch, fine, bitOf(hash, place >>> FINE_SHIFT, fineLog2));
        }),
      );
      if (isHit) hits++;
    }
    return hits / this.#frames.length;
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

/** From a file address to its place, or -1. */
function placesOf(object: ObjectFile): (address: number) => number {
  const { segments } = object;
  if (object.format === 'elf') {
    return (address) => {
      const segment = segments.find((s) => s.executable && address >= s.address && address < s.address + s.size);
      return segment === undefined ? -1 : address - segment.address + segment.fileOffset;
    };
  }
  const first = segments.reduce((least, { address }) => Math.min(least, address), Infinity);
  // Of Mach-O the mapping begins with __TEXT; of PE with the headers, before the first section, at a multiple of 64 KiB.
  const start = object.format === 'macho' ? segments.find(({ name }) => name === '__TEXT')?.address : undefined;
  const base = start ?? first - (first % PE_GRANULARITY);
  return (address) => address - base;
}

function units(start: number, end: number, shift: number): number {
  return Math.min(MAX_UNITS, ((end - 1) >>> shift) - (start >>> shift) + 1);
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

function setBit(bytes: Uint8Array, at: number, bit: number): void {
  bytes[at + (bit >>> 3)] |= 1 << (bit & 7);
}

function hasBit(bytes: Uint8Array, at: number, bit: number): boolean {
  return (bytes[at + (bit >>> 3)] & (1 << (bit & 7))) !== 0;
}
