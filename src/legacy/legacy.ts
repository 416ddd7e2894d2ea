/**
 * Profiles that are no protobuf: what gperftools, tcmalloc, jemalloc, brpc and old Go and Java write.
 *
 *     bytes ─► one of the parsers ─► stacks, mappings ─► encode.ts ─► protobuf
 *
 * The parsers are google/pprof's in what they accept, in what they make of it and in the order in which they are tried, so
 * that a profile that comes through resym is the one the client would have made of it, byte for byte (after inflating). Two
 * formats are more than google/pprof reads: jemalloc's own and brpc's contention. Bounds that google/pprof lacks are in
 * maps.ts, mappings.ts and address-table.ts; made-up files reach them, no process does.
 *
 * Scaling of samples uses exp(), whose last bit differs between Go's processors and JavaScript: a scaled number may differ
 * in its last digit.
 */
import { FormatError } from '../errors.ts';
import {
  isBrpcContentionHeader,
  isContentionHeader,
  isGoContentionHeader,
  parseBrpcContention,
  parseContention,
} from './contention.ts';
import { isCountHeader, parseCounts } from './counts.ts';
import { CPU_HEADER_BYTES, isCpu, parseCpu } from './cpu.ts';
import { encode } from './encode.ts';
import { isGoHeapHeader, isHeapHeader, parseHeap } from './heap.ts';
import { isJavaHeader, parseJava } from './java.ts';
import { isJemallocHeader, parseJemalloc } from './jemalloc.ts';
import { latin1 } from './lines.ts';
import { Declined, type LegacyProfile } from './profile.ts';
import { isThreadHeader, parseThreads } from './threads.ts';

export type LegacyKind =
  | 'cpu'
  | 'heap'
  | 'go-heap'
  | 'go-count'
  | 'threads'
  | 'contention'
  | 'go-contention'
  | 'java'
  | 'jemalloc'
  | 'brpc-contention'
  | 'gperftools-raw';

/** Go's own text, which a service serves for people to read and no client asks for. */
const FOR_PEOPLE: ReadonlySet<LegacyKind | null> = new Set(['go-heap', 'go-count', 'go-contention'] as const);

/** Blank lines and comments may come first; a header is looked for in so many bytes. */
export const LEGACY_SNIFF_BYTES = 4096;

/** `pprof --raw` of gperftools: names, then the profile itself. */
const RAW_HEADER = /^--- (symbol|profile|heap|growth)$/;

const HEADERS: readonly (readonly [LegacyKind, (line: string) => boolean])[] = [
  ['go-heap', isGoHeapHeader],
  ['heap', isHeapHeader],
  ['go-contention', isGoContentionHeader],
  ['contention', isContentionHeader],
  ['java', isJavaHeader],
  ['jemalloc', isJemallocHeader],
  ['brpc-contention', isBrpcContentionHeader],
  ['gperftools-raw', (line) => RAW_HEADER.test(line.trimEnd())],
];

/** Headers that blank lines and comments may precede. */
const LATER_HEADERS: readonly (readonly [LegacyKind, (line: string) => boolean])[] = [
  ['go-count', isCountHeader],
  ['threads', isThreadHeader],
];

const PARSERS: readonly ((bytes: Uint8Array) => LegacyProfile | Declined)[] = [
  parseCpu,
  parseHeap,
  parseCounts,
  parseThreads,
  parseContention,
  parseJava,
  parseJemalloc,
  parseBrpcContention,
];

/** Which format a file begins as; null for none of these. Looks at LEGACY_SNIFF_BYTES. */
export function legacyKind(start: Uint8Array): LegacyKind | null {
  if (isCpu(start)) return 'cpu';
  const text = latin1(start, 0, Math.min(start.length, LEGACY_SNIFF_BYTES));
  const lines = text.split('\n', 256).map((line) => line.replace(/\r$/, ''));
  const first = kindOf(lines[0], HEADERS);
  if (first !== null) return first;
  const header = lines.find((line) => !/^\s*(#|$)/.test(line));
  return header === undefined ? null : kindOf(header, LATER_HEADERS);
}

/** A header line, or the header of a CPU profile, is no longer. */
export const LEGACY_HEAD_BYTES = 256;

const TEXT_HEADS = ['heap profile:', 'heap_v2/', '--- '];

/** True where a header is not complete and may become one. */
export function mayBeginLegacy(start: Uint8Array): boolean {
  if (start[0] === 0) return start.length < CPU_HEADER_BYTES;
  const text = latin1(start, 0, Math.min(start.length, LEGACY_HEAD_BYTES));
  return !text.includes('\n') && TEXT_HEADS.some((head) => text.startsWith(head) || head.startsWith(text));
}

/** True for what a client may have asked for as a profile, and not for what Go writes for people. */
export function isLegacyProfile(start: Uint8Array): boolean {
  const kind = legacyKind(start);
  return kind !== null && !FOR_PEOPLE.has(kind);
}

/** The profile as protobuf, not compressed. Throws FormatError, or LimitError beyond the bounds. */
export function convertLegacy(bytes: Uint8Array): Uint8Array {
  if (legacyKind(bytes) === 'gperftools-raw')
    throw new FormatError(
      'gperftools raw profile',
      0,
      "the output of gperftools' pprof --raw is not read; give the profile it was made from",
    );
  // A Buffer's methods are slower than a plain view's.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let furthest: Declined | null = null;
  for (const parse of PARSERS) {
    const profile = parse(plain);
    if (!(profile instanceof Declined)) return encode(profile);
    if (furthest === null || profile.at > furthest.at) furthest = profile;
  }
  throw new FormatError('profile', furthest?.at ?? 0, `of no format that is known: ${furthest?.problem ?? 'empty'}`);
}

function kindOf(line: string, headers: typeof HEADERS): LegacyKind | null {
  return headers.find(([, matches]) => matches(line))?.[0] ?? null;
}
