/**
 * The ladder: which binary is a mapping's? Each rung proposes candidates, the verdict (match/verdict.ts) has the last word on each.
 *
 *   1  named by the user
 *   2  filed under the mapping's build ID, in any way that ID may be written
 *   3  a twin of that one: same Go function table, more debug info
 *   4  for want of an ID, or when what is filed under it is another binary: whatever has the frames that the profile names, or the name
 *      of the mapping's file
 *
 * Where several builds fit, they are one only if they answer alike.
 */
import type { Deadline } from './deadline.ts';
import { LATE } from './deadline.ts';
import { isParseError, isSystemError, messageOf } from './errors.ts';
import { weighDamaged } from './match/damage.ts';
import { type Evidence, weigh } from './match/evidence.ts';
import { SketchQuery } from './match/sketch.ts';
import { judge, type Verdict } from './match/verdict.ts';
import type { Profile } from './profile/profile.ts';
import type { KnownAddresses } from './rewrite/known.ts';
import { hasSameCode, Located } from './rewrite/located.ts';
import type { MappingOutcome } from './rewrite/outcome.ts';
import { clientShift } from './rewrite/repair.ts';
import { sketchFrames } from './rewrite/sketch-frames.ts';
import type { MappingWork } from './rewrite/survey.ts';
import type { MappingRecord } from './profile/profile.ts';
import { type Candidate, type CandidateFinder, isTelling } from './store/candidates.ts';
import type { Lease } from './store/opened.ts';
import type { Frame } from './symbolize/frame.ts';
import { Rebase } from './symbolize/rebase.ts';

/** A candidate laid over the mapping and accepted. The lease is the receiver's to release. */
export interface Proven {
  readonly candidate: Candidate;
  readonly lease: Lease;
  readonly located: Located;
  readonly evidence: Evidence;
  readonly verdict: Verdict;
  /** A client named this mapping's frames from addresses too far on: rewrite/repair.ts. */
  readonly isShifted: boolean;
}

/** Fewer named frames do not tell one binary of an archive from another. */
const MIN_SKETCH_FRAMES = 5;
/** Locations for which builds that all fit must answer alike. */
const MAX_COMPARED = 2000;
/** Refused candidates are told up to this many; the rest is counted. */
const MAX_TOLD = 3;

type Attempt = Proven | null | typeof LATE;

export class Ladder {
  readonly #profile: Profile;
  readonly #finder: CandidateFinder;
  readonly #deadline: Deadline;
  readonly #pinned: readonly string[];
  readonly #repair: boolean;
  readonly #known: KnownAddresses;

  constructor(
    profile: Profile,
    finder: CandidateFinder,
    deadline: Deadline,
    pinned: readonly string[],
    repair: boolean,
    known: KnownAddresses,
  ) {
    this.#known = known;
    this.#profile = profile;
    this.#finder = finder;
    this.#deadline = deadline;
    this.#pinned = pinned;
    this.#repair = repair;
  }

  /** The mapping's binary; null with the reason in `outcome`. */
  async climb(record: MappingRecord, work: MappingWork, outcome: MappingOutcome): Promise<Attempt> {
    const climb = new Climb(this.#profile, this.#deadline, work, outcome, this.#repair, this.#known);
    try {
      return await this.#climb(record, work, climb);
    } catch (error) {
      if (!isParseError(error) && !isSystemError(error)) throw error;
      outcome.refused('not found', `its binary could not be looked for: ${messageOf(error)}`, '');
      return null;
    }
  }

  async #climb(record: MappingRecord, work: MappingWork, climb: Climb): Promise<Attempt> {
    const pinned = await this.#deadline.race(this.#finder.pinned(record, this.#pinned));
    if (pinned === LATE) return LATE;
    for (const candidate of pinned.filter(({ foundBy }) => foundBy !== 'name')) {
      const proven = await climb.prove(candidate);
      if (proven !== null) return proven;
    }
    const slice = await climb.onlyOne(pinned.filter(({ foundBy }) => foundBy === 'name'));
    if (slice !== null) return slice;

    const byId = await this.#deadline.race(this.#finder.byId(record));
    if (byId === LATE) return LATE;
    const own = await climb.onlyOne(byId);
    if (own === LATE) return LATE;
    if (own !== null) return this.#orTwin(own, climb);

    const unproven = await this.#unproven(record, work, climb, byId.length > 0);
    if (unproven !== null) return unproven;
    const absence = byId.length > 0 ? null : await this.#finder.absence(record);
    climb.refuse(absence);
    return null;
  }

