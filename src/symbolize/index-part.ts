/**
 * What one thread has collected of an index, as columns that go to another thread without being copied: the rows of the tables as
 * they stand in memory (index-columns.ts), numbered on their own. The taker numbers them anew, in their order, so that parts of
 * neighbouring shares, taken in order, give the very rows that one thread would have made of both.
 */

/** Rows of three numbers: the first `count` of each column. */
export interface RowColumns {
  readonly count: number;
  readonly a: Uint32Array<ArrayBuffer>;
  readonly b: Uint32Array<ArrayBuffer>;
  readonly c: Uint32Array<ArrayBuffer>;
}

export interface RangeRowColumns {
  readonly count: number;
  readonly starts: Float64Array<ArrayBuffer>;
  readonly ends: Float64Array<ArrayBuffer>;
  readonly scopes: Uint32Array<ArrayBuffer>;
  readonly places: Uint32Array<ArrayBuffer>;
}

export interface IndexPart {
  /** As in the file: u32 length, then UTF-8. */
  readonly strings: Uint8Array<ArrayBuffer>;
  readonly places: RowColumns;
  readonly functions: RowColumns;
  readonly scopes: RowColumns;
  readonly ranges: RangeRowColumns;
  readonly lines: RangeRowColumns;
  /** By function: the name people read, in `readableStrings`; 0 where it is the linked one. */
  readonly readable: Uint32Array<ArrayBuffer>;
  readonly readableStrings: Uint8Array<ArrayBuffer>;
}

/** An index of which a share is collected. */
export interface IndexUnderWay {
  /** For the index of another thread; null when something could not be read. Nothing else can be asked afterwards. */
  part(): IndexPart | null;
  /** Goes on with the next share. */
  add(part: IndexPart): void;
  /** The file; null when something could not be read. */
  finish(): Uint8Array | null;
}

/** What may be moved instead of copied; the part is of no use afterwards where it came from. */
export function buffersOf({ strings, readable, readableStrings, ...tables }: IndexPart): ArrayBuffer[] {
  const { places, functions, scopes, ranges, lines } = tables;
  return [
    ...[strings, readable, readableStrings].map(({ buffer }) => buffer),
    ...[places, functions, scopes].flatMap(({ a, b, c }) => [a.buffer, b.buffer, c.buffer]),
    ...[ranges, lines].flatMap((rows) => [
      rows.starts.buffer,
      rows.ends.buffer,
      rows.scopes.buffer,
      rows.places.buffer,
    ]),
  ];
}
