/**
 * A file as a ByteSource (cached-source.ts). It is checked whenever bytes come from it: truncated or written to while open means
 * FormatError, never a mixture of old and new bytes.
 */
import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import { basename } from 'node:path';
import { FormatError } from '../errors.ts';
import { CachedSource } from './cached-source.ts';

export class FileSource extends CachedSource {
  readonly path: string;
  /** Modification time when opened, ms. */
  readonly mtimeMs: number;
  readonly #fd: number;

  private constructor(path: string, fd: number, stats: fs.Stats) {
    super(basename(path), stats.size);
    this.path = path;
    this.mtimeMs = stats.mtimeMs;
    this.#fd = fd;
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

  protected dispose(): void {
    fs.closeSync(this.#fd);
  }

  protected fill(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(length); // not of Node's pool: a view must not pin, or be charged for, its neighbours
    let filled = 0;
    while (filled < length) {
      const count = this.#readSome(bytes, filled, length - filled, offset + filled);
      if (count === 0) {
        throw new FormatError(this.name, offset + filled, `the file ends here, it had ${this.size} bytes when opened`);
      }
      filled += count;
    }
    const { size, mtimeMs } = fs.fstatSync(this.#fd);
    if (size !== this.size || mtimeMs !== this.mtimeMs) {
      throw new FormatError(this.name, offset, 'the file was written to while it was open');
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
}
