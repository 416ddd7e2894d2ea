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

/** Output is collected in pieces of this size: four times faster than Node's 16 KiB on DWARF. */
const CHUNK_BYTES = 1 << 20;

/** DEFLATE cannot expand more: 258 bytes take at least two bits. A header that claims more lies. */
const DEFLATE_MAX_RATIO = 1032;

/** zstd's densest block: 128 KiB from a header of 3 bytes and one byte of content. */
const ZSTD_MAX_RATIO = 32768;

/** zstddec holds input and output in a WebAssembly memory, which cannot pass 2 GiB and does not shrink again. */
const WASM_MAX_BYTES = 2 ** 30;

const ZSTD_MAGIC = 0xfd2fb528;

type SyncInflate = (bytes: Uint8Array, options: zlib.ZlibOptions) => Buffer;

/** In Node >= 22.15; not in the type declarations of Node 20. */
const nativeZstd = (zlib as unknown as { zstdDecompressSync?: SyncInflate }).zstdDecompressSync;

let wasmZstd: ZSTDDecoder | undefined;
let wasmLoading: Promise<void> | undefined;

/** Inflates a zlib stream to exactly `expectedSize` bytes. `name` is the section, for the FormatError. */
export function inflateZlib(bytes: Uint8Array, expectedSize: number, name: string): Uint8Array {
  checkClaim(bytes, expectedSize, DEFLATE_MAX_RATIO, 'zlib', name);
  return inflateWith(zlib.inflateSync, bytes, expectedSize, 'zlib', name);
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
  checkClaim(bytes, expectedSize, ZSTD_MAX_RATIO, 'zstd', name);
  if (nativeZstd !== undefined) return inflateWith(nativeZstd, bytes, expectedSize, 'zstd', name);
  if (wasmZstd === undefined) {
    throw new UnsupportedError(`${name} is compressed with zstd and the zstd decoder is not loaded`);
  }
  // The decoder allocates what it is asked for, and takes 0 as "believe the frame": both are settled before it is called.
  const stated = zstdFrameSize(bytes, name);
  if (stated > expectedSize)
    throw new FormatError(name, 0, `zstd frame of ${stated} bytes where ${expectedSize} belong`);
  if (expectedSize === 0) return new Uint8Array(0);
  if (expectedSize + bytes.length > WASM_MAX_BYTES) {
    throw new LimitError(
      `${name} is ${expectedSize} bytes inflated; this Node version's zstd decoder takes ${WASM_MAX_BYTES} bytes`,
    );
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

/** Refuses a stated size that the format cannot reach from so few bytes, before anything is allocated for it. */
function checkClaim(bytes: Uint8Array, expectedSize: number, ratio: number, format: string, name: string): void {
  if (!(expectedSize >= 0 && expectedSize <= bytes.length * ratio)) {
    throw new FormatError(name, 0, `${bytes.length} bytes of ${format} cannot inflate to ${expectedSize}`);
  }
}

function inflateWith(inflate: SyncInflate, bytes: Uint8Array, size: number, format: string, name: string): Uint8Array {
  let inflated: Buffer;
  try {
    inflated = inflate(bytes, {
      maxOutputLength: Math.max(size, 1),
      chunkSize: Math.min(Math.max(size, 64), CHUNK_BYTES),
    });
  } catch (cause) {
    throw new FormatError(name, 0, `damaged ${format} data, or more than ${size} bytes of it`, { cause });
  }
  if (inflated.length !== size) {
    throw new FormatError(name, 0, `${format} data inflates to ${inflated.length} bytes, header says ${size}`);
  }
  return new Uint8Array(inflated.buffer, inflated.byteOffset, inflated.length);
}

/** The content size in the first frame's header, 0 when it states none (RFC 8878, 3.1.1.1). */
function zstdFrameSize(bytes: Uint8Array, name: string): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 6 || view.getUint32(0, true) !== ZSTD_MAGIC) throw new FormatError(name, 0, 'not a zstd frame');
  const descriptor = bytes[4];
  const singleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6];
  const at = 5 + (singleSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3];
  if (at + sizeBytes > bytes.length) throw new FormatError(name, 4, 'truncated zstd frame header');
  if (sizeBytes === 8) return Number(view.getBigUint64(at, true));
  if (sizeBytes === 4) return view.getUint32(at, true);
  if (sizeBytes === 2) return view.getUint16(at, true) + 256;
  return sizeBytes === 1 ? bytes[at] : 0;
}
