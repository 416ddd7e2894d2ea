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
  /** Line of each frame, innermost first; 0 = unknown. */
  readonly lines: readonly number[];
}

/** What a candidate says about it. */
export interface CandidateFrames {
  /** Outermost function: the readable name first, then every linked name the binary has for it. */
  readonly names: readonly string[];
  readonly lines: readonly number[];
}

export interface Evidence {
  /** Addresses on which both sides had something to say. */
  readonly checked: number;
  /** Of those, the ones with the same function and line. */
  readonly agreed: number;
  /** Of those, the ones with the same function. */
  readonly sameFunction: number;
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

function canonical(name: string): string {
  let result = name;
  for (const [pattern, replacement] of TOLERATED) result = result.replace(pattern, replacement);
  return result;
}

/** True when two names are spellings of one function. */
export function isSameFunction(a: string, b: string): boolean {
  if (a === b || canonical(a) === canonical(b)) return true;
  return isCxxLike(a) && isCxxLike(b) && bare(a) === bare(b);
}

function isCxxLike(name: string): boolean {
  return /[(<]|::/.test(name);
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

/**
 * Same line, where both know one. A client that flattens inlining leaves the innermost line on the outermost
 * function, so with fewer frames in the profile any line of the candidate will do.
 */
function linesAgree(profile: NamedFrames, candidate: CandidateFrames): boolean {
  const outermost = profile.lines.at(-1) ?? 0;
  const expected = candidate.lines.at(-1) ?? 0;
  if (outermost === 0 || expected === 0 || outermost === expected) return true;
  return profile.lines.length < candidate.lines.length && candidate.lines.includes(outermost);
}

/** Counts over the sampled addresses: `pairs` yields what each side says, null for a side that says nothing. */
export function weigh(pairs: Iterable<readonly [NamedFrames, CandidateFrames | null]>): Evidence {
  let checked = 0;
  let sameFunction = 0;
  let agreed = 0;
  let example: Evidence['example'] = null;
  for (const [profile, candidate] of pairs) {
    if (candidate === null) continue;
    checked++;
    const same = candidate.names.some((name) => isSameFunction(profile.function, name) || profile.systemName === name);
    const agrees = same && linesAgree(profile, candidate);
    if (same) sameFunction++;
    if (agrees) agreed++;
    else {
      example ??= {
        profile: `${profile.function}:${profile.lines.at(-1) ?? 0}`,
        binary: `${candidate.names[0]}:${candidate.lines.at(-1) ?? 0}`,
      };
    }
  }
  return { checked, agreed, sameFunction, example };
}
