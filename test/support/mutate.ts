/** Damaged copies of a file, from a seed: what links, disks and strangers do to profiles. */
import { randomBelow } from './profile-model.ts';

/** One damaged copy. The same seed gives the same damage. */
export function mutate(original: Uint8Array, seed: number): Uint8Array {
  const random = randomBelow(seed);
  let bytes: Uint8Array = Uint8Array.from(original);
  const rounds = 1 + random(3);
  for (let i = 0; i < rounds; i++) bytes = KINDS[random(KINDS.length)](bytes, random);
  return bytes;
}

type Random = (n: number) => number;

const EDGE_BYTES = [0x00, 0x01, 0x7f, 0x80, 0xff];

const KINDS: ((bytes: Uint8Array, random: Random) => Uint8Array)[] = [
  function flipBit(bytes, random) {
    if (bytes.length > 0) bytes[random(bytes.length)] ^= 1 << random(8);
    return bytes;
  },
  function setByte(bytes, random) {
    if (bytes.length > 0) bytes[random(bytes.length)] = EDGE_BYTES[random(EDGE_BYTES.length)];
    return bytes;
  },
  // A small change of a small number: ids, indexes and lengths are what such bytes mostly are.
  function nudge(bytes, random) {
    if (bytes.length > 0) bytes[random(bytes.length)] += random(2) === 0 ? 1 : -1;
    return bytes;
  },
  function truncate(bytes, random) {
    return bytes.slice(0, random(bytes.length + 1));
  },
  function remove(bytes, random) {
    const at = random(bytes.length + 1);
    return concat(bytes.subarray(0, at), bytes.subarray(at + 1 + random(8)));
  },
  function insert(bytes, random) {
    const at = random(bytes.length + 1);
    const added = Uint8Array.from({ length: 1 + random(11) }, () => (random(2) === 0 ? 0xff : random(256)));
    return concat(bytes.subarray(0, at), added, bytes.subarray(at));
  },
  function repeat(bytes, random) {
    const at = random(bytes.length + 1);
    const piece = bytes.subarray(at, at + random(64));
    return concat(bytes.subarray(0, at), piece, bytes.subarray(at));
  },
];

function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
