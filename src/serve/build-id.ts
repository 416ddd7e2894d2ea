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

export class BuildIds {
  readonly #archive: ArchiveCalls;

  constructor(archive: ArchiveCalls) {
    this.#archive = archive;
  }

  readonly debuginfo = async (req: Request, res: Response): Promise<void> => {
    const id = idOf(req);
    const file = (await this.#filesOf(id)).find(({ binary }) => hasDebugInfo(binary));
    if (file === undefined) throw none(id, 'debug info');
    await this.#send(req, res, file);
  };

  readonly executable = async (req: Request, res: Response): Promise<void> => {
    const id = idOf(req);
    const file = (await this.#filesOf(id)).find(({ binary }) => !binary.debugOnly);
    if (file === undefined) throw none(id, 'executable');
    await this.#send(req, res, file);
  };

  /** From the debug info where it has bytes of it, else from the executable: as debuginfod does. */
  readonly section = async (req: Request, res: Response): Promise<void> => {
    const id = idOf(req);
    const name = String(req.params['section']);
    for (const located of await this.#filesOf(id)) {
      const extent = await this.#archive.section(located.binary, name);
      if (extent !== null) return this.#send(req, res, located, { name, extent });
    }
    throw none(id, `section ${JSON.stringify(name.slice(0, 100))}`);
  };

  readonly source = (req: Request): void => {
    throw none(idOf(req), 'source file: this server keeps binaries only');
  };

  /** Those with debug info first. */
  async #filesOf(id: string): Promise<Located[]> {
    const query: BinaryQuery = { gnu: id };
    const found = (await this.#archive.find(query)).filter(({ binary }) => binary.identity.ids.gnu === id);
    return found.sort((a, b) => Number(hasDebugInfo(b.binary)) - Number(hasDebugInfo(a.binary)));
  }

  async #send(req: Request, res: Response, located: Located, part?: { name: string; extent: Extent }): Promise<void> {
    const { binary, file } = located;
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
        ? this.#pieces(binary, from, offset + end + 1)
        : (createReadStream(file, {
            start: from,
            end: offset + end,
            highWaterMark: PIECE_BYTES,
          }) as AsyncIterable<Buffer>);
    await sendStream(res, [], bytes);
  }

  /** Of a file that is not on this machine. */
  async *#pieces(binary: StoredBinary, from: number, to: number): AsyncIterable<Buffer> {
    for (let at = from; at < to; at += REMOTE_PIECE_BYTES) {
      const bytes = await this.#archive.part(binary, at, Math.min(REMOTE_PIECE_BYTES, to - at));
      yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    }
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
