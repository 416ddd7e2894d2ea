/** Addresses as a profiler takes them: where an instruction of some function begins, never between functions. */
import { lastAtOrBelow } from '../../src/bytes/search.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { instructionLength } from '../../src/match/x86-length.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { randomBelow } from '../support/profile-model.ts';

/** INT3, with which compilers fill the gaps between functions. */
const FILLER = 0xcc;
/** Not every byte belongs to a function; a file where hardly any does is none of ours. */
const MAX_ROUNDS = 20;
/** Longer functions are walked from their start all the way: none is needed. */
const MAX_FUNCTION_BYTES = 1 << 20;

/** File addresses, distinct, uniform over the bytes of .text that belong to functions; the same in every run. amd64 only. */
export function sampledAddresses(object: ObjectFile, count: number): number[] {
  if (object.arch !== 'amd64') throw new Error(`code for ${object.arch} is not understood here`);
  const text = object.section('.text');
  if (text === undefined) throw new Error('no .text');
  const startOf = functionStarts(object);
  const below = randomBelow(7);
  const found = new Set<number>();
  for (let round = 0; found.size < count; round++) {
    if (round === MAX_ROUNDS) throw new Error(`only ${found.size} of ${count} addresses found`);
    // In ascending order, because files are read in blocks.
    const tries = Float64Array.from({ length: count }, () => text.address + below(text.size)).sort();
    for (const address of tries) {
      const start = startOf(address);
      if (start === null || address - start > MAX_FUNCTION_BYTES) continue;
      const at = instructionAt(object, start, address);
      if (at !== null) found.add(at);
    }
  }
  // No profile is in that order.
  const addresses = [...found];
  for (let i = addresses.length - 1; i > 0; i--) {
    const j = below(i + 1);
    [addresses[i], addresses[j]] = [addresses[j], addresses[i]];
  }
  return addresses.slice(0, count);
}

/** The start of the function that holds an address, from Go's table or from the symbols; null between functions. */
function functionStarts(object: ObjectFile): (address: number) => number | null {
  const go = GoSymbols.open(object);
  if (go !== null) {
    return (address) => (go.frames(address) === null ? null : go.functionStart(go.findFunction(address)));
  }
  const { start, size } = object.functionSymbols();
  return (address) => {
    const i = lastAtOrBelow(start, address);
    return i >= 0 && address < start[i] + size[i] ? start[i] : null;
  };
}

/** Where the instruction begins that holds the byte at an address: code is decoded from its function's start. */
function instructionAt(object: ObjectFile, start: number, address: number): number | null {
  const code = object.readAddress(start, address - start + 1);
  let at = 0;
  for (;;) {
    const length = instructionLength(code, at, true);
    // The last one reaches behind what was read: then it is cut off, and the one wanted.
    if (length === 0) return at < code.length && code.length - at < 15 && code[at] !== FILLER ? start + at : null;
    if (at + length > address - start) return code[at] === FILLER ? null : start + at;
    at += length;
  }
}
