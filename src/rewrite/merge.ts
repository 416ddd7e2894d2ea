import type { NewFunction, NewLine } from '../profile/splice.ts';
import type { Profile } from '../profile/profile.ts';
import type { Frame } from '../symbolize/frame.ts';
import type { Need } from './need.ts';
import { outermostName } from './survey.ts';

/** Turns frames into profile lines with one function object per function: the splice interns those by identity first. */
export class LineMaker {
  readonly #functions = new Map<string, NewFunction[]>();

  /** Innermost first, as the frames. */
  lines(frames: readonly Frame[]): NewLine[] {
    return frames.map((frame) => ({ function: this.#functionOf(frame), line: frame.line, column: frame.column }));
  }

  #functionOf({ name, systemName, file, startLine }: Frame): NewFunction {
    let sameName = this.#functions.get(name);
    if (sameName === undefined) this.#functions.set(name, (sameName = []));
    let found = sameName.find((f) => f.filename === file && f.startLine === startLine && f.systemName === systemName);
    if (found === undefined) {
      found = { name, systemName, filename: file, startLine, note: { owner: null, number: 0 } };
      sameName.push(found);
    }
    return found;
  }
}

/**
 * The per-location merge: true when the frames found may stand where the profile's are. What is named with a place
 * stays; what is named without one is completed only by frames that say the same name, at least as deep.
 */
export function mayReplace(profile: Profile, location: number, need: Need, found: readonly NewLine[]): boolean {
  if (need !== 'incomplete') return need === 'unnamed';
  const { function: outermost, line } = found[found.length - 1];
  const existing = outermostName(profile, location);
  const isSame = outermost.name === existing || outermost.systemName === existing;
  return isSame && found.length >= profile.locations.lineCount(location) && line !== 0;
}
