/**
 * An index made by two threads: each covers about half of the debug info, and the first joins what both have collected. The result is
 * byte for byte the one that `SymbolMap.makeIndex` makes alone; whatever goes wrong in the second thread, it is made so.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { isParseError } from '../errors.ts';
import type { SymbolMap } from '../symbolize/symbol-map.ts';
import type { CollectedShare, IndexedFile, IndexShareData } from './index-share.ts';
import { inflateShared, lendSections, type SharedSections } from './shared-sections.ts';
import { THREAD_FILE } from './thread-file.ts';

export interface OnTwoOptions {
  /** Bytes of .debug_info from which on two threads are used. */
  readonly fromBytes?: number;
  /** What the thread runs, instead of thread.ts; for tests. */
  readonly thread?: URL;
}

/** Below, the start of a thread costs what it saves. */
const FROM_BYTES = 8 << 20;

/** Of the debug info, for the thread that is there already; the other has to start, and makes its names readable. */
const FIRST_SHARE = 0.53;

/** Debug info of a whole browser takes less. */
const MAX_HEAP_MB = 4096;
/** Little lives long in a walk over units: a larger nursery is memory without use. */
const NURSERY_MB = 48;

/** As `symbols.makeIndex()`, of symbols that were assembled of this one file and what lies beside it. */
export async function makeIndexOnTwo(
  symbols: SymbolMap,
  file: IndexedFile,
  { fromBytes = FROM_BYTES, thread = THREAD_FILE }: OnTwoOptions = {},
): Promise<Uint8Array | null> {
  if (symbols.debugInfoBytes < fromBytes || availableParallelism() < 2) return symbols.makeIndex();
  const data: IndexShareData = { kind: 'index-share', file, stamp: symbols.stamp, share: { from: FIRST_SHARE, to: 1 } };
  const worker = new Worker(thread, {
    workerData: data,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: NURSERY_MB },
    name: 'resym index share',
  });
  const collected = answerOf(worker);
  try {
    const shared = await inflated(symbols);
    if (shared === null) return symbols.makeIndex();
    worker.postMessage(shared);
    lendSections(symbols.debugSections, shared);
    const index = symbols.startIndex({ from: 0, to: FIRST_SHARE });
    const part = await collected;
    if (part === null) return symbols.makeIndex();
    await worker.terminate();
    index.add(part);
    return index.finish();
  } finally {
    await worker.terminate();
  }
}

/** null when a section cannot be inflated: making the index alone tells why. */
async function inflated(symbols: SymbolMap): Promise<SharedSections | null> {
  try {
    return await inflateShared(symbols.debugSections);
  } catch (error) {
    // zlib's own errors have a code.
    if (!isParseError(error) && !(error instanceof Error && 'code' in error)) throw error;
    return null;
  }
}

/** null, too, when the thread ends without one. */
function answerOf(worker: Worker): Promise<CollectedShare> {
  return new Promise((resolve) => {
    worker.once('message', resolve);
    worker.once('error', () => resolve(null));
    worker.once('exit', () => resolve(null));
  });
}
