/**
 * The archive as a debuginfod server (debuginfod(8)), for gdb, delve, elfutils, another resym:
 *
 *     GET /buildid/<id>/debuginfo         the file of that GNU build ID that has debug info
 *     GET /buildid/<id>/executable        the one that has code
 *     GET /buildid/<id>/section/<name>    a section's bytes as they are in the file
 *     GET /buildid/<id>/source/...        404: no sources are kept
 *
 * Files are sent as they lie on the disk, whole, from an offset on, or a range of them.
 */
import { createReadStream } from 'node:fs';
import type { Request, Response } from 'express';
import type { BinaryQuery, StoredBinary } from '../store/store.ts';
import type { ArchiveCalls, Extent, Located } from '../workers/archive-thread.ts';
import { Deadline, LATE } from '../deadline.ts';
import type { FileKind } from '../source/debuginfod.ts';
import type { Upstreams } from '../source/upstreams.ts';
import { sendStream } from './answer.ts';
import { HttpProblem } from './errors.ts';
import { headerText } from './foreign.ts';

/** What a GNU build ID is made of; elfutils asks for no other. */
const BUILD_ID = /^(?:[0-9a-f]{2}){2,64}$/;

/** The content of an ID may be completed any time; a day is what clients keep a file unasked anyway. */
const MAX_AGE_S = 3600;

const PIECE_BYTES = 256 * 1024;
/** Each is a request. */
const REMOTE_PIECE_BYTES = 4 * 1024 * 1024;

/** How long a client is kept waiting for what is being fetched, ms: gdb's and elfutils' own patience is 90 s. */
const WAIT_MS = 80_000;

/** Debuginfod servers, and the archive that what they had goes to. */
export interface Elsewhere {
  readonly upstreams: Upstreams;
  readonly archive: ArchiveCalls;
}

/** With the archive it is in. */
interface Shelved extends Located {
  readonly archive: ArchiveCalls;
}

export class BuildIds {
  readonly #archive: ArchiveCalls;
  readonly #elsewhere: Elsewhere | null;

  /** @param elsewhere whom to ask for what the archive lacks */
  constructor(archive: ArchiveCalls, elsewhere: Elsewhere | null = null) {
    this.#archive = archive;
    this.#elsewhere = elsewhere;
  }

  readonly debuginfo = async (req: Request, res: Response): Promise<void> => {
    const id = idOf(req);
    const file = await this.#fileOf(req, id, 'debuginfo', ({ binary }) => hasDebugInfo(binary));
    if (file === undefined) throw none(id, 'debug info');
    await this.#send(req, res, file);
  };

  readonly executable = async (req: Request, res: Response): Promise<void> => {
    const id = idOf(req);
    const file = await this.#fileOf(req, id, 'executable', ({ binary }) => !binary.debugOnly);
    if (file === undefined) throw none(id, 'executable');
    await this.#send(req, res, file);
  };

