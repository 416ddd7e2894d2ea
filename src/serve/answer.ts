/** Bodies on their way to the client. */
import { once } from 'node:events';
import type { Response } from 'express';
import type { Status } from './enrich.ts';
import { exchangeOf } from './exchange.ts';
import { headerText } from './foreign.ts';

/** Proxies and clients take 8 KB of headers in all. */
const MAX_REASON = 400;

/** Resym-Status: what was done, and why not more. */
export function setStatus(res: Response, { status, reason }: Status): void {
  const exchange = exchangeOf(res);
  exchange.resymStatus = status;
  exchange.reason = reason;
  res.setHeader('Resym-Status', reason === '' ? status : `${status}; ${headerText(reason, MAX_REASON)}`);
}

/** Server-Timing (W3C): `decode;dur=1.2, symbolize;dur=30.5`, in ms. */
export function setTimings(res: Response): void {
  const entries = exchangeOf(res).timings.map(
    ({ stage, ms }) => `${stage.replace(/[^A-Za-z0-9_-]/g, '-')};dur=${ms.toFixed(1)}`,
  );
  if (entries.length > 0) res.setHeader('Server-Timing', entries.join(', '));
}

export function sendBody(res: Response, body: Uint8Array): void {
  exchangeOf(res).bytes += body.length;
  res.setHeader('Content-Length', body.length);
  res.end(body);
}

/** Passes a body on as it comes, no faster than the client reads. Rejects with ClientGone when the client leaves. */
export async function sendStream(
  res: Response,
  start: readonly Uint8Array[],
  rest: AsyncIterable<Uint8Array>,
): Promise<void> {
  const exchange = exchangeOf(res);
  const write = async (chunk: Uint8Array): Promise<void> => {
    exchange.signal.throwIfAborted();
    exchange.bytes += chunk.length;
    if (!res.write(chunk)) await drained(res, exchange.signal);
  };
  for (const chunk of start) await write(chunk);
  for await (const chunk of rest) await write(chunk);
  res.end();
}

async function drained(res: Response, signal: AbortSignal): Promise<void> {
  try {
    await once(res, 'drain', { signal });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}
