/**
 * The container of a profile: gzip, as clients accept it.
 *
 * A body that starts with 1f 8b is one or more gzip members (RFC 1952) and nothing else; their contents are one profile. Go's
 * clients refuse a truncated member and any byte after the last one, zero padding included, so resym does too: what passes here
 * passes there. A body that starts otherwise is the profile itself. A profile that is gzip once more (a middlebox compressed what
 * was compressed) is unwrapped twice.
 *
 * Two differences from Go are known, both in headers nobody writes: reserved flag bits are refused here and ignored there, a file name
 * of 512 bytes or more is skipped here and refused there.
 *
 * node:zlib does the work, three to five times as fast as pako at every size from 1 KB to 20 MB, but it is no judge: it takes zero
 * padding, and does not say where a body is damaged. Whatever it does not take to the last byte goes to pako's low-level stream,
 * member by member. (pako's `Inflate` class is no help here: when a member ends at a chunk border it ignores every later push, and it
 * ends without an error when the input does.)
 */
import { gunzipSync, gzipSync, type Gunzip } from 'node:zlib';
import {
  zlibInflate,
  zlibInflateInit2,
  zlibInflateReset,
  Z_BUF_ERROR,
  Z_NO_FLUSH,
  Z_OK,
  Z_STREAM_END,
  ZStream,
} from 'pako';
import { FormatError, LimitError } from '../errors.ts';

export interface BodyLimits {
  /** Bytes of gzip, over all members. */
  readonly maxCompressedBytes: number;
  /** Bytes of profile, or of gzip inside gzip. */
  readonly maxRawBytes: number;
}

export const DEFAULT_BODY_LIMITS: BodyLimits = {
  // The largest profiles met (a million locations) are some 20 MiB of gzip.
  maxCompressedBytes: 64 * 1024 * 1024,
  // Five times the 50 MB such a profile unpacks to; with the rewritten copy beside it still half of a 1 GiB container.
  maxRawBytes: 256 * 1024 * 1024,
};

export interface DecodedBody {
  readonly raw: Uint8Array;
  readonly wrapping: 'gzip' | 'double-gzip' | 'none';
}

/** Header, an empty block, checksum and size. */
const SHORTEST_MEMBER = 20;
const MAGIC_0 = 0x1f;
const MAGIC_1 = 0x8b;
/** Window of 32 KiB (15) and gzip framing only (16): without it pako guesses between gzip and zlib. */
const GZIP_WINDOW_BITS = 15 + 16;
/** pako fills buffers of this size; one is what a typical Go profile needs. */
const OUTPUT_CHUNK = 128 * 1024;
const INNER_SECTION = 'gzip in gzip';

/** The profile in a complete body. Throws FormatError for damaged gzip, LimitError beyond `limits`. */
export function decodeBody(body: Uint8Array, limits: BodyLimits = DEFAULT_BODY_LIMITS): DecodedBody {
  if (!startsAsGzip(body)) {
    if (body.length > limits.maxRawBytes) throw tooLarge('profile', limits.maxRawBytes);
    return { raw: body, wrapping: 'none' };
  }
  const outer = gunzipWhole(body, limits.maxCompressedBytes, limits.maxRawBytes);
  if (outer !== null && !startsAsGzip(outer)) return { raw: outer, wrapping: 'gzip' };
  // The inner bytes are already held and bounded: they may be all that maxRawBytes allows.
  const inner = outer && gunzipWhole(outer, limits.maxRawBytes, limits.maxRawBytes);
  return inner ? { raw: inner, wrapping: 'double-gzip' } : decodeStrictly(body, limits);
}

/** The same by pako alone: the verdict on what node:zlib does not take. */
export function decodeStrictly(body: Uint8Array, limits: BodyLimits = DEFAULT_BODY_LIMITS): DecodedBody {
  const decoder = new BodyDecoder(limits);
  decoder.push(body);
  return decoder.finish();
}

/** Deflate packs a run of 258 bytes into two bits at best. */
const MAX_RATIO = 1032;
/** Slack behind the size a body announces: zlib must see that nothing follows. */
const SPARE_BYTES = 64;

