/**
 * From the list a process gave of its mappings to the mappings of a profile, and to the mapping of each address. The rules are
 * google/pprof's, with their order, since they decide which address counts as whose:
 *
 *   1. Neighbours that are one file's, and whose offsets agree, become one.
 *   2. The first that looks like a program and not like a library changes places with the first of all.
 *   3. "/anon_hugepage..." at the front goes, if the next begins where it ends: the program's text was moved there.
 *   4. A first mapping whose file would begin at 0x400000 begins there.
 *   5. An address is of the first mapping that holds it; else of the first that would hold it if it began where its file
 *      does, and which from then on does begin there; else of one made up for the rest, last of all.
 */
import { LimitError } from '../errors.ts';
import { IntervalIndex } from './interval-index.ts';
import { trimText } from './lines.ts';
import type { LocationIds, Stacks } from './stacks.ts';

/** Run-time addresses as in the profile; strings of one character per byte. */
export interface Mapping {
  readonly start: bigint;
  readonly limit: bigint;
  readonly offset: bigint;
  readonly file: string;
  readonly buildId: string;
}

const LIBRARY = /[.]so$|[.]so[._][0-9]+/;
const MAX_UINT64 = (1n << 64n) - 1n;
const PROGRAM_START = 0x400000n;

/** Mappings that end before they begin; there are none but in made-up lists, and each costs time per address. */
const MAX_BACKWARDS = 16;

/** Rules 1 and 2. */
export function tidyMaps(maps: readonly Mapping[]): Mapping[] {
  const tidy: Mapping[] = [];
  for (const mapping of maps) {
    const last = tidy.at(-1);
    if (last === undefined || !continues(last, mapping)) tidy.push(mapping);
    else {
      tidy[tidy.length - 1] = {
        ...last,
        limit: mapping.limit,
        file: mapping.file || last.file,
        buildId: mapping.buildId || last.buildId,
      };
    }
  }
  const program = tidy.findIndex(({ file }) => {
    const name = trimText(file.replaceAll('(deleted)', ''));
    return name !== '' && !LIBRARY.test(name) && !name.startsWith('[');
  });
  if (program > 0) [tidy[0], tidy[program]] = [tidy[program], tidy[0]];
  return tidy;
}

function continues(a: Mapping, b: Mapping): boolean {
  if (a.file !== '' && b.file !== '' && a.file !== b.file) return false;
  if (a.buildId !== '' && b.buildId !== '' && a.buildId !== b.buildId) return false;
  if (a.limit !== b.start) return false;
  return a.offset === 0n || b.offset === 0n || wrap(a.offset + a.limit - a.start) === b.offset;
}

export interface MappedLocations {
  readonly mappings: readonly Mapping[];
  /** Position in `mappings` + 1 of each location, 0 where none is meant; in the order of the locations' ids. */
  readonly mappingOf: Uint32Array;
}

/** Rules 3 to 5. `skip` says which addresses are none: those get no mapping. */
export function mapLocations(
  tidy: readonly Mapping[],
  { addresses }: Stacks,
  { order }: LocationIds,
  skip: (address: number) => boolean,
): MappedLocations {
  const mappings = [...tidy];
  if (mappings.length > 1 && mappings[0].file.startsWith('/anon_hugepage') && mappings[0].limit === mappings[1].start)
    mappings.shift();
  if (mappings.length > 0 && wrap(mappings[0].start - mappings[0].offset) === PROGRAM_START)
    mappings[0] = { ...mappings[0], start: PROGRAM_START, offset: 0n };

  const index = new MappingIndex(mappings);
  const mappingOf = new Uint32Array(order.length);
  const { high, low } = addresses;
  for (let i = 0; i < order.length; i++) {
    const address = order[i];
    if ((high[address] === 0 && low[address] === 0) || skip(address)) continue;
    mappingOf[i] = index.of(high[address], low[address]) + 1;
  }
  return { mappings, mappingOf };
}

/** Rule 5; changes the list as it says. */
class MappingIndex {
  readonly #mappings: Mapping[];
  /** [start, limit) */
  readonly #held: IntervalIndex;
  /** [start - offset, start) */
  readonly #before: IntervalIndex;
  /** Those whose extension does not close the gap it was found in, so that it must not be found again. */
  readonly #backwards: number[] = [];
  #rest = -1;

  constructor(mappings: Mapping[]) {
    this.#mappings = mappings;
    const bounds = mappings.flatMap(({ start, limit, offset }) => [start, limit, wrap(start - offset)]);
    this.#held = new IntervalIndex(bounds);
    this.#before = new IntervalIndex(bounds);
    for (const [i, { start, limit, offset }] of mappings.entries()) {
      this.#held.add(start, limit, i);
      if (limit < start) {
        if (this.#backwards.length === MAX_BACKWARDS)
          throw new LimitError(`more than ${MAX_BACKWARDS} mappings end before they begin`);
        this.#backwards.push(i);
      } else if (offset !== 0n) this.#before.add(wrap(start - offset), start, i);
    }
  }

  of(high: number, low: number): number {
    const held = this.#held.first(high, low);
    if (held !== -1) return held;
    // The mapping made up for the rest holds everything, and is asked before anything is extended.
    if (this.#rest !== -1) return this.#rest;
    const found = this.#extendable(high, low);
    if (found === -1) {
      this.#rest = this.#mappings.length;
      this.#mappings.push({ start: 0n, limit: MAX_UINT64, offset: 0n, file: '', buildId: '' });
      return this.#rest;
    }
    const mapping = this.#mappings[found];
    const start = wrap(mapping.start - mapping.offset);
    this.#mappings[found] = { ...mapping, start, offset: 0n };
    this.#held.add(start, mapping.limit, found);
    return found;
  }

  /** An extended mapping holds what was before it: it is not found here again. */
  #extendable(high: number, low: number): number {
    const found = this.#before.first(high, low);
    if (this.#backwards.length === 0) return found;
    const address = (BigInt(high) << 32n) | BigInt(low);
    const backwards = this.#backwards.find((i) => {
      const { start, offset } = this.#mappings[i];
      return offset !== 0n && wrap(start - offset) <= address && address < start;
    });
    return backwards === undefined || (found !== -1 && found < backwards) ? found : backwards;
  }
}

function wrap(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}
