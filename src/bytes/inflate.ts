/**
 * Bounded decompression of sections whose header states the size: the result has exactly that size or it is an
 * error. (Profiles are gzip of unknown size and are inflated elsewhere.)
 *
 * zlib is Node's own. zstd is Node's own from 22.15 on; before that zstddec (WebAssembly), whose loading is
 * asynchronous: `await prepareZstd()` once, then `inflateZstd` is synchronous.
 */
import * as zlib from 'node:zlib';
import type { ZSTDDecoder } from 'zstddec';
import { FormatError, LimitError, UnsupportedError } from '../errors.ts';

/** Output larger than this is not asked for in one piece: a header that lies would cost it. */
const CHUNK_BYTES = 1 << 29;

/** DEFLATE cannot expand more: 258 bytes take at least two bits. A header that claims more lies. */
const DEFLATE_MAX_RATIO = 1032;

/** zstd's densest block: 128 KiB from a header of 3 bytes and one byte of content. */
const ZSTD_MAX_RATIO = 32768;

/** Debug sections shrink 3 to 10 times, seldom 30. Above the free size, more than this is a bomb, not a section. */
const BOMB_RATIO = 200;
const BOMB_FREE_BYTES = 1 << 24;

/** zstddec holds input and output in a WebAssembly memory, which cannot pass 2 GiB and does not shrink again. */
const WASM_MAX_BYTES = 2 ** 30;

/** mold makes a frame of each MiB of a section. */
const MAX_ZSTD_FRAMES = 1 << 14;

const ZSTD_MAGIC = 0xfd2fb528;

type SyncInflate = (bytes: Uint8Array, options: zlib.ZlibOptions) => Buffer;

/** In Node >= 22.15; not in the type declarations of Node 20. */
const nativeZstd = (zlib as unknown as { zstdDecompressSync?: SyncInflate }).zstdDecompressSync;

let wasmZstd: ZSTDDecoder | undefined;
let wasmLoading: Promise<void> | undefined;

/** Inflates a zlib stream to exactly `expectedSize` bytes. `name` is the section, for the FormatError. */
export function inflateZlib(bytes: Uint8Array, expectedSize: number, name: string): Uint8Array {
  checkClaim(bytes, expectedSize, 'zlib', name);
  const inflated = inflateAtMost(zlib.inflateSync, bytes, expectedSize, 'zlib', name);
  if (inflated.length !== expectedSize) {
    throw new FormatError(name, 0, `zlib data inflates to ${inflated.length} bytes, header says ${expectedSize}`);
  }
  return new Uint8Array(inflated.buffer, inflated.byteOffset, inflated.length);
}

/** True when `inflateZstd` works without `prepareZstd()` or after it. */
export function zstdReady(): boolean {
  return nativeZstd !== undefined || wasmZstd !== undefined;
}

/** Loads the zstd decoder where Node has none. Cheap to call again. */
export function prepareZstd(): Promise<void> {
  if (zstdReady()) return Promise.resolve();
  wasmLoading ??= loadZstd();
  return wasmLoading;
}

async function loadZstd(): Promise<void> {
  try {
    const { ZSTDDecoder } = await import('zstddec');
    const decoder = new ZSTDDecoder();
    await decoder.init();
    wasmZstd = decoder;
  } finally {
    if (wasmZstd === undefined) wasmLoading = undefined; // let the next call try again
  }
}

/**
 * Inflates zstd frames to exactly `expectedSize` bytes. Frames in debug sections mostly carry no checksum, so damaged
 * input can come out as garbage of the right size. Throws UnsupportedError when `prepareZstd()` was needed and not awaited.
 */
export function inflateZstd(bytes: Uint8Array, expectedSize: number, name: string): Uint8Array {
  checkClaim(bytes, expectedSize, 'zstd', name);
  const frames = zstdFrames(bytes, name);
  if (nativeZstd !== undefined) return inflateFrames(nativeZstd, frames, expectedSize, name);
  if (wasmZstd === undefined) {
    throw new UnsupportedError(`${name} is compressed with zstd and the zstd decoder is not loaded`);
  }
  // The decoder allocates what it is asked for, and takes 0 as "believe the frame": both are settled before it is called.
  const stated = frames.reduce((sum, frame) => sum + frame.size, 0);
  if (stated > expectedSize) {
    throw new FormatError(name, 0, `zstd data of ${stated} bytes where ${expectedSize} belong`);
  }
  if (expectedSize === 0) return new Uint8Array(0);
  if (expectedSize + bytes.length > WASM_MAX_BYTES) {
    throw new LimitError(`${name} inflates to ${expectedSize} bytes; this Node's zstd decoder takes ${WASM_MAX_BYTES}`);
  }
  let inflated: Uint8Array;
  try {
    inflated = wasmZstd.decode(bytes, expectedSize);
  } catch (cause) {
    throw new FormatError(name, 0, 'damaged zstd data', { cause });
  }
  // It reports no errors: damaged, truncated and oversized input all give an empty array.
  if (inflated.length !== expectedSize)
    throw new FormatError(name, 0, `damaged zstd data: expected ${expectedSize} bytes`);
  return inflated;
}

