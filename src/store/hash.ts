/** Hashing and copying whole files in pieces: memory stays at one piece, other work goes on between them. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';

/** The event loop is held for the hashing of one piece: some 2 ms. */
const PIECE_BYTES = 1 << 20;

export interface Hashed {
  readonly sizeBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** A part of a file, in bytes from its start. */
export interface FilePart {
  readonly offset: number;
  readonly size: number;
}

const WHOLE: FilePart = { offset: 0, size: Infinity };

/** Rejects with the system's error. */
export async function hashFile(path: string, part = WHOLE): Promise<Hashed> {
  const file = await open(path, 'r');
  try {
    return await drain(file, null, part);
  } finally {
    await file.close();
  }
}

/** Copies a part of `from` to `to`, which is written from its start. */
export function copyAndHash(from: FileHandle, to: FileHandle, part = WHOLE): Promise<Hashed> {
  return drain(from, to, part);
}

async function drain(from: FileHandle, to: FileHandle | null, { offset, size }: FilePart): Promise<Hashed> {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let sizeBytes = 0;
  for (;;) {
    const length = Math.min(PIECE_BYTES, size - sizeBytes);
    const { bytesRead } = await from.read(piece, 0, length, offset + sizeBytes);
    if (bytesRead === 0) return { sizeBytes, sha256: hash.digest('hex') };
    const bytes = piece.subarray(0, bytesRead);
    hash.update(bytes);
    if (to !== null) await writeAll(to, bytes, sizeBytes);
    sizeBytes += bytesRead;
  }
}

async function writeAll(to: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await to.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}
