/**
 * A target's /debug/pprof or /pprof through resym: profiles enriched, everything else as it came.
 *
 *     request ─► checked path ─► target ─┬─ not 2xx, no profile ──────────► streamed, byte for byte
 *                                        ├─ larger than the limit ────────► streamed, Resym-Status says why
 *                                        └─ profile, held ─► engine ─┬────► enriched
 *                                                                    └─ too late, refused, failed ─► the original
 *
 * Profiles of gperftools and its like (legacy/) become protobuf. Text that Go writes for people stays text: whatever was asked
 * for with debug=1 or more, and Go's own formats however they were asked for.
 *
 * The client leaving cancels the request to the target, which frees its CPU profiler at once.
 */
import type { Request, Response } from 'express';
import { UpstreamError } from '../errors.ts';
import type { OutputOptions, Resymbolizer } from '../pipeline.ts';
import { isCutShort, withoutEncoding } from '../source/encoding.ts';
import { fetchFrom, type TargetResponse } from '../source/fetch.ts';
import { hold } from '../source/hold.ts';
import { patienceFor } from '../source/patience.ts';
import type { Target } from '../source/target.ts';
import { sendBody, sendStream, setStatus, setTimings } from './answer.ts';
import { enrich, type Outcome, statusOf } from './enrich.ts';
import { HttpProblem } from './errors.ts';
import { type Exchange, exchangeOf } from './exchange.ts';
import type { Limits } from './limits.ts';
import { checkPath, type Mount, rewriteLocation, splitUrl } from './prefix.ts';
import { copyHeaders, copyProfileHeaders, headerOf } from './response-headers.ts';
import type { SymbolMemory } from './symbol-memory.ts';

export interface ProxyContext {
  readonly resymbolizer: Resymbolizer;
  readonly symbols: SymbolMemory;
  readonly limits: Limits;
  /** What is written beside the names, for targets that say nothing else. */
  readonly output: OutputOptions;
  /** This server's name in Via headers, different in every process. */
  readonly via: string;
}

/** The client's headers that mean something to the target. */
const PASSED_ON = ['accept', 'accept-language', 'user-agent', 'traceparent', 'tracestate', 'x-request-id'];

/** Among the 2xx: No Content, Reset Content. */
const WITHOUT_BODY = new Set([204, 205]);

/** Serves one GET or HEAD. `req.url` is the path below `mount`. */
export async function proxy(
  context: ProxyContext,
  target: Target,
  mount: Mount,
  req: Request,
  res: Response,
): Promise<void> {
  const { path, query } = splitUrl(req.url);
  checkPath(path);
  const via = req.get('via') ?? '';
  if (via.includes(context.via)) throw new HttpProblem(508, `target ${target.name} leads back to this resym`);

  const exchange = exchangeOf(res);
  const { silenceMs, totalMs } = patienceFor(query, context.limits.patienceMs, context.limits.transferMs);
  const upstream = new AbortController();
  const cancel = (): void => upstream.abort(exchange.signal.reason);
  if (exchange.signal.aborted) cancel();
  exchange.signal.addEventListener('abort', cancel, { once: true });

  const askedAt = performance.now();
  const response = await fetchFrom(target, {
    method: req.method === 'HEAD' ? 'HEAD' : 'GET',
    path: path + query,
    headers: { ...pick(req), via: via === '' ? context.via : `${via}, ${context.via}` },
    authorization: req.get('authorization'),
    silenceMs,
    signal: upstream.signal,
  });
  exchange.upstreamStatus = response.status;
  res.status(response.status);
  const location = headerOf(response.headers, 'location');
  const answered =
    location === undefined ? response : withLocation(response, rewriteLocation(location, target, path, mount));

  if (req.method === 'HEAD') {
    response.discard();
    // How long the body would be is known only when it was made.
    copyHeaders(answered.headers, res, ['content-length']);
    res.end();
    return;
  }
  if (response.status < 200 || response.status > 299 || WITHOUT_BODY.has(response.status)) {
    copyHeaders(answered.headers, res);
    await sendStream(res, [], response.chunks);
    return;
  }

  const tooSlow = setTimeout(() => upstream.abort(tooSlowError(target, totalMs)), totalMs);
  try {
    const held = await hold(response.chunks, context.limits.maxProfileBytes, !isForPeople(query));
    clearTimeout(tooSlow);
    if (held.kind === 'profile') {
      exchange.timings.push({ stage: 'upstream', ms: performance.now() - askedAt });
      await answerProfile(context, target, answered, held.body, res);
      return;
    }
    copyHeaders(answered.headers, res);
    if (held.kind === 'too-large') {
      const reason = `larger than the limit of ${context.limits.maxProfileBytes} bytes`;
      setStatus(res, { status: 'unchanged', reason });
    }
    await sendStream(res, held.start, held.rest);
  } finally {
    clearTimeout(tooSlow);
  }
}

