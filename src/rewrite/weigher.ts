import type { Profile } from '../profile/profile.ts';
import type { ProfileReport, Weight } from './report.ts';

/** Weighs sets of locations by the profile's samples. */
export class Weigher {
  /** null for a profile without samples. */
  readonly by: ProfileReport['weighedBy'];
  readonly #profile: Profile;

  constructor(profile: Profile) {
    this.#profile = profile;
    const type = profile.sampleTypes[profile.defaultSampleTypeIndex];
    this.by = type === undefined || profile.sampleCount === 0 ? null : { ...type, total: profile.weightOf([]).total };
  }

  /** Bound, to be handed on. */
  readonly of = (locations: readonly number[]): Weight => {
    if (this.by === null || locations.length === 0) return { flat: 0, cumulative: 0 };
    const { flat, cumulative } = this.#profile.weightOf(locations);
    return { flat, cumulative };
  };
}
