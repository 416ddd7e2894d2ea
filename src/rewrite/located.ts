import { isParseError } from '../errors.ts';
import { knowsCalls } from '../match/call-site.ts';
import type { CandidateFrames, NamedFrames } from '../match/evidence.ts';
import type { Bounds } from '../match/verdict.ts';
import type { ObjectFile } from '../object/object.ts';
import type { Profile } from '../profile/profile.ts';
import { IS_CALLER, IS_LEAF } from '../profile/samples.ts';
import type { Resolution } from '../symbolize/frame.ts';
import type { Rebase } from '../symbolize/rebase.ts';
import type { SymbolMap } from '../symbolize/symbol-map.ts';
import { type KnownAddresses, type KnownBinary, NO_LINES } from './known.ts';
import { type MappingWork, outermostName, outermostSystemName } from './survey.ts';

/** How many named locations of a mapping are held against a candidate: a neighbouring build differs in a few functions only. */
const NAMED_SAMPLE = 1000;
/** Likewise of those without a name, of which each tells little more than the one before. */
const CODE_SAMPLE = 200;

/** Share of Go's callers that may have been preempted. */
const MOST_INTERRUPTED = 0.25;

const NO_POSITIONS = new Uint8Array(0);

/** Where the mapping says that there is code of the file, and there is none. */
const OUTSIDE: CandidateFrames = { names: ['(outside the file)'], lines: [] };

/** A binary laid over a mapping. */
export class Located {
  readonly symbols: SymbolMap;
  readonly rebase: Rebase;
  readonly known: KnownBinary;

  constructor(symbols: SymbolMap, rebase: Rebase, known: KnownAddresses) {
    this.symbols = symbols;
    this.rebase = rebase;
    this.known = known.of(symbols);
  }

  /** The location's file address; null when it is not part of the file. */
  place({ locations }: Profile, location: number): number | null {
    const address = locations.addressNumber(location);
    return Number.isNaN(address) ? this.rebase.toFile(locations.address(location)) : this.rebase.toFileFrom(address);
  }

  /**
   * Frames at a location. Addresses are final but for one case: Go writes pc - 1 also for the leaf of C code it cannot
   * name (a line to a nameless function), and at a function's first instruction that is the function before it.
   */
  lookup(profile: Profile, location: number): Resolution | null {
    const address = this.#meant(profile, location);
    return address === null ? null : this.symbols.lookup(address);
  }

  /** The same as a list of `known.table`, or NO_LINES. @param withLines false: functions only */
  lines(profile: Profile, location: number, withLines: boolean): number {
    const address = this.#meant(profile, location);
    return address === null ? NO_LINES : this.known.lines(address, withLines);
  }

  /** The same when it is remembered; else undefined. */
  knownLines(profile: Profile, location: number, withLines: boolean): number | undefined {
    const address = this.#meant(profile, location);
    return address === null ? NO_LINES : this.known.knownLines(address, withLines);
  }

  #meant(profile: Profile, location: number): number | null {
    const address = this.place(profile, location);
    if (address === null || profile.locations.lineCount(location) === 0 || this.symbols.isGo(address)) return address;
    return profile.positions()[location] === IS_LEAF ? address + 1 : address;
  }

  /**
   * What profile and binary say about locations the profile has named, spread over the whole mapping.
   * @param shift added to the addresses the binary is asked for: rewrite/repair.ts
   */
  *evidence(profile: Profile, work: MappingWork, shift = 0): Generator<[NamedFrames, CandidateFrames | null]> {
    const named = namedLocations(profile, work);
    const step = Math.max(1, named.length / NAMED_SAMPLE);
    for (let at = 0; at < named.length; at += step) {
      const location = named[Math.floor(at)];
      const address = this.place(profile, location);
      yield [framesInProfile(profile, location), address === null ? OUTSIDE : this.known.frames(address + shift)];
    }
  }

  bounds(profile: Profile, work: MappingWork): Bounds {
    const { symbols, known } = this;
    const { object } = symbols;
    const bounds = { addresses: 0, inText: 0, inGoText: 0, onGoCode: 0 };
    const callers = { looked: 0, right: 0 };
    let interrupted = 0;
    const leaves: number[] = [];
    const seesCalls = !object.debugOnly && object.type !== 'rel' && knowsCalls(object.arch);
    const positions = seesCalls ? profile.somePositions() : NO_POSITIONS;
    const step = Math.max(1, work.lacking.length / CODE_SAMPLE);
    for (let at = 0; at < work.lacking.length; at += step) {
      const location = work.lacking[Math.floor(at)];
      if (work.needs[location] !== 'unnamed') continue;
      bounds.addresses++;
      const address = this.place(profile, location);
      if (address === null) continue;
      if (isCode(object, address)) bounds.inText++;
      if (symbols.isGo(address)) {
        bounds.inGoText++;
        if (known.lines(address) !== NO_LINES) bounds.onGoCode++;
      }
      if (!seesCalls) continue;
      const position = positions[location];
      if (position === IS_LEAF) leaves.push(address);
      else if (position === IS_CALLER) {
        callers.looked++;
        if (known.isAfterCall(address)) callers.right++;
        else if (symbols.isGo(address) && known.isInstructionStart(address) !== false) interrupted++;
      }
    }
    // A goroutine preempted in a loop called nothing: it says neither yes nor no. A third of another build's code looks like it.
    if (interrupted <= callers.looked * MOST_INTERRUPTED) callers.looked -= interrupted;
    // Leaves are callers too where an allocator took the sample: then all of them follow calls.
    const called = leaves.filter((address) => known.isAfterCall(address)).length;
    if (called === leaves.length) {
      const looked = callers.looked + called;
      return { ...bounds, callers: looked, afterCall: callers.right + called, leaves: 0, onStart: 0 };
    }
    const inGo = inPlace(
      known,
      leaves.filter((address) => symbols.isGo(address)),
      [0],
    );
    const others = inPlace(
      known,
      leaves.filter((address) => !symbols.isGo(address)),
      [0, 1],
    );
    const [looked, onStart] = [inGo.looked + others.looked, inGo.right + others.right];
    return { ...bounds, callers: callers.looked, afterCall: callers.right, leaves: looked, onStart };
  }
}

