/**
 * A body on its way to a file: unpacked, counted and hashed as it comes, a piece at a time.
 *
 * Whatever goes wrong on the way, the file is gone afterwards, and the sender is told what it was.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import type { Request } from 'express';
import { isSystemError, messageOf } from '../errors.ts';
import { allowBody } from './body.ts';
import { HttpProblem } from './errors.ts';

export interface ReceiveLimits {
  /** Bytes of the file, unpacked. What is sent can be no more. */
  readonly maxBinaryBytes: number;
  /** How long a sender may be silent, ms. */
  readonly uploadStallMs: number;
  /** How long it may take in all, ms. */
  readonly uploadTotalMs: number;
}

export interface Received {
  /** Lower-case hex, of the file. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Below this on average, after the first minute, a sender only keeps a place occupied. */
const MIN_BYTES_PER_S = 16 * 1024;
const AVERAGE_AFTER_MS = 60_000;

/** Node reads zstd from 22.15 on. */
const makeZstd = (zlib as { createZstdDecompress?: () => Duplex }).createZstdDecompress;

/** Rejects with HttpProblem, with the signal's reason when the sender has left, or with the system's error. */
export async function receive(
  req: Request,
  path: string,
  limits: ReceiveLimits,
  signal: AbortSignal,
): Promise<Received> {
  const { maxBinaryBytes } = limits;
  const unpacker = unpackerFor(req.get('content-encoding'));
  const tooLarge = `the file is larger than the limit of ${maxBinaryBytes} bytes (maxBinaryBytes)`;
  if (Number(req.headers['content-length'] ?? 0) > maxBinaryBytes) throw new HttpProblem(413, tooLarge);
  allowBody(req);

  const hash = createHash('sha256');
  let sizeBytes = 0;
  const count = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBinaryBytes) throw new HttpProblem(413, tooLarge);
      hash.update(chunk);
      yield chunk;
    }
  };
  const watch = new Watch(req, limits);
  const stop = AbortSignal.any([signal, watch.signal]);
  try {
    const file = createWriteStream(path, { flags: 'wx' });
    const body = req.iterator({ destroyOnReturn: false }); // a sender who is refused is to read why
    const through =
      unpacker === null
        ? pipeline(body, count, file, { signal: stop })
        : pipeline(body, unpacker, count, file, { signal: stop });
    // A pipeline that is told to stop waits for the sender's next piece first.
    await Promise.race([through, stopped(stop)]);
    return { sha256: hash.digest('hex'), sizeBytes };
  } catch (error) {
    await rm(path, { force: true });
    signal.throwIfAborted();
    watch.signal.throwIfAborted();
    throw described(error);
  } finally {
    watch.end();
  }
}

function stopped(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
  });
}

/** Follows how a body comes in, and gives up on one that hardly does. */
class Watch {
  readonly #controller = new AbortController();
  readonly #req: Request;
  readonly #limits: ReceiveLimits;
  readonly #timer: NodeJS.Timeout;
  readonly #beganAt = performance.now();
  #movedAt = this.#beganAt;
  #bytes = 0;

  constructor(req: Request, limits: ReceiveLimits) {
    this.#req = req;
    this.#limits = limits;
    this.#timer = setInterval(() => this.#look(), Math.min(1000, limits.uploadStallMs / 4)).unref();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    const read = this.#req.socket.bytesRead;
    if (read !== this.#bytes) this.#movedAt = now;
    this.#bytes = read;
    const { uploadStallMs, uploadTotalMs } = this.#limits;
    const lasted = now - this.#beganAt;
    const isSlow = lasted > AVERAGE_AFTER_MS && read / (lasted / 1000) < MIN_BYTES_PER_S;
    if (now - this.#movedAt > uploadStallMs) this.#give(`nothing has come for ${uploadStallMs / 1000} s`);
    else if (lasted > uploadTotalMs) this.#give(`it took more than ${uploadTotalMs / 1000} s`);
    else if (isSlow) this.#give(`it comes at less than ${MIN_BYTES_PER_S} bytes a second`);
  }

  #give(why: string): void {
    this.#controller.abort(new HttpProblem(408, `the upload was given up: ${why}; send it again`));
  }
}

/** null for bytes as they are. */
function unpackerFor(encoding = 'identity'): Duplex | null {
  switch (encoding.trim().toLowerCase()) {
    case 'identity':
    case '':
      return null;
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip();
    case 'zstd':
      if (makeZstd !== undefined) return makeZstd();
  }
  const known = makeZstd === undefined ? 'gzip, identity' : 'gzip, zstd, identity';
  throw new HttpProblem(415, `the body has a Content-Encoding that is not understood; send ${known}`, {
    'Accept-Encoding': known,
  });
}

function described(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof HttpProblem) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new HttpProblem(507, 'the archive has no room left for it; see: resym store gc');
  if (isSystemError(error) && code !== 'ECONNRESET') return error;
  if (code.startsWith('Z_') || code.startsWith('ZSTD_') || code === 'ERR_TRAILING_JUNK_AFTER_STREAM_END')
    return new HttpProblem(400, `the body's compression is damaged: ${messageOf(error)}`);
  return new HttpProblem(400, `the body ended too early: ${messageOf(error)}`);
}
