import type { Extents } from './extents.ts';
import { FUNCTION } from './fields.ts';
import { IdIndex } from './ids.ts';
import { U64Column } from './u64.ts';
import type { WireReader } from './wire.ts';

/** The profile's Function records as columns, in file order. */
export class FunctionTable {
  readonly count: number;
  readonly ids: U64Column;
  readonly byId: IdIndex;
  readonly #names: Uint32Array;
  readonly #systemNames: Uint32Array;
  readonly #filenames: Uint32Array;
  readonly #startLines: Float64Array;

  /** Decodes the records at `extents`, whose strings must be below `stringCount`. Throws FormatError. */
  constructor(reader: WireReader, extents: Extents, stringCount: number) {
    const count = extents.count;
    this.count = count;
    this.ids = new U64Column(count);
    this.#names = new Uint32Array(count);
    this.#systemNames = new Uint32Array(count);
    this.#filenames = new Uint32Array(count);
    this.#startLines = new Float64Array(count);
    reader.message = 'Function';
    for (let i = 0; i < count; i++) {
      reader.enter(extents.start(i), extents.end(i));
      // Only the last occurrence of a field counts, also for the check of string indexes.
      let name = 0;
      let systemName = 0;
      let filename = 0;
      while (reader.next()) {
        switch (reader.field) {
          case FUNCTION.id:
            reader.value();
            this.ids.set(i, reader.low, reader.high);
            break;
          case FUNCTION.name:
            name = reader.index();
            break;
          case FUNCTION.system_name:
            systemName = reader.index();
            break;
          case FUNCTION.filename:
            filename = reader.index();
            break;
          case FUNCTION.start_line:
            reader.value();
            this.#startLines[i] = reader.signed();
            break;
          default:
            reader.skipField();
        }
      }
      this.#names[i] = reader.stringIndex(name, stringCount);
      this.#systemNames[i] = reader.stringIndex(systemName, stringCount);
      this.#filenames[i] = reader.stringIndex(filename, stringCount);
    }
    this.byId = new IdIndex(this.ids);
  }

  id(index: number): bigint {
    return this.ids.big(index);
  }

  /** String index. */
  name(index: number): number {
    return this.#names[index];
  }

  /** String index. */
  systemName(index: number): number {
    return this.#systemNames[index];
  }

  /** String index. */
  filename(index: number): number {
    return this.#filenames[index];
  }

  /** 1-based; 0 = unknown. Rounded beyond 2^53, which only hostile profiles reach. */
  startLine(index: number): number {
    return this.#startLines[index];
  }
}
