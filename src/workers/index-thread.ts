/** What the thread runs that makes the indexes of one key. */
import type { MessagePort } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { openStores } from '../open-store.ts';
import { indexKey } from '../store/indexing.ts';
import { giveWay } from './priority.ts';

export interface IndexThreadData {
  readonly kind: 'index';
  readonly archives: readonly string[];
  readonly key: string;
}

/** What became of it. */
export interface IndexMade {
  /** Bytes of all indexes made. */
  readonly sizeBytes: number;
  /** Why there is one less than there could be; "" when nothing is missing. */
  readonly problem: string;
}

/** Nobody waits for it: profiles first. */
const NICENESS = 10;

/** Says on the port what became of it. Never rejects for the archive's sake. */
export async function makeIndexes(port: MessagePort, { archives, key }: IndexThreadData): Promise<void> {
  giveWay(NICENESS);
  try {
    const store = await openStores(archives);
    if (store === null) throw new Error('there is no archive');
    const done = await indexKey(store, key);
    await store.close();
    const problem = done.map((one) => one.problem).filter((text) => text !== '');
    const sizeBytes = done.reduce((sum, one) => sum + one.sizeBytes, 0);
    port.postMessage({ sizeBytes, problem: problem.join('; ') } satisfies IndexMade);
  } catch (error) {
    port.postMessage({ sizeBytes: 0, problem: messageOf(error) } satisfies IndexMade);
  }
}
