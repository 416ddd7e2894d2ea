import type { Evidence } from '../match/evidence.ts';
import type { Profile } from '../profile/profile.ts';
import type { Resolution } from '../symbolize/frame.ts';
import type { MappedRange } from '../symbolize/rebase.ts';
import { flagsFor } from './flags.ts';
import type { MappingFlags } from '../profile/splice.ts';
import type { Located } from './located.ts';
import type { Need } from './need.ts';
import type { MappingReport, MatchKind } from './report.ts';
import type { MappingWork } from './survey.ts';

/** What came of one mapping: counts, flags, and the reason for what is left. */
export class MappingOutcome {
  readonly namedBefore: number;
  readonly range: MappedRange;
  /** Why frames are left unnamed; "" while nothing speaks against it. */
  reason = '';
  readonly #work: MappingWork;
  #binary: { readonly name: string; readonly match: MatchKind } | null = null;
  #evidence: Pick<Evidence, 'checked' | 'agreed'> = { checked: 0, agreed: 0 };
  #named = 0;
  #changed = 0;
  #hasInlineFrames = false;
  #hasFilenames = false;
  #hasLineNumbers = false;

  constructor(profile: Profile, work: MappingWork) {
    this.#work = work;
    const { record } = work;
    this.range = {
      start: record?.memoryStart ?? 0n,
      limit: record?.memoryLimit ?? 0n,
      offset: record?.fileOffset ?? 0n,
      filename: record?.filename ?? '',
    };
    const unnamed = work.lacking.filter(([, need]) => need === 'unnamed').length;
    this.namedBefore = work.locations.length - work.unknowable - unnamed;
    for (const location of work.locations) {
      if (this.#hasInlineFrames && this.#hasLineNumbers && this.#hasFilenames) break;
      const lines = profile.locations.lines(location);
      this.#hasInlineFrames ||= lines.length > 1;
      this.#hasLineNumbers ||= lines.some((line) => line.line !== 0);
      this.#hasFilenames ||= lines.some(
        (l) => l.functionIndex >= 0 && profile.functions.filename(l.functionIndex) !== 0,
      );
    }
  }

  weighed(evidence: Evidence): void {
    this.#evidence = evidence;
  }

  accepted(name: string, match: MatchKind): void {
    this.#binary = { name, match };
    this.reason = '';
  }

  replaced(need: Need, found: Resolution): void {
    this.#changed++;
    if (need === 'unnamed') this.#named++;
    this.#hasInlineFrames ||= found.frames.length > 1;
    this.#hasFilenames ||= found.frames.some((frame) => frame.file !== '');
    this.#hasLineNumbers ||= found.frames.some((frame) => frame.line !== 0);
  }

  /** After the lookups: why some addresses still have no name. */
  explainRest({ symbols, rebase }: Located): void {
    if (this.left === 0 || this.#binary === null) return;
    const problems = [rebase.problem, ...symbols.problems].filter((problem) => problem !== '');
    const what = this.left === 1 ? '1 address' : `${this.left} addresses`;
    const { name } = this.#binary;
    if (problems.length > 0) this.reason = `${what} unnamed in ${name}: ${problems.join('; ')}`;
    else if (symbols.hasDwarf) {
      this.reason = `${what} in code of ${name} that belongs to no function: the linker's stubs, or assembly without symbols; nothing can be done`;
    } else this.reason = `${what} in code for which ${name} holds no symbols; add its unstripped build`;
  }

  get namedAfter(): number {
    return this.namedBefore + this.#named;
  }

  /** Locations a binary could name that have no name. */
  get left(): number {
    return this.#work.locations.length - this.#work.unknowable - this.namedAfter;
  }

  get flags(): MappingFlags | null {
    if (this.#work.record === null) return null;
    return flagsFor(this.#work.record, {
      locations: this.#work.locations.length - this.#work.unknowable,
      named: this.namedAfter,
      changed: this.#changed,
      verified: this.#binary !== null,
      hasFilenames: this.#hasFilenames,
      hasLineNumbers: this.#hasLineNumbers,
      hasInlineFrames: this.#hasInlineFrames,
    });
  }

  /** null for "no mapping" when every location has one. */
  get report(): MappingReport | null {
    const { record, locations } = this.#work;
    if (record === null && locations.length === 0) return null;
    return {
      id: String(record?.id ?? 0n),
      file: this.range.filename,
      buildId: record?.buildId ?? '',
      binary: this.#binary?.name ?? null,
      match: this.#binary?.match ?? 'none',
      checked: this.#evidence.checked,
      agreed: this.#evidence.agreed,
      locations: locations.length,
      namedBefore: this.namedBefore,
      namedAfter: this.namedAfter,
      reason: this.reason,
      verdict: this.#binary === null ? 'not found' : 'match',
      weight: { flat: 0, cumulative: 0 },
      tried: [],
      unresolved: [],
      repaired: {},
    };
  }
}
