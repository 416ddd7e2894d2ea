import type { Evidence } from '../match/evidence.ts';
import type { FoundBy, Verdict, VerdictKind } from '../match/verdict.ts';
import type { Profile } from '../profile/profile.ts';
import type { MappingFlags } from '../profile/splice.ts';
import type { LineTable } from '../profile/newlines.ts';
import type { MappedRange } from '../symbolize/rebase.ts';
import { flagsFor } from './flags.ts';
import type { Located } from './located.ts';
import type { Need } from './need.ts';
import type { MappingReport, MatchKind, TriedBinary, Unresolved, Weight } from './report.ts';
import type { MappingWork } from './survey.ts';

const MATCH_KINDS: Readonly<Record<FoundBy, MatchKind>> = {
  'build-id': 'build-id',
  pinned: 'pinned',
  'pinned-other-id': 'pinned',
  twin: 'twin',
  evidence: 'evidence',
  name: 'evidence',
};

const UNWEIGHED: Weight = { flat: 0, cumulative: 0 };

/** A reason for which locations have no name, and what to do about it. */
export interface Why {
  readonly reason: string;
  /** "" when nothing can be done. */
  readonly advice: string;
}

/** The part of a candidate that is reported. */
interface Named {
  readonly name: string;
  readonly foundBy: FoundBy;
}

/** What came of one mapping: counts, flags, and the reasons for what is left. */
export class MappingOutcome {
  readonly namedBefore: number;
  readonly range: MappedRange;
  readonly work: MappingWork;
  #binary: { readonly name: string; readonly match: MatchKind; readonly lines: boolean } | null = null;
  #verdict: VerdictKind = 'not needed';
  /** Of the binary that was used, else of the one that came nearest. */
  #evidence: Pick<Evidence, 'checked' | 'agreed'> = { checked: 0, agreed: 0 };
  readonly #tried: TriedBinary[] = [];
  #newlyNamed = 0;
  /** Why locations are left unnamed: by location, and for all others. */
  readonly #whyNot = new Map<number, Why>();
  #whyRest: Why | null = null;
  readonly #repaired: Record<string, number> = {};
  #changed = 0;
  #hasInlineFrames = false;
  #hasFilenames = false;
  #hasLineNumbers = false;

  constructor(profile: Profile, work: MappingWork) {
    this.work = work;
    const { record } = work;
    this.range = {
      start: record?.memoryStart ?? 0n,
      limit: record?.memoryLimit ?? 0n,
      offset: record?.fileOffset ?? 0n,
      filename: record?.filename ?? '',
    };
    this.namedBefore = work.locations.length - work.unknowable - work.unnamed;
    for (const location of work.locations) {
      if (this.#hasInlineFrames && this.#hasLineNumbers && this.#hasFilenames) break;
      if (profile.locations.lineCount(location) === 0) continue;
      const lines = profile.locations.lines(location);
      this.#hasInlineFrames ||= lines.length > 1;
      this.#hasLineNumbers ||= lines.some((line) => line.line !== 0);
      this.#hasFilenames ||= lines.some(
        (l) => l.functionIndex >= 0 && profile.functions.filename(l.functionIndex) !== 0,
      );
    }
  }

