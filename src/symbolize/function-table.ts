import { lastAtOrBelow } from '../bytes/search.ts';
import type { FunctionSymbols, ObjectFile } from '../object/object.ts';

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

  /** Every address at which a function begins or ends. */
  bounds(): Float64Array {
    const { start, size, length } = this.#symbols;
    const bounds = new Float64Array(2 * length);
    for (let i = 0; i < length; i++) {
      bounds[2 * i] = start[i];
      bounds[2 * i + 1] = start[i] + size[i];
    }
    return bounds;
  }

  /** Linked name of the innermost function whose [start, start + size) holds the address; null when none does. */
  find(address: number): string | null {
    const last = this.#holding(address);
    if (last < 0) return null;
    let best = '';
    let bestRank = Infinity;
    for (const i of this.#sameFunction(last)) {
      const name = this.#symbols.name(i);
      const rank = this.#rank(i, name);
      if (rank <= bestRank) [best, bestRank] = [name, rank];
    }
    return best;
  }

  /** All linked names of that function. */
  aliases(address: number): string[] {
    const last = this.#holding(address);
    return last < 0 ? [] : this.#sameFunction(last).map((i) => this.#symbols.name(i));
  }

  /** The last symbol in the table that holds the address, or -1. */
  #holding(address: number): number {
    const { start, size } = this.#symbols;
    for (let i = lastAtOrBelow(start, address); i >= 0 && this.#reach[i] > address; i--) {
      if (address < start[i] + size[i]) return i;
    }
    return -1;
  }

  /** Symbols of the same range, from the last to the first in the table. */
  #sameFunction(last: number): number[] {
    const { start, size } = this.#symbols;
    const same = [last];
    for (let i = last - 1; i >= 0 && start[i] === start[last]; i--) if (size[i] === size[last]) same.push(i);
    return same;
  }

  /** Lower is better: what others may call (`malloc`), before the library's own spellings (`__libc_malloc`), before local names. */
  #rank(i: number, name: string): number {
    const isMangled = /^_+[ZR]/.test(name);
    const underscores = isMangled ? 0 : /^_*/.exec(name)![0].length;
    return (this.#symbols.binding[i] === 0 ? 100 : 0) + Math.min(underscores, 99);
  }
}
