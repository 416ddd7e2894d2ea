/**
 * Where functions are, by the exception table of a PE file (data directory 3), which says so even where symbols do not:
 *
 *   ascending by RVA; leaf functions are left out, i386 has no such table
 *   amd64        u32 begin, u32 end, u32 RVA of unwind info, whose first byte has in bit 5: goes on from another entry
 *   arm64, arm   u32 begin, u32: bits 0 and 1 say how
 *                  1     bits 2 to 12 are the length in words of 4 bytes (arm: of 2, and bit 0 of the begin says Thumb)
 *                  2     the same of a piece that belongs to a function before
 *                  0     RVA of a record whose first u32 has the length in bits 0 to 17
 *
 * Example, amd64: 00 10 00 00 | 2e 10 00 00 | 1c b0 00 00
 */
import { lastAtOrBelow } from '../bytes/search.ts';
import type { ByteSource } from '../bytes/source.ts';
import { LimitError } from '../errors.ts';
import type { DataDirectory } from './pe-header.ts';
import { SourceWindow } from './window.ts';

/** Browsers have half a million. */
export const MAX_FUNCTION_ENTRIES = 1 << 23;

const UNW_FLAG_CHAININFO = 0x20;

/** What reading it takes of an image. */
export interface FunctionImage {
  readonly source: ByteSource;
  readonly arch: string;
  readonly exceptions: DataDirectory | undefined;
  /** File offset of `[rva, rva + length)`, -1 when not in the file. */
  offsetOf(rva: number, length: number): number;
}

/** Functions as the exception table has them. */
export class FunctionExtents {
  /** RVAs, ascending. */
  readonly starts: Float64Array;
  readonly #ends: Float64Array;

  constructor(starts: Float64Array, ends: Float64Array) {
    this.starts = starts;
    this.#ends = ends;
  }

  /** RVA past the function that begins at `rva`; -1 when the table does not say. */
  endOf(rva: number): number {
    const found = lastAtOrBelow(this.starts, rva);
    return found >= 0 && this.starts[found] === rva && this.#ends[found] > rva ? this.#ends[found] : -1;
  }
}

/** Empty when the file has no table or, being a debug file, has lost its bytes. Throws LimitError. */
export function readFunctionExtents(image: FunctionImage): FunctionExtents {
  const { exceptions: directory, arch, source } = image;
  const entrySize = arch === 'amd64' ? 12 : arch === 'arm64' || arch === 'arm' ? 8 : 0;
  const count = directory === undefined || entrySize === 0 ? 0 : Math.floor(directory.size / entrySize);
  const offset = directory === undefined || count === 0 ? -1 : image.offsetOf(directory.rva, count * entrySize);
  if (offset < 0) return new FunctionExtents(new Float64Array(0), new Float64Array(0));
  if (count > MAX_FUNCTION_ENTRIES) {
    throw new LimitError(`${count} entries in the exception table; the limit is ${MAX_FUNCTION_ENTRIES}`);
  }
  const table = new SourceWindow(source, offset, count * entrySize, 'exception table');
  const unwind = new SourceWindow(source, 0, source.size, 'unwind info');
  const starts = new Float64Array(count);
  const ends = new Float64Array(count);
  let n = 0;
  for (let i = 0; i < count; i++) {
    const entry = table.read(i * entrySize, entrySize);
    const view = new DataView(entry.buffer, entry.byteOffset, entrySize);
    const first = view.getUint32(0, true);
    const begin = arch === 'arm' ? first - (first % 2) : first;
    const second = view.getUint32(4, true);
    const last = n > 0 ? starts[n - 1] : -1;
    let end: number;
    let isPiece: boolean;
    if (entrySize === 12) {
      end = second;
      const info = image.offsetOf(view.getUint32(8, true), 1);
      isPiece = info >= 0 && (unwind.read(info, 1)[0] & UNW_FLAG_CHAININFO) !== 0;
    } else {
      const unit = arch === 'arm' ? 2 : 4;
      isPiece = (second & 3) === 2;
      const record = (second & 3) === 0 ? image.offsetOf(second, 4) : -1;
      const words = (second & 3) !== 0 ? (second >>> 2) & 0x7ff : record < 0 ? 0 : lengthIn(unwind.read(record, 4));
      end = begin + unit * words;
    }
    if (isPiece) {
      if (n > 0 && ends[n - 1] === begin) ends[n - 1] = end;
    } else if (begin > last) {
      starts[n] = begin;
      ends[n++] = end;
    }
  }
  return new FunctionExtents(starts.subarray(0, n), ends.subarray(0, n));
}

function lengthIn(record: Uint8Array): number {
  return new DataView(record.buffer, record.byteOffset, 4).getUint32(0, true) & 0x3ffff;
}
