import { lastAtOrBelow } from '../bytes/search.ts';
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
    this.#reach = new Float64Array(symbols.length);
    let reach = 0;
    for (let i = 0; i < symbols.length; i++) {
      reach = Math.max(reach, symbols.start[i] + symbols.size[i]);
      this.#reach[i] = reach;
    }
  }

  /** null when the object has no function symbols. */
  static of(object: ObjectFile): FunctionTable | null {
    const symbols = object.functionSymbols();
    return symbols.length === 0 ? null : new FunctionTable(symbols);
  }

  get count(): number {
    return this.#symbols.length;
  }

  /** The innermost function whose [start, start + size) holds the address; null when none does. */
  find(address: number): Frame | null {
    const { start, size } = this.#symbols;
    for (let i = lastAtOrBelow(start, address); i >= 0 && this.#reach[i] > address; i--) {
      if (address < start[i] + size[i]) return this.#frame(this.#bestAlias(i));
    }
    return null;
  }

  /** Of several names for one function the exported one; among equals the first in the table's own order. */
  #bestAlias(i: number): number {
    const { start, size, binding } = this.#symbols;
    let best = i;
    for (let at = i - 1; at >= 0 && start[at] === start[i]; at--) {
      if (size[at] === size[i] && (binding[best] === 0 || binding[at] !== 0)) best = at;
    }
    return best;
  }

  #frame(i: number): Frame {
    const systemName = this.#symbols.name(i);
    return { name: systemName.replace(GO_ABI_SUFFIX, ''), systemName, file: '', line: 0, column: 0, startLine: 0 };
  }
}
