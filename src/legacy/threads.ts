/**
 * What every thread is doing, as threadz shows it: text.
 *
 *     --- threadz 1 ---
 *
 *     --- Thread 7ff479d0a940 (name: main/1415) stack: ---
 *       PC: 0xa: helper(arg *)
 *       0x40be31 0x40cdf3 0xabba
 *     --- Thread 7f35bbb3b700 (name: worker/1421) stack: ---
 *         [same as previous thread]
 *     ---- no stack trace for 1 threads ----
 *     --- Memory map: ---
 *     (maps)
 *
 * The leaf is where the thread was, every other address is behind a call.
 */
import { skipToMaps } from './heap.ts';
import { Lines } from './lines.ts';
import { readMaps } from './maps.ts';
import { Declined, type LegacyProfile, PLAIN } from './profile.ts';
import { pushAddresses } from './sample-line.ts';
import { Stacks } from './stacks.ts';

export const THREAD_SECTION = 'thread profile';

const HEADER = /--- threadz [0-9]+ ---/;
const THREAD_HEAD = /--- Thread [0-9a-fA-F]+ \(name: /;
const THREAD_TAIL = /\/[0-9]+\) stack: ---/;
const SAME = 'same as previous thread';

export function isThreadHeader(line: string): boolean {
  return HEADER.test(line) || isThread(line);
}

export function parseThreads(bytes: Uint8Array): LegacyProfile | Declined {
  const lines = new Lines(bytes, THREAD_SECTION);
  while (lines.next() && lines.isBlank()) continue;
  if (HEADER.test(lines.text())) {
    while (lines.next() && !lines.isMapSentinel() && !lines.startsWith('-')) continue;
  } else if (!isThread(lines.text())) return Declined.line(lines, 'no header of a thread profile');

  const stacks = new Stacks(1);
  while (!lines.isMapSentinel()) {
    if (lines.startsWith('---- no stack trace for')) break;
    // Also at the end: threads without a word on what comes after them may have been cut short.
    if (!isThread(lines.text())) return Declined.line(lines, 'neither a thread nor the end of them');
    const before = lines.number;
    const isSame = readStack(lines, stacks);
    if (lines.number === before) return Declined.line(lines, 'the last thread has no end');
    if (isSame || stacks.depth === 0) stacks.repeat();
    else stacks.close([1n]);
  }
  skipToMaps(lines);
  const type = { type: 'thread', unit: 'count' };
  return {
    ...PLAIN,
    sampleTypes: [type],
    periodType: type,
    period: 1n,
    stacks,
    maps: readMaps(lines),
    doubledLeaves: true,
  };
}

/** Reads up to the next line that begins with "---", or stays at the last of all. True when the stack is that of the thread before. */
function readStack(lines: Lines, stacks: Stacks): boolean {
  let isSame = false;
  while (lines.nextOrStay()) {
    lines.trim();
    if (lines.startsWith('---')) break;
    if (lines.start === lines.end) continue;
    if (lines.text().includes(SAME)) {
      isSame = true;
      continue;
    }
    if (!pushAddresses(stacks, lines.bytes, lines.start, lines.end, 'all but the leaf'))
      throw lines.error('an address has more than 64 bits');
  }
  if (isSame) stacks.discard();
  return isSame;
}

/** In two steps, so that a hostile line does not cost the square of its length. */
function isThread(line: string): boolean {
  const head = THREAD_HEAD.exec(line);
  return head !== null && THREAD_TAIL.test(line.slice(head.index + head[0].length));
}
