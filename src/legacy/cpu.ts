/**
 * The CPU profile of gperftools: machine words of the profiled process, 32 or 64 bits, either byte order.
 *
 *     word  0   0
 *           1   3            words of header after this one
 *           2   0            version; 1 in Java's
 *           3   period       microseconds, not 0
 *           4   0
 *           5 … samples:     count, depth, then `depth` addresses, leaf first
 *               0 1 0        the last one
 *     then text: /proc/self/maps; in Java's, names of addresses
 *
 * The leaf is where the program was, every other address is behind a call. The frame that called the leaf may be the
 * signal handler's: if (nearly) all samples agree on it, it goes, twice if need be.
 */
import { Lines } from './lines.ts';
import { readJavaNames } from './java-names.ts';
import { readMaps } from './maps.ts';
import { wrapInt64 } from './numbers.ts';
import { Declined, type LegacyProfile, PLAIN } from './profile.ts';
import { Stacks } from './stacks.ts';

export const CPU_SECTION = 'CPU profile';

const HEADER_WORDS = 5;

/** In its widest words. */
export const CPU_HEADER_BYTES = 8 * HEADER_WORDS;

/** Frames of a signal handler between the leaf and its caller. */
const HANDLER_FRAMES = 2;
/** One sample in so many may have another. */
const AGREEING = 32;

/** Reads words; `high` and `low` hold the last one. */
class Words {
  readonly #view: DataView;
  readonly size: number;
  readonly #littleEndian: boolean;
  readonly length: number;
  at = 0;
  high = 0;
  low = 0;

  constructor(bytes: Uint8Array, size: number, littleEndian: boolean) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.length = bytes.length;
    this.size = size;
    this.#littleEndian = littleEndian;
  }

  /** False, and 0, beyond the end. */
  read(): boolean {
    if (this.length - this.at < this.size) {
      this.at = this.length;
      this.high = this.low = 0;
      return false;
    }
    const wide = this.size === 8;
    const first = this.#view.getUint32(this.at, this.#littleEndian);
    const second = wide ? this.#view.getUint32(this.at + 4, this.#littleEndian) : 0;
    this.high = !wide ? 0 : this.#littleEndian ? second : first;
    this.low = wide && !this.#littleEndian ? second : first;
    this.at += this.size;
    return true;
  }

  value(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }
}

/** The words after the header, and what it says. null for bytes with another beginning. */
function readHeader(bytes: Uint8Array): { words: Words; java: boolean; period: bigint } | null {
  for (const size of [4, 8]) {
    for (const littleEndian of [true, false]) {
      if (bytes.length < HEADER_WORDS * size) continue;
      const words = new Words(bytes, size, littleEndian);
      const header: bigint[] = [];
      while (header.length < HEADER_WORDS && words.read()) header.push(words.value());
      const [zero, three, version, period, padding] = header;
      if (zero === 0n && three === 3n && version <= 1n && period > 0n && padding === 0n)
        return { words, java: version === 1n, period };
    }
  }
  return null;
}

export function isCpu(start: Uint8Array): boolean {
  return start[0] === 0 && readHeader(start) !== null;
}

export function parseCpu(bytes: Uint8Array): LegacyProfile | Declined {
  const header = readHeader(bytes);
  if (header === null) return new Declined(0, 'no header of a CPU profile');
  const { words, java } = header;
  const period = wrapInt64(header.period * 1000n);
  const stacks = new Stacks(2);
  const declined = readSamples(words, period, stacks, java);
  if (declined !== null) return declined;
  const common = {
    ...PLAIN,
    sampleTypes: [
      { type: 'samples', unit: 'count' },
      { type: 'cpu', unit: 'nanoseconds' },
    ],
    periodType: { type: 'cpu', unit: 'nanoseconds' },
    period,
    stacks,
  };
  if (java) {
    const names = readJavaNames(bytes, words.at, stacks.addresses, CPU_SECTION);
    return { ...common, maps: [], names };
  }
  dropHandlerFrames(stacks);
  return { ...common, maps: readMaps(new Lines(bytes, CPU_SECTION, words.at)), doubledLeaves: true };
}

function readSamples(words: Words, period: bigint, stacks: Stacks, java: boolean): Declined | null {
  while (words.at < words.length) {
    const at = words.at;
    words.read();
    const count = wrapInt64(words.value());
    const isWhole = words.read();
    const left = words.length - words.at;
    if (!isWhole || words.high !== 0 || words.low > left / 4)
      return new Declined(at, `a sample is cut short: ${words.value()} frames, ${left} bytes left`);
    const depth = words.low;
    for (let i = 0; i < depth; i++) {
      words.read();
      if (i === 0 && count === 0n && depth === 1 && words.high === 0 && words.low === 0) return null;
      if (java || i === 0) stacks.push(words.high, words.low);
      else stacks.pushCall(words.high, words.low);
    }
    stacks.close([count, wrapInt64(count * period)]);
  }
  return null;
}

function dropHandlerFrames(stacks: Stacks): void {
  const needed = stacks.count - Math.floor(stacks.count / AGREEING);
  for (let round = 0; round < HANDLER_FRAMES; round++) {
    const seen = new Uint32Array(stacks.addresses.count);
    let common = -1;
    for (let sample = 0; sample < stacks.count; sample++) {
      const from = stacks.from(sample);
      if (stacks.to(sample) - from < 2) continue;
      const caller = stacks.frames[from + 1];
      if (++seen[caller] === needed) common = caller; // no two can: each needs more than half
    }
    if (common === -1) return;
    for (let sample = 0; sample < stacks.count; sample++) {
      const from = stacks.from(sample);
      if (stacks.to(sample) - from > 1 && stacks.frames[from + 1] === common) stacks.dropCaller(sample);
    }
  }
}
