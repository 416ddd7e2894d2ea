/** Addresses worth asking about: wherever a function table changes its answer. */
import { readRecord } from '../../src/gosym/function-tables.ts';
import { PcValueStore } from '../../src/gosym/pc-values.ts';
import type { GoSymbols } from '../../src/gosym/pclntab.ts';

/** A small generator of its own, so that a run can be repeated. `next(n)` is in [0, n). */
export function random(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

/**
 * Both sides of every boundary in the line, file and inline tables of every function, the functions' ends, and `extra` random
 * addresses; ascending, at most `most` of them, chosen evenly.
 */
export function boundaries(symbols: GoSymbols, most: number, extra: number, seed = 1): number[] {
  const { header, table } = symbols;
  const { separateTables } = header.layout;
  const base = separateTables ? header.pctab : 0;
  const limit = separateTables ? header.pcln : table.length;
  const values = new PcValueStore();
  const found = new Set<number>();
  for (let i = 0; i < symbols.functionCount; i++) {
    const start = symbols.functionStart(i);
    const size = symbols.functionEnd(i) - start;
    const record = readRecord(table, header, symbols.recordOffset(i));
    const streams = [record.pcln, record.pcfile];
    const { inlineIndex } = header.layout;
    if (record.pcdataCount > inlineIndex) streams.push(table.u32(record.pcdata + 4 * inlineIndex));
    found.add(start).add(start + size - 1);
    for (const stream of streams) {
      if (stream === 0) continue;
      values.used = 0;
      values.add(table, base + stream, limit, header.quantum, size);
      for (let k = 0; k < values.ints[0]; k++) {
        const end = values.ints[1 + 2 * k];
        found.add(start + end - 1);
        if (end < size) found.add(start + end);
      }
    }
  }
  const all = [...found].sort((a, b) => a - b);
  const step = Math.max(1, all.length / most);
  const chosen = new Set<number>();
  for (let at = 0; at < all.length; at += step) chosen.add(all[Math.floor(at)]);
  const next = random(seed);
  for (let i = 0; i < extra; i++) chosen.add(symbols.minPc + next(symbols.maxPc - symbols.minPc));
  return [...chosen].sort((a, b) => a - b);
}
