/**
 * The files a running process of Linux has its code from, as they are mapped: also those that were deleted or replaced since.
 *
 *   /proc/N/maps              what is mapped where: process-maps.ts
 *   /proc/N/exe               the program, whatever became of its name
 *   /proc/N/map_files/a-b     the very file of a mapping; for root, or with CAP_CHECKPOINT_RESTORE (Linux 5.9)
 *   /proc/N/root/<path>       whatever has that name today where the process lives: only if it is proven to be the one
 *   /proc/N/mem               the vdso, of which there is no file
 *
 * A file under its name is proven by device and inode. Btrfs and older overlays write another device into maps than into stat; then
 * the code in the process' memory must be what the file holds there.
 *
 * Everything is read through one descriptor of /proc/N: another process that gets the number meanwhile is not it.
 */
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSystemError, LimitError, messageOf } from '../errors.ts';
import { fileOf, regionOf } from '../match/region.ts';
import { executableMappings, type ProcessMapping } from './process-maps.ts';

/** Bytes of /proc/N/maps: ten times the 65530 mappings that a process may have, with common paths. */
const MAX_MAPS_BYTES = 128 << 20;
/** A vdso has two to four pages. */
const MAX_VDSO_BYTES = 1 << 20;
/** Code held against a file: the largest programs have half of it. */
const MAX_COMPARED_BYTES = 1 << 30;
/** Read at once. */
const PIECE_BYTES = 1 << 20;

/** What the kernel adds to the path of a file that has no name any more. */
const DELETED = ' (deleted)';

/** As the dynamic linker calls it, on all architectures but two. */
const VDSO_NAME = 'linux-vdso.so.1';

export class ProcessError extends Error {
  override readonly name = 'ProcessError';
  readonly code: 'no-process' | 'not-allowed' | 'no-memory';

