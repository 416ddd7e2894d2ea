/**
 * The persisted symbol index: what DWARF and symbol tables say of every address of one binary, as sorted rows that are read by
 * position, without parsing. Little endian throughout; version 1:
 *
 *     0   "RESYMIDX"
 *     8   u32 version
 *     12  u32 size of the head, which the first block follows
 *     16  u32 CRC-32 of the head from byte 20 on
 *     20  u32 length of the stamp, then the stamp (UTF-8): the very files it was made of, see index-stamp.ts
 *         f64 base: the file address that starts count from
 *         u32 bytes of strings
 *         4 tables, each: u32 rows, u8 x 3 bytes of each column
 *         f64 x blocks of the first table: the start in each block's first row
 *         u32 x blocks in all: CRC-32 of each block
 *
 *     blocks, tables first, in order, then the strings. A block of a table holds as many whole rows as fit into BLOCK_BYTES,
 *     with nothing between the blocks; one of the strings holds BLOCK_BYTES. The last of each is shorter.
 *
 *     ranges      start - base | scope + 1, 0: nothing is known | place + 1      ascending; each reaches to the next
 *     scopes      function     | scope around it + 1            | place + 1 in that scope where this one was inlined
 *     places      file (string)| line                           | column
 *     functions   name as linked (string) | as people read it (string) * 2, + 1 when only a symbol table has it | line of its declaration
 *
 *     A string is numbered by its offset in the strings: u32 length, then UTF-8. String 0 is empty; as the name people read it means:
 *     the linked one.
 *
 * Example: an address in a function inlined twice is 1 row of ranges, 3 of scopes, 3 of places, 3 of functions.
 */
export const INDEX_MAGIC = 'RESYMIDX';
/** Raised whenever the layout, or what goes into it, changes: others are built anew. */
export const INDEX_VERSION = 1;

export const BLOCK_BYTES = 4096;
export const COLUMNS = 3;

/** Numbers of the tables. */
export const RANGES = 0;
export const SCOPES = 1;
export const PLACES = 2;
export const FUNCTIONS = 3;
export const TABLES = 4;

/** Bytes before what the head's CRC covers. */
export const PREFIX_BYTES = 20;
/** A browser's index has some 200,000 blocks: 12 bytes each. */
export const MAX_HEAD_BYTES = 64 << 20;

/** How a table's rows lie in its blocks. */
export interface TableShape {
  readonly rows: number;
  /** Bytes of each column, 1 to 6. */
  readonly widths: readonly number[];
}

export function strideOf({ widths }: TableShape): number {
  return widths.reduce((sum, width) => sum + width, 0);
}

export function rowsPerBlock(shape: TableShape): number {
  return Math.floor(BLOCK_BYTES / strideOf(shape));
}

export function blocksOf(shape: TableShape): number {
  return Math.ceil(shape.rows / rowsPerBlock(shape));
}