/** The whole body is here; it is a profile, or so short or odd that only the engine can tell. */
async function answerProfile(
  { resymbolizer, symbols, limits, output }: ProxyContext,
  target: Target,
  response: TargetResponse,
  received: Uint8Array,
  res: Response,
): Promise<void> {
  const exchange = exchangeOf(res);
  refuseEmpty(target, response, received);
  const body = await withoutEncoding(received, headerOf(response.headers, 'content-encoding'), limits.maxProfileBytes);
  if (body === null || received.length === 0) {
    copyHeaders(response.headers, res);
    if (body === null) setStatus(res, { status: 'unchanged', reason: 'its Content-Encoding cannot be read' });
    sendBody(res, received);
    return;
  }
  const outcome = await enrich(resymbolizer, body, {
    budgetMs: limits.budgetMs,
    signal: exchange.signal,
    pinned: target.binaries,
    affinity: target.name,
    output: { ...output, ...target.output },
    onResult: ({ mappings }) => symbols.remember(target.name, mappings),
  });
  if (outcome.kind === 'refused' && (await isCutShort(body, limits.maxRawBytes)))
    throw new UpstreamError(
      'upstream-broken',
      `target ${target.name} (${target.label}) sent a profile that is cut short`,
    );

  note(exchange, outcome);
  if (outcome.kind === 'refused') copyHeaders(response.headers, res);
  else copyProfileHeaders(response.headers, res);
  setStatus(res, statusOf(outcome, limits.budgetMs));
  setTimings(res);
  // What is no profile keeps its encoding: it is sent as it came, headers and all.
  sendBody(res, outcome.kind === 'done' ? outcome.result.body : outcome.kind === 'refused' ? received : body);
}

/** Keeps the engine's timings; a defect goes to the log. */
function note(exchange: Exchange, outcome: Outcome): void {
  if (outcome.kind === 'done') exchange.timings.push(...outcome.result.timings);
  if (outcome.kind === 'failed') exchange.defect(outcome.error);
}

/** Shorter than any gzip, any profile: scrapers must not take it for one. */
const MIN_PROFILE_BYTES = 3;

function refuseEmpty(target: Target, { status, headers }: TargetResponse, body: Uint8Array): void {
  const type = headerOf(headers, 'content-type') ?? '';
  if (status !== 200 || body.length >= MIN_PROFILE_BYTES || !type.startsWith('application/octet-stream')) return;
  const size = body.length === 0 ? 'an empty body' : `${body.length} bytes`;
  throw new UpstreamError('upstream-broken', `target ${target.name} (${target.label}) sent ${size} for a profile`);
}

/** Go's debug=1 and debug=2: text to be read, also where a program could. */
function isForPeople(query: string): boolean {
  return Number(new URLSearchParams(query).get('debug') ?? 0) > 0;
}

function tooSlowError(target: Target, totalMs: number): UpstreamError {
  const seconds = Math.ceil(totalMs / 1000);
  return new UpstreamError(
    'upstream-timeout',
    `target ${target.name} (${target.label}) did not finish its answer within ${seconds} s`,
  );
}

function withLocation(response: TargetResponse, location: string): TargetResponse {
  return { ...response, headers: { ...response.headers, location } };
}

function pick(req: Request): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = req.get(name);
    if (value !== undefined) picked[name] = value;
  }
  return picked;
}
