import { lastAtMost } from '../bytes/search.ts';
import type { FunctionSymbols, ObjectFile } from '../object/object.ts';
import type { Frame } from './frame.ts';

/** ELF symbol tables may append the ABI to a Go function's name; the runtime never prints it. */
const GO_ABI_SUFFIX = /\.abi(?:0|internal)$/;

/**
 * The symbol table as the last source: a name, no file, no line. An address between two symbols belongs to neither:
 * "nearest symbol" is how stripped Go services came to be shown as `OPENSSL_free`.
 */
export class FunctionTable {
  readonly #symbols: FunctionSymbols;
  /** Highest end of any function up to and including the i-th: overlapping symbols are found by walking back to it. */
  readonly #reach: Float64Array;

  private constructor(symbols: FunctionSymbols) {
    this.#symbols = symbols;
    this.#reach = new Float64Array(symbols.count);
    let reach = 0;
    for (let i = 0; i < symbols.count; i++) {
      reach = Math.max(reach, symbols.start[i]! + symbols.size[i]!);
      this.#reach[i] = reach;
    }
  }

  /** null when the object has no function symbols. */
  static of(object: ObjectFile): FunctionTable | null {
    const symbols = object.functionSymbols();
    return symbols.count === 0 ? null : new FunctionTable(symbols);
  }

  get count(): number {
    return this.#symbols.count;
  }

  /** The innermost function whose [start, start + size) holds the address; null when none does. */
  find(address: number): Frame | null {
    const { start, size } = this.#symbols;
    for (let i = lastAtMost(start, address); i >= 0 && this.#reach[i]! > address; i--) {
      if (address < start[i]! + size[i]!) return this.#frame(this.#firstAlias(i));
    }
    return null;
  }

  /** Of several names for one function, the first in the table's own order, whatever was found. */
  #firstAlias(i: number): number {
    const { start, size } = this.#symbols;
    let first = i;
    while (first > 0 && start[first - 1] === start[i] && size[first - 1] === size[i]) first--;
    return first;
  }

  #frame(i: number): Frame {
    const systemName = this.#symbols.name(i);
    return { name: systemName.replace(GO_ABI_SUFFIX, ''), systemName, file: '', line: 0, column: 0, startLine: 0 };
  }
}
