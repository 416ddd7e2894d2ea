/**
 * Errors as net/http/pprof itself sends them. pprof shows the body of a failed request only when X-Go-Pprof is there and the
 * type is text/plain; otherwise its user sees a bare status.
 */
import type { IncomingMessage } from 'node:http';
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import { messageOf, UpstreamError } from '../errors.ts';
import { exchangeOf } from './exchange.ts';
import { lineText } from './foreign.ts';

/** A request that cannot be served, and what to tell its sender. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

const MAX_MESSAGE = 2000;

export function sendError(res: Response, status: number, message: string, headers: Record<string, string> = {}): void {
  const isSending = isStillSending(res.req);
  const body = Buffer.from(`${lineText(message, MAX_MESSAGE)}\n`);
  for (const name of res.getHeaderNames()) if (name !== 'connection') res.removeHeader(name);
  res.writeHead(status, {
    ...headers,
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'X-Go-Pprof': '1',
    'Content-Length': body.length,
    ...(isSending && { Connection: 'close' }),
  });
  exchangeOf(res).bytes += body.length;
  if (isSending) linger(res, body);
  else res.end(body);
}

/** A body up to this size is on its way as a whole; nobody waits with it for an answer. */
const SMALL_BODY_BYTES = 64 * 1024;
/** How long a client that was refused may go on sending before it is cut off, ms: it may look at its answer only now and then. */
export const LINGER_MS = 5000;

function isStillSending(req: IncomingMessage): boolean {
  if (req.complete || req.destroyed) return false;
  return (
    req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > SMALL_BODY_BYTES
  );
}

/**
 * Ends an answer only when the request has ended, or time is up: a connection that is closed under a client that is still sending makes
 * the system throw away the answer.
 */
function linger(res: Response, body: Buffer): void {
  const { req } = res;
  const end = (): void => {
    clearTimeout(timer);
    req.off('end', end).off('close', end);
    res.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  req.on('end', end).on('close', end).on('error', end);
  res.write(body);
  req.resume();
}

/** Answers with 405 and what is allowed. */
export function refuseMethod(req: Request, res: Response, ...allowed: string[]): void {
  req.resume(); // what it may have sent is read, or the connection would end before it reads the answer
  sendError(res, 405, `${req.method} is not allowed here`, { Allow: allowed.join(', ') });
}

/** Answers every request with 405. */
export function methodNotAllowed(...allowed: string[]): RequestHandler {
  return (req, res) => refuseMethod(req, res, ...allowed);
}

/** The last handler: anything thrown becomes an answer, or the end of one that has begun. */
export const answerError: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
  const exchange = exchangeOf(res);
  if (exchange.signal.aborted) return;
  const { status, message, headers } = describe(error);
  if (status === 500) exchange.defect(error);
  else exchange.error = message;
  if (error instanceof UpstreamError) exchange.upstreamError = error.code;
  // Half an answer must not pass for a whole one: the connection breaks, and the client knows.
  if (res.headersSent) res.destroy();
  else sendError(res, status, message, headers);
};

function describe(error: unknown): { status: number; message: string; headers?: Record<string, string> } {
  if (error instanceof HttpProblem) return error;
  if (error instanceof UpstreamError)
    return { status: error.code === 'upstream-timeout' ? 504 : 502, message: error.message };
  // express's own, for a URL with a broken percent encoding
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
  if (status >= 400 && status < 500) return { status, message: messageOf(error) };
  return { status: 500, message: 'resym failed at this request; its log says how' };
}
