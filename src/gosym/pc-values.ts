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

/** Pairs in one table. The largest generated init functions have some 100,000; a hostile stream must not run for seconds. */
const MAX_PAIRS = 1 << 20;

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
    let at = table.seek(offset);
    let bytes = table.bytes;
    let left = limit - table.base; // index in `bytes` that must not be read, may lie past the window
    let value = -1;
    let pc = 0;
    for (let first = true; ; first = false) {
      if (at + 10 > bytes.length || at + 10 > left) {
        // Near the end of the window or the region: make sure a whole pair (two varints of up to 5 bytes) can be read.
        const position = table.base + at;
        if (position >= limit) throw new FormatError(table.section, offset, 'pc-value table without end');
        const pair = slowPair(table, position, limit, first);
        if (pair.length === 0) return;
        value = (value + unzigzag(pair.value)) | 0;
        pc += pair.pc * quantum;
        at = table.seek(Math.min(position + pair.length, table.length - 1));
        bytes = table.bytes;
        left = limit - table.base;
        if (position + pair.length >= table.length) at = bytes.length;
      } else {
        let byte = bytes[at++];
        if (byte === 0 && !first) return;
        let delta = byte & 0x7f;
        for (let shift = 7; byte >= 0x80; shift += 7) {
          if (shift > 28) throw new FormatError(table.section, offset, 'pc-value delta longer than 5 bytes');
          byte = bytes[at++]!;
          delta |= (byte & 0x7f) << shift;
        }
        value = (value + unzigzag(delta >>> 0)) | 0;
        byte = bytes[at++]!;
        let step = byte & 0x7f;
        for (let shift = 7; byte >= 0x80; shift += 7) {
          if (shift > 28) throw new FormatError(table.section, offset, 'pc-value delta longer than 5 bytes');
          byte = bytes[at++]!;
          step |= (byte & 0x7f) << shift;
        }
        pc += (step >>> 0) * quantum;
      }
      if (this.count === this.ends.length) this.#grow(offset, table.section);
      this.ends[this.count] = Math.min(pc, size);
      this.values[this.count] = value;
      this.count++;
      if (pc >= size) return;
    }
  }

  #grow(offset: number, section: string): void {
    if (this.count >= MAX_PAIRS) {
      throw new LimitError(`${section}+0x${offset.toString(16)}: a pc-value table of more than ${MAX_PAIRS} pairs`);
    }
    const ends = new Int32Array(this.count * 2);
    ends.set(this.ends);
    this.ends = ends;
    const values = new Int32Array(this.count * 2);
    values.set(this.values);
    this.values = values;
  }
}

/** Odd values are negative. */
function unzigzag(delta: number): number {
  return delta & 1 ? ~(delta >>> 1) : delta >>> 1;
}

/** One pair, byte by byte across windows. `length` 0: the end of the stream. */
function slowPair(
  table: PagedBytes,
  offset: number,
  limit: number,
  first: boolean,
): { length: number; value: number; pc: number } {
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
  if (!first && table.u8(offset) === 0) return { length: 0, value: 0, pc: 0 };
  const value = uvarint();
  const pc = uvarint();
  return { length: next - offset, value, pc };
}