  /** The twin, where it knows more than the build itself. */
  async #orTwin(own: Proven, climb: Climb): Promise<Attempt> {
    if (own.located.symbols.hasDwarf || climb.isAllGo(own)) return own;
    const twins = await this.#deadline.race(this.#finder.twinsOf(own.candidate));
    if (twins === LATE) return own; // what is there now is as good as no twin
    for (const candidate of twins) {
      const twin = await climb.prove(candidate, own);
      if (twin === LATE) return own;
      if (twin === null) continue;
      own.lease.release();
      return twin;
    }
    return own;
  }

  /** Without an ID to go by, or after it led to another binary. An ID that leads nowhere is not second-guessed. */
  async #unproven(record: MappingRecord, work: MappingWork, climb: Climb, wasMisled: boolean): Promise<Attempt> {
    const isKnown = isTelling(record.buildId, record.filename);
    const frames = sketchFrames(this.#profile, work);
    const alike = async (): Promise<Candidate[]> => {
      const byFrames = frames.length < MIN_SKETCH_FRAMES ? [] : await this.#finder.byFrames(new SketchQuery(frames));
      const byName = isKnown ? [] : await this.#finder.byName(record);
      const tried = new Set(climb.triedKeys);
      const all = new Map([...byFrames, ...byName].map((candidate) => [keyOf(candidate), candidate]));
      return [...all].filter(([key]) => !tried.has(key)).map(([, candidate]) => candidate);
    };
    const candidates = await this.#deadline.race(alike());
    if (candidates === LATE) return LATE;
    if (!isKnown || wasMisled) return climb.onlyOne(candidates);
    const hint = await climb.wouldFit(candidates);
    if (hint === LATE) return LATE;
    if (hint !== null) {
      hint.lease.release();
      climb.hint(hint, await this.#finder.absence(record));
    }
    return null;
  }
}

/** One mapping's candidates as they are tried. */
class Climb {
  readonly triedKeys: string[] = [];
  readonly #profile: Profile;
  readonly #deadline: Deadline;
  readonly #work: MappingWork;
  readonly #outcome: MappingOutcome;
  readonly #refusals: Verdict[] = [];
  readonly #repair: boolean;
  readonly #known: KnownAddresses;
  #isTrying = false;
  #hint: { readonly reason: string; readonly advice: string } | null = null;

  constructor(
    profile: Profile,
    deadline: Deadline,
    work: MappingWork,
    outcome: MappingOutcome,
    repair: boolean,
    known: KnownAddresses,
  ) {
    this.#repair = repair;
    this.#known = known;
    this.#profile = profile;
    this.#deadline = deadline;
    this.#work = work;
    this.#outcome = outcome;
  }

