/**
 * The archive over HTTP.
 *
 *     PUT    /binaries, /binaries/<name>   a file in the body; ?name= ?buildId= ?sha256= say what it must be
 *     GET    /binaries                     all, or ?program= ?version= ?revision= ?id=; ?limit= ?after= page by page
 *     GET    /binaries/<id>                the files under an ID, content hash or path, or under the beginning of one
 *     DELETE /binaries/<id>                removes them
 */
import { rm } from 'node:fs/promises';
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { isSystemError, messageOf } from '../errors.ts';
import type { ListFilter } from '../store/filter.ts';
import type { AddResult, StoredBinary } from '../store/store.ts';
import type { ArchiveCalls } from '../workers/archive-thread.ts';
import { sendBody } from './answer.ts';
import { refuseBody } from './body.ts';
import { HttpProblem } from './errors.ts';
import { exchangeOf } from './exchange.ts';
import { loggedText } from './foreign.ts';
import { receive, type ReceiveLimits } from './receive.ts';

export interface BinariesContext {
  readonly archive: ArchiveCalls;
  readonly limits: ReceiveLimits;
  readonly logger: Logger;
  /** Told of every key that has got a new file. */
  readonly onAdded: (key: string) => void;
}

/** Each holds a connection and writes to the disk; the parsing after it is one at a time. */
const MAX_UPLOADS = 16;
/** More may wait: a release of a hundred programs comes at once. Shorter than clients wait for an answer. */
const MAX_WAITING = 500;
const WAIT_MS = 30_000;
/** Of a page, unless told, and at most. A binary's entry has some 1.5 KB. */
const PAGE = 500;
const MAX_PAGE = 5000;
const MAX_NAME = 255;

export class Binaries {
  readonly #context: BinariesContext;
  #uploads = 0;
  #waiting: (() => void)[] = [];

  constructor(context: BinariesContext) {
    this.#context = context;
  }

  readonly put = async (req: Request, res: Response): Promise<void> => {
    const { archive, limits } = this.#context;
    const exchange = exchangeOf(res);
    const claim = claimOf(req);
    if (/zstd/i.test(req.get('content-encoding') ?? '') && claim.sha256 === '') {
      refuseBody(req); // Node's decoder takes one that was cut off for whole
      throw new HttpProblem(400, 'a body in zstd needs ?sha256= of the file; gzip does not');
    }
    await this.#turn(exchange.signal);
    try {
      const path = await archive.incoming();
      const { sha256, sizeBytes } = await receive(req, path, limits, exchange.signal);
      try {
        if (claim.sha256 !== '' && claim.sha256 !== sha256)
          throw new HttpProblem(422, `the file has sha256 ${sha256}, not ${claim.sha256} as was said`);
        const result = await archive.add(path, { name: claim.name, received: sha256, expected: claim.buildId });
        this.#added(req, res, result, sizeBytes);
        sendJson(res, result.outcome === 'added' ? 201 : 200, result);
      } finally {
        await rm(path, { force: true }); // the store has taken it over; if its thread has died, nobody has
      }
    } catch (error) {
      this.#audit(req, res, { audit: 'upload', name: claim.name, outcome: 'refused', problem: messageOf(error) });
      refuseBody(req);
      throw problemOf(error);
    } finally {
      this.#uploads--;
      this.#waiting.shift()?.();
    }
  };

