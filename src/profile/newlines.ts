/**
 * New lines for a profile's locations, in columns: there may be millions, and most of them are the same as in the profile before.
 *
 *   LineTable   what lists of lines there are, over many profiles: a list is a number
 *
 *       words      ... | head | function line column | function line column | head | ...
 *       head       lines in the list << 2 | some line has a number << 1 | some function has a file
 *       function   index into `functions`, where each is once
 *
 *   NewLines    which location of one profile gets which list; functions are numbered anew, in order of appearance
 */
export interface NewFunction {
  readonly name: string;
  /** The linker's name; may be "". */
  readonly systemName: string;
  readonly filename: string;
  /** 1-based; 0 = unknown. */
  readonly startLine: number;
}

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
  readonly functions: NewFunction[] = [];
  readonly #words: number[] = [];
  readonly #numbers = new Map<NewFunction, number>();

  /** Takes a list, innermost first. Functions that are the same object are one. */
  add(lines: readonly NewLine[]): number {
    const list = this.#words.length;
    let head = lines.length << DEPTH_SHIFT;
    this.#words.push(head);
    for (const { function: f, line, column } of lines) {
      if (line !== 0) head |= HAS_LINE;
      if (f.filename !== '') head |= HAS_FILE;
      this.#words.push(this.#numberOf(f), line, column);
    }
    this.#words[list] = head;
    return list;
  }

  #numberOf(f: NewFunction): number {
    let number = this.#numbers.get(f);
    if (number === undefined) {
      number = this.functions.push(f) - 1;
      this.#numbers.set(f, number);
    }
    return number;
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
  /** Those the lines refer to; not necessarily of different content. */
  readonly functions: NewFunction[] = [];
  /** Columns of the lines, list after list in the order in which locations were given: index into `functions`, line, column. */
  readonly functionNumbers: number[] = [];
  readonly lines: number[] = [];
  readonly columns: number[] = [];
  /** Locations that have a list. */
  size = 0;
  /** By location: its first line in the columns, NONE for one that stays as it is; and how many lines. */
  readonly #starts: number[] = [];
  readonly #depths: number[] = [];
  /** By table: the numbers here of the functions there. */
  readonly #numbers = new Map<LineTable, Int32Array>();
  #last: { readonly table: LineTable; readonly numbers: Int32Array } | null = null;

  static of(lists: ReadonlyMap<number, readonly NewLine[]>): NewLines {
    const lines = new NewLines();
    const table = new LineTable();
    for (const [location, list] of [...lists].sort(([a], [b]) => a - b)) lines.set(location, table, table.add(list));
    return lines;
  }

  has(location: number): boolean {
    return location < this.#starts.length && this.#starts[location] !== NONE;
  }

  /** @param location of the profile; one after the other, mostly. Not given twice. */
  set(location: number, table: LineTable, list: number): void {
    if (!Number.isInteger(location) || location < 0) throw new RangeError(`location ${location}`);
    while (this.#starts.length <= location) {
      this.#starts.push(NONE);
      this.#depths.push(0);
    }
    const depth = table.depth(list);
    this.size++;
    this.#starts[location] = this.lines.length;
    this.#depths[location] = depth;
    for (let i = 0; i < depth; i++) {
      this.functionNumbers.push(this.#numberOf(table, table.function(list, i)));
      this.lines.push(table.line(list, i));
      this.columns.push(table.column(list, i));
    }
  }

  #numberOf(table: LineTable, there: number): number {
    const last = this.#last;
    const numbers = last?.table === table && there < last.numbers.length ? last.numbers : this.#numbersOf(table);
    const known = numbers[there];
    if (known !== NONE) return known;
    return (numbers[there] = this.functions.push(table.functions[there]) - 1);
  }

  /** Long enough for all functions the table has by now. */
  #numbersOf(table: LineTable): Int32Array {
    let numbers = this.#numbers.get(table);
    if (numbers === undefined || numbers.length < table.functions.length) {
      const longer = new Int32Array(2 * table.functions.length).fill(NONE);
      longer.set(numbers ?? []);
      numbers = longer;
      this.#numbers.set(table, numbers);
    }
    this.#last = { table, numbers };
    return numbers;
  }

  /** Locations that have a list, ascending. */
  locations(): number[] {
    const locations: number[] = [];
    for (let i = 0; i < this.#starts.length; i++) if (this.#starts[i] !== NONE) locations.push(i);
    return locations;
  }

  /** First of a location's lines in the columns. */
  start(location: number): number {
    return this.#starts[location];
  }

  /** One past the last. */
  end(location: number): number {
    return this.#starts[location] + this.#depths[location];
  }
}
