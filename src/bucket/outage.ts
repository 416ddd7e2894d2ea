/** A server that did not answer is left alone for a moment: whoever asks meanwhile is told at once, and one at a time tries it again. */
import type { BucketError } from './objects.ts';

const REST_MS = 3000;

export class Outage {
  #restsUntil = -Infinity;
  #last: BucketError | null = null;
  #isTried = false;

  /** Rejects as `act` does, or with what it was last rejected with. @param isOutage whether an error says that the server does not answer */
  async attempt<Value>(act: () => Promise<Value>, isOutage: (error: BucketError) => boolean): Promise<Value> {
    const isTrial = this.#last !== null;
    if (this.#last !== null && (performance.now() < this.#restsUntil || this.#isTried)) throw this.#last;
    this.#isTried = isTrial;
    try {
      const value = await act();
      this.#last = null;
      return value;
    } catch (error) {
      if (isOutage(error as BucketError)) {
        this.#last = error as BucketError;
        this.#restsUntil = performance.now() + REST_MS;
      } else this.#last = null; // it answers
      throw error;
    } finally {
      if (isTrial) this.#isTried = false;
    }
  }
}
