/**
 * Bytes that lie elsewhere as a ByteSource: positional reads through one block cache for the whole thread.
 *
 * - Small reads are served from blocks, copied only where they cross a border; larger ones bypass the cache.
 * - Whoever opens a source owns one lease on it; `retain()` takes another, `close()` gives one back, and what is behind it
 *   is let go with the last. Nobody's reads are cut off by somebody else's `close()`.
 */
import { Buffer } from 'node:buffer';
import { LRUCache } from 'lru-cache';
import { type ByteSource, checkRange } from '../bytes/source.ts';
import { LimitError } from '../errors.ts';

/** For scattered reads 64 KiB takes the same number of system calls, four times the bytes and a third more time. */
export const BLOCK_BYTES = 16 << 10;

/** Who reads this much at once keeps it: whole sections, and the 4 KiB windows over tables too large to keep whole. */
const BYPASS_BYTES = 4096;

/** All sources of the thread together. The operating system caches files too; this only saves the calls. */
export const CACHE_BYTES = 12 << 20;

/** readSync takes no more at once, and no parser should want to. */
const MAX_READ_BYTES = 2 ** 31 - 1;

/** A block's key is source number * BLOCKS_PER_SOURCE + block number: 16 TiB a source, 2^25 sources a process. */
const BLOCKS_PER_SOURCE = 2 ** 28;

const blocks = new LRUCache<number, Buffer>({
  maxSize: CACHE_BYTES,
  sizeCalculation: (block) => block.buffer.byteLength,
});

let sources = 0;

/** Bytes the block cache holds now. */
export function cachedBytes(): number {
  return blocks.calculatedSize;
}

export abstract class CachedSource implements ByteSource {
  readonly size: number;
  /** For errors. */
  protected readonly name: string;
  readonly #key: number;
  #leases = 1;

  protected constructor(name: string, size: number) {
    this.name = name;
    this.size = size;
    this.#key = sources++ * BLOCKS_PER_SOURCE;
  }

  /** Bytes of a range inside the source, from where they are, in a buffer of their own. */
  protected abstract fill(offset: number, length: number): Buffer;

  /** Lets go of what is behind it. */
  protected abstract dispose(): void;

  get closed(): boolean {
    return this.#leases === 0;
  }

  /** One more owner. */
  retain(): this {
    this.#mustBeOpen();
    this.#leases++;
    return this;
  }

  /** Gives a lease back; the last one frees its blocks. */
  close(): void {
    this.#mustBeOpen();
    if (--this.#leases > 0) return;
    this.dispose();
    const count = Math.ceil(this.size / BLOCK_BYTES);
    if (count <= blocks.size) {
      for (let i = 0; i < count; i++) blocks.delete(this.#key + i);
    } else {
      for (const key of [...blocks.keys()]) {
        if (key >= this.#key && key < this.#key + BLOCKS_PER_SOURCE) blocks.delete(key);
      }
    }
  }

  /** As ByteSource says; further throws LimitError above 2 GiB and the system's error when bytes cannot be had. */
  read(offset: number, length: number): Uint8Array {
    checkRange(this.name, offset, length, this.size);
    this.#mustBeOpen();
    if (length >= BYPASS_BYTES) {
      if (length > MAX_READ_BYTES)
        throw new LimitError(`${this.name}: ${length} bytes at once, at most ${MAX_READ_BYTES}`);
      return this.fill(offset, length);
    }
    if (length === 0) return new Uint8Array(0);
    const first = Math.floor(offset / BLOCK_BYTES);
    const start = offset - first * BLOCK_BYTES;
    const block = this.#block(first);
    if (start + length <= block.length) return block.subarray(start, start + length);
    const bytes = Buffer.allocUnsafeSlow(length);
    const filled = block.copy(bytes, 0, start);
    this.#block(first + 1).copy(bytes, filled, 0, length - filled);
    return bytes;
  }

  #block(index: number): Buffer {
    const cached = blocks.get(this.#key + index);
    if (cached !== undefined) return cached;
    const start = index * BLOCK_BYTES;
    const block = this.fill(start, Math.min(BLOCK_BYTES, this.size - start));
    blocks.set(this.#key + index, block);
    return block;
  }

  #mustBeOpen(): void {
    if (this.#leases === 0) throw new Error(`${this.name} was used after it was closed`);
  }
}