  /** True when nothing but Go code lacks names: its own tables say all there is. */
  isAllGo({ located }: Proven): boolean {
    return this.#work.lacking.every((location) => {
      const address = located.place(this.#profile, location);
      return address !== null && located.symbols.isGo(address);
    });
  }

  /** A candidate laid over the mapping; null when it was refused. @param twin the build whose twin it must be */
  async prove(candidate: Candidate, twin?: Proven): Promise<Attempt> {
    this.triedKeys.push(keyOf(candidate));
    let lease: Lease | typeof LATE;
    try {
      lease = await this.#deadline.race(candidate.lease(), (late) => late.release());
    } catch (error) {
      if (!isParseError(error) && !isSystemError(error)) throw error;
      return this.#refused(candidate, mismatch(`${candidate.name} cannot be read: ${messageOf(error)}`), null);
    }
    if (lease === LATE) return LATE;
    let isKept = false;
    try {
      const { symbols } = lease.binary;
      const rebase = new Rebase(symbols.object, this.#outcome.range);
      if (rebase.problem !== '') {
        const reason = `${candidate.name} cannot be laid over this mapping: ${rebase.problem}`;
        return this.#refused(candidate, mismatch(reason), null);
      }
      const located = new Located(symbols, rebase, this.#known);
      if (twin !== undefined && !hasSameCode(located, twin.located, this.#profile, this.#work)) {
        const reason = `${candidate.name} has the same Go code, but other C code`;
        return this.#refused(candidate, mismatch(reason), null);
      }
      const { evidence, isShifted } = this.#weigh(candidate, located);
      const verdict = judge(candidate.name, candidate.foundBy, evidence, located.bounds(this.#profile, this.#work));
      if (verdict.kind !== 'match' && verdict.kind !== 'twin') return this.#refused(candidate, verdict, evidence);
      if (!this.#isTrying) this.#outcome.tried(candidate, verdict, evidence);
      isKept = true;
      return { candidate, lease, located, evidence, verdict, isShifted };
    } finally {
      if (!isKept) lease.release();
    }
  }

  /** With repair, and beside an ID or the user's word, what clients do to frames does not speak against the binary. */
  #weigh({ foundBy }: Candidate, located: Located): { evidence: Evidence; isShifted: boolean } {
    const pairs = (shift: number) => located.evidence(this.#profile, this.#work, shift);
    const isClaimed = foundBy === 'build-id' || foundBy === 'pinned' || foundBy === 'twin';
    if (!this.#repair || !isClaimed) return { evidence: weigh(pairs(0)), isShifted: false };
    const evidence = weighDamaged(pairs(0));
    const shift = clientShift(located.symbols);
    if (shift === 0 || evidence.goDisagreed === 0) return { evidence, isShifted: false };
    const shifted = weighDamaged(pairs(shift), true);
    const isShifted = shifted.goDisagreed < evidence.goDisagreed;
    return { evidence: isShifted ? shifted : evidence, isShifted };
  }

  #refused(candidate: Candidate, verdict: Verdict, evidence: Evidence | null): null {
    if (this.#isTrying) return null;
    this.#outcome.tried(candidate, verdict, evidence);
    this.#refusals.push(verdict);
    return null;
  }

  /** The first that fits, though none of them is asked for: what they lack is no reason. */
  async wouldFit(candidates: readonly Candidate[]): Promise<Attempt> {
    this.#isTrying = true;
    for (const candidate of candidates) {
      const proven = await this.prove(candidate);
      if (proven !== null) return proven;
    }
    return null;
  }

  /** The one that fits, or the best of several that answer alike. Two are held open at a time. */
  async onlyOne(candidates: readonly Candidate[]): Promise<Attempt> {
    let best: Proven | null = null;
    let rivals = 0;
    let isChosen = false;
    try {
      for (const candidate of candidates) {
        const next = await this.prove(candidate);
        if (next === LATE) return LATE;
        if (next === null) continue;
        if (best === null) {
          best = next;
          continue;
        }
        const [better, worse]: [Proven, Proven] = isBetter(next, best) ? [next, best] : [best, next];
        best = better;
        try {
          // Files built elsewhere from the same sources have other paths: those of the profile decide.
          if (better.evidence.sameFile > worse.evidence.sameFile) {
            if (better === next) rivals = 0;
            continue;
          }
          const differs = await this.#differ(better, worse);
          if (differs === LATE) return LATE;
          if (differs) rivals++;
        } finally {
          worse.lease.release();
        }
      }
      if (best === null) return null;
      if (rivals > 0) {
        this.#refusals.push({
          kind: 'not enough evidence',
          reason: `${rivals + 1} builds of ${best.candidate.name} fit this mapping, and they do not give the same names`,
          advice: 'name the right one with --binary',
          lines: false,
        });
        return null;
      }
      isChosen = true;
      return best;
    } finally {
      if (!isChosen) best?.lease.release();
    }
  }

  /** True when they give some address two names. That one of them has none for it, or no inlined calls, is no difference. */
  async #differ(one: Proven, other: Proven): Promise<boolean | typeof LATE> {
    const { lacking } = this.#work;
    const isWhole = one.located.symbols.hasDwarf && other.located.symbols.hasDwarf;
    const withLines = one.verdict.lines && isWhole;
    const step = Math.max(1, lacking.length / MAX_COMPARED);
    for (let at = 0; at < lacking.length; at += step) {
      if (await this.#deadline.passed()) return LATE;
      const location = lacking[Math.floor(at)];
      const [a, b] = [one, other].map(({ located }) =>
        located.lookup(this.#profile, location)?.frames.slice(isWhole ? 0 : -1),
      );
      if (a !== undefined && b !== undefined && told(a, withLines) !== told(b, withLines)) return true;
    }
    return false;
  }

  /** Remembers that a build under another ID would fit. */
  hint({ candidate, evidence: { checked } }: Proven, { reason }: { readonly reason: string }): void {
    const key = candidate.build[0]?.key ?? '';
    this.#hint = {
      reason: `${reason}, but ${candidate.name} there (${key.slice(0, 16)}) has all ${checked} frames that the profile names`,
      advice:
        'if it is the same build linked with other flags (-s -w), add the file that runs as well, so that the two can be compared: resym store add FILE',
    };
  }

  /** Puts together why there is no binary. @param absence why the archive has none; null when it had some */
  refuse(absence: { readonly reason: string; readonly advice: string } | null): void {
    const [first] = this.#refusals;
    if (this.#hint !== null) return this.#outcome.refused('not found', this.#hint.reason, this.#hint.advice);
    if (first === undefined) {
      const { reason, advice } = absence ?? { reason: 'no binary was found', advice: '' };
      return this.#outcome.refused('not found', reason, advice);
    }
    const told = this.#refusals.slice(0, MAX_TOLD).map(({ reason }) => reason);
    const more = this.#refusals.length - told.length;
    if (more > 0) told.push(`${more} more do not fit either`);
    const kind = this.#refusals.find(({ kind }) => kind === 'not enough evidence')?.kind ?? first.kind;
    const deciding = this.#refusals.find((refusal) => refusal.kind === kind) ?? first;
    this.#outcome.refused(kind, told.join('; '), deciding.advice);
  }
}

function mismatch(reason: string): Verdict {
  return { kind: 'mismatch', reason, advice: '', lines: false };
}

/** Tells candidates apart; the same build may be found in several ways. */
function keyOf({ build, name }: Candidate): string {
  return build.length === 0
    ? name
    : build
        .map(({ path }) => path)
        .sort()
        .join('|');
}

/** More of the profile's own source files, then more symbols. */
function isBetter({ evidence, located }: Proven, than: Proven): boolean {
  if (evidence.sameFile !== than.evidence.sameFile) return evidence.sameFile > than.evidence.sameFile;
  return located.symbols.hasDwarf && !than.located.symbols.hasDwarf;
}

function told(frames: readonly Frame[], withLines: boolean): string {
  return frames.map(({ systemName, line }) => (withLines ? `${systemName}:${line}` : systemName)).join('\n');
}
