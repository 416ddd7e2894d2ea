import type { LineTable } from '../profile/newlines.ts';
import type { Profile } from '../profile/profile.ts';
import type { Frame } from '../symbolize/frame.ts';
import type { Need } from './need.ts';
import { outermostName } from './survey.ts';

/** Takes frames, innermost first, as a list of lines. */
export function addFrames(table: LineTable, frames: readonly Frame[]): number {
  return table.add(
    frames.map(({ name, systemName, file, startLine, line, column }) => {
      return { function: { name, systemName, filename: file, startLine }, line, column };
    }),
  );
}

/**
 * The per-location merge: true when the frames found may stand where the profile's are. What is named with a place
 * stays; what is named without one is completed only by frames that say the same name, at least as deep.
 */
export function mayReplace(profile: Profile, location: number, need: Need, table: LineTable, list: number): boolean {
  if (need !== 'incomplete') return need === 'unnamed';
  const last = table.depth(list) - 1;
  const { functions } = table;
  const outermost = table.function(list, last);
  const existing = functions.strings.known(outermostName(profile, location));
  const isSame = existing === functions.name(outermost) || existing === functions.systemName(outermost);
  return isSame && last + 1 >= profile.locations.lineCount(location) && table.line(list, last) !== 0;
}
