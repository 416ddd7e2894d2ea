import type { MappingRecord } from '../profile/profile.ts';
import type { MappingFlags } from '../profile/splice.ts';

/** What is true of a mapping's locations after the rewrite. */
export interface MappingOutcome {
  /** Locations that belong to the mapping and are not placeholders. */
  readonly locations: number;
  readonly named: number;
  /** Some location has a file, a line number, an inline frame. */
  readonly hasFilenames: boolean;
  readonly hasLineNumbers: boolean;
  readonly hasInlineFrames: boolean;
  /** Locations whose lines are being replaced. */
  readonly changed: number;
  /** A binary was proven to belong to the mapping. */
  readonly verified: boolean;
}

/**
 * Flags decide whether the client overwrites good lines with its own worse ones: an unflagged mapping is re-symbolized
 * as a whole by any pprof that finds a file at its path.
 *
 * - all named: functions, and the rest as far as data exists;
 * - some named: files and lines only. That blocks local re-symbolization, while Pyroscope keeps the addresses and a
 *   remote symbolizer may still be asked;
 * - nothing done here: as received. Null then.
 */
export function flagsFor(mapping: MappingRecord, outcome: MappingOutcome): MappingFlags | null {
  const { locations, named, changed, verified } = outcome;
  const allNamed = locations > 0 && named === locations;
  const protectable = verified && allNamed && !mapping.hasFunctions;
  if (changed === 0 && !protectable) return null;
  const flags: MappingFlags = {
    functions: allNamed && !mapping.hasFunctions,
    filenames: outcome.hasFilenames && !mapping.hasFilenames,
    lineNumbers: outcome.hasLineNumbers && !mapping.hasLineNumbers,
    inlineFrames: allNamed && outcome.hasInlineFrames && !mapping.hasInlineFrames,
  };
  return flags.functions || flags.filenames || flags.lineNumbers || flags.inlineFrames ? flags : null;
}
