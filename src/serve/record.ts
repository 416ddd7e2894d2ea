import type { Request, RequestHandler } from 'express';
import type { Logger } from 'pino';
import { openExchange, type Exchange } from './exchange.ts';
import { lineText, loggedUrl } from './foreign.ts';
import type { Metrics } from './metrics.ts';

/** The first handler: opens the exchange, and logs and counts it at its end. */
export function recordExchange(log: Logger, metrics: Metrics): RequestHandler {
  return (req, res, next) => {
    const startedAt = performance.now();
    const exchange = openExchange(res, log);
    res.once('close', () => {
      const ms = performance.now() - startedAt;
      const status = exchange.signal.aborted && !res.headersSent ? CLIENT_CLOSED : res.statusCode;
      metrics.exchange(exchange, status, ms);
      writeLine(log, req, exchange, status, ms);
    });
    next();
  };
}

/** nginx's number for a client that left; never sent. */
const CLIENT_CLOSED = 499;

/** Of a reason or an error in the log. */
const MAX_TEXT = 1000;

/** Probes and scrapes would drown the rest. */
const QUIET_ROUTES = new Set(['health', 'metrics']);

function writeLine(log: Logger, req: Request, exchange: Exchange, status: number, ms: number): void {
  const { route, target, caller, upstreamStatus, resymStatus, reason, error, bytes, timings, signal } = exchange;
  const fields = {
    method: req.method,
    url: loggedUrl(req.originalUrl),
    status,
    bytes,
    ms: round(ms),
    ...(caller !== '' && { caller: lineText(caller, MAX_TEXT) }),
    ...(target !== null && { target }),
    ...(upstreamStatus !== null && { upstreamStatus }),
    ...(resymStatus !== null && { resym: resymStatus }),
    ...(reason !== null && reason !== '' && { reason: lineText(reason, MAX_TEXT) }),
    ...(error !== null && { error: lineText(error, MAX_TEXT) }),
    ...(signal.aborted && { clientLeft: true }),
    ...(timings.length > 0 && { stages: Object.fromEntries(timings.map(({ stage, ms }) => [stage, round(ms)])) }),
  };
  if (status >= 500) log.warn(fields, 'request');
  else if (QUIET_ROUTES.has(route)) log.debug(fields, 'request');
  else log.info(fields, 'request');
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
