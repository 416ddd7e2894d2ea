/**
 * How long a request to a target may take.
 *
 * pprof waits 1.5 times the `seconds` it asks for, or 60 s, and then 5 s; it cancels by itself, and that cancels the request to
 * the target. What is allowed here is for clients without such a clock: a little less than pprof's own limit where no
 * `seconds` is named, so that pprof shows the reason, and generous where it is: a service in trouble may need long to answer.
 */

export interface Patience {
  /** Until the response begins and between two pieces of it, ms. */
  readonly silenceMs: number;
  /** For a whole profile, ms. What is only passed on has no such limit: a client may watch a trace for hours. */
  readonly totalMs: number;
}

/** Longer than any profile that is meant. An hour of CPU profile is some 20 MB. */
const MAX_SECONDS = 6 * 3600;

/**
 * @param query as in the URL, with or without "?"
 * @param baseMs silence beyond what `seconds` explains
 * @param transferMs from a profile's first byte to its last
 */
export function patienceFor(query: string, baseMs: number, transferMs: number): Patience {
  const asked = Number(new URLSearchParams(query).get('seconds') ?? 0);
  const seconds = asked > 0 ? Math.min(asked, MAX_SECONDS) : 0;
  const silenceMs = Math.ceil(1.5 * seconds * 1000) + baseMs;
  return { silenceMs, totalMs: silenceMs + transferMs };
}