  constructor(code: ProcessError['code'], message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** What a process has mapped to run; `file` is a path that leads to those very bytes until the next one is asked for. */
export type ProcessFile =
  | { readonly mapped: string; readonly name: string; readonly file: string }
  /** `isFailure`: it is a file, and could not be got at. */
  | { readonly mapped: string; readonly skipped: string; readonly isFailure: boolean };

/**
 * The files of a process, the program first where it is mapped first. Rejects with ProcessError when there is no such process or it may
 * not be looked into; one that ends meanwhile has its remaining files skipped.
 */
export async function* filesOfProcess(pid: number): AsyncGenerator<ProcessFile> {
  const process = await Inspected.open(pid);
  try {
    for (const group of groups(await process.mappings())) yield* process.fileOf(group);
  } finally {
    await process.close();
  }
}

/** Mappings of one file in one; what has no file by what it is. */
function groups(mappings: readonly ProcessMapping[]): ProcessMapping[][] {
  const found = new Map<string, ProcessMapping[]>();
  for (const mapping of mappings) {
    const { device, inode, path } = mapping;
    // The path too: Btrfs counts inodes anew in each subvolume.
    const key = inode === 0n ? regionOf(path) : `${device.major}:${device.minor}:${inode}:${path}`;
    const group = found.get(key);
    if (group === undefined) found.set(key, [mapping]);
    else group.push(mapping);
  }
  return [...found.values()];
}

class Inspected {
  readonly #pid: number;
  readonly #dir: fs.FileHandle;

  private constructor(pid: number, dir: fs.FileHandle) {
    this.#pid = pid;
    this.#dir = dir;
  }

  static async open(pid: number): Promise<Inspected> {
    try {
      return new Inspected(pid, await fs.open(`/proc/${pid}`, constants.O_RDONLY | constants.O_DIRECTORY));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new ProcessError('no-process', `there is no process ${pid}`, { cause: error });
    }
  }

  close(): Promise<void> {
    return this.#dir.close();
  }

  #path(name: string): string {
    return `/proc/self/fd/${this.#dir.fd}/${name}`;
  }

  async mappings(): Promise<ProcessMapping[]> {
    let text: string;
    try {
      text = await readBounded(this.#path('maps'));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      const isForbidden = error.code === 'EACCES' || error.code === 'EPERM';
      throw isForbidden
        ? new ProcessError(
            'not-allowed',
            `process ${this.#pid} may not be looked into: run this as the user it runs as, or as root`,
            { cause: error },
          )
        : new ProcessError('no-process', `process ${this.#pid} has ended`, { cause: error });
    }
    if (text === '') {
      throw new ProcessError(
        'no-memory',
        `process ${this.#pid} has no memory: it has ended, or is a thread of the kernel`,
      );
    }
    return executableMappings(text.split('\n'));
  }

  async *fileOf(group: readonly ProcessMapping[]): AsyncGenerator<ProcessFile> {
    const [mapping] = group;
    const mapped = shown(mapping.path);
    if (mapping.inode !== 0n) {
      yield* this.#mappedFile(group, mapped);
      return;
    }
    switch (regionOf(mapping.path)) {
      case 'vdso':
        yield* this.#vdso(mapping, mapped);
        return;
      case 'vsyscall':
        yield { mapped, skipped: 'code the kernel lends to every process; there is no file of it', isFailure: false };
        return;
      default: {
        const count = group.length === 1 ? 'a mapping' : `${group.length} mappings`;
        yield {
          mapped: mapped === '' ? 'memory' : mapped,
          skipped: `${count} without a file: code written at run time`,
          isFailure: false,
        };
      }
    }
  }

  async *#mappedFile(group: readonly ProcessMapping[], mapped: string): AsyncGenerator<ProcessFile> {
    const opened = await this.#open(group);
    if (typeof opened === 'string') {
      yield { mapped, skipped: opened, isFailure: true };
      return;
    }
    try {
      if ((await opened.stat()).isFile()) {
        yield { mapped, name: nameOf(mapped), file: `/proc/self/fd/${opened.fd}` };
      } else {
        yield { mapped, skipped: 'not a regular file', isFailure: false };
      }
    } finally {
      await opened.close();
    }
  }

  /** The file behind a mapping, or why there is none. */
  async #open(group: readonly ProcessMapping[]): Promise<fs.FileHandle | string> {
    const [mapping] = group;
    const range = `${mapping.start.toString(16)}-${mapping.limit.toString(16)}`;
    const direct = await openIfAllowed(this.#path(`map_files/${range}`));
    if (typeof direct !== 'string') return direct;
    for (const path of [this.#path('exe'), ...this.#named(mapping.path)]) {
      const file = await openIfAllowed(path);
      if (typeof file === 'string') continue;
      let isProven = false;
      try {
        isProven = await this.#isMapped(file, group);
      } finally {
        if (!isProven) await file.close();
      }
      if (isProven) return file;
    }
    if (await this.#hasEnded()) return `process ${this.#pid} ended meanwhile`;
    const why = mapping.path.endsWith(DELETED)
      ? 'it was deleted or replaced'
      : 'what has its name now is another file, or cannot be read';
    return `${why}, and what is mapped may not be opened (${direct}): run this as root`;
  }

  /** Where a file may be: the process' root is not ours in a container, its path is ours after chroot. */
  #named(path: string): Buffer[] {
    const plain = fileOf(path);
    const unescaped = plain.replaceAll('\\012', '\n');
    const paths = unescaped === plain ? [plain] : [unescaped, plain];
    return paths
      .filter((name) => name.startsWith('/'))
      .flatMap((name) => [this.#path(`root${name}`), name])
      .map((name) => Buffer.from(name, 'latin1'));
  }

  /** Whether an opened file is the one of these mappings. */
  async #isMapped(file: fs.FileHandle, group: readonly ProcessMapping[]): Promise<boolean> {
    const stats = await file.stat({ bigint: true });
    const [{ device, inode, path }] = group;
    if (!stats.isFile() || stats.ino !== inode) return false;
    const { major, minor } = deviceNumbers(stats.dev);
    if (major === device.major && minor === device.minor) return true;
    if (path.endsWith(DELETED)) return false;
    try {
      const memory = await fs.open(this.#path('mem'), 'r');
      try {
        return await holdsCode(memory, file, group);
      } finally {
        await memory.close();
      }
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return false; // memory that may not be read proves nothing
    }
  }

  /** Its image, in a file for as long as it is looked at. */
  async *#vdso({ start, limit }: ProcessMapping, mapped: string): AsyncGenerator<ProcessFile> {
    const size = Number(limit - start);
    if (size > MAX_VDSO_BYTES) {
      yield { mapped, skipped: `${size} bytes are too many for a vdso`, isFailure: true };
      return;
    }
    const dir = await this.#copied(size, start);
    if (typeof dir !== 'string') {
      yield { mapped, skipped: dir.problem, isFailure: true };
      return;
    }
    try {
      yield { mapped, name: VDSO_NAME, file: join(dir, VDSO_NAME) };
    } finally {
      await fs.rm(dir, { recursive: true, force: true });
    }
  }

  /** A new directory with the vdso in it. */
  async #copied(size: number, start: bigint): Promise<string | { readonly problem: string }> {
    const image = Buffer.alloc(size);
    try {
      const memory = await fs.open(this.#path('mem'), 'r');
      try {
        await readFully(memory, image, size, start);
      } finally {
        await memory.close();
      }
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return { problem: `the memory of the process cannot be read: ${messageOf(error)}` };
    }
    let dir: string | null = null;
    try {
      dir = await fs.mkdtemp(join(tmpdir(), 'resym-vdso-'));
      await fs.writeFile(join(dir, VDSO_NAME), image);
      return dir;
    } catch (error) {
      if (dir !== null) await fs.rm(dir, { recursive: true, force: true });
      if (!isSystemError(error)) throw error;
      return { problem: `it cannot be put into a file: ${messageOf(error)}` };
    }
  }

  async #hasEnded(): Promise<boolean> {
    try {
      return (await readBounded(this.#path('maps'))) === '';
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return true;
    }
  }
}

/** True when a process' memory has in these mappings what the file holds there. Rejects with the system's error. */
export async function holdsCode(
  memory: fs.FileHandle,
  file: fs.FileHandle,
  mappings: readonly Pick<ProcessMapping, 'start' | 'limit' | 'offset'>[],
): Promise<boolean> {
  const length = mappings.reduce((sum, { start, limit }) => sum + Number(limit - start), 0);
  if (length > MAX_COMPARED_BYTES) return false;
  const [held, mapped] = [Buffer.alloc(PIECE_BYTES), Buffer.alloc(PIECE_BYTES)];
  let compared = 0;
  for (const { start, limit, offset } of mappings) {
    for (let at = 0n; at < limit - start; at += BigInt(PIECE_BYTES)) {
      const wanted = Math.min(PIECE_BYTES, Number(limit - start - at));
      const { bytesRead } = await file.read(held, 0, wanted, Number(offset + at));
      if (bytesRead === 0) break; // pages past the end of the file
      await readFully(memory, mapped, bytesRead, start + at);
      if (held.compare(mapped, 0, bytesRead, 0, bytesRead) !== 0) return false;
      compared += bytesRead;
      if (bytesRead < wanted) break;
    }
  }
  return compared > 0;
}

/** The system's word for it when a file cannot be opened. */
async function openIfAllowed(path: string | Buffer): Promise<fs.FileHandle | string> {
  try {
    return await fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return error.code ?? messageOf(error);
  }
}

/** A file of /proc, whose size nobody knows: one character a byte. */
async function readBounded(path: string): Promise<string> {
  const file = await fs.open(path, 'r');
  try {
    const pieces: Buffer[] = [];
    for (let size = 0; ;) {
      const piece = Buffer.allocUnsafe(1 << 16);
      const { bytesRead } = await file.read(piece, 0, piece.length, null);
      if (bytesRead === 0) return Buffer.concat(pieces).toString('latin1');
      size += bytesRead;
      if (size > MAX_MAPS_BYTES) throw new LimitError(`the list of mappings has more than ${MAX_MAPS_BYTES} bytes`);
      pieces.push(piece.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** Memory is read as far as it is there: an end is a mapping that is gone. User space ends below 2^53 everywhere. */
async function readFully(memory: fs.FileHandle, into: Buffer, length: number, from: bigint): Promise<void> {
  for (let done = 0; done < length;) {
    const { bytesRead } = await memory.read(into, done, length - done, Number(from) + done);
    if (bytesRead === 0) {
      throw Object.assign(new Error('the memory ends early'), { code: 'EIO', syscall: 'read' });
    }
    done += bytesRead;
  }
}

/** Linux' 12 bits of major and 20 of minor number, as glibc and Node spread them over 64. */
function deviceNumbers(dev: bigint): { major: number; minor: number } {
  return {
    major: Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)),
    minor: Number((dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)),
  };
}

/** As people read it. */
function shown(path: string): string {
  return Buffer.from(path.replaceAll('\\012', '\n'), 'latin1').toString('utf8');
}

/** The file's name as it was. */
function nameOf(mapped: string): string {
  return fileOf(mapped)
    .replace(/^\/memfd:/, '')
    .split('/')
    .at(-1)!;
}
