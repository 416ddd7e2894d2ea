import { isAfterCall, knowsCalls } from '../match/call-site.ts';
import type { CandidateFrames, NamedFrames } from '../match/evidence.ts';
import type { Bounds } from '../match/verdict.ts';
import type { ObjectFile } from '../object/object.ts';
import type { Profile } from '../profile/profile.ts';
import { IS_CALLER, IS_LEAF } from '../profile/samples.ts';
import type { Resolution } from '../symbolize/frame.ts';
import type { Rebase } from '../symbolize/rebase.ts';
import type { SymbolMap } from '../symbolize/symbol-map.ts';
import { type MappingWork, outermostName, outermostSystemName } from './survey.ts';

/** How many locations of a mapping are held against a candidate: enough to tell builds apart, cheap. */
const EVIDENCE_SAMPLE = 200;

/** A binary laid over a mapping. */
export class Located {
  readonly symbols: SymbolMap;
  readonly rebase: Rebase;

  constructor(symbols: SymbolMap, rebase: Rebase) {
    this.symbols = symbols;
    this.rebase = rebase;
  }

  /**
   * Frames at a location. Addresses are final but for one case: Go writes pc - 1 also for the leaf of C code it cannot
   * name (a line to a nameless function), and at a function's first instruction that is the function before it.
   */
  lookup(profile: Profile, location: number): Resolution | null {
    const address = this.rebase.toFile(profile.locations.address(location));
    if (address === null) return null;
    const { symbols } = this;
    const isLeafOnly = profile.positions()[location] === IS_LEAF;
    if (isLeafOnly && profile.locations.lineCount(location) > 0 && !symbols.isGo(address)) {
      return symbols.lookup(address + 1);
    }
    return symbols.lookup(address);
  }

  /** What profile and binary say about locations the profile has named, spread over the whole mapping. */
  *evidence(profile: Profile, work: MappingWork): Generator<[NamedFrames, CandidateFrames | null]> {
    const lacking = new Set(work.lacking.map(([location]) => location));
    const named = work.locations.filter((i) => !lacking.has(i) && outermostName(profile, i) !== '');
    const step = Math.max(1, named.length / EVIDENCE_SAMPLE);
    for (let at = 0; at < named.length; at += step) {
      const location = named[Math.floor(at)];
      const address = this.rebase.toFile(profile.locations.address(location));
      const lines = profile.locations.lines(location).map((line) => line.line);
      const inProfile = {
        function: outermostName(profile, location),
        systemName: outermostSystemName(profile, location),
        lines,
      };
      yield [inProfile, this.#candidateFrames(address)];
    }
  }

  /** Go text that has no function where the profile names one disagrees; other code may just lack symbols. */
  #candidateFrames(address: number | null): CandidateFrames | null {
    if (address === null) return { names: ['(outside the file)'], lines: [] };
    const { symbols } = this;
    const found = symbols.lookup(address);
    if (found === null) return symbols.isGo(address) ? { names: ['(between functions)'], lines: [] } : null;
    const { name, systemName } = found.frames.at(-1)!;
    const aliases = found.source === 'pclntab' ? [] : symbols.aliases(address);
    return { names: [name, systemName, ...aliases], lines: found.frames.map((frame) => frame.line) };
  }

  bounds(profile: Profile, work: MappingWork): Bounds {
    const { object } = this.symbols;
    const bounds = { addresses: 0, inText: 0, inGoText: 0, onGoCode: 0 };
    const [callers, leaves] = [
      { looked: 0, afterCall: 0 },
      { looked: 0, afterCall: 0 },
    ];
    const seesCalls = !object.debugOnly && object.type !== 'rel' && knowsCalls(object.arch);
    const step = Math.max(1, work.lacking.length / EVIDENCE_SAMPLE);
    for (let at = 0; at < work.lacking.length; at += step) {
      const [location, need] = work.lacking[Math.floor(at)];
      if (need !== 'unnamed') continue;
      bounds.addresses++;
      const address = this.rebase.toFile(profile.locations.address(location));
      if (address === null) continue;
      if (isCode(object, address)) bounds.inText++;
      if (this.symbols.isGo(address)) {
        bounds.inGoText++;
        if (this.symbols.lookup(address) !== null) bounds.onGoCode++;
      }
      if (!seesCalls) continue;
      const position = profile.positions()[location];
      const seen = position === IS_CALLER ? callers : position === IS_LEAF ? leaves : null;
      if (seen === null) continue;
      seen.looked++;
      if (isAfterCall(object, address)) seen.afterCall++;
    }
    // Leaves are callers too where an allocator took the sample: then all of them follow calls.
    const own = leaves.looked === leaves.afterCall ? leaves.looked : 0;
    return { ...bounds, callers: callers.looked + own, afterCall: callers.afterCall + own };
  }
}

/** A kernel module has no segments; what it runs besides .text goes unnamed, but does not speak against it. */
function isCode({ type, segments }: ObjectFile, address: number): boolean {
  if (type === 'rel') return true;
  return segments.some((s) => s.executable && address >= s.address && address < s.address + s.size);
}