/** What is in a gzip body, in one piece; null when node:zlib finds anything amiss, be it the size. */
function gunzipWhole(body: Uint8Array, maxInput: number, maxOutput: number): Uint8Array | null {
  if (body.length < SHORTEST_MEMBER || body.length > maxInput || maxOutput < 1) return null;
  // The last member's size, mostly the only one: a buffer of that size spares putting pieces together.
  const announced = new DataView(body.buffer, body.byteOffset).getUint32(body.length - 4, true);
  const chunkSize = Math.min(announced, maxOutput, body.length * MAX_RATIO) + SPARE_BYTES;
  try {
    const options = { maxOutputLength: maxOutput, chunkSize, info: true };
    // What `info` gives, the types do not know.
    const { buffer, engine } = gunzipSync(body, options) as unknown as { buffer: Buffer; engine: Gunzip };
    if (engine.bytesWritten !== body.length) return null;
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
  } catch (error) {
    if (isZlibError(error)) return null;
    throw error;
  }
}

/** Damage (Z_DATA_ERROR, Z_BUF_ERROR) or too much output. */
function isZlibError(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return code.startsWith('Z_') || code === 'ERR_BUFFER_TOO_LARGE';
}

/** The same for a body that arrives in pieces. Memory is bounded by `limits` at every moment. */
export class BodyDecoder {
  readonly #limits: BodyLimits;
  #kind: 'undecided' | 'gzip' | 'plain' = 'undecided';
  /** The first byte, while it is the only one. */
  #first: number | null = null;
  readonly #plain: Collected;
  #inflater: Inflater | null = null;

  constructor(limits: BodyLimits = DEFAULT_BODY_LIMITS) {
    this.#limits = limits;
    this.#plain = new Collected(limits.maxRawBytes);
  }

