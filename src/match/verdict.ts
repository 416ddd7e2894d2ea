/**
 * The last word on a candidate for a mapping: what says that it is the one, weighed against what says it is not.
 *
 * - An ID, or the user, speaks for a binary. Then the profile's named frames and the code at its addresses need only not speak
 *   against it: IDs are stale after a deploy in place, shared by all of Bazel's binaries, and forged.
 * - A name, or frames that fit, only propose one. Then every frame must agree and the code must prove the rest. Even so nothing tells
 *   builds apart whose sources differ in a comment: lines are believed only where the profile's own frames are.
 */
import type { Evidence } from './evidence.ts';

/**
 * How a candidate was found. `pinned-other-id`: named by the user, but with another build ID than the mapping's; `twin`: same Go
 * function table as the build with that ID; `evidence`: it seems to have the profile's frames; `name`: it is called as the mapping's file.
 */
export type FoundBy = 'build-id' | 'pinned' | 'pinned-other-id' | 'twin' | 'evidence' | 'name';

export type VerdictKind = 'match' | 'twin' | 'mismatch' | 'not enough evidence' | 'not found' | 'not needed';

/** How the addresses without names fall into a candidate's code. */
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
  /** Leaves' addresses looked at, and those of them where an instruction begins or a call ended; 0 where that tells nothing. */
  readonly leaves: number;
  readonly onStart: number;
}

export interface Verdict {
  readonly kind: VerdictKind;
  /** What disagrees or is missing; "" for a match. */
  readonly reason: string;
  /** What a person can do about it. */
  readonly advice: string;
  /** Whether lines may be written beside the names. */
  readonly lines: boolean;
}

/**
 * Share of frames outside Go code that must agree: symbolizers differ over lines. In Go code the right binary says what the runtime
 * said (evidence.ts), and one changed line in a neighbouring build shows in a few frames only.
 */
const AGREEMENT = 0.95;
/** Go frames that may disagree where an ID speaks for the binary, for what nobody has seen yet. */
const GO_DISAGREEMENT = 0.01;

/** Nearly all addresses must be code. */
const IN_TEXT = 0.95;

/**
 * All but a signal handler's own callers follow a call in the right build. In a neighbouring one those before the change do as well, and
 * after it one in ten by chance: a few that do not are the only sign of it. Likewise for leaves and where instructions begin.
 */
const IN_PLACE = 0.98;
/** Below these shares a binary is not the one, whoever speaks for it: a third of all bytes begin an instruction by chance. */
const AFTER_CALL_AT_LEAST = 0.5;
/** Go's stacks are walked by its own tables, and have no strays. */
const AFTER_GO_CALL_AT_LEAST = 0.9;
const ON_START_AT_LEAST = 0.7;
/** Fewer addresses say nothing against a binary. */
const MIN_AGAINST = 4;

/** What an address in its place says for a binary that nobody speaks for: minus log2 of the chance that another build has it too. */
const CALLER_BITS = 3.3;
const LEAF_BITS = 1.3;
/**
 * Needed of that; with named frames that agree, less. A small program's builds share most of their code, and all pages. What no code can
 * tell apart is the same code on other lines.
 */
const ENOUGH_BITS = 13;
const ENOUGH_BITS_BESIDE_NAMES = 6.5;

/** Neighbouring builds of a Go program share the runtime's first functions, addresses and all. */
const MIN_NAMED = 10;

const MATCH: Verdict = { kind: 'match', reason: '', advice: '', lines: true };

/** @param binary its name, for the reason */
export function judge(binary: string, foundBy: FoundBy, evidence: Evidence, bounds: Bounds): Verdict {
  const isClaimed = foundBy === 'build-id' || foundBy === 'pinned' || foundBy === 'twin';
  const against =
    namesAgainst(binary, evidence, isClaimed) ??
    placesAgainst(binary, bounds) ??
    codeAgainst(binary, bounds, isClaimed ? null : IN_PLACE, evidence.checked === 0);
  if (against !== null) return { kind: 'mismatch', reason: against, advice: advice(foundBy), lines: false };
  if (isClaimed) return foundBy === 'twin' ? { ...MATCH, kind: 'twin' } : MATCH;
  return judgeUnclaimed(binary, foundBy, evidence, bounds);
}

