/**
 * The straight path of a profile, and the only file that knows all stages:
 *
 *     bytes in ─► decodeBody ─► Profile.scan ─► survey ─► per mapping: candidates ─► Rebase ─► evidence ─► verdict
 *                                                                                                  │ accepted
 *     bytes out ◄─ encodeBody ◄─ splice ◄─ flags ◄─ merge ◄─ lookup of what lacks names ◄──────────┘
 *
 * Rules that hold here and nowhere else:
 * - Samples are never decoded and nothing that is named is touched; when no stage has anything to change, the bytes
 *   that came in go out, the same object. What came in another format (legacy/) goes out as protobuf, always.
 * - A binary is used only after the verdict. No candidate, a refused one, a damaged one: each is a reason in the report,
 *   never an error of the profile.
 * - Past the deadline the best answer so far is given. Opening goes on detached, so the next profile is richer.
 * - Lookups yield to the event loop every few milliseconds: a server goes on serving while a profile is worked on.
 */
import { Answers } from './answers.ts';
import { Deadline, LATE } from './deadline.ts';
import { isParseError } from './errors.ts';
import { Ladder, type Proven } from './ladder.ts';
import { goBuild } from './match/identify.ts';
import { convertLegacy, legacyKind } from './legacy/legacy.ts';
import { type BodyLimits, decodeBody, DEFAULT_BODY_LIMITS, encodeBody } from './profile/gzip.ts';
import { renameFiles } from './profile/filenames.ts';
import { NewLines } from './profile/newlines.ts';
import { type MappingRecord, Profile } from './profile/profile.ts';
import { type MappingFlags, splice } from './profile/splice.ts';
import { type BuildFacts, buildComments, type Coverage, docUrlOf, mayComment } from './rewrite/build-comments.ts';
import { KnownAddresses, NO_LINES } from './rewrite/known.ts';
import { addFrames, mayReplace } from './rewrite/merge.ts';
import { MappingOutcome } from './rewrite/outcome.ts';
import { Repairer } from './rewrite/repair.ts';
import type { ProfileReport } from './rewrite/report.ts';
import { SourceMap, type SourceRule } from './rewrite/source-map.ts';
import { type MappingWork, survey } from './rewrite/survey.ts';
import { Weigher } from './rewrite/weigher.ts';
import type { Candidate, CandidateFinder } from './store/candidates.ts';
import type { Lease } from './store/opened.ts';
import { type MappedRange, Rebase } from './symbolize/rebase.ts';

/** What is written beside the names. */
export interface OutputOptions {
  /** Says in comments what the main binary is: version, revision, coverage. Default false. */
  readonly identity?: boolean;
  /** Template of the documentation URL of profiles that have none; see rewrite/build-comments.ts. */
  readonly docUrl?: string;
  /** Where source files are now; see rewrite/source-map.ts. */
  readonly sourceMap?: readonly SourceRule[];
}

export interface ResymOptions extends OutputOptions {
  /** On performance.now()'s clock, ms: after it the best answer so far is given. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
  /** Paths of binaries the user named for this profile; tried before the archive, under the same verdict. */
  readonly pinned?: readonly string[];
  /** Restores what a client has taken from named frames: inlined calls, start lines. Default false. */
  readonly repair?: boolean;
  /** Fills in the report's weights, which takes another pass over the samples. Default false. */
  readonly weigh?: boolean;
}

export interface ResymResult {
  readonly status: 'enriched' | 'partial' | 'unchanged';
  /** One sentence; "" when everything is named. */
  readonly reason: string;
  /** The enriched profile, gzipped; the very input bytes when nothing changed, unless they were no protobuf. */
  readonly body: Uint8Array;
  readonly report: ProfileReport;
  readonly timings: readonly { readonly stage: string; readonly ms: number }[];
  /** Keys of archived builds whose debug info was read without an index. */
  readonly unindexed: readonly string[];
  /** The profile's mappings, to be handed back to `symbolNames`. */
  readonly mappings: readonly ResolvedMapping[];
}

