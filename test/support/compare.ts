/**
 * Compares a restored profile with the one the runtime symbolized itself, location by location.
 *
 * One thing the runtime writes is not the truth and cannot be restored: it keeps a Function record per *name*, with the
 * file and start line of the frame that came first. A later frame of the same name in another file (after a //line
 * directive, say) is written with the first one's file. Those are told apart here: the first frame of every name must
 * be equal in everything, a later one may differ from it in file and start line only where the runtime repeated the
 * first one's. They are counted and listed, not passed over.
 */
import { framesOf, type DecodedFrame, type DecodedProfile } from './decode.ts';

export interface Comparison {
  /** Locations the runtime named. */
  locations: number;
  /** Their frames, inlined ones included. */
  frames: number;
  /** One sentence each. */
  differences: string[];
  /** Frames whose file or start line the runtime took from another frame of the same name. */
  artefacts: string[];
}

export interface CompareOptions {
  /** Whether this runtime writes Function.start_line (Go 1.20 and later). */
  readonly startLines: boolean;
}

export function compareProfiles(
  original: DecodedProfile,
  restored: DecodedProfile,
  options: CompareOptions,
): Comparison {
  const result: Comparison = { locations: 0, frames: 0, differences: [], artefacts: [] };
  if (original.locations.length !== restored.locations.length) {
    result.differences.push(`${restored.locations.length} locations instead of ${original.locations.length}`);
    return result;
  }
  const first = new Map<string, DecodedFrame>();
  original.locations.forEach((location, i) => {
    const expected = framesOf(original, location);
    // Foreign code: no line, or one line to a function without a name.
    if (!expected.some((frame) => frame.function !== '')) return;
    const found = framesOf(restored, restored.locations[i]);
    result.locations++;
    result.frames += expected.length;
    const where = `0x${location.address.toString(16)} (location ${location.id})`;
    if (found.length !== expected.length) {
      result.differences.push(`${where}: ${stack(found)} instead of ${stack(expected)}`);
      return;
    }
    expected.forEach((want, depth) => {
      const have = found[depth];
      const earlier = first.get(want.function);
      if (earlier === undefined) first.set(want.function, want);
      const same = have.function === want.function && have.line === want.line;
      const sameFunction = have.file === want.file && (!options.startLines || have.startLine === want.startLine);
      if (same && sameFunction) return;
      const repeated = earlier !== undefined && earlier.file === want.file && earlier.startLine === want.startLine;
      const list = same && repeated ? result.artefacts : result.differences;
      list.push(`${where} frame ${depth}: ${show(have)} instead of ${show(want)}`);
    });
  });
  return result;
}

/** Addresses of the locations the runtime left without a name and `restored` names, with the names. */
export function newlyNamed(original: DecodedProfile, restored: DecodedProfile): Map<bigint, string[]> {
  const named = new Map<bigint, string[]>();
  original.locations.forEach((location, i) => {
    if (framesOf(original, location).some((frame) => frame.function !== '')) return;
    const names = framesOf(restored, restored.locations[i]).map((frame) => frame.function);
    if (names.some((name) => name !== '')) named.set(location.address, names);
  });
  return named;
}

function show(frame: DecodedFrame): string {
  return `${frame.function} ${frame.file}:${frame.line} (from ${frame.startLine})`;
}

function stack(frames: readonly DecodedFrame[]): string {
  return frames.length === 0 ? 'no frame' : frames.map(show).join(' < ');
}
