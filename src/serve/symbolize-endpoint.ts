/** POST /symbolize and POST /explain: a profile in the body; the enriched one, or the report on it, back. */
import type { Request, Response } from 'express';
import { messageOf } from '../errors.ts';
import { withoutEncoding } from '../source/encoding.ts';
import { sendBody, setStatus, setTimings } from './answer.ts';
import { readRequestBody } from './body.ts';
import { enrich, type Outcome, statusOf } from './enrich.ts';
import { HttpProblem } from './errors.ts';
import { exchangeOf } from './exchange.ts';
import type { ProxyContext } from './proxy.ts';

export async function serveSymbolize(context: ProxyContext, req: Request, res: Response): Promise<void> {
  const { body, outcome } = await enrichUpload(context, req, res, false);
  setStatus(res, statusOf(outcome, context.limits.uploadBudgetMs));
  setTimings(res);
  res.setHeader('Content-Type', 'application/octet-stream');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  sendBody(res, outcome.kind === 'done' ? outcome.result.body : body);
}

export async function serveExplain(context: ProxyContext, req: Request, res: Response): Promise<void> {
  const { outcome } = await enrichUpload(context, req, res, true);
  const { uploadBudgetMs } = context.limits;
  if (outcome.kind !== 'done') throw new HttpProblem(503, statusOf(outcome, uploadBudgetMs).reason);
  setStatus(res, statusOf(outcome, uploadBudgetMs));
  setTimings(res);
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  sendBody(res, Buffer.from(`${JSON.stringify(outcome.result.report)}\n`));
}

/** Throws HttpProblem for a body that is no profile, or too large for one. */
async function enrichUpload(
  { resymbolizer, limits, output }: ProxyContext,
  req: Request,
  res: Response,
  weigh: boolean,
): Promise<{ body: Uint8Array; outcome: Outcome }> {
  const exchange = exchangeOf(res);
  const received = await readRequestBody(req, limits.maxProfileBytes);
  if (received.length === 0) throw new HttpProblem(400, 'the body is empty; send a pprof profile');
  const body = await withoutEncoding(received, req.get('content-encoding'), limits.maxProfileBytes);
  if (body === null)
    throw new HttpProblem(415, 'the body has a Content-Encoding that is not understood, or is damaged', {
      'Accept-Encoding': 'gzip, identity',
    });
  const { uploadBudgetMs: budgetMs } = limits;
  const outcome = await enrich(resymbolizer, body, { budgetMs, signal: exchange.signal, output, weigh });
  if (outcome.kind === 'refused') {
    const { error } = outcome;
    throw new HttpProblem(error.code === 'limit' ? 413 : 400, `the body is no profile: ${messageOf(error)}`);
  }
  if (outcome.kind === 'failed') exchange.defect(outcome.error);
  else if (outcome.kind === 'done') exchange.timings.push(...outcome.result.timings);
  return { body, outcome };
}
