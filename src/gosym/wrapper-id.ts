/**
 * The funcID of wrappers: functions the compiler made to adapt methods, interfaces and calling conventions, which the runtime
 * leaves out of stacks.
 *
 * The number changes between releases (22 in Go 1.15, 21 in 1.19, 23 in 1.26) and the file does not state it. But every other
 * funcID above 0 marks one single function of the runtime, while wrappers are 8 to 35 % of all functions: the id above 0 that
 * occurs most is theirs. A sample is enough, taken in runs because neighbouring records share a window of the file: in a
 * program of 545,000 functions that reads 0.2 MB instead of the 55 MB that looking at all of them takes.
 */
import type { PagedBytes } from './paged-bytes.ts';

/** Runs of the sample, spread evenly, and functions in each. */
const RUNS = 16;
const RUN_LENGTH = 64;
/** Seen this often, it cannot be the id of one function. */
const ENOUGH = 4;

/** Where a function's funcID is in the table; -1 when it has none. */
export type FuncIdAt = (index: number) => number;

/** The funcID of wrappers; -1 when there are none. Throws FormatError when records lie outside the table. */
export function findWrapperId(table: PagedBytes, functionCount: number, funcIdAt: FuncIdAt): number {
  const counts = new Uint32Array(256);
  const count = (i: number): void => {
    const at = funcIdAt(i);
    if (at >= 0) counts[table.u8(at)]++;
  };
  if (functionCount > RUNS * RUN_LENGTH * 4) {
    const step = Math.floor(functionCount / RUNS);
    for (let run = 0; run < RUNS; run++) {
      for (let i = 0; i < RUN_LENGTH; i++) count(run * step + i);
    }
    const id = mostFrequent(counts);
    if (counts[id] >= ENOUGH) return id;
    counts.fill(0);
  }
  for (let i = 0; i < functionCount; i++) count(i);
  const id = mostFrequent(counts);
  return counts[id] > 1 ? id : -1;
}

/** The id above 0 with the highest count. */
function mostFrequent(counts: Uint32Array): number {
  let best = 1;
  for (let id = 2; id < counts.length; id++) if (counts[id] > counts[best]) best = id;
  return best;
}