/** Locations of the mapping that the profile names itself. */
export function namedLocations(profile: Profile, work: MappingWork): number[] {
  const { locations, functions, strings } = profile;
  return work.locations.filter((i) => {
    if (locations.lineCount(i) === 0 || work.needs[i] === 'unnamed' || work.needs[i] === 'incomplete') return false;
    const outermost = locations.outermostFunction(i);
    return outermost >= 0 && strings.byteLength(functions.name(outermost)) > 0;
  });
}

function framesInProfile(profile: Profile, location: number): NamedFrames {
  const lines = profile.locations.lines(location);
  const text = (index: number): string => profile.strings.text(index);
  const first = lines[0].functionIndex;
  return {
    function: outermostName(profile, location),
    systemName: outermostSystemName(profile, location),
    inlined: lines.slice(0, -1).map((l) => (l.functionIndex < 0 ? '' : text(profile.functions.name(l.functionIndex)))),
    lines: lines.map((line) => line.line),
    file: first < 0 ? '' : text(profile.functions.filename(first)),
  };
}

/**
 * Leaves where an instruction begins, or that follow a call, as those of allocators and locks do. Go states the leaf of C code it
 * cannot name one byte early, others as it is: the reading (`shifts`) that fits best counts.
 */
function inPlace(
  known: KnownBinary,
  leaves: readonly number[],
  shifts: readonly number[],
): { looked: number; right: number } {
  let best = { looked: 0, right: 0 };
  for (const shift of shifts) {
    const told = leaves
      .map((address) => known.isInstructionStart(address + shift))
      .map((isStart, i) => (isStart === null ? null : isStart || known.isAfterCall(leaves[i])))
      .filter((isRight) => isRight !== null);
    const right = told.filter((isRight) => isRight).length;
    if (right > best.right || best.looked === 0) best = { looked: told.length, right };
  }
  return best;
}

/** Bytes around an address that are compared; references to data differ between twins, instructions do not. */
const COMPARED_BYTES = 32;
const SAME_BYTES = 0.5;

/** True when two builds have the same code at the addresses without names that are not Go's: C code is in no hash. */
export function hasSameCode(one: Located, other: Located, profile: Profile, work: MappingWork): boolean {
  const step = Math.max(1, work.lacking.length / CODE_SAMPLE);
  let [looked, same] = [0, 0];
  for (let at = 0; at < work.lacking.length; at += step) {
    const address = one.place(profile, work.lacking[Math.floor(at)]);
    if (address === null || one.symbols.isGo(address)) continue;
    const [a, b] = [bytesAround(one.symbols.object, address), bytesAround(other.symbols.object, address)];
    if (a === null || b === null) continue;
    looked++;
    const alike = a.reduce((sum, byte, i) => sum + (byte === b[i] ? 1 : 0), 0);
    if (alike >= COMPARED_BYTES * SAME_BYTES) same++;
  }
  return same === looked;
}

/** null where the file has no code there. */
function bytesAround(object: ObjectFile, address: number): Uint8Array | null {
  if (object.debugOnly || address < COMPARED_BYTES / 2) return null;
  try {
    return object.readAddress(address - COMPARED_BYTES / 2, COMPARED_BYTES);
  } catch (error) {
    if (!isParseError(error)) throw error;
    return null;
  }
}

/** A kernel module has no segments; what it runs besides .text goes unnamed, but does not speak against it. */
function isCode({ type, segments }: ObjectFile, address: number): boolean {
  if (type === 'rel') return true;
  return segments.some((s) => s.executable && address >= s.address && address < s.address + s.size);
}
