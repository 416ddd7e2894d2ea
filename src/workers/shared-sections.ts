/**
 * Compressed debug sections for several threads at once: inflated one time, into memory that all of them see. Node inflates streams
 * off the thread that asks, so the sections are inflated beside each other, and never lie in memory twice.
 */
import { createInflate } from 'node:zlib';
import type { DebugSection } from '../dwarf/section.ts';
import { FormatError, UnsupportedError } from '../errors.ts';

/** By name. */
export type SharedSections = ReadonlyMap<string, Uint8Array>;

/** Larger pieces are no faster, and all of one are copied. */
const PIECE_BYTES = 256 << 10;

/** Rejects with what makes a section unreadable. */
export async function inflateShared(sections: readonly DebugSection[]): Promise<SharedSections> {
  const inflated = await Promise.all(sections.map(inflateSection));
  return new Map(inflated.flatMap((whole, i) => (whole === null ? [] : [[sections[i].name, whole]])));
}

/** Hands sections that were inflated before to whom they belong to. */
export function lendSections(sections: readonly DebugSection[], shared: SharedSections): void {
  for (const section of sections) {
    const whole = shared.get(section.name);
    if (whole !== undefined) section.lend(whole);
  }
}

/** null: it is not compressed. */
async function inflateSection(section: DebugSection): Promise<Uint8Array | null> {
  const { compressed, name } = section;
  if (compressed === null) return null;
  const { method, stream, size } = compressed;
  if (method !== 'zlib')
    throw new UnsupportedError(`${name} is compressed with ${method}, which is not inflated ahead`);
  const whole = new Uint8Array(new SharedArrayBuffer(size));
  let at = 0;
  const pieces = createInflate({ chunkSize: PIECE_BYTES });
  pieces.end(stream);
  for await (const piece of pieces as AsyncIterable<Uint8Array>) {
    if (at + piece.length > size) throw new FormatError(name, at, `zlib data inflates to more than ${size} bytes`);
    whole.set(piece, at);
    at += piece.length;
  }
  if (at !== size) throw new FormatError(name, at, `zlib data inflates to ${at} bytes, header says ${size}`);
  return whole;
}
