/** What to change in a profile: the input of `splice`. */
import type { NewLine, NewLines } from './newlines.ts';

/** True sets the flag; false leaves it as it is. */
export interface MappingFlags {
  readonly functions: boolean;
  readonly filenames: boolean;
  readonly lineNumbers: boolean;
  readonly inlineFrames: boolean;
}

export interface ProfileEdits {
  /** By location index: the lines that replace the present ones, innermost first. */
  readonly lines: ReadonlyMap<number, readonly NewLine[]> | NewLines;
  /** By mapping index. */
  readonly flags: ReadonlyMap<number, MappingFlags>;
  /**
   * By default a function whose start line is known may become the profile's record of it without one, lest it be two in every graph.
   * True where start lines are what the edits are about. Default false.
   */
  readonly exactStartLines?: boolean;
  /** Appended to the profile's comments. */
  readonly comments: readonly string[];
  /** Written when the profile has none. */
  readonly docUrl?: string;
}
