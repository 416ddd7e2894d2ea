/** What the thread runs that collects an archive's garbage once. */
import type { MessagePort } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { collect } from '../store/collect.ts';
import type { GcRules } from '../store/gc.ts';
import { openStore } from '../open-store.ts';
import { giveWay } from './priority.ts';

export interface GcThreadData {
  readonly kind: 'gc';
  readonly archives: readonly string[];
  readonly rules: GcRules;
}

/** What became of it. */
export interface GcDone {
  /** Files of builds, and things that were left lying about. */
  readonly removed: number;
  readonly swept: number;
  readonly freedBytes: number;
  readonly keptBytes: number;
  /** By so much what may not go is above the quota. */
  readonly overQuotaBytes: number;
  /** Why it was not done, or not to the end; "" when it was. */
  readonly problem: string;
}

export const NOTHING_DONE: GcDone = {
  removed: 0,
  swept: 0,
  freedBytes: 0,
  keptBytes: 0,
  overQuotaBytes: 0,
  problem: '',
};

/** Nobody waits for it: profiles first. */
const NICENESS = 10;

/** Says on the port what became of it. Never rejects for the archive's sake. */
export async function collectOnce(port: MessagePort, { archives, rules }: GcThreadData): Promise<void> {
  giveWay(NICENESS);
  try {
    const store = await openStore(archives[0]);
    const { removed, swept, ...sums } = await collect(store, { rules });
    await store.close();
    const { freedBytes, keptBytes, overQuotaBytes } = sums;
    const done = { removed: removed.length, swept: swept.length, freedBytes, keptBytes, overQuotaBytes, problem: '' };
    port.postMessage(done satisfies GcDone);
  } catch (error) {
    port.postMessage({ ...NOTHING_DONE, problem: messageOf(error) } satisfies GcDone);
  }
}
