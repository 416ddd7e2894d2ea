/** An object as a ByteSource: the blocks a parser reads are fetched by ranges, and kept on the disk (blocks.ts). */
import { createHash } from 'node:crypto';
import { FormatError, isSystemError } from '../errors.ts';
import { CachedSource } from '../store/cached-source.ts';
import { Blocks, BLOCK_BYTES } from './blocks.ts';
import type { RemoteObjects } from './object-port.ts';
import { BucketError, type ObjectFacts } from './objects.ts';

/** Read at once, at most: 8 MiB. Whoever reads on is read ahead for, twice as far each time. */
const MAX_BLOCKS = 32;
/** Kept in memory where the disk cannot be written to. */
const MAX_KEPT = 32;

export class ObjectSource extends CachedSource {
  readonly #objects: RemoteObjects;
  readonly #object: ObjectFacts;
  readonly #blocks: Blocks | null;
  /** Instead of blocks on the disk, the latest at the end. */
  readonly #kept = new Map<number, Uint8Array>();
  #isDiskUsable = true;
  /** After the block fetched last. */
  #next = -1;
  #ahead = 1;

  /** @param cache a directory; what cannot be kept there is read again when it is needed again */
  constructor(objects: RemoteObjects, object: ObjectFacts, cache: string) {
    super(object.name.slice(object.name.lastIndexOf('/') + 1), object.sizeBytes);
    this.#objects = objects;
    this.#object = object;
    this.#blocks = openBlocks(cache, object);
  }

  protected dispose(): void {
    this.#blocks?.close();
  }

  /** Throws BucketError, and FormatError when the object is another one by now. */
  protected fill(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(length);
    const first = Math.floor(offset / BLOCK_BYTES);
    const last = Math.floor((offset + length - 1) / BLOCK_BYTES);
    let block = first;
    while (block <= last) {
      if (this.#isThere(block)) {
        this.#copy(block, bytes, offset);
        block++;
        continue;
      }
      let end = block + 1;
      while (end <= last && end - block < MAX_BLOCKS && !this.#isThere(end)) end++;
      for (const [at, fetched] of this.#fetched(block, end)) {
        this.#keep(at, fetched);
        copyInto(bytes, offset, fetched, at * BLOCK_BYTES);
      }
      block = end;
    }
    return bytes;
  }

  #isThere(block: number): boolean {
    if (this.#kept.has(block)) return true;
    return this.#blocks !== null && this.#isDiskUsable && this.#blocks.has(block);
  }

  #copy(block: number, bytes: Buffer, offset: number): void {
    const start = block * BLOCK_BYTES;
    const kept = this.#kept.get(block);
    if (kept !== undefined) return copyInto(bytes, offset, kept, start);
    const from = Math.max(start, offset);
    const to = Math.min(start + BLOCK_BYTES, offset + bytes.length, this.size);
    this.#blocks!.read(bytes.subarray(from - offset, to - offset), from);
  }

  /** The blocks from one up to another, and some more where they are read one after the other. */
  *#fetched(block: number, end: number): Generator<[number, Uint8Array]> {
    this.#ahead = block === this.#next ? Math.min(this.#ahead * 2, MAX_BLOCKS) : 1;
    const count = Math.ceil(this.size / BLOCK_BYTES);
    let to = end;
    while (to < count && to - block < this.#ahead && !this.#isThere(to)) to++;
    this.#next = to;
    const start = block * BLOCK_BYTES;
    const fetched = this.#read(start, Math.min(to * BLOCK_BYTES, this.size) - start);
    for (let at = block; at < to; at++) {
      const from = (at - block) * BLOCK_BYTES;
      yield [at, fetched.subarray(from, from + BLOCK_BYTES)];
    }
  }

  #read(offset: number, length: number): Uint8Array {
    const { name, etag } = this.#object;
    try {
      return this.#objects.readNow(name, etag, offset, length);
    } catch (error) {
      if (!(error instanceof BucketError) || error.code !== 'ESTALE') throw error;
      throw new FormatError(this.name, offset, 'the object has changed since it was listed', { cause: error });
    }
  }

  #keep(block: number, bytes: Uint8Array): void {
    if (this.#blocks !== null && this.#isDiskUsable) {
      try {
        return this.#blocks.put(block, bytes);
      } catch (error) {
        if (!isSystemError(error)) throw error;
        this.#isDiskUsable = false; // full, most likely
      }
    }
    this.#kept.set(block, new Uint8Array(bytes));
    if (this.#kept.size <= MAX_KEPT) return;
    const [oldest] = this.#kept.keys();
    this.#kept.delete(oldest);
  }
}

/** What of a block at `start` belongs into `bytes`, which begin at `offset`. */
function copyInto(bytes: Buffer, offset: number, block: Uint8Array, start: number): void {
  const from = Math.max(start, offset);
  const to = Math.min(start + block.length, offset + bytes.length);
  if (from < to) bytes.set(block.subarray(from - start, to - start), from - offset);
}

function openBlocks(cache: string, { name, etag, sizeBytes }: ObjectFacts): Blocks | null {
  const id = createHash('sha256').update(`${name}\n${etag}\n${sizeBytes}`).digest('hex').slice(0, 40);
  try {
    return Blocks.open(cache, id, sizeBytes);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return null;
  }
}
