/**
 * Compares a restored profile with the one the runtime symbolized itself, location by location.
 *
 * Two things the runtime writes are not the truth and cannot be restored from addresses. They are told apart here by
 * proof, counted and listed, not passed over:
 *
 * - Repeated file. The runtime keeps a Function record per *name*, with the file and start line of the frame that came
 *   first. A later frame of the same name in another file (a //line directive; `init`, whose parts come from several
 *   files) gets the first one's. So the first frame of every name must be equal in everything; a later one may differ
 *   in file and start line only, and only where the runtime repeated the first one's.
 * - Split group (before Go 1.18). A frame inlined deeply is found by addresses the runtime makes up, one a level. When a
 *   sample had one of these as its real address before, the runtime ends the location there and goes on with the other
 *   one. So a location may lack outer frames only if, in every sample that has it, the locations after it hold them.
 *   Every version does so where a function is inlined into itself: it takes two frames of one name for recursion through
 *   a real call.
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
  repeated: string[];
  /** Locations whose outer frames the runtime left to the next location. */
  split: string[];
}

export interface CompareOptions {
  /** Whether this runtime writes Function.start_line (Go 1.20 and later). */
  readonly startLines: boolean;
  /** Whether this runtime splits any group of inlined frames (before Go 1.18), not just recursive ones. */
  readonly splitsGroups: boolean;
}

export function compareProfiles(
  original: DecodedProfile,
  restored: DecodedProfile,
  options: CompareOptions,
): Comparison {
  const result: Comparison = { locations: 0, frames: 0, differences: [], repeated: [], split: [] };
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
    const isSplit =
      found.length > expected.length &&
      (options.splitsGroups || found[expected.length].function === found[expected.length - 1]?.function) &&
      continues(original, location.id, found.slice(expected.length));
    if (isSplit) result.split.push(`${where}: ${stack(found)} instead of ${stack(expected)}`);
    else if (found.length !== expected.length) {
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
      const repeats = earlier !== undefined && earlier.file === want.file && earlier.startLine === want.startLine;
      const list = same && repeats ? result.repeated : result.differences;
      list.push(`${where} frame ${depth}: ${show(have)} instead of ${show(want)}`);
    });
  });
  return result;
}

/** Whether in every sample that has the location the frames after it begin with `rest`; false when none has it. */
function continues(profile: DecodedProfile, id: bigint, rest: readonly DecodedFrame[]): boolean {
  const byId = new Map(profile.locations.map((location) => [location.id, location]));
  let seen = false;
  for (const { locations } of profile.samples) {
    for (let at = locations.indexOf(id); at !== -1; at = locations.indexOf(id, at + 1)) {
      const after: DecodedFrame[] = [];
      for (const next of locations.slice(at + 1, at + 1 + rest.length)) {
        const location = byId.get(next);
        if (location !== undefined) after.push(...framesOf(profile, location));
      }
      if (!rest.every((frame, i) => after[i]?.function === frame.function && after[i].line === frame.line))
        return false;
      seen = true;
    }
  }
  return seen;
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