  /** Takes the next piece; `chunk` may be reused by the caller afterwards. Throws as `decodeBody`. */
  push(chunk: Uint8Array): void {
    if (this.#kind === 'undecided') {
      if (this.#first !== null) chunk = prepend(this.#first, chunk);
      if (chunk.length < 2) {
        this.#first = chunk[0] ?? null;
        return;
      }
      this.#first = null;
      this.#kind = startsAsGzip(chunk) ? 'gzip' : 'plain';
      if (this.#kind === 'gzip') this.#inflater = new Inflater(this.#limits, 'gzip');
    }
    if (this.#inflater !== null) this.#inflater.push(chunk);
    else this.#plain.push(new Uint8Array(chunk)); // not slice(): a Buffer's is a view
  }

  /** Everything was pushed: the profile. */
  finish(): DecodedBody {
    if (this.#first !== null) return { raw: Uint8Array.of(this.#first), wrapping: 'none' };
    if (this.#inflater === null) return { raw: this.#plain.join(), wrapping: 'none' };
    const raw = this.#inflater.finish();
    if (!startsAsGzip(raw)) return { raw, wrapping: 'gzip' };
    // The inner bytes are already held and bounded: they may be all that maxRawBytes allows.
    const inner = new Inflater({ ...this.#limits, maxCompressedBytes: this.#limits.maxRawBytes }, INNER_SECTION);
    inner.push(raw);
    return { raw: inner.finish(), wrapping: 'double-gzip' };
  }
}

/** Gzip members to bytes. */
class Inflater {
  readonly #stream = new ZStream();
  readonly #output: Collected;
  readonly #maxInput: number;
  readonly #section: string;
  /** Compressed bytes before the chunk at hand. */
  #consumed = 0;
  /** Inside a member: some of its bytes were read, its trailer was not. */
  #open = false;

  constructor(limits: BodyLimits, section: string) {
    this.#maxInput = limits.maxCompressedBytes;
    this.#section = section;
    this.#output = new Collected(limits.maxRawBytes);
    const status = zlibInflateInit2(this.#stream, GZIP_WINDOW_BITS);
    if (status !== Z_OK) throw new Error(`pako: inflateInit2 failed with ${status}`);
  }

  push(chunk: Uint8Array): void {
    if (this.#consumed + chunk.length > this.#maxInput) throw tooLarge(this.#section, this.#maxInput);
    const stream = this.#stream;
    stream.input = chunk;
    stream.next_in = 0;
    stream.avail_in = chunk.length;
    while (stream.avail_in > 0) {
      if (!this.#open) {
        if (chunk[stream.next_in] !== MAGIC_0) {
          throw this.#error(`${stream.avail_in} bytes that are not gzip follow the last member`);
        }
        this.#open = true;
      }
      this.#inflate();
    }
    this.#consumed += chunk.length;
  }

  /** Inflates until the input is used up or the member ends. */
  #inflate(): void {
    const stream = this.#stream;
    for (;;) {
      if (stream.avail_out === 0) {
        stream.output = new Uint8Array(OUTPUT_CHUNK);
        stream.next_out = 0;
        stream.avail_out = OUTPUT_CHUNK;
      }
      const status = zlibInflate(stream, Z_NO_FLUSH);
      if (status !== Z_OK && status !== Z_STREAM_END && status !== Z_BUF_ERROR) {
        throw this.#error(stream.msg || `inflate failed with ${status}`);
      }
      const full = stream.avail_out === 0;
      // Input and room, and yet no step: not known to happen, but it would be a loop without end.
      if (status === Z_BUF_ERROR && !full && stream.avail_in > 0) throw this.#error('inflate is stuck');
      if (full) this.#flush();
      if (status === Z_STREAM_END) {
        this.#open = false;
        zlibInflateReset(stream);
        return;
      }
      // With room left and nothing to read there is no more output either.
      if (!full && stream.avail_in === 0) return;
    }
  }

  #flush(): void {
    const stream = this.#stream;
    if (stream.next_out > 0) this.#output.push(stream.output.subarray(0, stream.next_out));
    stream.next_out = 0;
    stream.avail_out = 0;
  }

  #error(problem: string): FormatError {
    return new FormatError(this.#section, this.#consumed + this.#stream.next_in, problem);
  }

  finish(): Uint8Array {
    if (this.#open) throw new FormatError(this.#section, this.#consumed, 'cut short: the last member has no end');
    if (this.#stream.avail_out > 0) this.#flush();
    return this.#output.join();
  }
}

/** Chunks up to a limit, joined at the end. */
class Collected {
  readonly #limit: number;
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size > this.#limit) throw tooLarge('profile', this.#limit);
    this.#chunks.push(chunk);
  }

  join(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0];
    const whole = new Uint8Array(this.#size);
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }
}

function prepend(byte: number, chunk: Uint8Array): Uint8Array {
  const joined = new Uint8Array(chunk.length + 1);
  joined[0] = byte;
  joined.set(chunk, 1);
  return joined;
}

function startsAsGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === MAGIC_0 && bytes[1] === MAGIC_1;
}

function tooLarge(what: string, limit: number): LimitError {
  return new LimitError(`${what} larger than the limit of ${limit} bytes`);
}

/**
 * Milliseconds and bytes out, of 1 MB of Go CPU profile, scaled from larger ones; pako has the same bytes in three to five times the time.
 *
 *     level 1   7.0   308,000      level 3   9.7   295,000      runs only (Z_RLE)      11   834,000
 *     level 2   6.8   300,000      level 6  17.3   266,000      Z_HUFFMAN_ONLY         10   834,000
 */
const LEVEL = 1;
/** What profiles compress to, at most: a chunk of this share spares putting pieces together. */
const OUTPUT_SHARE = 0.5;
const MIN_OUTPUT_CHUNK = 1024;

/** A profile as one gzip member, without time stamp, with nothing after it. */
export function encodeBody(raw: Uint8Array): Uint8Array {
  const chunkSize = Math.max(MIN_OUTPUT_CHUNK, Math.ceil(raw.length * OUTPUT_SHARE));
  const { buffer, byteOffset, length } = gzipSync(raw, { level: LEVEL, chunkSize });
  return new Uint8Array(buffer, byteOffset, length);
}
