/**
 * New lines for a profile's locations, in columns: there may be millions, and most of them are the same as in the profile before.
 *
 *   LineTable   what lists of lines there are, over many profiles: a list is a number
 *
 *       words      ... | head | function line column | function line column | head | ...
 *       head       lines in the list << 2 | some line has a number << 1 | some function has a file
 *       function   its number in `functions`
 *
 *   NewLines    which location of one profile gets which list
 */
import { FunctionPool, type NewFunction } from './function-pool.ts';

export interface NewLine {
  readonly function: NewFunction;
  /** 1-based; 0 = unknown. */
  readonly line: number;
  /** 1-based; 0 = unknown. */
  readonly column: number;
}

const HAS_FILE = 1;
const HAS_LINE = 2;
const DEPTH_SHIFT = 2;
const WORDS_PER_LINE = 3;

export class LineTable {
  readonly functions = new FunctionPool();
  readonly #words: number[] = [];

  /** Takes a list, innermost first. */
  add(lines: readonly NewLine[]): number {
    const list = this.#words.length;
    let head = lines.length << DEPTH_SHIFT;
    this.#words.push(head);
    for (const { function: f, line, column } of lines) {
      if (line !== 0) head |= HAS_LINE;
      if (f.filename !== '') head |= HAS_FILE;
      this.#words.push(this.functions.number(f), line, column);
    }
    this.#words[list] = head;
    return list;
  }

  /** How much is in it: numbers of all lists, bytes of all strings. */
  get size(): number {
    return this.#words.length + this.functions.strings.size;
  }

  /** Lines in a list. */
  depth(list: number): number {
    return this.#words[list] >>> DEPTH_SHIFT;
  }

  /** Whether some function of the list has a file. */
  hasFile(list: number): boolean {
    return (this.#words[list] & HAS_FILE) !== 0;
  }

  /** Whether some line of the list has a number. */
  hasLine(list: number): boolean {
    return (this.#words[list] & HAS_LINE) !== 0;
  }

  /** The `i`th line of a list, 0 the innermost. */
  function(list: number, i: number): number {
    return this.#words[list + 1 + WORDS_PER_LINE * i];
  }

  line(list: number, i: number): number {
    return this.#words[list + 2 + WORDS_PER_LINE * i];
  }

  column(list: number, i: number): number {
    return this.#words[list + 3 + WORDS_PER_LINE * i];
  }
}

const NONE = -1;

export class NewLines {
  /** What the lists are numbers in. */
  readonly table: LineTable;
  /** Locations that have a list. */
  size = 0;
  /** By location; NONE for one that stays as it is. */
  #lists = new Int32Array(256).fill(NONE);

  constructor(table = new LineTable()) {
    this.table = table;
  }

  static of(lists: ReadonlyMap<number, readonly NewLine[]>): NewLines {
    const lines = new NewLines();
    for (const [location, list] of lists) lines.set(location, lines.table.add(list));
    return lines;
  }

  has(location: number): boolean {
    return location < this.#lists.length && this.#lists[location] !== NONE;
  }

  /** @param location of the profile. Not given twice. */
  set(location: number, list: number): void {
    if (!Number.isInteger(location) || location < 0) throw new RangeError(`location ${location}`);
    if (location >= this.#lists.length) {
      const longer = new Int32Array(Math.max(2 * this.#lists.length, location + 1)).fill(NONE, this.#lists.length);
      longer.set(this.#lists);
      this.#lists = longer;
    }
    this.#lists[location] = list;
    this.size++;
  }

  /** Of a location that has one. */
  list(location: number): number {
    return this.#lists[location];
  }

  /** Locations that have a list, ascending. */
  locations(): number[] {
    const locations: number[] = [];
    for (let i = 0; i < this.#lists.length; i++) if (this.#lists[i] !== NONE) locations.push(i);
    return locations;
  }
}
