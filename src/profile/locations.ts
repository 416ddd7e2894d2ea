import { ascendingOrder } from '../bytes/order.ts';
import type { Extents } from './extents.ts';
import { LINE, LOCATION } from './fields.ts';
import type { FunctionTable } from './functions.ts';
import { IdIndex } from './ids.ts';
import { U64Column } from './u64.ts';
import type { WireReader } from './wire.ts';

const TWO_21 = 2 ** 21;
const TWO_32 = 2 ** 32;

/** One Line record of a Location. Numbers are rounded beyond ±2^53, which only hostile profiles reach. */
export interface LineRecord {
  /** -1 when the record names no function or one that does not exist. */
  readonly functionIndex: number;
  /** 1-based; 0 = unknown. */
  readonly line: number;
  /** 1-based; 0 = unknown. */
  readonly column: number;
}

/**
 * The profile's Location records as columns, in file order. Lines stay in the profile's bytes and are decoded when
 * asked for: a profile may hold a million locations.
 */
export class LocationTable {
  readonly count: number;
  readonly ids: U64Column;
  readonly byId: IdIndex;
  readonly #addresses: U64Column;
  readonly #mappingIndexes: Int32Array;
  readonly #lineCounts: Uint32Array;
  readonly #folded: Uint8Array;
  readonly #reader: WireReader;
  readonly #extents: Extents;
  readonly #functions: FunctionTable;

  /** Decodes the records at `extents` and checks their lines. Keeps `reader` for decoding lines later. Throws FormatError. */
  constructor(reader: WireReader, extents: Extents, mappings: IdIndex, functions: FunctionTable) {
    const count = extents.count;
    this.count = count;
    this.ids = new U64Column(count);
    this.#addresses = new U64Column(count);
    this.#mappingIndexes = new Int32Array(count);
    this.#lineCounts = new Uint32Array(count);
    this.#folded = new Uint8Array(count);
    this.#reader = reader;
    this.#extents = extents;
    this.#functions = functions;
    reader.message = 'Location';
    for (let i = 0; i < count; i++) {
      reader.enter(extents.start(i), extents.end(i));
      let mapping = -1;
      let lines = 0;
      while (reader.next()) {
        switch (reader.field) {
          case LOCATION.id:
            reader.value();
            this.ids.set(i, reader.low, reader.high);
            break;
          case LOCATION.mapping_id:
            reader.value();
            mapping = reader.low === 0 && reader.high === 0 ? -1 : mappings.find(reader.low, reader.high);
            break;
          case LOCATION.address:
            reader.value();
            this.#addresses.set(i, reader.low, reader.high);
            break;
          case LOCATION.line: {
            const end = reader.body();
            const outer = reader.len;
            reader.len = end;
            while (reader.next()) {
              if (reader.field >= LINE.function_id && reader.field <= LINE.column) reader.value();
              else reader.skipField();
            }
            reader.len = outer;
            lines++;
            break;
          }
          case LOCATION.is_folded:
            reader.value();
            this.#folded[i] = 1;
            break;
          default:
            reader.skipField();
        }
      }
      this.#mappingIndexes[i] = mapping;
      this.#lineCounts[i] = lines;
    }
    this.byId = new IdIndex(this.ids);
  }

  id(index: number): bigint {
    return this.ids.big(index);
  }

  /** Run-time address. */
  address(index: number): bigint {
    return this.#addresses.big(index);
  }

  /** The same as a number, which takes a tenth of the time; NaN for 2^53 and above. */
  addressNumber(index: number): number {
    const high = this.#addresses.high(index);
    return high < TWO_21 ? high * TWO_32 + this.#addresses.low(index) : NaN;
  }

  /** The same indexes by ascending address; those of 2^53 and above come first, as they stood. */
  byAddress(indexes: readonly number[]): number[] {
    const keys = Float64Array.from(indexes, (index) => this.addressNumber(index) || 0);
    return Array.from(ascendingOrder(keys), (i) => indexes[i]);
  }

  /** -1 when the location names no mapping, or one that does not exist. */
  mappingIndex(index: number): number {
    return this.#mappingIndexes[index];
  }

  /** True when a line names no function, or one that does not exist. */
  hasUnknownFunction(index: number): boolean {
    return this.lines(index).some(({ functionIndex }) => functionIndex < 0);
  }

  lineCount(index: number): number {
    return this.#lineCounts[index];
  }

  /** True when a record holds neither lines nor the flag that goes with them. */
  isBare(index: number): boolean {
    return this.#lineCounts[index] === 0 && this.#folded[index] === 0;
  }

  /** Lines, innermost first. Decoded anew at each call. */
  lines(index: number): LineRecord[] {
    const lines: LineRecord[] = [];
    this.eachLine(index, (functionIndex, line, column) => lines.push({ functionIndex, line, column }));
    return lines;
  }

  /** Function of the outermost line; -1 without lines, and as in LineRecord. */
  outermostFunction(index: number): number {
    let outermost = -1;
    this.eachLine(index, (functionIndex) => (outermost = functionIndex));
    return outermost;
  }

  /** Calls `visit` with the parts of a LineRecord for each line, innermost first. */
  eachLine(index: number, visit: (functionIndex: number, line: number, column: number) => void): void {
    if (this.#lineCounts[index] === 0) return;
    const reader = this.#reader;
    const recordEnd = this.recordEnd(index);
    reader.enter(this.recordStart(index), recordEnd);
    while (reader.next()) {
      if (reader.field !== LOCATION.line) {
        reader.skipField();
        continue;
      }
      const lineEnd = reader.end();
      reader.len = lineEnd;
      this.#line(reader, visit);
      reader.pos = lineEnd;
      reader.len = recordEnd;
    }
  }

  #line(reader: WireReader, visit: (functionIndex: number, line: number, column: number) => void): void {
    let functionIndex = -1;
    let line = 0;
    let column = 0;
    while (reader.next()) {
      switch (reader.field) {
        case LINE.function_id: {
          reader.varint();
          const none = reader.low === 0 && reader.high === 0;
          functionIndex = none ? -1 : this.#functions.byId.find(reader.low, reader.high);
          break;
        }
        case LINE.line:
          reader.varint();
          line = reader.signed();
          break;
        case LINE.column:
          reader.varint();
          column = reader.signed();
          break;
        default:
          reader.skipField();
      }
    }
    visit(functionIndex, line, column);
  }

  /** The record's field in `Profile.raw`, tag and length included, starts here. */
  recordStart(index: number): number {
    return this.#extents.start(index);
  }

  /** The first byte after the record's field. */
  recordEnd(index: number): number {
    return this.#extents.end(index);
  }
}
