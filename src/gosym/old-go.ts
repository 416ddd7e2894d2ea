/**
 * Which kind of inline trees a table of the 1.2 layout has. The magic stayed the same from Go 1.2 to 1.15 while the tables moved,
 * and reading the wrong ones gives wrong names. But the records of that time hold a caller and its line twice: stated, and as
 * the call site from which both follow. Where the two agree for a number of functions, the kind is right.
 */
import { isParseError } from '../errors.ts';
import type { ObjectFile } from '../object/object.ts';
import { FunctionTables } from './function-tables.ts';
import { InlineTrees } from './inline-tree.ts';
import { OLD_INLINING, type PclntabHeader } from './layout.ts';
import type { LocatedTable } from './locate.ts';
import type { PagedBytes } from './paged-bytes.ts';

/** Functions looked at, spread evenly: one in ten has inlined calls. */
const SAMPLE = 2000;
/** So many entries agreeing is no accident; a few may disagree, since call sites get optimised away. */
const ENOUGH = 64;
/** Ranges looked at in one function. */
const MAX_RANGES = 256;

/** The header with the layout that fits. `entryAt(i)` is the address of function `i`. */
export function withInlining(
  object: ObjectFile,
  located: LocatedTable,
  table: PagedBytes,
  entryAt: (i: number) => number,
): PclntabHeader {
  for (const layout of OLD_INLINING) {
    const header = { ...located.header, layout };
    const { seen, agreed } = sample(object, located, table, header, entryAt);
    if (seen > 0 && agreed >= seen * 0.98) return header;
  }
  return { ...located.header, layout: OLD_INLINING.at(-1)! };
}

interface Tally {
  /** Entries of inline trees looked at, and those that agree with themselves. */
  seen: number;
  agreed: number;
}

function sample(
  object: ObjectFile,
  located: LocatedTable,
  table: PagedBytes,
  header: PclntabHeader,
  entryAt: (i: number) => number,
): Tally {
  const tally = { seen: 0, agreed: 0 };
  const { functionCount, functab, fieldSize } = header;
  const trees = new InlineTrees(object, located, table, header);
  const tables = new FunctionTables(table, header, (record) => trees.treeOf(record));
  const step = Math.max(1, Math.floor(functionCount / SAMPLE));
  for (let i = 0; i < functionCount && tally.seen < ENOUGH; i += step) {
    const size = entryAt(i + 1) - entryAt(i);
    try {
      tables.enter(i, table.word(functab + (2 * i + 1) * fieldSize, fieldSize), size);
      if (tables.inlineTree >= 0) lookAt(tables, trees, size, tally);
    } catch (error) {
      if (!isParseError(error)) throw error;
      tally.seen++; // what cannot be read does not agree
    }
  }
  return tally;
}

/** Compares what is said twice, for the inlined code of the function just entered. */
function lookAt(tables: FunctionTables, trees: InlineTrees, size: number, tally: Tally): void {
  const tree = tables.inlineTree;
  let offset = 0;
  for (let i = 0; i < MAX_RANGES && offset < size; i++) {
    tables.at(offset);
    offset = tables.end;
    const index = tables.inlineIndex;
    if (index < 0) continue;
    tally.seen++;
    const parentPc = trees.parentPc(tree, index);
    if (!(parentPc >= 0 && parentPc < size)) continue;
    tables.at(parentPc);
    if (tables.inlineIndex === trees.parent(tree, index) && tables.line === trees.callLine(tree, index)) tally.agreed++;
  }
}
