/**
 * gzip that is not the profile's own: a layer around it, put there by a middlebox, and gzip that ends too early. Whole bodies
 * are inflated in zlib's threads, and never to more than a stated number of bytes.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { inflateStart, isGzip } from './sniff.ts';

const inflate = promisify(gunzip);

const UNDERSTOOD = new Set(['', 'identity', 'gzip', 'x-gzip']);

/**
 * A body as it is without its Content-Encoding, null when that cannot be undone. gzip around a gzipped profile is taken off,
 * whether the header tells of it or not: clients take off one layer. gzip around a bare message stays, since that is how
 * profiles are kept; what is not gzip at all is the profile, whatever the header says.
 */
export async function withoutEncoding(
  body: Uint8Array,
  encoding: string | undefined,
  maxBytes: number,
): Promise<Uint8Array | null> {
  if (!UNDERSTOOD.has((encoding ?? '').trim().toLowerCase())) return null;
  if (!isGzip(body)) return body;
  try {
    return isGzip(inflateStart(body)) ? await inflate(body, { maxOutputLength: maxBytes }) : body;
  } catch (error) {
    if (isZlibError(error)) return body; // damaged or too large: for the reader to say
    throw error;
  }
}

/** True for gzip whose end is missing: the connection broke where nobody noticed. */
export async function isCutShort(body: Uint8Array, maxBytes: number): Promise<boolean> {
  if (!isGzip(body)) return false;
  try {
    await inflate(body, { maxOutputLength: maxBytes });
    return false;
  } catch (error) {
    if (isZlibError(error)) return error.code === 'Z_BUF_ERROR';
    throw error;
  }
}

function isZlibError(error: unknown): error is Error & { code: string } {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return false;
  return error.code.startsWith('Z_') || error.code === 'ERR_BUFFER_TOO_LARGE';
}
