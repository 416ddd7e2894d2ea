import { LineTable } from '../profile/newlines.ts';
import type { NewFunction } from '../profile/splice.ts';
import type { Profile } from '../profile/profile.ts';
import type { Frame } from '../symbolize/frame.ts';
import type { Need } from './need.ts';
import { outermostName } from './survey.ts';

/** Functions of one name that are compared; beyond, one function may become several objects, which the splice finds out. */
const MAX_COMPARED = 64;

/** Turns frames into lists of lines, with one object per function. */
export class LineMaker {
  readonly table = new LineTable();
  readonly #functions = new Map<string, NewFunction[]>();

  /** A list of the table. Innermost first, as the frames. */
  list(frames: readonly Frame[]): number {
    return this.table.add(
      frames.map((frame) => ({ function: this.#functionOf(frame), line: frame.line, column: frame.column })),
    );
  }

  #functionOf({ name, systemName, file, startLine }: Frame): NewFunction {
    let sameName = this.#functions.get(name);
    if (sameName === undefined) this.#functions.set(name, (sameName = []));
    for (let i = sameName.length - 1, compared = 0; i >= 0 && compared < MAX_COMPARED; i--, compared++) {
      const f = sameName[i];
      if (f.filename === file && f.startLine === startLine && f.systemName === systemName) return f;
    }
    const made = { name, systemName, filename: file, startLine };
    sameName.push(made);
    return made;
  }
}

/**
 * The per-location merge: true when the frames found may stand where the profile's are. What is named with a place
 * stays; what is named without one is completed only by frames that say the same name, at least as deep.
 */
export function mayReplace(profile: Profile, location: number, need: Need, table: LineTable, list: number): boolean {
  if (need !== 'incomplete') return need === 'unnamed';
  const last = table.depth(list) - 1;
  const outermost = table.functions[table.function(list, last)];
  const existing = outermostName(profile, location);
  const isSame = outermost.name === existing || outermost.systemName === existing;
  return isSame && last + 1 >= profile.locations.lineCount(location) && table.line(list, last) !== 0;
}
