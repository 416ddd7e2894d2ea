/**
 * The last answers, by the bytes that were asked: several people open one saved profile, a client that was cut off asks again.
 *
 * Only answers to which nothing could be added are kept, as long as the binaries they come from are there.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** What is kept of a profile's way through the pipeline. */
interface Answer {
  /** "" when nothing is left to name; so in each mapping. */
  readonly reason: string;
  readonly report: { readonly mappings: readonly { readonly reason: string }[] };
  /** Builds that will be asked otherwise next time. */
  readonly unindexed: readonly string[];
  readonly body: Uint8Array;
  readonly timings: readonly { readonly stage: string; readonly ms: number }[];
}

interface Kept<T> {
  readonly answer: T;
  /** null: the one that came in. */
  readonly body: Uint8Array | null;
  readonly isValid: () => Promise<boolean>;
}

/** Bytes of all bodies kept. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Larger profiles are neither hashed nor kept. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;
/** What the rest of an answer takes, about. */
const REPORT_BYTES = 4096;

export class Answers<T extends Answer> {
  readonly #kept = new LRUCache<string, Kept<T>>({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ body }) => (body?.length ?? 0) + REPORT_BYTES,
  });

  /** What an answer is kept under; null when it will not be. @param how all options that decide about it */
  key(body: Uint8Array, how: readonly unknown[]): string | null {
    if (body.length > MAX_BODY_BYTES) return null;
    return createHash('sha256').update(body).update(JSON.stringify(how)).digest('base64');
  }

  /** The answer, with a body of its own; null when there is none. */
  async get(key: string | null, body: Uint8Array): Promise<T | null> {
    const began = performance.now();
    const kept = key === null ? undefined : this.#kept.get(key);
    if (key === null || kept === undefined) return null;
    if (!(await kept.isValid())) {
      this.#kept.delete(key);
      return null;
    }
    const ownBody = kept.body === null ? body : new Uint8Array(kept.body);
    return { ...kept.answer, body: ownBody, timings: [{ stage: 'remember', ms: performance.now() - began }] };
  }

  /** Keeps an answer when it is complete. @param body what was asked @param isValid whether the binaries it comes from are there */
  keep(key: string | null, body: Uint8Array, answer: T, isValid: () => Promise<boolean>): void {
    if (key === null || !isComplete(answer) || answer.body.length > MAX_BODY_BYTES) return;
    const isSame = answer.body === body;
    const ownBody = isSame ? null : new Uint8Array(answer.body);
    this.#kept.set(key, { answer: { ...answer, body: NOTHING }, body: ownBody, isValid });
  }
}

const NOTHING = new Uint8Array(0);

function isComplete({ reason, unindexed, report }: Answer): boolean {
  return reason === '' && unindexed.length === 0 && report.mappings.every((mapping) => mapping.reason === '');
}
