import type { MappingRecord, Profile } from '../profile/profile.ts';
import { type Need, needOf } from './need.ts';

/** A mapping of the profile, or null for locations outside every mapping, with its share of the locations. */
export interface MappingWork {
  readonly record: MappingRecord | null;
  /** Location indexes. */
  readonly locations: number[];
  /** Those that are unnamed or incomplete. */
  readonly lacking: number[];
  unnamed: number;
  unknowable: number;
  /** By location index, for the whole profile. */
  readonly needs: readonly Need[];
  /** Likewise: 1 once resym has named it. */
  readonly named: Uint8Array;
}

/** Sorts locations by mapping and need. A location without a mapping goes to the one whose range holds it. */
export function survey(profile: Profile): { mappings: MappingWork[]; nameable: number } {
  const needs: Need[] = [];
  const named = new Uint8Array(profile.locations.count);
  const empty = (record: MappingRecord | null): MappingWork => {
    return { record, locations: [], lacking: [], unnamed: 0, unknowable: 0, needs, named };
  };
  const mappings = profile.mappings.map(empty);
  const homeless = empty(null);
  let nameable = 0;
  for (let i = 0; i < profile.locations.count; i++) {
    const stated = profile.locations.mappingIndex(i);
    const work = mappings[stated >= 0 ? stated : mappingHolding(profile, i)] ?? homeless;
    const need = needOf(profile, i);
    needs.push(need);
    work.locations.push(i);
    if (need === 'unknowable') work.unknowable++;
    else {
      nameable++;
      if (need !== 'nothing') work.lacking.push(i);
      if (need === 'unnamed') work.unnamed++;
    }
  }
  return { mappings: [...mappings, homeless], nameable };
}

function mappingHolding(profile: Profile, location: number): number {
  const address = profile.locations.address(location);
  return profile.mappings.findIndex((m) => address >= m.memoryStart && address < m.memoryLimit);
}

export function outermostName(profile: Profile, location: number): string {
  const outermost = profile.locations.outermostFunction(location);
  return outermost < 0 ? '' : profile.strings.text(profile.functions.name(outermost));
}

export function outermostSystemName(profile: Profile, location: number): string {
  const outermost = profile.locations.outermostFunction(location);
  return outermost < 0 ? '' : profile.strings.text(profile.functions.systemName(outermost));
}
