import { lastAtOrBelow } from '../bytes/search.ts';
import type { ObjectFile } from '../object/object.ts';

/**
 * Where a file has code. Linkers that leave a function out cannot leave out what debug info says of it: they set its address to
 * 0, to 1, to the highest number or to its offset in the section that is gone, and such ranges can reach over real functions.
 * What they have in common is that they do not begin in code.
 */
export class CodeRanges {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #start = 0;
  #end = 0;

  constructor(object: ObjectFile) {
    const sections = object.sections.filter(
      (section) => section.executable && section.size > 0 && section.address >= 0,
    );
    for (const { address, size } of sections.sort((a, b) => a.address - b.address)) {
      const last = this.#ends.length - 1;
      if (last >= 0 && address <= this.#ends[last]) this.#ends[last] = Math.max(this.#ends[last], address + size);
      else {
        this.#starts.push(address);
        this.#ends.push(address + size);
      }
    }
  }

  /** True when a range that begins at this file address can be that of code in the file. */
  has(address: number): boolean {
    if (address >= this.#start && address < this.#end) return true;
    if (this.#starts.length === 0) return address > 0;
    const found = lastAtOrBelow(this.#starts, address);
    if (found < 0 || address >= this.#ends[found]) return false;
    this.#start = this.#starts[found];
    this.#end = this.#ends[found];
    return true;
  }
}
