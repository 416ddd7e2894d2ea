import type { MappingRecord, Profile } from '../profile/profile.ts';
import { type Need, needOf } from './need.ts';

/** A mapping of the profile, or null for locations outside every mapping, with its share of the locations. */
export interface MappingWork {
  readonly record: MappingRecord | null;
  /** Location indexes. */
  readonly locations: number[];
  readonly lacking: [location: number, need: Need][];
  unknowable: number;
}

/** Sorts locations by mapping and need. A location without a mapping goes to the one whose range holds it. */
export function survey(profile: Profile): { mappings: MappingWork[]; nameable: number } {
  const mappings: MappingWork[] = profile.mappings.map((record) => ({
    record,
    locations: [],
    lacking: [],
    unknowable: 0,
  }));
  const homeless: MappingWork = { record: null, locations: [], lacking: [], unknowable: 0 };
  let nameable = 0;
  for (let i = 0; i < profile.locations.count; i++) {
    const stated = profile.locations.mappingIndex(i);
    const work = mappings[stated >= 0 ? stated : mappingHolding(profile, i)] ?? homeless;
    const need = needOf(profile, i);
    work.locations.push(i);
    if (need === 'unknowable') work.unknowable++;
    else {
      nameable++;
      if (need !== 'nothing') work.lacking.push([i, need]);
    }
  }
  return { mappings: [...mappings, homeless], nameable };
}

function mappingHolding(profile: Profile, location: number): number {
  const address = profile.locations.address(location);
  return profile.mappings.findIndex((m) => address >= m.memoryStart && address < m.memoryLimit);
}

export function outermostName(profile: Profile, location: number): string {
  const line = profile.locations.lines(location).at(-1);
  if (line === undefined || line.functionIndex < 0) return '';
  return profile.strings.text(profile.functions.name(line.functionIndex));
}

export function outermostSystemName(profile: Profile, location: number): string {
  const line = profile.locations.lines(location).at(-1);
  if (line === undefined || line.functionIndex < 0) return '';
  return profile.strings.text(profile.functions.systemName(line.functionIndex));
}
