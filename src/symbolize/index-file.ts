import { crc32 } from 'node:zlib';
import { ascendingOrder } from '../bytes/order.ts';
import { LimitError } from '../errors.ts';
import type { IndexStrings, RangeRows, UniqueRows } from './index-columns.ts';
import {
  BLOCK_BYTES,
  blocksOf,
  COLUMNS,
  INDEX_MAGIC,
  INDEX_VERSION,
  PREFIX_BYTES,
  rowsPerBlock,
  strideOf,
  type TableShape,
} from './index-layout.ts';

/** What an index is written from. */
export interface IndexContents {
  readonly stamp: string;
  readonly ranges: RangeRows;
  readonly scopes: UniqueRows;
  readonly places: UniqueRows;
  readonly functions: UniqueRows;
  readonly strings: IndexStrings;
}

/** 2^48: what six bytes hold. */
const MAX_SPAN = 2 ** 48;

interface Table {
  readonly shape: TableShape;
  readonly columns: readonly ArrayLike<number>[];
}

/** The bytes of an index file; see index-layout.ts. */
export function indexFile({ stamp, ranges, scopes, places, functions, strings }: IndexContents): Uint8Array {
  const sorted = sortedRanges(ranges);
  const tables = [
    tableOf([sorted.starts, sorted.scopes, sorted.places], sorted.count),
    ...[scopes, places, functions].map(({ a, b, c, count }) => tableOf([a, b, c], count)),
  ];
  const stampBytes = new TextEncoder().encode(stamp);
  const text = strings.bytes;
  const firstBlocks = blocksOf(tables[0].shape);
  const stringBlocks = Math.ceil(text.length / BLOCK_BYTES);
  const blocks = tables.reduce((sum, { shape }) => sum + blocksOf(shape), stringBlocks);
  const headBytes =
    PREFIX_BYTES + 4 + stampBytes.length + 8 + 4 + tables.length * (4 + COLUMNS) + 8 * firstBlocks + 4 * blocks;
  const size = tables.reduce((sum, { shape }) => sum + shape.rows * strideOf(shape), headBytes) + text.length;
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);

  const checksums: number[] = [];
  let at = headBytes;
  for (const { shape, columns } of tables) {
    const perBlock = rowsPerBlock(shape);
    for (let row = 0; row < shape.rows; row += perBlock) {
      const start = at;
      at = writeRows(file, at, columns, shape.widths, row, Math.min(row + perBlock, shape.rows));
      checksums.push(crc32(file.subarray(start, at)));
    }
  }
  for (let start = 0; start < text.length; start += BLOCK_BYTES) {
    const block = text.subarray(start, start + BLOCK_BYTES);
    file.set(block, at + start);
    checksums.push(crc32(block));
  }

  for (let i = 0; i < INDEX_MAGIC.length; i++) file[i] = INDEX_MAGIC.charCodeAt(i);
  view.setUint32(8, INDEX_VERSION, true);
  view.setUint32(12, headBytes, true);
  at = PREFIX_BYTES;
  const u32 = (value: number): void => {
    view.setUint32(at, value, true);
    at += 4;
  };
  const f64 = (value: number): void => {
    view.setFloat64(at, value, true);
    at += 8;
  };
  u32(stampBytes.length);
  file.set(stampBytes, at);
  at += stampBytes.length;
  f64(sorted.base);
  u32(text.length);
  for (const { shape } of tables) {
    u32(shape.rows);
    for (const width of shape.widths) file[at++] = width;
  }
  const perBlock = rowsPerBlock(tables[0].shape);
  for (let block = 0; block < firstBlocks; block++) f64(sorted.starts[block * perBlock]);
  for (const checksum of checksums) u32(checksum);
  view.setUint32(16, crc32(file.subarray(PREFIX_BYTES, headBytes)), true);
  return file;
}

/** In ascending order, with a row "nothing" wherever a range ends and no other begins; of ranges that overlap the later start counts. */
function sortedRanges({ count, starts, ends, scopes, places }: RangeRows) {
  const order = ascendingOrder(starts.subarray(0, count));
  const base = count === 0 ? 0 : starts[order[0]];
  const sorted = {
    base,
    count: 0,
    starts: new Float64Array(2 * count),
    scopes: new Uint32Array(2 * count),
    places: new Uint32Array(2 * count),
  };
  const add = (start: number, scope: number, place: number): void => {
    const last = sorted.count - 1;
    if (last >= 0 && sorted.scopes[last] === scope && sorted.places[last] === place) return;
    sorted.starts[sorted.count] = start - base;
    sorted.scopes[sorted.count] = scope;
    sorted.places[sorted.count++] = place;
  };
  for (let i = 0; i < count; i++) {
    const range = order[i];
    add(starts[range], scopes[range], places[range]);
    const next = i + 1 < count ? starts[order[i + 1]] : Infinity;
    if (ends[range] < next) add(ends[range], 0, 0);
  }
  return sorted;
}

function tableOf(columns: readonly ArrayLike<number>[], rows: number): Table {
  return { shape: { rows, widths: columns.map((column) => widthOf(column, rows)) }, columns };
}

function widthOf(column: ArrayLike<number>, rows: number): number {
  let largest = 0;
  for (let i = 0; i < rows; i++) if (column[i] > largest) largest = column[i];
  if (largest >= MAX_SPAN) throw new LimitError('addresses that lie more than 2^48 bytes apart are not indexed');
  let width = 1;
  while (largest >= 256 ** width) width++;
  return width;
}

/** Writes rows [from, to); gives the offset behind them. */
function writeRows(
  file: Uint8Array,
  offset: number,
  columns: readonly ArrayLike<number>[],
  widths: readonly number[],
  from: number,
  to: number,
): number {
  let at = offset;
  for (let row = from; row < to; row++) {
    for (let c = 0; c < COLUMNS; c++) {
      let value = columns[c][row];
      const width = widths[c];
      for (let i = 0; i < width; i++) {
        file[at++] = value & 0xff;
        value = width <= 4 ? value >>> 8 : Math.floor(value / 256);
      }
    }
  }
  return at;
}
