import type { SketchFrame } from '../match/sketch.ts';
import type { Profile } from '../profile/profile.ts';
import { namedLocations } from './located.ts';
import { type MappingWork, outermostName, outermostSystemName } from './survey.ts';

/** Enough to sieve thousands of binaries by. */
const MAX_FRAMES = 128;

/**
 * The frames a profile names itself, as a sieve of binaries takes them. Where an address lies in the file: ELF files are mapped from
 * the mapping's file offset on, images of other formats as a whole from its start.
 */
export function sketchFrames(profile: Profile, work: MappingWork): SketchFrame[] {
  const { record } = work;
  if (record === null) return [];
  const named = namedLocations(profile, work);
  const step = Math.max(1, named.length / MAX_FRAMES);
  const frames: SketchFrame[] = [];
  for (let at = 0; at < named.length; at += step) {
    const location = named[Math.floor(at)];
    const inMapping = profile.locations.address(location) - record.memoryStart;
    const places = [...new Set([inMapping + record.fileOffset, inMapping])]
      .filter((place) => place >= 0n && place <= BigInt(Number.MAX_SAFE_INTEGER))
      .map(Number);
    const names = [...new Set([outermostName(profile, location), outermostSystemName(profile, location)])];
    const line = profile.locations.lines(location)[0].line;
    if (places.length > 0) frames.push({ names: names.filter((name) => name !== ''), places, line });
  }
  return frames;
}