  /** A candidate was held against the mapping. */
  tried({ name, foundBy }: Named, { kind, reason }: Verdict, evidence: Evidence | null): void {
    const { checked, agreed } = evidence ?? { checked: 0, agreed: 0 };
    this.#tried.push({ binary: name, foundBy, verdict: kind, checked, agreed, reason });
    if (agreed > this.#evidence.agreed || this.#evidence.checked === 0) this.#evidence = { checked, agreed };
  }

  /** No candidate is the one. */
  refused(kind: VerdictKind, reason: string, advice: string): void {
    this.#verdict = kind;
    this.#whyRest = { reason, advice };
  }

  accepted({ name, foundBy }: Named, { kind, lines }: Verdict, { checked, agreed }: Evidence): void {
    this.#binary = { name, match: MATCH_KINDS[foundBy], lines };
    this.#verdict = kind;
    this.#evidence = { checked, agreed };
    this.#whyRest = null;
  }

  /** The location gets a list of lines. */
  replaced(location: number, need: Need, table: LineTable, list: number): void {
    this.#changed++;
    if (need === 'unnamed') {
      this.#newlyNamed++;
      this.work.named[location] = 1;
    }
    this.#hasInlineFrames ||= table.depth(list) > 1;
    this.#hasFilenames ||= table.hasFile(list);
    this.#hasLineNumbers ||= table.hasLine(list);
  }

  /** Damage of these kinds was undone at one location. */
  repaired(kinds: readonly string[], table: LineTable, list: number): void {
    for (const kind of kinds) this.#repaired[kind] = (this.#repaired[kind] ?? 0) + 1;
    this.replaced(-1, 'nothing', table, list);
  }

  /** Time ran out before all lookups. */
  late(reason: string): void {
    this.#whyRest = { reason, advice: '' };
    if (this.#binary === null) this.#verdict = 'not enough evidence';
  }

  /** After the lookups: why these locations still have no name. */
  explainRest(profile: Profile, located: Located): void {
    if (this.left === 0 || this.#binary === null) return;
    const { name } = this.#binary;
    const { symbols, rebase } = located;
    const problems = [rebase.problem, ...symbols.problems].filter((problem) => problem !== '');
    for (const location of this.#unnamed()) {
      this.#whyNot.set(location, whyUnnamed(name, located.place(profile, location), symbols, problems));
    }
  }

  get namedAfter(): number {
    return this.namedBefore + this.#newlyNamed;
  }

  /** Locations that resym named. */
  get newlyNamed(): number {
    return this.#newlyNamed;
  }

  /** Locations a binary could name that have no name. */
  get left(): number {
    return this.work.locations.length - this.work.unknowable - this.namedAfter;
  }

  /** Locations that have no name, nor have got one. */
  #unnamed(): number[] {
    const { lacking, needs, named } = this.work;
    return lacking.filter((location) => needs[location] === 'unnamed' && named[location] === 0);
  }

  get isProven(): boolean {
    return this.#binary !== null;
  }

  /** One sentence over what is left, or over lines that are left out; "" when there is nothing to say. */
  get reason(): string {
    const sentence = ({ reason, advice }: Why): string => (advice === '' ? reason : `${reason}; ${advice}`);
    if (this.left > 0) {
      const groups = this.unresolved();
      const counted = ({ locations }: Unresolved): string => (groups.length > 1 ? `${locations} of them: ` : '');
      return groups.map((group) => counted(group) + sentence(group)).join('. ');
    }
    if (this.#binary !== null && !this.#binary.lines && this.#changed > 0) {
      return `named without lines: ${this.#binary.name} is proven by its code, and builds that differ in comments have the same; a build ID or --binary would prove the lines`;
    }
    // Nothing lacks a name here, so a reason is worth telling only where a binary was refused.
    return this.#verdict === 'mismatch' && this.#whyRest !== null ? sentence(this.#whyRest) : '';
  }

  get flags(): MappingFlags | null {
    if (this.work.record === null) return null;
    return flagsFor(this.work.record, {
      locations: this.work.locations.length - this.work.unknowable,
      named: this.namedAfter,
      changed: this.#changed,
      verified: this.#binary !== null,
      hasFilenames: this.#hasFilenames,
      hasLineNumbers: this.#hasLineNumbers,
      hasInlineFrames: this.#hasInlineFrames,
    });
  }

  /** What is left, by reason: its location indexes. */
  leftByReason(): Map<Why, number[]> {
    const groups = new Map<string, { why: Why; locations: number[] }>();
    for (const location of this.left === 0 ? [] : this.#unnamed()) {
      const why = this.#whyNot.get(location) ?? this.#whyRest ?? { reason: 'its binary was not asked', advice: '' };
      const group = groups.get(why.reason);
      if (group === undefined) groups.set(why.reason, { why, locations: [location] });
      else group.locations.push(location);
    }
    const sorted = [...groups.values()].sort((a, b) => b.locations.length - a.locations.length);
    return new Map(sorted.map(({ why, locations }) => [why, locations]));
  }

  unresolved(weightOf: (locations: readonly number[]) => Weight = () => UNWEIGHED): Unresolved[] {
    return [...this.leftByReason()]
      .map(([{ reason, advice }, locations]) => ({
        reason,
        advice,
        locations: locations.length,
        weight: weightOf(locations),
      }))
      .sort((a, b) => b.weight.cumulative - a.weight.cumulative);
  }

  /** null for "no mapping" when every location has one. */
  report(weightOf?: (locations: readonly number[]) => Weight): MappingReport | null {
    const { record, locations } = this.work;
    if (record === null && locations.length === 0) return null;
    return {
      id: String(record?.id ?? 0n),
      file: this.range.filename,
      buildId: record?.buildId ?? '',
      binary: this.#binary?.name ?? null,
      match: this.#binary?.match ?? 'none',
      verdict: this.#verdict,
      checked: this.#evidence.checked,
      agreed: this.#evidence.agreed,
      locations: locations.length,
      namedBefore: this.namedBefore,
      namedAfter: this.namedAfter,
      reason: this.reason,
      weight: weightOf?.(locations) ?? UNWEIGHED,
      tried: this.#tried,
      unresolved: this.unresolved(weightOf),
      repaired: this.#repaired,
    };
  }
}

function whyUnnamed(
  name: string,
  address: number | null,
  symbols: Located['symbols'],
  problems: readonly string[],
): Why {
  if (address === null) {
    return { reason: `addresses in no part of ${name} that is in its file`, advice: '' };
  }
  if (problems.length > 0) return { reason: `${name}: ${problems.join('; ')}`, advice: '' };
  if (symbols.hasDwarf) {
    return {
      reason: `code of ${name} that belongs to no function: the linker's stubs, or assembly without symbols; nothing can be done`,
      advice: '',
    };
  }
  return { reason: `code for which ${name} holds no symbols`, advice: 'add its unstripped build' };
}
