/**
 * Heap profiles of gperftools, tcmalloc and old Go, and tcmalloc's growth and fragmentation profiles: text.
 *
 *     heap profile:     38:   1048 [    91:   4096] @ heap_v2/524288
 *       count: bytes in use [count: bytes allocated] @ kind/rate
 *          1:     48 [     1:     48] @ 0x400e31 0x400c5a
 *
 *     MAPPED_LIBRARIES:
 *     (maps)
 *
 *     kind            numbers are                 rate
 *     heapprofile     everything that happened    1
 *     heap_v2, heapz_v2   sampled, one allocation in `rate` bytes
 *     heap            the same (Go's)             half of what is written
 *     growth(z), fragmentation(z)                 1, nothing of what was allocated
 *
 * A sample taken of a block of S bytes stands for 1 / (1 - exp(-S / rate)) of them. Every address is behind a call.
 */
import { Lines } from './lines.ts';
import { readMaps } from './maps.ts';
import { decimal, toInt64, wrapInt64 } from './numbers.ts';
import { Declined, type LegacyProfile, PLAIN, type ValueType } from './profile.ts';
import { matchHeap, newParts, type Parts, pushAddresses } from './sample-line.ts';
import { Stacks } from './stacks.ts';

export const HEAP_SECTION = 'heap profile';

const HEADER = /heap profile: *([0-9]+): *([0-9]+) *\[ *([0-9]+): *([0-9]+) *\] *@ *(heap[_a-z0-9]*)\/?([0-9]*)/;
const UNSAMPLED_HEADER = /heap profile: *[0-9]+: *[0-9]+ *\[ *[0-9]+: *[0-9]+ *\] @ (?:growth|fragmentation)z?/;

export function isHeapHeader(line: string): boolean {
  return HEADER.test(line) || UNSAMPLED_HEADER.test(line);
}

/** True for the header Go's runtime writes, which people read with debug=1. */
export function isGoHeapHeader(line: string): boolean {
  return HEADER.exec(line)?.[5] === 'heap';
}

/** How a profile's numbers are to be read. */
export interface HeapKind {
  /** int64; bytes between two samples where `isSampled`. */
  readonly rate: bigint;
  readonly isSampled: boolean;
  /** Also says what was allocated, not only what is in use. */
  readonly hasAllocated: boolean;
}

const IN_USE_ONLY: readonly ValueType[] = [
  { type: 'objects', unit: 'count' },
  { type: 'space', unit: 'bytes' },
];
/** In use comes last: a client shows the last unless told. */
const WITH_ALLOCATED: readonly ValueType[] = [
  { type: 'alloc_objects', unit: 'count' },
  { type: 'alloc_space', unit: 'bytes' },
  { type: 'inuse_objects', unit: 'count' },
  { type: 'inuse_space', unit: 'bytes' },
];

export function parseHeap(bytes: Uint8Array): LegacyProfile | Declined {
  const lines = new Lines(bytes, HEAP_SECTION);
  if (!lines.next()) return new Declined(0, 'empty');
  const kind = readHeader(lines);
  if (kind instanceof Declined) return kind;
  const stacks = newHeapStacks(kind);
  const reader = new HeapSampleReader(kind, stacks, lines);
  while (lines.next()) {
    lines.trim();
    if (reader.readWhole()) continue;
    if (lines.isBlank()) continue;
    if (lines.isMapSentinel()) break;
    reader.read();
  }
  return heapProfile(kind, stacks, lines);
}

function readHeader(lines: Lines): HeapKind | Declined {
  const line = lines.text();
  const match = HEADER.exec(line);
  if (match === null) {
    if (!UNSAMPLED_HEADER.test(line)) return Declined.line(lines, 'no header of a heap profile');
    return { rate: 1n, isSampled: false, hasAllocated: false };
  }
  const [, count, size, allocCount, allocSize, name, rateText] = match;
  // As they are written: "01" is not "1".
  const hasAllocated = (allocCount !== count && allocCount !== '0') || (allocSize !== size && allocSize !== '0');
  const digits = Buffer.from(rateText, 'latin1');
  const rate = rateText === '' ? 0n : decimal(digits, 0, digits.length);
  if (rate === null) return Declined.line(lines, `no rate: ${rateText.slice(0, 40)}`);
  switch (name) {
    case 'heap_v2':
    case 'heapz_v2':
      return { rate, isSampled: true, hasAllocated };
    case 'heapprofile':
      return { rate: 1n, isSampled: false, hasAllocated };
    case 'heap':
      return { rate: rate / 2n, isSampled: true, hasAllocated };
    default:
      return Declined.line(lines, `heap profiles of the kind ${name.slice(0, 40)} are not known`);
  }
}

