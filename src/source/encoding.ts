/**
 * gzip that is not the profile's own: a layer put around it by a middlebox (Content-Encoding), and gzip that ends too early.
 * Both run in zlib's threads and never give more than a stated number of bytes.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { isGzip } from './sniff.ts';

const inflate = promisify(gunzip);

/**
 * A profile as it is without its Content-Encoding. gzip around a gzipped profile is taken off; gzip around a bare message stays,
 * since that is how profiles are kept. null when the encoding is another one, or damaged, or inflates beyond `maxBytes`.
 */
export async function withoutEncoding(
  body: Uint8Array,
  encoding: string | undefined,
  maxBytes: number,
): Promise<Uint8Array | null> {
  const name = (encoding ?? '').trim().toLowerCase();
  if (name === '' || name === 'identity') return body;
  if (name !== 'gzip' && name !== 'x-gzip') return null;
  // Some servers name the profile's own gzip as its encoding; then what is sent is the profile already.
  if (!isGzip(body)) return body;
  try {
    const inner = await inflate(body, { maxOutputLength: maxBytes });
    return isGzip(inner) ? inner : body;
  } catch (error) {
    if (hasCode(error, 'ERR_BUFFER_TOO_LARGE')) return body; // a bare message this large: its size is judged elsewhere
    return null;
  }
}

/** True for gzip whose end is missing: the connection broke where nobody noticed. */
export async function isCutShort(body: Uint8Array, maxBytes: number): Promise<boolean> {
  if (!isGzip(body)) return false;
  try {
    await inflate(body, { maxOutputLength: maxBytes });
    return false;
  } catch (error) {
    return hasCode(error, 'Z_BUF_ERROR');
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
