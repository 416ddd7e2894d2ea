/**
 * Damaged variants of a real file, the same for the same seed: bits flipped, fields set to awkward numbers, pieces cut
 * out, doubled, moved or blanked, the end cut off.
 *
 *   const random = seededRandom(1);
 *   for (const bytes of mutations(seed, 10_000, random)) parse(bytes);
 */

/** Uniform in [0, 1); mulberry32. */
export type Random = () => number;

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface MutationOptions {
  /** Bytes at the start that most variants keep, so that they get past the recognition of the format. Default 4. */
  readonly keep?: number;
  /** `[start, end)` ranges where damage matters most (headers, tables): half of it is done there. */
  readonly hot?: readonly (readonly [start: number, end: number])[];
}

/** One in so many variants may lose the bytes at the start too. */
const SPOIL_MAGIC = 50;

/** Numbers that parsers trip over, as unsigned 64-bit values; truncated to the width of the field. */
const AWKWARD: readonly bigint[] = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x10000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  (1n << 53n) - 1n,
  1n << 53n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];

/** `count` variants of `seed`, each a fresh array. */
export function* mutations(
  seed: Uint8Array,
  count: number,
  random: Random,
  options: MutationOptions = {},
): Generator<Uint8Array> {
  const { keep = 4, hot = [] } = options;
  for (let i = 0; i < count; i++) {
    let bytes: Uint8Array = new Uint8Array(seed); // not slice(): of a Buffer that is a view
    // Mostly one or two changes: more, and the first check that fails hides the others.
    const changes = 1 + Math.floor(random() ** 3 * 8);
    for (let change = 0; change < changes && bytes.length > 0; change++) bytes = mutate(bytes, random, hot);
    if (Math.floor(random() * SPOIL_MAGIC) !== 0) bytes.set(seed.subarray(0, Math.min(keep, bytes.length)));
    yield bytes;
  }
}

function mutate(bytes: Uint8Array, random: Random, hot: MutationOptions['hot'] = []): Uint8Array {
  const below = (n: number) => Math.floor(random() * n);
  const at = place(bytes.length, random, hot);
  const length = Math.min(bytes.length - at, 1 + Math.floor(random() ** 2 * 256));
  switch (below(12)) {
    case 0:
    case 1:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
      return bytes;
    case 2:
      bytes[at] = below(256);
      return bytes;
    case 3:
    case 4:
    case 5:
      return setField(bytes, at, AWKWARD[below(AWKWARD.length)] ?? 0n, random);
    case 6: // about the file's size, or about a place in it
      return setField(
        bytes,
        at,
        BigInt(Math.max(0, (below(2) === 0 ? bytes.length : below(bytes.length)) - 8 + below(16))),
        random,
      );
    case 7:
      return bytes.fill(below(2) === 0 ? 0 : 0xff, at, at + length);
    case 8:
      return bytes.copyWithin(at, below(bytes.length), below(bytes.length));
    case 9:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 10:
      return joined(bytes.subarray(0, at + length), bytes.subarray(at));
    default:
      return bytes.subarray(0, below(4) === 0 ? at : bytes.length - Math.min(bytes.length, length));
  }
}

function place(length: number, random: Random, hot: readonly (readonly [number, number])[]): number {
  const [start, end] = hot[Math.floor(random() * 2 * hot.length)] ?? [0, length];
  const within = Math.min(end, length) - start;
  return within <= 0 ? Math.floor(random() * length) : start + Math.floor(random() * within);
}

/** A number of 1, 2, 4 or 8 bytes, in either byte order, often where an aligned field would be. */
function setField(bytes: Uint8Array, at: number, value: bigint, random: Random): Uint8Array {
  const width = 1 << Math.floor(random() * 4);
  const start = Math.min(random() < 0.75 ? at - (at % width) : at, Math.max(0, bytes.length - width));
  const bigEndian = random() < 0.3;
  for (let i = 0; i < width && start + i < bytes.length; i++) {
    bytes[start + i] = Number((value >> BigInt(8 * (bigEndian ? width - 1 - i : i))) & 0xffn);
  }
  return bytes;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
