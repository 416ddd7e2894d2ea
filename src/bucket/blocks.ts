/**
 * What was read of objects, on the disk, for all threads and processes and for the next start:
 *
 *   <cache>/blocks/<id>.data   the object with holes: blocks lie where they lie in it
 *   <cache>/blocks/<id>.map    8 bytes a block: its CRC-32 and a mark; zeros while it is not there
 *
 * A block is written before its mark, and checked against its CRC once by every thread that reads it: what a crash or a full disk has
 * left half written is read from the bucket again. Two that write the same block write the same bytes.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { isSystemError } from '../errors.ts';

/** A request to S3 takes as long for one byte; a profile of a large program needs some hundred places of it. */
export const BLOCK_BYTES = 256 << 10;

export const MAX_CACHE_BYTES = 4 * 2 ** 30;
const TRIM_EVERY_MS = 60_000;
/** Files just opened stay, however full the cache is. */
const YOUNG_MS = 60_000;

const MARK_BYTES = 8;
const MARK = 0x72657379;

export class Blocks {
  readonly #data: number;
  readonly #map: number;
  readonly #size: number;
  /** Blocks that this thread has checked. */
  readonly #checked = new Set<number>();

  private constructor(data: number, map: number, size: number) {
    this.#data = data;
    this.#map = map;
    this.#size = size;
  }

  /** @param id of the object as it is now. Throws the system's error. */
  static open(cache: string, id: string, size: number): Blocks {
    const folder = join(cache, 'blocks');
    fs.mkdirSync(folder, { recursive: true });
    trim(folder);
    const flags = fs.constants.O_RDWR | fs.constants.O_CREAT;
    const data = fs.openSync(join(folder, `${id}.data`), flags, 0o644);
    try {
      const now = new Date();
      fs.futimesSync(data, now, now);
      return new Blocks(data, fs.openSync(join(folder, `${id}.map`), flags, 0o644), size);
    } catch (error) {
      fs.closeSync(data);
      throw error;
    }
  }

  lengthOf(block: number): number {
    return Math.min(BLOCK_BYTES, this.#size - block * BLOCK_BYTES);
  }

  /** True when a block is there and whole. Throws the system's error. */
  has(block: number): boolean {
    if (this.#checked.has(block)) return true;
    const mark = Buffer.alloc(MARK_BYTES);
    fs.readSync(this.#map, mark, 0, MARK_BYTES, block * MARK_BYTES);
    if (mark.readUInt32LE(4) !== MARK) return false;
    const bytes = Buffer.allocUnsafeSlow(this.lengthOf(block));
    const count = fs.readSync(this.#data, bytes, 0, bytes.length, block * BLOCK_BYTES);
    if (count !== bytes.length || crc32(bytes) !== mark.readUInt32LE(0)) return false;
    this.#checked.add(block);
    return true;
  }

  /** Throws the system's error. */
  put(block: number, bytes: Uint8Array): void {
    writeAll(this.#data, bytes, block * BLOCK_BYTES);
    const mark = Buffer.alloc(MARK_BYTES);
    mark.writeUInt32LE(crc32(bytes), 0);
    mark.writeUInt32LE(MARK, 4);
    writeAll(this.#map, mark, block * MARK_BYTES);
    this.#checked.add(block);
  }

  /** Of blocks that are there. Throws the system's error. */
  read(bytes: Buffer, offset: number): void {
    let filled = 0;
    while (filled < bytes.length) {
      const count = fs.readSync(this.#data, bytes, filled, bytes.length - filled, offset + filled);
      if (count === 0) throw new Error(`a block that was there is gone at ${offset + filled}`);
      filled += count;
    }
  }

  close(): void {
    fs.closeSync(this.#data);
    fs.closeSync(this.#map);
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  let written = 0;
  while (written < bytes.length)
    written += fs.writeSync(fd, bytes, written, bytes.length - written, position + written);
}

let trimmedAt = -Infinity;

/** Removes what was opened longest ago while there is too much. Whoever has it open keeps it. */
export function trim(folder: string, maxBytes = MAX_CACHE_BYTES, isForced = false): void {
  const now = performance.now();
  if (!isForced && now - trimmedAt < TRIM_EVERY_MS) return;
  trimmedAt = now;
  const files: { path: string; bytes: number; openedAt: number }[] = [];
  for (const name of fs.readdirSync(folder)) {
    if (!name.endsWith('.data')) continue;
    const path = join(folder, name);
    const stats = fs.statSync(path, { throwIfNoEntry: false });
    if (stats !== undefined) files.push({ path, bytes: stats.blocks * 512, openedAt: stats.mtimeMs });
  }
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  files.sort((a, b) => a.openedAt - b.openedAt);
  for (const { path, bytes, openedAt } of files) {
    if (total <= maxBytes || (!isForced && openedAt > Date.now() - YOUNG_MS)) return;
    try {
      fs.rmSync(path.replace(/data$/, 'map'), { force: true }); // first: data without a map is nothing
      fs.rmSync(path, { force: true });
    } catch (error) {
      if (!isSystemError(error)) throw error; // another process's; it is bounded by that one
    }
    total -= bytes;
  }
}