  /** Until fewer uploads are under way: what waits has sent next to nothing. Throws HttpProblem 503 when that takes long. */
  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#uploads >= MAX_UPLOADS) {
      const isMyTurn = this.#waiting.length < MAX_WAITING && (await this.#waited(signal));
      if (!isMyTurn)
        throw new HttpProblem(503, 'many uploads are under way; try again in a moment', { 'Retry-After': '5' });
    }
    this.#uploads++;
  }

  #waited(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (isMyTurn: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', gone);
        this.#waiting = this.#waiting.filter((other) => other !== turn);
        resolve(isMyTurn);
      };
      const turn = (): void => end(true);
      const gone = (): void => end(false);
      const timer = setTimeout(gone, WAIT_MS);
      signal.addEventListener('abort', gone, { once: true });
      this.#waiting.push(turn);
    });
  }

  #added(req: Request, res: Response, { others = [], ...first }: AddResult, sizeBytes: number): void {
    for (const { binary, outcome } of [first, ...others]) {
      const { key, name, sha256 } = binary;
      this.#audit(req, res, { audit: 'upload', key, name, sha256, bytes: sizeBytes, outcome });
      if (outcome !== 'already-there') this.#context.onAdded(key);
    }
  }

  readonly list = async (req: Request, res: Response): Promise<void> => {
    const query = queryOf(req);
    const filter: Record<string, string> = {};
    for (const name of ['program', 'version', 'revision', 'id'] as const satisfies readonly (keyof ListFilter)[]) {
      const value = query.get(name);
      if (value !== null && value !== '') filter[name] = value;
    }
    const limit = numberOf(query.get('limit'), PAGE, MAX_PAGE);
    try {
      const page = await this.#context.archive.page(filter, query.get('after') ?? '', limit);
      if (page.next !== null) {
        query.set('after', page.next);
        res.setHeader('Link', `</binaries?${query.toString()}>; rel="next"`);
      }
      sendJson(res, 200, page);
    } catch (error) {
      throw problemOf(error);
    }
  };

  readonly get = async (req: Request, res: Response): Promise<void> => {
    const id = idOf(req);
    sendJson(res, 200, { binaries: found(id, await this.#ask(() => this.#context.archive.select(id))) });
  };

  readonly remove = async (req: Request, res: Response): Promise<void> => {
    const id = idOf(req);
    const removed = found(id, await this.#ask(() => this.#context.archive.remove(id)));
    for (const { key, name, sha256, path } of removed)
      this.#audit(req, res, { audit: 'delete', key, name, sha256, path });
    sendJson(res, 200, { removed });
  };

  async #ask<Value>(act: () => Promise<Value>): Promise<Value> {
    try {
      return await act();
    } catch (error) {
      throw problemOf(error);
    }
  }

  /** Who changed what in the archive: one line each, also for what was refused. */
  #audit(req: Request, res: Response, what: Readonly<Record<string, unknown>>): void {
    const { caller } = exchangeOf(res);
    const said = Object.entries(what).map(([key, value]) => [
      key,
      typeof value === 'string' ? loggedText(value) : value,
    ]);
    this.#context.logger.info(
      { ...(Object.fromEntries(said) as object), caller, address: req.socket.remoteAddress },
      'archive',
    );
  }
}

interface Claim {
  readonly name: string;
  /** Any ID it must have; "" when nothing was said. */
  readonly buildId: string;
  readonly sha256: string;
}

/** Throws HttpProblem. */
function claimOf(req: Request): Claim {
  const query = queryOf(req);
  const { name: last } = req.params;
  const name = query.get('name') ?? (typeof last === 'string' ? last : '');
  // eslint-disable-next-line no-control-regex
  if (name.length > MAX_NAME || /[/\\\u0000-\u001f\u007f]/.test(name) || name === '.' || name === '..')
    throw new HttpProblem(400, `a name is a file's name, without directories, of at most ${MAX_NAME} characters`);
  const sha256 = (query.get('sha256') ?? '').toLowerCase();
  if (sha256 !== '' && !/^[0-9a-f]{64}$/.test(sha256)) throw new HttpProblem(400, 'sha256 wants 64 hex digits');
  return { name, sha256, buildId: query.get('buildId') ?? '' };
}

function queryOf(req: Request): URLSearchParams {
  const at = req.originalUrl.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : req.originalUrl.slice(at));
}

function idOf(req: Request): string {
  const { id } = req.params;
  return Array.isArray(id) ? id.join('/') : String(id);
}

function numberOf(text: string | null, otherwise: number, max: number): number {
  if (text === null) return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max) throw new HttpProblem(400, `limit wants 1 to ${max}`);
  return value;
}

function found(id: string, binaries: readonly StoredBinary[]): readonly StoredBinary[] {
  if (binaries.length > 0) return binaries;
  throw new HttpProblem(404, `no binary in the archive has an ID that begins with ${JSON.stringify(id.slice(0, 200))}`);
}

/** By StoreError.code, also of one that came from another thread. */
const STATUS: Readonly<Record<string, number>> = {
  'ambiguous-id': 409,
  'invalid-id': 400,
  'not-an-object': 422,
  'no-symbols': 422,
  'not-as-said': 422,
  'no-store': 503,
  'read-only': 503,
  ENOSPC: 507,
  EDQUOT: 507,
};

function problemOf(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof HttpProblem || !('code' in error)) return error;
  const status = STATUS[String(error.code)];
  if (status !== undefined) return new HttpProblem(status, messageOf(error));
  return isSystemError(error) ? new HttpProblem(503, `the archive cannot be used: ${messageOf(error)}`) : error;
}

function sendJson(res: Response, status: number, value: unknown): void {
  res.status(status);
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  sendBody(res, Buffer.from(`${JSON.stringify(value)}\n`));
}
