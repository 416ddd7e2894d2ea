/**
 * pc-value tables: how .gopclntab stores "which line, file or inline index is it, at each address of a function".
 *
 * A stream of pairs (uvarint value delta, zig-zag; uvarint pc delta, in quanta). The value starts at -1, the address at the
 * function's entry. For each pair: value += delta, address += delta; the value holds for addresses below the new one. A value
 * delta of 0 ends the stream, except as the very first byte. Addresses past the last pair (padding) have no value.
 *
 *     78 0e | 04 06 | 0b 04 | 00        59 up to +0x0e, 61 up to +0x14, 55 up to +0x18
 *
 * Source: src/runtime/symtab.go (pcvalue, step).
 */
import { FormatError, LimitError } from '../errors.ts';
import type { PagedBytes } from './paged-bytes.ts';

/** Room for pairs of one table. The largest generated init functions have some 100,000; a hostile stream must not run for seconds. */
const MAX_PAIRS = 1 << 21;

/** One decoded table, reused from function to function: `values[i]` holds from `ends[i - 1]` (0) up to `ends[i]`. */
export class PcValues {
  count = 0;
  /** Bytes from the function's entry, ascending (equal ones are empty ranges). */
  ends = new Int32Array(256);
  values = new Int32Array(256);

  /** No table: no value anywhere. */
  clear(): void {
    this.count = 0;
  }

  /**
   * Decodes the stream at `offset` of `table`, which must end before `limit`, for a function of `size` bytes (ranges past its
   * end are cut). Throws FormatError and LimitError.
   */
  decode(table: PagedBytes, offset: number, limit: number, quantum: number, size: number): void {
    this.count = 0;
    if (!(offset < limit && limit <= table.length)) {
      throw new FormatError(table.section, offset, 'pc-value table outside its region');
    }
    // Everything in locals: this loop is most of what a first lookup costs.
    let { ends, values } = this;
    let count = 0;
    let at = table.seek(offset);
    let bytes = table.bytes;
    // Up to here two bytes can be read from the window, inside the region.
    let careful = Math.min(bytes.length, limit - table.base) - 2;
    let value = -1;
    let pc = 0;
    for (;;) {
      let delta: number;
      let step: number;
      // Nearly all pairs are two bytes below 0x80.
      if (at <= careful && (delta = bytes[at]) < 0x80 && (step = bytes[at + 1]) < 0x80) {
        if (delta === 0 && count > 0) break;
        at += 2;
      } else {
        const position = table.base + at;
        const pair = slowPair(table, position, limit, count === 0);
        if (pair === null) break;
        ({ delta, step } = pair);
        const next = position + pair.length;
        at = next < table.length ? table.seek(next) : next - table.base;
        bytes = table.bytes;
        careful = Math.min(bytes.length, limit - table.base) - 2;
      }
      value = (value + (delta & 1 ? ~(delta >>> 1) : delta >>> 1)) | 0;
      pc += step * quantum;
      if (count === ends.length) {
        this.#grow(offset, table.section);
        ({ ends, values } = this);
      }
      ends[count] = pc < size ? pc : size;
      values[count] = value;
      count++;
      if (pc >= size) break;
    }
    this.count = count;
  }

  #grow(offset: number, section: string): void {
    const length = this.ends.length * 2;
    if (length > MAX_PAIRS) {
      throw new LimitError(`${section}+0x${offset.toString(16)}: a pc-value table of more than ${MAX_PAIRS / 2} pairs`);
    }
    const ends = new Int32Array(length);
    ends.set(this.ends);
    this.ends = ends;
    const values = new Int32Array(length);
    values.set(this.values);
    this.values = values;
  }
}

/** The answer of `valueAt`: a value and the range it holds for, bytes from the entry. */
export interface PcRange {
  value: number;
  start: number;
  end: number;
}

/**
 * The value at `target` (bytes from the entry, below `size`) without decoding more of the stream than what is before it; -1 past
 * the last pair. Written into `into`. Arguments and errors as for `PcValues.decode`.
 */
export function valueAt(
  into: PcRange,
  table: PagedBytes,
  offset: number,
  limit: number,
  quantum: number,
  size: number,
  target: number,
): void {
  if (!(offset < limit && limit <= table.length)) {
    throw new FormatError(table.section, offset, 'pc-value table outside its region');
  }
  let at = table.seek(offset);
  let bytes = table.bytes;
  let careful = Math.min(bytes.length, limit - table.base) - 2;
  let value = -1;
  let pc = 0;
  let before = 0;
  for (let first = true; ; first = false) {
    let delta: number;
    let step: number;
    // Nearly all pairs are two bytes below 0x80.
    if (at <= careful && (delta = bytes[at]) < 0x80 && (step = bytes[at + 1]) < 0x80) {
      if (delta === 0 && !first) break;
      at += 2;
    } else {
      const position = table.base + at;
      const pair = slowPair(table, position, limit, first);
      if (pair === null) break;
      ({ delta, step } = pair);
      const next = position + pair.length;
      at = next < table.length ? table.seek(next) : next - table.base;
      bytes = table.bytes;
      careful = Math.min(bytes.length, limit - table.base) - 2;
    }
    value = (value + (delta & 1 ? ~(delta >>> 1) : delta >>> 1)) | 0;
    before = pc;
    pc += step * quantum;
    if (pc > target) {
      into.value = value;
      into.start = before;
      into.end = Math.min(pc, size);
      return;
    }
  }
  into.value = -1;
  into.start = pc;
  into.end = size;
}

/** One pair, byte by byte, across windows and up to `limit`; null at the end of the stream. */
function slowPair(
  table: PagedBytes,
  offset: number,
  limit: number,
  first: boolean,
): { length: number; delta: number; step: number } | null {
  let next = offset;
  const uvarint = (): number => {
    let value = 0;
    for (let shift = 0; shift <= 28; shift += 7) {
      if (next >= limit) throw new FormatError(table.section, offset, 'pc-value table without end');
      const byte = table.u8(next++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new FormatError(table.section, offset, 'pc-value delta longer than 5 bytes');
  };
  if (!first && offset < limit && table.u8(offset) === 0) return null;
  const delta = uvarint();
  const step = uvarint();
  return { length: next - offset, delta, step };
}
