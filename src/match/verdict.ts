import type { Evidence } from './evidence.ts';

/**
 * How the candidate was found. `pinned-other-id`: named by the user, but with another build ID than the mapping's; `name`: the
 * profile has no build ID and the file is called as the mapping's.
 */
export type FoundBy = 'build-id' | 'pinned' | 'pinned-other-id' | 'name';

/** What is known of an address-only mapping: how its addresses fall into the candidate's text. */
export interface Bounds {
  /** Addresses looked at. */
  readonly addresses: number;
  /** Of those, inside the candidate's executable segments. */
  readonly inText: number;
  /** Of those in Go text, the ones that hit code rather than the padding between functions. */
  readonly inGoText: number;
  readonly onGoCode: number;
  /** Callers' addresses looked at, and those of them that follow a call; 0 where the code is not at hand. */
  readonly callers: number;
  readonly afterCall: number;
}

export interface Verdict {
  readonly accepted: boolean;
  /** "" when accepted. Otherwise what disagrees, and what to do. */
  readonly reason: string;
}

/**
 * Share of checked frames that must agree. The right binary scores 100 %, but for runtimes up to 1.20 that merge
 * same-named functions; a neighbouring build scores far lower because one changed line moves all that follows.
 */
const AGREEMENT = 0.95;

/** Nothing but the mapping's addresses to go by: nearly all of them must be code. */
const IN_TEXT = 0.95;

/**
 * All but a signal handler's own callers follow a call in the right build. In a neighbouring one those before the change do as well, and
 * after it one in ten by chance: a few that do not are the only sign of it.
 */
const AFTER_CALL = 0.98;
/** Below this share a binary is not the one, whoever named it. */
const AFTER_CALL_AT_LEAST = 0.5;
/**
 * Fewer callers prove nothing: a small program's builds share most of their calls, and all pages. What no code can tell apart is the
 * same code on other lines.
 */
const MIN_CALLERS = 4;

/** Neighbouring builds of a Go program share the runtime's first functions, addresses and all. */
const MIN_NAMED = 10;

const ACCEPTED: Verdict = { accepted: true, reason: '' };

/** The last word on a candidate: evidence where the profile names frames, text bounds where it does not. */
export function judge(binary: string, foundBy: FoundBy, evidence: Evidence, bounds: Bounds): Verdict {
  if (evidence.checked > 0) {
    if (evidence.agreed >= evidence.checked * AGREEMENT) {
      if (foundBy !== 'name') return ACCEPTED;
      return judgeByName(binary, evidence, bounds);
    }
    return refused(`${binary} ${disagreement(evidence)}; ${advice(foundBy)}`);
  }
  if (foundBy === 'pinned-other-id') {
    return refused(`${binary} has another build ID than the mapping, and the profile names no frame to prove it by`);
  }
  if (bounds.addresses > 0 && bounds.inText < bounds.addresses * IN_TEXT) {
    const outside = bounds.addresses - bounds.inText;
    return refused(`${outside} of ${bounds.addresses} addresses lie outside the code of ${binary}; ${advice(foundBy)}`);
  }
  if (bounds.inGoText > 0 && bounds.onGoCode < bounds.inGoText * IN_TEXT) {
    const off = bounds.inGoText - bounds.onGoCode;
    return refused(
      `${off} of ${bounds.inGoText} addresses fall between the functions of ${binary}; ${advice(foundBy)}`,
    );
  }
  if (foundBy === 'name') return judgeByName(binary, evidence, bounds);
  return foundBy === 'build-id' ? ACCEPTED : judgeCalls(binary, bounds);
}

/** The user speaks for the binary: its code must only not speak against it. */
function judgeCalls(binary: string, { callers, afterCall }: Bounds): Verdict {
  if (callers < MIN_CALLERS || afterCall >= callers * AFTER_CALL_AT_LEAST) return ACCEPTED;
  return noCalls(binary, callers, afterCall, 'pinned');
}

/** No ID and no user speaks for the binary: its names and its code must. */
function judgeByName(binary: string, { checked }: Evidence, { callers, afterCall }: Bounds): Verdict {
  if (afterCall < callers * AFTER_CALL) return noCalls(binary, callers, afterCall, 'name');
  if (checked >= MIN_NAMED || callers >= MIN_CALLERS) return ACCEPTED;
  const lacks =
    checked > 0 ? 'names too few frames to prove it by' : 'has neither a build ID nor enough addresses to prove it by';
  return refused(`${binary} has the right name, but the profile ${lacks}; name it with --binary`);
}

function noCalls(binary: string, callers: number, afterCall: number, foundBy: FoundBy): Verdict {
  const astray = callers - afterCall;
  return refused(
    `${astray} of ${callers} callers' addresses follow no call in the code of ${binary}; ${advice(foundBy)}`,
  );
}

function refused(reason: string): Verdict {
  return { accepted: false, reason };
}

function disagreement({ checked, agreed, sameFunction, example }: Evidence): string {
  const at = example ? ` (profile: ${example.profile}, binary: ${example.binary})` : '';
  if (sameFunction >= checked * AGREEMENT) {
    return `has the profile's functions but other lines: ${agreed} of ${checked} frames agree${at}`;
  }
  return `names other functions than the profile: ${agreed} of ${checked} frames agree${at}`;
}

function advice(foundBy: FoundBy): string {
  if (foundBy === 'name') return 'add the binary of exactly this build';
  return foundBy !== 'build-id'
    ? 'give the binary of exactly this build'
    : 'the file was replaced while the process ran, or the build ID is shared; add the binary that was running';
}
