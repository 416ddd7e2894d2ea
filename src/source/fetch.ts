import type { Dispatcher } from 'undici';
import { messageOf, UpstreamError } from '../errors.ts';
import type { Target } from './target.ts';

export interface TargetRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  /** Below the target's base path: begins with "/", percent-encoded, with its query. */
  readonly path: string;
  /** The client's headers that are passed on; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The client's Authorization, sent on only where the target is configured so. */
  readonly authorization?: string | undefined;
  readonly body?: Uint8Array;
  /** Until the response begins and between two pieces of it, ms. */
  readonly silenceMs: number;
  /** Cancels the request and its body. An UpstreamError as its reason is thrown as it is. */
  readonly signal: AbortSignal;
}

export interface TargetResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /**
   * The body as it was sent, Content-Encoding included. Throws UpstreamError when it breaks off, the signal's reason when it
   * was cancelled. Leaving the loop early closes the connection.
   */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Lets go of a body nobody wants. */
  discard(): void;
}

/**
 * Sends one request to a target. Nothing is followed, decompressed, repeated or cached: what comes is what the target sent.
 * Throws UpstreamError, or the signal's reason when it was cancelled.
 */
export async function fetchFrom(target: Target, request: TargetRequest): Promise<TargetResponse> {
  const { method, path, headers, authorization, body, silenceMs, signal } = request;
  let response: Dispatcher.ResponseData;
  try {
    const dispatcher = await target.dispatcher();
    response = await dispatcher.request({
      origin: target.origin,
      path: target.basePath + path,
      method,
      // Asked for as it is: a middlebox that compresses a profile again makes work for both ends.
      headers: { ...target.headers(headers ?? {}, authorization), 'accept-encoding': 'identity' },
      body: body ?? null,
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
      signal,
    });
  } catch (error) {
    throw upstreamError(error, target, signal);
  }
  return {
    status: response.statusCode,
    headers: response.headers,
    chunks: readChunks(response.body, target, signal),
    discard: () => {
      // The dump of a body that is cut off rejects; nobody is left to care.
      response.body.dump().catch(() => undefined);
    },
  };
}

async function* readChunks(
  body: Dispatcher.ResponseData['body'],
  target: Target,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of body) yield chunk as Buffer;
  } catch (error) {
    throw upstreamError(error, target, signal);
  }
}

/** What went wrong, in a sentence that names the target and no credentials. */
function upstreamError(error: unknown, target: Target, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const who = `target ${target.name} (${target.label})`;
  const fail = (code: UpstreamError['code'], what: string): UpstreamError =>
    new UpstreamError(code, `${who} ${what}`, { cause: error });
  const code = codeOf(error);
  switch (code) {
    case 'ECONNREFUSED':
      return fail('upstream-refused', 'refuses connections: is it running, and does it listen there?');
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
    case 'EAI_NODATA':
      return fail('upstream-refused', `cannot be found: the name does not resolve (${code})`);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ENOENT':
    case 'EACCES':
    case 'EPERM':
      return fail('upstream-refused', `cannot be reached (${code})`);
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return fail('upstream-timeout', 'does not accept the connection in time');
    case 'UND_ERR_HEADERS_TIMEOUT':
      return fail('upstream-timeout', 'took the request and did not answer in time');
    case 'UND_ERR_BODY_TIMEOUT':
      return fail('upstream-timeout', 'began its answer and then fell silent');
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return fail('upstream-broken', 'closed the connection before its answer was complete');
    case 'UND_ERR_HEADERS_OVERFLOW':
      return fail('upstream-broken', 'answers with more headers than can be read');
  }
  // undici 7 gives its parser's errors the code undefined
  if (error instanceof Error && error.name === 'HTTPParserError')
    return fail('upstream-broken', 'does not speak HTTP as it should');
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code.includes('CERT') || code.includes('SIGNATURE'))
    return fail('upstream-refused', `fails the TLS handshake: ${messageOf(error)} (${code})`);
  if (code !== '') return fail('upstream-broken', `failed: ${messageOf(error)} (${code})`);
  return error; // no code: not the network's, and to be seen as what it is
}

/** The system's or the library's code: of the error, or of what lies behind it. "" without one. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const own = 'code' in error && typeof error.code === 'string' ? error.code : '';
  // With several addresses for a name the failures come as one error that holds them.
  if (own === '' && error instanceof AggregateError) return codeOf(error.errors[0]);
  const behind = codeOf(error.cause);
  return own === '' || (own === 'UND_ERR_SOCKET' && behind !== '') ? behind || own : own;
}