/** No ID and no user speaks for the binary: its names and its code must. */
function judgeUnclaimed(binary: string, foundBy: FoundBy, { checked }: Evidence, bounds: Bounds): Verdict {
  if (foundBy === 'pinned-other-id' && checked === 0) {
    return lacking(`${binary} has another build ID than the mapping, and the profile names no frame to prove it by`);
  }
  const isNamed = checked >= MIN_NAMED;
  const restInGo = bounds.addresses === bounds.inGoText;
  if (isNamed && restInGo) return MATCH;
  const bits = bounds.afterCall * CALLER_BITS + bounds.onStart * LEAF_BITS;
  const needed = isNamed ? ENOUGH_BITS_BESIDE_NAMES : ENOUGH_BITS;
  if (bits >= needed) return { ...MATCH, lines: false };
  const what = foundBy === 'name' ? 'has the right name' : 'has the frames that the profile names';
  if (isNamed) return lacking(`${binary} ${what}, but too few addresses fall into its other code to prove that by`);
  return lacking(
    checked > 0
      ? `${binary} ${what}, but the profile names too few frames to prove it by`
      : `${binary} ${what}, but the profile has neither a build ID nor enough addresses to prove it by`,
  );
}

function lacking(reason: string): Verdict {
  return { kind: 'not enough evidence', reason, advice: 'name it with --binary', lines: false };
}

function namesAgainst(binary: string, evidence: Evidence, isClaimed: boolean): string | null {
  const { checked, agreed, sameFunction, goChecked, goDisagreed, example } = evidence;
  const others = checked - goChecked;
  const othersDisagreed = checked - agreed - goDisagreed;
  if (
    goDisagreed <= (isClaimed ? goChecked * GO_DISAGREEMENT : 0) &&
    othersDisagreed <= others * (1 - AGREEMENT) + Number.EPSILON * others
  )
    return null;
  const at = example ? ` (profile: ${example.profile}, binary: ${example.binary})` : '';
  return sameFunction >= checked * AGREEMENT
    ? `${binary} has the profile's functions but other lines: ${agreed} of ${checked} frames agree${at}`
    : `${binary} names other functions than the profile: ${agreed} of ${checked} frames agree${at}`;
}

function placesAgainst(binary: string, { addresses, inText, inGoText, onGoCode }: Bounds): string | null {
  if (inText < addresses * IN_TEXT) {
    return `${addresses - inText} of ${addresses} addresses lie outside the code of ${binary}`;
  }
  if (onGoCode < inGoText * IN_PLACE) {
    return `${inGoText - onGoCode} of ${inGoText} addresses fall between the functions of ${binary}`;
  }
  return null;
}

/**
 * @param share of addresses that must be in their place; null: only enough not to speak against it
 * @param isAlone true when no named frame says anything
 */
function codeAgainst(binary: string, bounds: Bounds, share: number | null, isAlone: boolean): string | null {
  const { callers, afterCall, leaves, onStart, addresses, inGoText } = bounds;
  const isGoAlone = isAlone && addresses === inGoText;
  const isTooFew = (looked: number, right: number, least: number): boolean =>
    share === null ? looked >= MIN_AGAINST && right < looked * least : right < looked * share;
  if (isTooFew(callers, afterCall, isGoAlone ? AFTER_GO_CALL_AT_LEAST : AFTER_CALL_AT_LEAST)) {
    return `${callers - afterCall} of ${callers} callers' addresses follow no call in the code of ${binary}`;
  }
  if (isTooFew(leaves, onStart, ON_START_AT_LEAST)) {
    return `${leaves - onStart} of ${leaves} addresses lie inside instructions of ${binary}`;
  }
  return null;
}

function advice(foundBy: FoundBy): string {
  switch (foundBy) {
    case 'build-id':
    case 'twin':
      return 'the file was replaced while the process ran, or the build ID is shared; add the binary that was running';
    case 'pinned':
    case 'pinned-other-id':
      return 'give the binary of exactly this build';
    case 'name':
    case 'evidence':
      return 'add the binary of exactly this build';
  }
}
