/**
 * The evidence check: does this binary say about addresses what the profile already says about them?
 *
 * A build ID alone is not proof. Go reads it from the file at the mapping's path when the profile is written, so an
 * in-place deploy puts the new file's ID on samples of the old code; Bazel stamps one ID on every binary. The frames
 * the runtime named itself are proof, and they cost nothing.
 */

/** What the profile says about one address of a mapping. */
export interface NamedFrames {
  /** Outermost function, as named in the profile. */
  readonly function: string;
  /** Its linked name, as the profile has it; "" when it has none. */
  readonly systemName: string;
  /** Functions inlined into it, innermost first. */
  readonly inlined?: readonly string[];
  /** Line of each frame, innermost first; 0 = unknown. */
  readonly lines: readonly number[];
  /** Source file of the innermost frame; "" when unknown. */
  readonly file?: string;
}

/** What a candidate says about it. */
export interface CandidateFrames {
  /** Outermost function: the readable name first, then every linked name the binary has for it. */
  readonly names: readonly string[];
  readonly inlined?: readonly string[];
  readonly lines: readonly number[];
  readonly file?: string;
  /** From Go's own tables, which say what the runtime says, to the letter. */
  readonly isGo?: boolean;
}

export interface Evidence {
  /** Addresses on which both sides had something to say. */
  readonly checked: number;
  /** Of those, the ones with the same function and line. */
  readonly agreed: number;
  /** Of those, the ones with the same function. */
  readonly sameFunction: number;
  /** Of those, the ones with the same source file. */
  readonly sameFile: number;
  /** Those in Go code, and the ones of them that do not agree. */
  readonly goChecked: number;
  readonly goDisagreed: number;
  /** The first disagreement, for the reason. */
  readonly example: { readonly profile: string; readonly binary: string } | null;
}

/**
 * Name differences seen between honest sources for one function. Both sides are rewritten by every row.
 *
 * | seen                                        | where                                                    |
 * |---------------------------------------------|----------------------------------------------------------|
 * | `main.Map[...]` / `main.Map[go.shape.int]`   | Go 1.18-1.20 tables against 1.21+; clients that abbreviate |
 * | `main.F[func string]` / `main.F[func(int) string]` | pprof strips parentheses from names with brackets  |
 * | `runtime.memmove.abi0`                       | ELF symbol tables add the ABI                             |
 * | `core::fmt::write::h0123456789abcdef`        | demanglers that keep Rust's hash                          |
 */
const TOLERATED: readonly (readonly [RegExp, string])[] = [
  [/\[.*\]/s, '[...]'],
  [/\.abi(?:0|internal)$/, ''],
  [/::h[0-9a-f]{16}$/, ''],
];

/** A name without what honest sources differ in. */
export function canonical(name: string): string {
  let result = name;
  for (const [pattern, replacement] of TOLERATED) result = result.replace(pattern, replacement);
  return result;
}

/** True when two names are spellings of one function. */
export function isSameFunction(a: string, b: string): boolean {
  if (a === b || canonical(a) === canonical(b)) return true;
  return isCxxLike(a) && isCxxLike(b) && bare(a) === bare(b);
}

/** Go's receivers are in parentheses as well, and there they tell methods apart: `sync.(*Mutex).Unlock`. */
function isCxxLike(name: string): boolean {
  return /[(<]|::/.test(name) && !name.includes('.(');
}

/** Deeper nesting is compared as it is. */
const MAX_NESTING = 16;

/** A C++ or Rust name without template arguments, parameters, return type and qualifiers: clients leave out some or all of them. */
function bare(name: string): string {
  let rest = name.replace(/ \[clone [^\]]*\]/g, '');
  for (const innermost of [/<[^<>]*>/g, /\([^()]*\)/g]) {
    for (let n = 0; n < MAX_NESTING; n++) {
      const shorter = rest.replace(innermost, '');
      if (shorter === rest) break;
      rest = shorter;
    }
  }
  return rest.replace(/ (?:const|volatile|&&?)(?= |$)/g, '').replace(/^.* (?=\S)/s, '');
}

const sameLine = (a: number, b: number): boolean => a === 0 || b === 0 || a === b;

function sameOutermost(profile: NamedFrames, candidate: CandidateFrames): boolean {
  return candidate.names.some((name) => isSameFunction(profile.function, name) || profile.systemName === name);
}

/**
 * Same functions on the same lines, where both know them. In 110,000 locations of Go 1.15 to 1.26 the right binary differed from the
 * runtime only in depth, as in the last two rows; other symbolizers choose other inlined lines, so there only the outermost counts.
 *
 * | the profile has                | as seen                                                            |
 * |--------------------------------|--------------------------------------------------------------------|
 * | as many frames                 | every line the same                                                |
 * | one, on the outermost function | clients flatten inlining: the innermost line stays                 |
 * | the innermost ones             | runtimes cut a stack in the middle of inlined calls (Go up to 1.15) |
 */
function agree(profile: NamedFrames, candidate: CandidateFrames, isOutermostSame: boolean): boolean {
  const [theirs, ours] = [profile.lines, candidate.lines];
  const isOutermostLineSame = sameLine(theirs.at(-1) ?? 0, ours.at(-1) ?? 0);
  if (theirs.length >= ours.length || candidate.isGo !== true) {
    if (!isOutermostSame) return false;
    const isWhole = candidate.isGo === true && theirs.length === ours.length;
    if (isWhole ? theirs.every((line, i) => sameLine(line, ours[i])) : isOutermostLineSame) return true;
    return theirs.length < ours.length && ours.includes(theirs.at(-1) ?? 0);
  }
  if (isOutermostSame && (isOutermostLineSame || ours.includes(theirs.at(-1) ?? 0))) return true;
  const named = [...(profile.inlined ?? []), profile.function];
  const { inlined = [] } = candidate;
  return named.every((name, i) => isSameFunction(name, inlined[i] ?? '') && sameLine(theirs[i], ours[i]));
}

/** Counts over the sampled addresses: `pairs` yields what each side says, null for a side that says nothing. */
export function weigh(pairs: Iterable<readonly [NamedFrames, CandidateFrames | null]>): Evidence {
  const counts = { checked: 0, agreed: 0, sameFunction: 0, sameFile: 0, goChecked: 0, goDisagreed: 0 };
  let example: Evidence['example'] = null;
  for (const [profile, candidate] of pairs) {
    if (candidate === null) continue;
    const same = sameOutermost(profile, candidate);
    const agrees = agree(profile, candidate, same);
    const isGo = candidate.isGo === true;
    counts.checked++;
    if (same || agrees) counts.sameFunction++;
    if (isGo) counts.goChecked++;
    if (profile.file !== undefined && profile.file === candidate.file) counts.sameFile++;
    if (agrees) {
      counts.agreed++;
      continue;
    }
    if (isGo) counts.goDisagreed++;
    example ??= {
      profile: `${profile.function}:${profile.lines.at(-1) ?? 0}`,
      binary: `${candidate.names[0]}:${candidate.lines.at(-1) ?? 0}`,
    };
  }
  return { ...counts, example };
}