/** Node's decoder stops after one frame. */
function inflateFrames(
  inflate: SyncInflate,
  frames: readonly ZstdFrame[],
  expectedSize: number,
  name: string,
): Uint8Array {
  const parts: Uint8Array[] = [];
  let left = expectedSize;
  for (const frame of frames) {
    const part = inflateAtMost(inflate, frame.bytes, left, 'zstd', name);
    parts.push(part);
    left -= part.length;
  }
  if (left !== 0) throw new FormatError(name, 0, `zstd data is ${left} bytes shorter than the header says`);
  const whole = parts.length === 1 ? parts[0] : Buffer.concat(parts);
  return new Uint8Array(whole.buffer, whole.byteOffset, whole.length);
}

/** Refuses a stated size that the format cannot reach from so few bytes, before anything is allocated for it. */
export function checkClaim(bytes: Uint8Array, expectedSize: number, format: 'zlib' | 'zstd', name: string): void {
  const ratio = format === 'zlib' ? DEFLATE_MAX_RATIO : ZSTD_MAX_RATIO;
  if (!(expectedSize >= 0 && expectedSize <= bytes.length * ratio)) {
    throw new FormatError(name, 0, `${bytes.length} bytes of ${format} cannot inflate to ${expectedSize}`);
  }
  if (expectedSize > BOMB_FREE_BYTES && expectedSize > bytes.length * BOMB_RATIO) {
    throw new LimitError(
      `${name}: ${bytes.length} bytes of ${format} for ${expectedSize}, more than ${BOMB_RATIO} times`,
    );
  }
}

function inflateAtMost(inflate: SyncInflate, bytes: Uint8Array, size: number, format: string, name: string): Buffer {
  try {
    return inflate(bytes, {
      maxOutputLength: Math.max(size, 1),
      // One piece, so that nothing is copied together; the byte beyond it tells zlib that there is no more.
      chunkSize: Math.min(Math.max(size + 1, 64), CHUNK_BYTES),
    });
  } catch (cause) {
    throw new FormatError(name, 0, `damaged ${format} data, or more than ${size} bytes of it`, { cause });
  }
}

interface ZstdFrame {
  readonly bytes: Uint8Array;
  /** Bytes inflated as the header states, 0 when it does not. */
  readonly size: number;
}

/**
 * The frames of zstd data, from the headers of their blocks alone (RFC 8878, 3.1.1). mold compresses a section in
 * pieces and puts a frame for each behind the other.
 *
 *   frame   magic 28 b5 2f fd | descriptor u8 | window u8 unless single segment | dictionary id | content size | blocks | checksum
 *   block   u24: bit 0 last, bits 1-2 type (0 raw, 1 run of one byte, 2 compressed), bits 3-23 size; then the content
 */
function zstdFrames(bytes: Uint8Array, name: string): ZstdFrame[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: ZstdFrame[] = [];
  let at = 0;
  const need = (n: number) => {
    if (at + n > bytes.length) throw new FormatError(name, at, 'truncated zstd data');
  };
  while (at < bytes.length || frames.length === 0) {
    if (frames.length >= MAX_ZSTD_FRAMES) throw new LimitError(`${name} has more than ${MAX_ZSTD_FRAMES} zstd frames`);
    const start = at;
    need(6);
    if (view.getUint32(at, true) !== ZSTD_MAGIC) throw new FormatError(name, at, 'not a zstd frame');
    const descriptor = bytes[at + 4];
    const singleSegment = (descriptor & 0x20) !== 0;
    const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6];
    at += 5 + (singleSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3];
    need(sizeBytes);
    const size = contentSize(view, at, sizeBytes);
    at += sizeBytes;
    for (let last = false; !last;) {
      need(3);
      const header = view.getUint16(at, true) | (bytes[at + 2] << 16);
      last = (header & 1) !== 0;
      at += 3 + (((header >>> 1) & 3) === 1 ? 1 : header >>> 3);
    }
    if ((descriptor & 4) !== 0) at += 4;
    need(0);
    frames.push({ bytes: bytes.subarray(start, at), size });
  }
  return frames;
}

function contentSize(view: DataView, at: number, sizeBytes: number): number {
  if (sizeBytes === 8) return Number(view.getBigUint64(at, true));
  if (sizeBytes === 4) return view.getUint32(at, true);
  if (sizeBytes === 2) return view.getUint16(at, true) + 256;
  return sizeBytes === 1 ? view.getUint8(at) : 0;
}
