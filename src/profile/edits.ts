/** What to change in a profile: the input of `splice`. */

/** Where a writer notes what it made of a function, instead of looking it up at every line. Its own business. */
export interface Note {
  owner: object | null;
  number: number;
}

export interface NewFunction {
  readonly name: string;
  /** The linker's name; may be "". */
  readonly systemName: string;
  readonly filename: string;
  /** 1-based; 0 = unknown. */
  readonly startLine: number;
  /** Worth having on functions that many lines share. */
  readonly note?: Note;
}

export interface NewLine {
  readonly function: NewFunction;
  /** 1-based; 0 = unknown. */
  readonly line: number;
  /** 1-based; 0 = unknown. */
  readonly column: number;
}

/** True sets the flag; false leaves it as it is. */
export interface MappingFlags {
  readonly functions: boolean;
  readonly filenames: boolean;
  readonly lineNumbers: boolean;
  readonly inlineFrames: boolean;
}

/** By location index: the lines that replace the present ones, innermost first. A Map is one; NewLines is one for many locations. */
export interface LineEdits {
  readonly size: number;
  get(location: number): readonly NewLine[] | undefined;
  has(location: number): boolean;
  keys(): Iterable<number>;
}

/** LineEdits as a column: of a million locations it takes a tenth of the time and memory a Map does. */
export class NewLines implements LineEdits {
  size = 0;
  readonly #lists: (readonly NewLine[] | undefined)[] = [];

  has(location: number): boolean {
    return this.#lists[location] !== undefined;
  }

  get(location: number): readonly NewLine[] | undefined {
    return this.#lists[location];
  }

  /** @param location not much larger than those before it */
  set(location: number, lines: readonly NewLine[]): void {
    while (this.#lists.length < location) this.#lists.push(undefined);
    if (this.#lists[location] === undefined) this.size++;
    this.#lists[location] = lines;
  }

  /** Ascending. */
  keys(): number[] {
    const keys: number[] = [];
    for (let i = 0; i < this.#lists.length; i++) if (this.#lists[i] !== undefined) keys.push(i);
    return keys;
  }
}

export interface ProfileEdits {
  readonly lines: LineEdits;
  /** By mapping index. */
  readonly flags: ReadonlyMap<number, MappingFlags>;
  /**
   * By default a function whose start line is known may become the profile's record of it without one, lest it be two in every graph.
   * True where start lines are what the edits are about. Default false.
   */
  readonly exactStartLines?: boolean;
  /** Appended to the profile's comments. */
  readonly comments: readonly string[];
  /** Written when the profile has none. */
  readonly docUrl?: string;
}
