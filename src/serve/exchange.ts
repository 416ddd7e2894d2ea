import type { Response } from 'express';
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';

/** The client closed its connection: nobody is there to be answered. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/** One request and its answer, and what is known of it while it lasts. */
export class Exchange {
  /** Aborted with ClientGone when the client leaves before it has its answer. */
  readonly signal: AbortSignal;
  /** Which part of the server took it, for metrics: a word out of a few. */
  route = 'other';
  target: string | null = null;
  /** Who asked, as the configuration names them; "" for nobody in particular. */
  caller = '';
  upstreamStatus: number | null = null;
  /** UpstreamError's code. */
  upstreamError: string | null = null;
  resymStatus: string | null = null;
  reason: string | null = null;
  error: string | null = null;
  bytes = 0;
  readonly timings: { readonly stage: string; readonly ms: number }[] = [];
  readonly #log: Logger;

  constructor(res: Response, log: Logger) {
    this.#log = log;
    const left = new AbortController();
    this.signal = left.signal;
    res.once('close', () => {
      if (!res.writableFinished) left.abort(new ClientGone('the client closed its connection'));
    });
  }

  /** Something that should not happen: the client gets its answer, we get the stack. */
  defect(error: unknown): void {
    this.error ??= messageOf(error);
    this.#log.error({ err: error, target: this.target }, 'defect');
  }
}

const exchanges = new WeakMap<Response, Exchange>();

export function openExchange(res: Response, log: Logger): Exchange {
  const exchange = new Exchange(res, log);
  exchanges.set(res, exchange);
  return exchange;
}

export function exchangeOf(res: Response): Exchange {
  const exchange = exchanges.get(res);
  if (exchange === undefined) throw new Error('the response has no exchange: recordExchange is not the first handler');
  return exchange;
}