export function newHeapStacks({ hasAllocated }: HeapKind): Stacks {
  return new Stacks(hasAllocated ? 4 : 2, true);
}

/** The samples are read, up to the line at hand: what follows may hold the mappings. */
export function heapProfile({ hasAllocated, rate }: HeapKind, stacks: Stacks, lines: Lines): LegacyProfile {
  skipToMaps(lines);
  return {
    ...PLAIN,
    sampleTypes: hasAllocated ? WITH_ALLOCATED : IN_USE_ONLY,
    periodType: { type: 'space', unit: 'bytes' },
    period: rate,
    stacks,
    maps: readMaps(lines),
  };
}

/** Passes over other sections. */
export function skipToMaps(lines: Lines): void {
  while (!lines.isMapSentinel() && lines.next()) continue;
}

/** Reads lines of samples into stacks. */
export class HeapSampleReader {
  readonly #kind: HeapKind;
  readonly #stacks: Stacks;
  readonly #lines: Lines;
  readonly #parts: Parts = newParts();

  constructor(kind: HeapKind, stacks: Stacks, lines: Lines) {
    this.#kind = kind;
    this.#stacks = stacks;
    this.#lines = lines;
  }

  /** Reads the line at hand if it is a sample and nothing else, as almost all are. */
  readWhole(): boolean {
    const { bytes, start, end } = this.#lines;
    const parts = this.#parts;
    if (!matchHeap(bytes, start, end, parts) || parts[0] !== start || parts[9] !== end) return false;
    this.#take();
    return true;
  }

  /** Reads the sample somewhere in the line at hand. Throws FormatError. */
  read(): void {
    const { bytes, start, end } = this.#lines;
    if (!matchHeap(bytes, start, end, this.#parts)) throw this.#lines.error('no sample of a heap profile');
    this.#take();
  }

  #take(): void {
    const parts = this.#parts;
    const { bytes } = this.#lines;
    const numbers: bigint[] = [];
    for (let i = 0; i < 4; i++) {
      if (i === 2 && !this.#kind.hasAllocated) break;
      numbers.push(this.#number(parts[2 * i], parts[2 * i + 1]));
    }
    if (!pushAddresses(this.#stacks, bytes, parts[8], parts[9], 'all'))
      throw this.#lines.error('an address has more than 64 bits');
    this.add(numbers[0], numbers[1], numbers[2], numbers[3]);
  }

  #number(start: number, end: number): bigint {
    const value = decimal(this.#lines.bytes, start, end);
    if (value === null) throw this.#lines.error('a number has more than 64 bits');
    return value;
  }

  /** Ends the sample whose frames were pushed. Throws FormatError. */
  add(count: bigint, size: bigint, allocCount: bigint | undefined, allocSize: bigint | undefined): void {
    const values: bigint[] = [];
    let blockSize = 0n;
    const put = (objects: bigint, bytes: bigint): void => {
      if (objects === 0n && bytes !== 0n) throw this.#lines.error(`0 objects of ${bytes} bytes`);
      if (objects !== 0n) blockSize = wrapInt64(bytes / objects);
      if (this.#kind.isSampled) values.push(...scaled(objects, bytes, this.#kind.rate));
      else values.push(objects, bytes);
    };
    if (allocCount !== undefined && allocSize !== undefined) put(allocCount, allocSize);
    put(count, size);
    this.#stacks.close(values, blockSize);
  }
}

/** What was there of blocks of which samples were taken once in `rate` bytes. */
export function scaled(count: bigint, size: bigint, rate: bigint): [count: bigint, size: bigint] {
  if (count === 0n || size === 0n) return [0n, 0n];
  if (rate <= 1n) return [count, size];
  const average = Number(size) / Number(count);
  const scale = 1 / (1 - Math.exp(-average / Number(rate)));
  return [toInt64(Number(count) * scale), toInt64(Number(size) * scale)];
}
