import type { VerdictKind } from '../match/verdict.ts';

/** What happened to one profile, for people and programs: the shape of `symbolize --report` and `POST /explain`. */
export interface ProfileReport {
  readonly locations: {
    readonly total: number;
    readonly namedBefore: number;
    readonly namedAfter: number;
  };
  /** What the weights below count: the sample type pprof shows first. null for a profile without samples. */
  readonly weighedBy: { readonly type: string; readonly unit: string; readonly total: number } | null;
  readonly mappings: readonly MappingReport[];
}

export type MatchKind = 'build-id' | 'twin' | 'evidence' | 'pinned' | 'none';

/** Sums of sample values; rounded beyond 2^53. */
export interface Weight {
  /** Samples whose leaf is among the locations. */
  readonly flat: number;
  /** Samples with any of the locations, each counted once. */
  readonly cumulative: number;
}

export interface MappingReport {
  /** Mapping id in the profile, decimal. */
  readonly id: string;
  /** File name as in the profile; "" when it has none. */
  readonly file: string;
  readonly buildId: string;
  /** Name of the binary used; null when none was. */
  readonly binary: string | null;
  readonly match: MatchKind;
  readonly verdict: VerdictKind;
  /** Frames the profile named already that were held against the binary, and how many of them agreed. */
  readonly checked: number;
  readonly agreed: number;
  readonly locations: number;
  readonly namedBefore: number;
  readonly namedAfter: number;
  /** Why frames are left unnamed, and what to do about it; "" when none is left. */
  readonly reason: string;
  readonly weight: Weight;
  /** Every binary that was held against the mapping, in order; the last one may be the one used. */
  readonly tried: readonly TriedBinary[];
  /** What has no name still, the heaviest first. */
  readonly unresolved: readonly Unresolved[];
  /** With --repair: how many locations got back what a client had taken from them, by what it was. */
  readonly repaired: Readonly<Record<string, number>>;
}

export interface TriedBinary {
  readonly binary: string;
  readonly foundBy: string;
  readonly verdict: VerdictKind;
  readonly checked: number;
  readonly agreed: number;
  /** "" for the one that was used. */
  readonly reason: string;
}

/** Locations without a name for one and the same reason. */
export interface Unresolved {
  readonly reason: string;
  /** What a person can do; "" when nothing. */
  readonly advice: string;
  readonly locations: number;
  readonly weight: Weight;
}
