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
const MAX_PAIRS = 1 << 19;
const FIRST_INTS = 1 << 16;

/**
 * Decoded tables, one after the other in one typed array: the number of pairs, then per pair the end of its range (bytes from the
 * function's entry, exclusive, ascending) and the value.
 */
export class PcValueStore {
  ints = new Int32Array(FIRST_INTS);
  /** Ints in use. */
  used = 0;

  /** Makes room for `ints` more, and returns where they go. */
  reserve(ints: number): number {
    const position = this.used;
    while (position + ints > this.ints.length) this.#grow();
    this.used = position + ints;
    return position;
  }

  /** Forgets everything. */
  clear(): void {
    this.used = 0;
    this.ints = new Int32Array(FIRST_INTS);
  }

  /** Appends an empty table. */
  addEmpty(): void {
    this.ints[this.reserve(1)] = 0;
  }

  /**
   * Appends the stream at `offset` of `table`, which must end before `limit`, of a function of `size` bytes (ranges past its end are
   * cut). Throws FormatError and LimitError; then nothing is appended.
   */
  add(table: PagedBytes, offset: number, limit: number, quantum: number, size: number): void {
    if (!(offset < limit && limit <= table.length)) {
      throw new FormatError(table.section, offset, 'pc-value table outside its region');
    }
    // Everything in locals: this loop is most of what a first lookup costs.
    let { ints } = this;
    const start = this.used;
    const most = start + 1 + 2 * MAX_PAIRS;
    let into = start + 1;
    let at = table.seek(offset);
    let bytes = table.bytes;
    // Up to here a whole pair, two varints of up to 5 bytes, can be read from the window, inside the region.
    let careful = Math.min(bytes.length, limit - table.base) - 10;
    let value = -1;
    let pc = 0;
    for (;;) {
      let delta: number;
      let step: number;
      if (at <= careful) {
        delta = bytes[at++];
        if (delta === 0 && into > start + 1) break;
        if (delta >= 0x80) {
          delta &= 0x7f;
          for (let shift = 7; ; shift += 7) {
            const more = bytes[at++];
            delta |= (more & 0x7f) << shift;
            if (more < 0x80) break;
            if (shift === 28) throw tooLong(table, offset);
          }
        }
        step = bytes[at++];
        if (step >= 0x80) {
          step &= 0x7f;
          for (let shift = 7; ; shift += 7) {
            const more = bytes[at++];
            step |= (more & 0x7f) << shift;
            if (more < 0x80) break;
            if (shift === 28) throw tooLong(table, offset);
          }
          step >>>= 0;
        }
      } else {
        const position = table.base + at;
        const pair = slowPair(table, position, limit, into === start + 1);
        if (pair === null) break;
        ({ delta, step } = pair);
        const next = position + pair.length;
        at = next < table.length ? table.seek(next) : next - table.base;
        bytes = table.bytes;
        careful = Math.min(bytes.length, limit - table.base) - 10;
      }
      value = (value + (delta & 1 ? ~(delta >>> 1) : delta >>> 1)) | 0;
      pc += step * quantum;
      if (into + 2 > ints.length) {
        this.#grow();
        ({ ints } = this);
      }
      if (into >= most) {
        throw new LimitError(
          `${table.section}+0x${offset.toString(16)}: pc-value table of more than ${MAX_PAIRS} pairs`,
        );
      }
      ints[into] = pc < size ? pc : size;
      ints[into + 1] = value;
      into += 2;
      if (pc >= size) break;
    }
    if (start >= ints.length) this.#grow();
    this.ints[start] = (into - start - 1) >>> 1;
    this.used = into;
  }

  #grow(): void {
    const larger = new Int32Array(this.ints.length * 2);
    larger.set(this.ints);
    this.ints = larger;
  }
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
    throw tooLong(table, offset);
  };
  if (!first && offset < limit && table.u8(offset) === 0) return null;
  const delta = uvarint();
  const step = uvarint();
  return { length: next - offset, delta, step };
}

function tooLong(table: PagedBytes, offset: number): FormatError {
  return new FormatError(table.section, offset, 'pc-value delta longer than 5 bytes');
}
