/** What happened to one profile, for people and programs: the shape of `symbolize --report` and `POST /explain`. */
export interface ProfileReport {
  readonly locations: {
    readonly total: number;
    readonly namedBefore: number;
    readonly namedAfter: number;
  };
  readonly mappings: readonly MappingReport[];
}

export type MatchKind = 'build-id' | 'twin' | 'evidence' | 'pinned' | 'none';

export interface MappingReport {
  /** Mapping id in the profile, decimal. */
  readonly id: string;
  /** File name as in the profile; "" when it has none. */
  readonly file: string;
  readonly buildId: string;
  /** Name of the binary used; null when none was. */
  readonly binary: string | null;
  readonly match: MatchKind;
  /** Frames the profile named already that were held against the binary, and how many of them agreed. */
  readonly checked: number;
  readonly agreed: number;
  readonly locations: number;
  readonly namedBefore: number;
  readonly namedAfter: number;
  /** Why frames are left unnamed, and what to do about it; "" when none is left. */
  readonly reason: string;
}
