import { LimitError } from '../errors.ts';

/**
 * Where the records of one kind lie: start and end of each, in file order, bytes from the start of the profile.
 * Grows while scanning.
 */
export class Extents {
  count = 0;
  readonly #kind: string;
  readonly #limit: number;
  #pairs = new Uint32Array(64);

  /** `kind` names the records in the LimitError that follows the `limit`th. */
  constructor(kind: string, limit: number) {
    this.#kind = kind;
    this.#limit = limit;
  }

  push(start: number, end: number): void {
    if (this.count >= this.#limit)
      throw new LimitError(`more than ${this.#limit} ${this.#kind} records in one profile`);
    const at = 2 * this.count;
    if (at === this.#pairs.length) {
      const larger = new Uint32Array(2 * at);
      larger.set(this.#pairs);
      this.#pairs = larger;
    }
    this.#pairs[at] = start;
    this.#pairs[at + 1] = end;
    this.count++;
  }

  start(index: number): number {
    return this.#pairs[2 * index];
  }

  end(index: number): number {
    return this.#pairs[2 * index + 1];
  }

  /** All starts and ends in turn, without the unused tail. */
  pairs(): Uint32Array {
    return this.#pairs.slice(0, 2 * this.count);
  }
}
