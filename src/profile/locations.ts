import type { Extents } from './extents.ts';
import { LINE, LOCATION } from './fields.ts';
import type { FunctionTable } from './functions.ts';
import { IdIndex } from './ids.ts';
import { U64Column } from './u64.ts';
import type { WireReader } from './wire.ts';

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

  /** Lines, innermost first. Decoded anew at each call. */
  lines(index: number): LineRecord[] {
    const lines: LineRecord[] = [];
    if (this.#lineCounts[index] === 0) return lines;
    const reader = this.#reader;
    reader.enter(this.recordStart(index), this.recordEnd(index));
    const recordEnd = reader.len;
    while (reader.next()) {
      if (reader.field !== LOCATION.line) {
        reader.skipField();
        continue;
      }
      reader.len = reader.end();
      lines.push(this.#line(reader));
      reader.len = recordEnd;
    }
    return lines;
  }

  #line(reader: WireReader): LineRecord {
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
    return { functionIndex, line, column };
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
