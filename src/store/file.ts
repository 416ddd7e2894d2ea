/**
 * A file as a ByteSource: positional synchronous reads through one block cache for the whole process.
 *
 * - Small reads are served from blocks, copied only where they cross a border; larger ones bypass the cache.
 * - Whoever opens a source owns one lease on it; `retain()` takes another, `close()` gives one back, and the descriptor
 *   is closed with the last. Nobody's reads are cut off by somebody else's `close()`.
 * - The file behind the descriptor is checked whenever bytes come from it: truncated or written to while open means
 *   FormatError, never a mixture of old and new bytes.
 */
import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import { basename } from 'node:path';
import { LRUCache } from 'lru-cache';
import { type ByteSource, checkRange } from '../bytes/source.ts';
import { FormatError, LimitError } from '../errors.ts';

/** For scattered reads 64 KiB takes the same number of system calls, four times the bytes and a third more time. */
export const BLOCK_BYTES = 16 << 10;

/** Who reads this much at once keeps it: whole sections, and the 4 KiB windows over tables too large to keep whole. */
const BYPASS_BYTES = 4096;

/** All sources of the process together. The operating system caches the files too; this only saves the calls. */
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

export class FileSource implements ByteSource {
  readonly size: number;
  readonly path: string;
  /** Modification time when opened, ms. */
  readonly mtimeMs: number;
  readonly #fd: number;
  readonly #name: string;
  readonly #key: number;
  #leases = 1;

  private constructor(path: string, fd: number, stats: fs.Stats) {
    this.path = path;
    this.size = stats.size;
    this.mtimeMs = stats.mtimeMs;
    this.#fd = fd;
    this.#name = basename(path);
    this.#key = sources++ * BLOCKS_PER_SOURCE;
  }

  /** Throws the system's error when the file cannot be opened, FormatError when it is not a regular file. */
  static open(path: string): FileSource {
    // O_NONBLOCK: opening a fifo would otherwise wait for a writer; it means nothing for a regular file.
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    try {
      const stats = fs.fstatSync(fd);
      if (!stats.isFile()) throw new FormatError(basename(path), 0, 'not a regular file');
      return new FileSource(path, fd, stats);
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
  }

  get closed(): boolean {
    return this.#leases === 0;
  }

  /** One more owner. */
  retain(): this {
    this.#mustBeOpen();
    this.#leases++;
    return this;
  }

  /** Gives a lease back; the last one closes the file and frees its blocks. */
  close(): void {
    this.#mustBeOpen();
    if (--this.#leases > 0) return;
    fs.closeSync(this.#fd);
    const count = Math.ceil(this.size / BLOCK_BYTES);
    if (count <= blocks.size) {
      for (let i = 0; i < count; i++) blocks.delete(this.#key + i);
    } else {
      for (const key of [...blocks.keys()]) {
        if (key >= this.#key && key < this.#key + BLOCKS_PER_SOURCE) blocks.delete(key);
      }
    }
  }

  /** As ByteSource says; further throws LimitError above 2 GiB and the system's error when the disk fails. */
  read(offset: number, length: number): Uint8Array {
    checkRange(this.#name, offset, length, this.size);
    this.#mustBeOpen();
    if (length >= BYPASS_BYTES) {
      if (length > MAX_READ_BYTES)
        throw new LimitError(`${this.#name}: ${length} bytes at once, at most ${MAX_READ_BYTES}`);
      return this.#readFile(offset, length);
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
    const block = this.#readFile(start, Math.min(BLOCK_BYTES, this.size - start));
    blocks.set(this.#key + index, block);
    return block;
  }

  #readFile(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(length); // not of Node's pool: a view must not pin, or be charged for, its neighbours
    let filled = 0;
    while (filled < length) {
      const count = this.#readSome(bytes, filled, length - filled, offset + filled);
      if (count === 0) {
        throw new FormatError(this.#name, offset + filled, `the file ends here, it had ${this.size} bytes when opened`);
      }
      filled += count;
    }
    const { size, mtimeMs } = fs.fstatSync(this.#fd);
    if (size !== this.size || mtimeMs !== this.mtimeMs) {
      throw new FormatError(this.#name, offset, 'the file was written to while it was open');
    }
    return bytes;
  }

  #readSome(bytes: Buffer, at: number, length: number, position: number): number {
    for (;;) {
      try {
        return fs.readSync(this.#fd, bytes, at, length, position);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EINTR') throw error;
      }
    }
  }

  #mustBeOpen(): void {
    if (this.#leases === 0) throw new Error(`${this.path} was used after it was closed`);
  }
}
