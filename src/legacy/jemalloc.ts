/**
 * jemalloc's heap profile (jeprof.*.heap): text, two levels, sums over all threads beside each thread's own.
 *
 *     heap_v2/524288                                rate: a sample every so many bytes
 *       t*: 28106: 56637512 [0: 0]                  in use, objects: bytes [allocated, if opt.prof_accum]
 *       t0: 352: 16777344 [0: 0]                    of thread 0
 *     @ 0x5f86da8 0x5f5a1dc 0x29e4d4e               a stack
 *       t*: 13: 6688 [0: 0]
 *       t0: 12: 6496 [0: 0]
 *
 *     MAPPED_LIBRARIES:
 *     (/proc/self/maps)
 *
 * google/pprof does not read it. It is the same as a "heap profile: … @ heap_v2/…" whose lines are the "t*" ones, and is
 * treated as that: the same sample types, the same scaling. Threads' own lines are passed over.
 */
import { heapProfile, HeapSampleReader, type HeapKind, newHeapStacks } from './heap.ts';
import { Lines } from './lines.ts';
import { decimal } from './numbers.ts';
import { Declined, type LegacyProfile } from './profile.ts';
import { pushAddresses } from './sample-line.ts';
import type { Stacks } from './stacks.ts';

export const JEMALLOC_SECTION = 'jemalloc heap profile';

const HEADER = /^heap_v2\/([0-9]{1,18})$/;
const COUNTS = /^t(\*|[0-9]+): *([0-9]+): *([0-9]+) *\[ *([0-9]+): *([0-9]+) *\]$/;

export function isJemallocHeader(line: string): boolean {
  return HEADER.test(line.trimEnd());
}

interface Counts {
  /** The sum over all threads. */
  readonly isTotal: boolean;
  /** objects, bytes; allocated objects, bytes. */
  readonly numbers: readonly bigint[];
}

export function parseJemalloc(bytes: Uint8Array): LegacyProfile | Declined {
  const lines = new Lines(bytes, JEMALLOC_SECTION);
  if (!lines.next()) return new Declined(0, 'empty');
  const header = HEADER.exec(lines.text().trimEnd());
  if (header === null) return Declined.line(lines, 'no header of jemalloc');
  const rate = BigInt(header[1]);

  let kind: HeapKind | null = null;
  let stacks: Stacks | null = null;
  let reader: HeapSampleReader | null = null;
  /** A stack whose total has not come yet. */
  let isOpen = false;
  while (lines.next()) {
    lines.trim();
    if (lines.isBlank()) continue;
    if (lines.isMapSentinel()) break;
    if (lines.startsWith('@')) {
      if (isOpen) throw lines.error('the stack before this one has no total');
      if (stacks === null) throw lines.error('a stack before the totals of all');
      if (!pushAddresses(stacks, bytes, lines.start, lines.end, 'all'))
        throw lines.error('an address has more than 64 bits');
      isOpen = true;
      continue;
    }
    const { isTotal, numbers } = readCounts(lines);
    if (!isTotal) continue;
    if (stacks === null || reader === null) {
      const [count, size, allocCount, allocSize] = numbers;
      const hasAllocated = (allocCount !== count && allocCount !== 0n) || (allocSize !== size && allocSize !== 0n);
      kind = { rate, isSampled: true, hasAllocated };
      stacks = newHeapStacks(kind);
      reader = new HeapSampleReader(kind, stacks, lines);
      continue;
    }
    if (!isOpen) throw lines.error('a total without a stack');
    const [count, size, allocCount, allocSize] = numbers;
    const { hasAllocated } = kind ?? { hasAllocated: false };
    reader.add(count, size, hasAllocated ? allocCount : undefined, hasAllocated ? allocSize : undefined);
    isOpen = false;
  }
  if (isOpen) throw lines.error('the last stack has no total');
  if (kind === null || stacks === null) throw lines.error('no totals');
  return heapProfile(kind, stacks, lines);
}

function readCounts(lines: Lines): Counts {
  const match = COUNTS.exec(lines.text());
  if (match === null) throw lines.error('neither a stack nor counts of a thread');
  const isTotal = match[1] === '*';
  if (!isTotal) return { isTotal, numbers: [] };
  const numbers = match.slice(2).map((text) => {
    const value = decimal(Buffer.from(text, 'latin1'), 0, text.length);
    if (value === null) throw lines.error('a number has more than 64 bits');
    return value;
  });
  return { isTotal, numbers };
}