/** A mapping of a profile and the binary proven to belong to it. */
export interface ResolvedMapping {
  readonly range: MappedRange;
  /** Leases the binary again; null when none was proven. */
  readonly reopen: (() => Promise<Lease>) | null;
}

/** The engine, as serve/ and cli/ see it. */
export interface Resymbolizer {
  /** Throws FormatError or LimitError when `body` is no profile; whatever else goes wrong is a reason in the result. */
  resymbolize(body: Uint8Array, options?: ResymOptions): Promise<ResymResult>;
  /** Outermost function names at run-time addresses, null where unknown. */
  symbolNames(
    mappings: readonly ResolvedMapping[],
    addresses: readonly bigint[],
    options?: ResymOptions,
  ): Promise<(string | null)[]>;
}

/** Lookups between two looks at the clock. */
const LOOKUPS_PER_LOOK = 256;

const TOO_LATE = 'out of time: symbols are still being read, ask again';

export class Engine implements Resymbolizer {
  readonly #finder: CandidateFinder;
  readonly #limits: BodyLimits;
  #known = new KnownAddresses();
  readonly #answers = new Answers<ResymResult>();

  constructor(finder: CandidateFinder, limits: BodyLimits = DEFAULT_BODY_LIMITS) {
    this.#finder = finder;
    this.#limits = limits;
  }

