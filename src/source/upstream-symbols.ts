import { isTelling } from '../store/candidates.ts';
import type { ResolvedMapping, ResymOptions, Resymbolizer, ResymResult } from '../pipeline.ts';
import type { MappingReport } from '../rewrite/report.ts';
import type { Asked, Upstreams } from './upstreams.ts';

/** Below this there is no use in waiting: the profile has to be worked on once more. */
const WORTH_WAITING_MS = 100;
/** Of the time that is left, for working on it once more. */
const SHARE = 0.5;
/** How long a profile waits that nobody else waits for, ms. */
const NO_HURRY_MS = 120_000;

/**
 * An engine that asks upstream for the builds it lacks. A profile waits for them as long as its time allows, and is worked on again when one
 * has come; otherwise the fetch goes on for the next one.
 */
export class UpstreamSymbols implements Resymbolizer {
  readonly #engine: Resymbolizer;
  readonly #upstreams: Upstreams;

  constructor(engine: Resymbolizer, upstreams: Upstreams) {
    this.#engine = engine;
    this.#upstreams = upstreams;
  }

  async resymbolize(body: Uint8Array, options: ResymOptions = {}): Promise<ResymResult> {
    const result = await this.#engine.resymbolize(body, options);
    const wanted = wantedIds(result.report.mappings);
    if (wanted.length === 0) return result;
    const asking = wanted.map((id) => this.#upstreams.ask(id));
    const left = options.deadline === undefined ? NO_HURRY_MS : (options.deadline - performance.now()) * SHARE;
    if (left < WORTH_WAITING_MS) return withReasons(result, new Map());
    const asked = await within(Promise.all(asking), left, options.signal);
    if (asked === null) return withReasons(result, new Map());
    if (!asked.some(({ isThere }) => isThere))
      return withReasons(result, new Map(asked.map((one, i) => [wanted[i], one])));
    const again = await this.#engine.resymbolize(body, options);
    return withReasons(again, new Map(asked.map((one, i) => [wanted[i], one])));
  }

  symbolNames(
    mappings: readonly ResolvedMapping[],
    addresses: readonly bigint[],
    options?: ResymOptions,
  ): Promise<(string | null)[]> {
    return this.#engine.symbolNames(mappings, addresses, options);
  }
}

/** IDs of mappings with frames that lack a name; those that a linker gives to every build, and only such as others may know. */
export function wantedIds(mappings: readonly MappingReport[]): string[] {
  const wanted = mappings.filter((mapping) => mapping.unresolved.length > 0).map(gnuIdOf);
  return [...new Set(wanted)].filter((id) => id !== null);
}

/** 8 bytes at least: lld's shortest. Go's own ID is text, and no server files anything under it. */
function gnuIdOf({ buildId, file }: MappingReport): string | null {
  const id = buildId.toLowerCase();
  const isRegion = file.startsWith('[') || file.startsWith('//'); // the kernel's, or nobody's
  return /^(?:[0-9a-f]{2}){8,32}$/.test(id) && !isRegion && isTelling(id, file) ? id : null;
}

/** null when it takes longer, or nobody waits any more. */
async function within<T>(promise: Promise<T>, ms: number, signal: AbortSignal | undefined): Promise<T | null> {
  let stop: () => void = () => undefined;
  const late = new Promise<null>((resolve) => {
    const timer = setTimeout(() => resolve(null), ms);
    const leave = (): void => resolve(null);
    signal?.addEventListener('abort', leave, { once: true });
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', leave);
    };
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop();
  }
}

/** The result, saying of what is still missing where it was looked for. */
function withReasons(result: ResymResult, asked: ReadonlyMap<string, Asked>): ResymResult {
  const mappings = result.report.mappings.map((mapping) => {
    const id = mapping.unresolved.length > 0 ? gnuIdOf(mapping) : null;
    if (id === null) return mapping;
    const one = asked.get(id);
    if (one?.isThere === true) return mapping;
    const tail = one === undefined ? '; it is being asked for upstream, ask again' : `; and not at ${one.why}`;
    const unresolved = mapping.unresolved.map((each) => ({ ...each, reason: each.reason + tail }));
    return { ...mapping, reason: mapping.reason === '' ? '' : mapping.reason + tail, unresolved };
  });
  return { ...result, report: { ...result.report, mappings } };
}