  /** From the debug info where it has bytes of it, else from the executable: as debuginfod does. */
  readonly section = async (req: Request, res: Response): Promise<void> => {
    const id = idOf(req);
    const name = String(req.params['section']);
    for (const kind of [null, 'debuginfo', 'executable'] as const) {
      if (kind !== null && !(await this.#fetched(req, id, kind))) continue;
      for (const located of await this.#filesOf(id, kind === null ? this.#archive : this.#elsewhere!.archive)) {
        const extent = await located.archive.section(located.binary, name);
        if (extent !== null) return this.#send(req, res, located, { name, extent });
      }
    }
    throw none(id, `section ${JSON.stringify(name.slice(0, 100))}`);
  };

  readonly source = (req: Request): void => {
    throw none(idOf(req), 'source file: this server keeps binaries only');
  };

  /** From the archive, or else from upstream. */
  async #fileOf(
    req: Request,
    id: string,
    kind: FileKind,
    isWanted: (located: Located) => boolean,
  ): Promise<Shelved | undefined> {
    const own = (await this.#filesOf(id, this.#archive)).find(isWanted);
    if (own !== undefined || !(await this.#fetched(req, id, kind))) return own;
    return (await this.#filesOf(id, this.#elsewhere!.archive)).find(isWanted);
  }

  /** True when upstream had it. Throws HttpProblem 503 when it takes longer than clients wait. */
  async #fetched(req: Request, id: string, kind: FileKind): Promise<boolean> {
    const headers = this.#elsewhere?.upstreams.hops.handedOn(req.get('via'), req.get('x-forwarded-for')) ?? null;
    if (this.#elsewhere === null || headers === null) return false;
    const asked = this.#elsewhere.upstreams.ask(id, [kind], headers);
    const answer = await new Deadline(performance.now() + WAIT_MS).race(asked);
    if (answer === LATE)
      throw new HttpProblem(503, `build ID ${id} is being fetched; ask again in a moment`, { 'Retry-After': '10' });
    return answer.isThere;
  }

  /** Those with debug info first. */
  async #filesOf(id: string, archive: ArchiveCalls): Promise<Shelved[]> {
    const query: BinaryQuery = { gnu: id };
    const found = (await archive.find(query)).filter(({ binary }) => binary.identity.ids.gnu === id);
    found.sort((a, b) => Number(hasDebugInfo(b.binary)) - Number(hasDebugInfo(a.binary)));
    return found.map((located) => ({ ...located, archive }));
  }

  async #send(req: Request, res: Response, located: Shelved, part?: { name: string; extent: Extent }): Promise<void> {
    const { binary, file, archive } = located;
    const { offset, size } = part?.extent ?? { offset: 0, size: binary.sizeBytes };
    const etag = `"${binary.sha256 ?? binary.version}${part === undefined ? '' : `-${encodeURIComponent(part.name)}`}"`;
    res.setHeader('Content-Type', 'application/octet-stream');
    res.setHeader('X-Content-Type-Options', 'nosniff');
    res.setHeader('Accept-Ranges', 'bytes');
    res.setHeader('ETag', etag);
    res.setHeader('Last-Modified', new Date(binary.addedAt).toUTCString());
    res.setHeader('Cache-Control', `private, max-age=${MAX_AGE_S}`);
    res.setHeader('X-DEBUGINFOD-SIZE', size);
    res.setHeader('X-DEBUGINFOD-FILE', headerText(binary.name, 200));
    if (req.fresh) {
      res.status(304).end();
      return;
    }
    const range = rangeOf(req, size, etag);
    if (range === 'unsatisfiable') {
      res.setHeader('Content-Range', `bytes */${size}`);
      res.status(416).end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: size - 1 };
    res.status(range === null ? 200 : 206);
    if (range !== null) res.setHeader('Content-Range', `bytes ${start}-${end}/${size}`);
    res.setHeader('Content-Length', end - start + 1);
    if (req.method === 'HEAD' || size === 0) {
      res.end();
      return;
    }
    const from = offset + start;
    const bytes =
      file === null
        ? pieces(archive, binary, from, offset + end + 1)
        : (createReadStream(file, {
            start: from,
            end: offset + end,
            highWaterMark: PIECE_BYTES,
          }) as AsyncIterable<Buffer>);
    archive.used(binary).catch(() => undefined); // a mark that is lost is no reason to fail
    await sendStream(res, [], bytes);
  }
}

/** Of a file that is not on this machine. */
async function* pieces(archive: ArchiveCalls, binary: StoredBinary, from: number, to: number): AsyncIterable<Buffer> {
  for (let at = from; at < to; at += REMOTE_PIECE_BYTES) {
    const bytes = await archive.part(binary, at, Math.min(REMOTE_PIECE_BYTES, to - at));
    yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}

function hasDebugInfo({ debugOnly, identity: { symbols } }: StoredBinary): boolean {
  return debugOnly || symbols.dwarf !== null;
}

function idOf(req: Request): string {
  const id = String(req.params['id']);
  if (!BUILD_ID.test(id))
    throw new HttpProblem(404, `${JSON.stringify(id.slice(0, 150))} is no build ID: those are lower-case hex`);
  return id;
}

function none(id: string, what: string): HttpProblem {
  return new HttpProblem(404, `the archive has no ${what} for build ID ${id}`);
}

/** One range; null for the whole, which is also a right answer to what is not understood. */
function rangeOf(req: Request, size: number, etag: string): { start: number; end: number } | 'unsatisfiable' | null {
  const match = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(req.get('range') ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return null;
  const condition = req.get('if-range');
  if (condition !== undefined && condition !== etag) return null;
  const [first, last] = [match[1], match[2]];
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (start >= size || (first === '' && Number(last) === 0)) return 'unsatisfiable';
  return start > end ? null : { start, end };
}
