/**
 * The facts of all files in one: a cache that saves opening every file, or every file's facts, at start.
 *
 *   {"resymCatalog":2}
 *   {"path":".build-id/ab/cd….elf","schema":3,"name":"api", … as in facts.ts …,"sketch":"…"}
 *
 * One line a file, its sketch last: sketches are most of the bytes, only a search needs them (Catalog.search), and until one does they are
 * left where they are. So the file stays open; a new snapshot takes its name, not its bytes. An entry counts only for a file of the same
 * size and modification time; the cache may be stale, cut off or missing, and two processes may overwrite each other's.
 */
import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSystemError } from '../errors.ts';
import { isSketch } from '../match/sketch.ts';
import { checkFacts, type Facts, plainFacts } from './facts.ts';
import { SNAPSHOT_FILE } from './layout.ts';
import type { TimeSlice } from './time-slice.ts';

const SNAPSHOT_VERSION = 2;

/** Above the 9 KB a file takes, for as many files as a directory store is meant for; more is not ours. */
const MAX_SNAPSHOT_BYTES = 5 * 2 ** 30;
/** Read and written at once. */
const PIECE_BYTES = 1 << 20;
/** No entry is as long. */
const MAX_LINE_BYTES = 16 << 20;

const SKETCH = ',"sketch":"';
const SKETCH_END = '"}';

/** A sketch that is still in the snapshot. */
export class KeptSketch {
  readonly #snapshot: Snapshot;
  readonly #offset: number;
  readonly #length: number;

  constructor(snapshot: Snapshot, offset: number, length: number) {
    this.#snapshot = snapshot;
    this.#offset = offset;
    this.#length = length;
  }

  /** As it is kept; "" when it cannot be read any more. */
  base64(): string {
    return this.#snapshot.text(this.#offset, this.#length);
  }

  /** null when it is none, or cannot be read any more. */
  bytes(): Uint8Array | null {
    const bytes = new Uint8Array(Buffer.from(this.base64(), 'base64'));
    return isSketch(bytes) ? bytes : null;
  }
}

/** What is known of a file. */
export interface Recorded {
  /** Without its sketch. */
  readonly facts: Facts;
  readonly sketch: KeptSketch | null;
}

/** The snapshot that was there. */
export class Snapshot {
  /** By path relative to the root; to be cleared when it has served. */
  readonly recorded = new Map<string, Recorded>();
  #fd: number | null = null;

  private constructor() {}

  /** An empty one when there is none that can be used. */
  static async read(root: string, slice: TimeSlice): Promise<Snapshot> {
    const snapshot = new Snapshot();
    try {
      const fd = fs.openSync(join(root, SNAPSHOT_FILE), 'r');
      snapshot.#fd = fd;
      if (fs.fstatSync(fd).size <= MAX_SNAPSHOT_BYTES) await snapshot.#read(fd, slice);
    } catch (error) {
      if (!isSystemError(error)) throw error; // missing or unreadable: the files say it all
    }
    if (snapshot.recorded.size === 0) snapshot.close();
    return snapshot;
  }

  async #read(fd: number, slice: TimeSlice): Promise<void> {
    let isFirst = true;
    for (const { line, offset } of linesOf(fd)) {
      await slice.breathe();
      if (isFirst && parsed(line)?.resymCatalog !== SNAPSHOT_VERSION) return;
      if (!isFirst) this.#take(line, offset);
      isFirst = false;
    }
  }

  #take(line: Buffer, offset: number): void {
    const at = line.subarray(-SKETCH_END.length).toString() === SKETCH_END ? line.lastIndexOf(SKETCH) : -1;
    const value = at < 0 ? parsed(line) : parsed(line.subarray(0, at), '}');
    const facts = value === null ? null : checkFacts({ ...value, sketch: null });
    if (facts === null || typeof value?.path !== 'string') return;
    const from = at + SKETCH.length;
    const sketch = at < 0 ? null : new KeptSketch(this, offset + from, line.length - SKETCH_END.length - from);
    this.recorded.set(value.path, { facts, sketch });
  }

  /** "" after closing, and when the disk fails: whoever is searched for is then found by its ID only. */
  text(offset: number, length: number): string {
    if (this.#fd === null) return '';
    const bytes = Buffer.allocUnsafeSlow(length);
    try {
      return bytes.toString('latin1', 0, fs.readSync(this.#fd, bytes, 0, length, offset));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return '';
    }
  }

  close(): void {
    if (this.#fd !== null) fs.closeSync(this.#fd);
    this.#fd = null;
  }
}

/** A file to be written down. */
export type Known = readonly [path: string, facts: Facts, sketch: KeptSketch | null];

/** Replaces the snapshot. Rejects with the system's error, as on a read-only file system. */
export async function writeSnapshot(root: string, files: Iterable<Known>, slice: TimeSlice): Promise<void> {
  const target = join(root, SNAPSHOT_FILE);
  await mkdir(dirname(target), { recursive: true });
  const temporary = `${target}.${randomUUID()}`;
  const file = await open(temporary, 'wx');
  try {
    let piece = `${JSON.stringify({ resymCatalog: SNAPSHOT_VERSION })}\n`;
    for (const [path, facts, kept] of files) {
      const { sketch, ...others } = plainFacts(facts);
      const base64 = kept?.base64() ?? sketch ?? '';
      const known = JSON.stringify({ path, ...others });
      piece += base64 === '' ? `${known}\n` : `${known.slice(0, -1)}${SKETCH}${base64}${SKETCH_END}\n`;
      if (piece.length >= PIECE_BYTES) {
        await file.writeFile(piece);
        piece = '';
      }
      await slice.breathe();
    }
    await file.writeFile(piece);
    await file.close();
    await rename(temporary, target);
  } catch (error) {
    await file.close().catch(() => undefined); // what went wrong is thrown
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The lines of a file, without their ends, and where they begin. They are valid until the next one. Throws the system's error. */
function* linesOf(fd: number): Generator<{ line: Buffer; offset: number }> {
  let rest = Buffer.alloc(0);
  let offset = 0;
  for (;;) {
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
    const count = fs.readSync(fd, piece, 0, PIECE_BYTES, offset + rest.length);
    const bytes = rest.length === 0 ? piece.subarray(0, count) : Buffer.concat([rest, piece.subarray(0, count)]);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      yield { line: bytes.subarray(start, end), offset: offset + start };
      start = end + 1;
    }
    rest = bytes.subarray(start);
    offset += start;
    if (count === 0) break;
    if (rest.length > MAX_LINE_BYTES) return;
  }
  if (rest.length > 0) yield { line: rest, offset };
}

function parsed(line: Buffer, end = ''): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line.toString('utf8') + end);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null; // a line cut off
    throw error;
  }
}
