import type { Profile } from '../profile/profile.ts';

/**
 * What a location lacks.
 *
 * - `unnamed`: no line at all, or only lines whose function has no name. Go's own profiles carry C frames as one line to
 *   a nameless function; testing for "no line" alone, as every peer does, misses them.
 * - `incomplete`: named, but without any file or line, as a remote symbolizer (`/symbol`) leaves it.
 * - `nothing`: named with a file or a line. Never touched.
 * - `unknowable`: the runtime's placeholder address (threadcreate since Go 1.23) or no address; no binary can name it.
 */
export type Need = 'unnamed' | 'incomplete' | 'nothing' | 'unknowable';

const PLACEHOLDER_ADDRESS = (1n << 64n) - 1n;

export function needOf(profile: Profile, location: number): Need {
  const { locations, functions } = profile;
  if (locations.lineCount(location) > 0) {
    let named = false;
    let placed = false;
    locations.eachLine(location, (functionIndex, line) => {
      if (placed || functionIndex < 0 || isEmpty(profile, functions.name(functionIndex))) return;
      named = true;
      placed = line !== 0 || !isEmpty(profile, functions.filename(functionIndex));
    });
    if (named) return placed ? 'nothing' : 'incomplete';
  }
  const address = locations.addressNumber(location);
  const isNone = address === 0 || (Number.isNaN(address) && locations.address(location) === PLACEHOLDER_ADDRESS);
  return isNone ? 'unknowable' : 'unnamed';
}

/** The table may hold "" more than once; foreign producers do that. */
function isEmpty(profile: Profile, stringIndex: number): boolean {
  return stringIndex === 0 || profile.strings.byteLength(stringIndex) === 0;
}