  async resymbolize(body: Uint8Array, options: ResymOptions = {}): Promise<ResymResult> {
    const { pinned, repair, weigh, identity, docUrl, sourceMap } = options;
    const key = this.#answers.key(body, [pinned, repair, weigh, identity, docUrl, sourceMap]);
    const known = await this.#answers.get(key, body);
    if (known !== null) return known;
    const { result, used } = await this.#resymbolize(body, options);
    this.#answers.keep(key, body, result, async () => {
      return (await Promise.all(used.map((candidate) => candidate.isThere()))).every(Boolean);
    });
    return result;
  }

  /** `used`: the binaries it is made of. */
  async #resymbolize(
    body: Uint8Array,
    options: ResymOptions,
  ): Promise<{ result: ResymResult; used: readonly Candidate[] }> {
    const timings: { stage: string; ms: number }[] = [];
    let lapStart = performance.now();
    const lap = (stage: string): void => {
      timings.push({ stage, ms: performance.now() - lapStart });
      lapStart = performance.now();
    };

    const decoded = decodeBody(body, this.#limits);
    const isLegacy = legacyKind(decoded.raw) !== null;
    const received = isLegacy ? convertLegacy(decoded.raw) : decoded.raw;
    const profile = Profile.scan(received);
    lap('decode');

    const { mappings, nameable } = survey(profile);
    const run = new Run(profile, this.#finder, options, this.#known);
    for (const mapping of mappings) await run.mapping(mapping);
    lap('symbolize');

    const { lines, flags, outcomes } = run;
    const namedAfter = sum(outcomes, (outcome) => outcome.namedAfter);
    const coverage = { nameable, named: namedAfter, byResym: sum(outcomes, (outcome) => outcome.newlyNamed) };
    const raw = withFilesMoved(
      splice(profile, { lines, flags, exactStartLines: options.repair ?? false, ...run.identity(coverage) }),
      run.main,
      options,
    );
    const changed = raw !== received;
    lap('rewrite');
    const out = !changed && !isLegacy ? body : decoded.wrapping === 'none' && !isLegacy ? raw : encodeBody(raw);
    lap('encode');

    if (this.#known.isFull) this.#known = new KnownAddresses();
    const weigher = options.weigh === true ? new Weigher(profile) : null;
    const left = nameable - namedAfter;
    const result: ResymResult = {
      status: !changed ? 'unchanged' : left > 0 ? 'partial' : 'enriched',
      reason: left > 0 ? `${left} of ${nameable} locations unnamed${worstReason(outcomes)}` : '',
      body: out,
      report: {
        locations: {
          total: profile.locations.count,
          namedBefore: sum(outcomes, (outcome) => outcome.namedBefore),
          namedAfter,
        },
        weighedBy: weigher?.by ?? null,
        mappings: outcomes.flatMap((outcome) => outcome.report(weigher?.of) ?? []),
      },
      timings,
      unindexed: [...run.unindexed],
      mappings: run.resolved,
    };
    return { result, used: run.used };
  }

  async symbolNames(
    mappings: readonly ResolvedMapping[],
    addresses: readonly bigint[],
    options: ResymOptions = {},
  ): Promise<(string | null)[]> {
    const deadline = new Deadline(options.deadline, options.signal);
    const names: (string | null)[] = addresses.map(() => null);
    for (const { range, reopen } of mappings) {
      if (reopen === null) continue;
      const lease = await deadline.race(reopen(), (late) => late.release());
      if (lease === LATE) break;
      try {
        const { symbols } = lease.binary;
        const rebase = new Rebase(symbols.object, range);
        for (const [i, address] of addresses.entries()) {
          const at = names[i] === null ? rebase.toFile(address) : null;
          if (at !== null) names[i] = symbols.lookup(at)?.frames.at(-1)?.name ?? null;
          if (i % LOOKUPS_PER_LOOK === 0 && (await deadline.passed())) return names;
        }
      } finally {
        lease.release();
      }
    }
    return names;
  }
}

/** One profile's way through candidates, verdicts and lookups. */
class Run {
  readonly lines: NewLines;
  readonly flags = new Map<number, MappingFlags>();
  readonly outcomes: MappingOutcome[] = [];
  readonly resolved: ResolvedMapping[] = [];
  readonly unindexed = new Set<string>();
  /** Binaries that were proven. */
  readonly used: Candidate[] = [];
  readonly #profile: Profile;
  readonly #ladder: Ladder;
  readonly #deadline: Deadline;
  readonly #options: ResymOptions;
  /** What is known of the main binary, once it is proven. */
  main: BuildFacts | null = null;

  constructor(profile: Profile, finder: CandidateFinder, options: ResymOptions, known: KnownAddresses) {
    this.#profile = profile;
    this.lines = new NewLines(known.table);
    this.#options = options;
    this.#deadline = new Deadline(options.deadline, options.signal);
    const { pinned = [], repair = false } = options;
    this.#ladder = new Ladder(profile, finder, this.#deadline, pinned, repair, known);
  }

  async mapping(work: MappingWork): Promise<void> {
    const outcome = new MappingOutcome(this.#profile, work);
    const reopen = await this.#match(work, outcome);
    if (work.record !== null) {
      const flags = outcome.flags;
      if (flags !== null) this.flags.set(work.record.index, flags);
    }
    this.outcomes.push(outcome);
    this.resolved.push({ range: outcome.range, reopen });
  }

  /** Comments and URL that say what the main binary is. */
  identity(coverage: Coverage): { comments: readonly string[]; docUrl: string } {
    const { main } = this;
    if (main === null) return { comments: [], docUrl: '' };
    const { identity = false, docUrl = '' } = this.#options;
    return {
      comments: identity && mayComment(this.#profile.comments) ? buildComments(main, coverage) : [],
      docUrl: docUrl === '' ? '' : docUrlOf(docUrl, main),
    };
  }

  /** True when the mapping's binary is wanted though nothing lacks a name. */
  #isWanted({ index }: MappingRecord): boolean {
    const { identity = false, docUrl = '', sourceMap = [], repair = false } = this.#options;
    if (repair) return true;
    const wantsUrl = docUrl !== '' && this.#profile.docUrl === '';
    return index === 0 && ((identity && mayComment(this.#profile.comments)) || wantsUrl || sourceMap.length > 0);
  }

  /** Finds the mapping's binary and looks up what lacks names; gives the way to open that binary again. */
  async #match(work: MappingWork, outcome: MappingOutcome): Promise<ResolvedMapping['reopen']> {
    const { record, lacking, locations } = work;
    if (record === null) {
      if (lacking.length > 0) outcome.refused('not found', 'these addresses belong to no mapping of the profile', '');
      return null;
    }
    if (locations.length === 0) return null;
    if (lacking.length === 0 && record.hasFunctions && !this.#isWanted(record)) return null;
    const proven = await this.#ladder.climb(record, work, outcome);
    if (proven === LATE) outcome.late(TOO_LATE);
    if (proven === LATE || proven === null) return null;
    const { candidate, lease, verdict, evidence } = proven;
    this.used.push(candidate);
    candidate.wasUsed();
    try {
      outcome.accepted(candidate, verdict, evidence);
      if (record.index === 0) this.main = factsOf(proven);
      const { symbols } = lease.binary;
      if (candidate.build.length > 0 && symbols.isWorthIndexing && !symbols.hasIndex) {
        this.unindexed.add(candidate.build[0].key);
      }
      await this.#lookup(work, proven, outcome);
      if (this.#options.repair === true && verdict.lines) await this.#repair(work, proven, outcome);
      return () => candidate.lease();
    } finally {
      lease.release();
    }
  }

  /** Looks up what lacks names and keeps what may replace it. */
  async #lookup(work: MappingWork, { located, verdict }: Proven, outcome: MappingOutcome): Promise<void> {
    const profile = this.#profile;
    const { locations } = profile;
    const unknown: number[] = [];
    const inTime =
      (await this.#each(work.lacking, (location) => {
        const found = located.knownLines(profile, location, verdict.lines);
        if (found === undefined) unknown.push(location);
        else this.#replace(work, location, found, outcome);
      })) &&
      // In ascending order every page of a table and every unit of debug info is read once.
      (await this.#each(locations.byAddress(unknown), (location) => {
        this.#replace(work, location, located.lines(profile, location, verdict.lines), outcome);
      }));
    if (inTime) outcome.explainRest(profile, located);
    else outcome.late(TOO_LATE);
  }

  /** Visits locations until time is up; false when it was. */
  async #each(locations: readonly number[], visit: (location: number) => void): Promise<boolean> {
    let looked = 0;
    for (const location of locations) {
      if (++looked % LOOKUPS_PER_LOOK === 0 && (await this.#deadline.passed())) return false;
      visit(location);
    }
    return true;
  }

  /** The location gets the lines found when they may stand there. */
  #replace(work: MappingWork, location: number, found: number, outcome: MappingOutcome): void {
    const { table } = this.lines;
    const need = work.needs[location];
    if (found === NO_LINES || !mayReplace(this.#profile, location, need, table, found)) return;
    this.lines.set(location, found);
    outcome.replaced(location, need, table, found);
  }

  /** Gives named locations back what a client took from them. */
  async #repair(work: MappingWork, { located, isShifted }: Proven, outcome: MappingOutcome): Promise<void> {
    const repairer = new Repairer(this.#profile, located, isShifted);
    const { table } = this.lines;
    const inTime = await this.#each(work.locations, (location) => {
      const found = this.lines.has(location) ? null : repairer.at(location);
      if (found === null) return;
      const list = addFrames(table, found.frames);
      this.lines.set(location, list);
      outcome.repaired(found.damage, table, list);
    });
    if (!inTime) outcome.late(TOO_LATE);
  }
}

/** From the archive's records where there are some, else from the file; what is damaged there is not known. */
function factsOf({ candidate, located }: Proven): BuildFacts {
  const { object } = located.symbols;
  const ids = candidate.build[0]?.identity.ids ?? readable(() => object.ids);
  const archived = candidate.build.find(({ identity }) => identity.go !== null);
  return {
    name: candidate.name,
    buildId: ids?.gnu ?? ids?.uuid ?? ids?.pe ?? '',
    go: archived?.identity.go ?? readable(() => goBuild(object)),
  };
}

function readable<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (!isParseError(error)) throw error;
    return null;
  }
}

function withFilesMoved(raw: Uint8Array, main: BuildFacts | null, { sourceMap = [] }: OutputOptions): Uint8Array {
  if (sourceMap.length === 0) return raw;
  return renameFiles(Profile.scan(raw), new SourceMap(sourceMap).for(main?.go ?? null));
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

/** The reason of the mapping with most unnamed locations, as the tail of a sentence. */
function worstReason(outcomes: readonly MappingOutcome[]): string {
  const worst = outcomes.filter(({ left }) => left > 0).sort((a, b) => b.left - a.left)[0];
  return worst?.reason ? `: ${worst.reason}` : '';
}
