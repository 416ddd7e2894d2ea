/** How often a store looks where a file of an ID would lie. */

/** Each reads at most two directories, of some 240 entries where there are 20,000 binaries: 0.3 ms. A client may ask for thousands. */
const PER_SECOND = 100;

/** IDs whose last look is remembered; with one more all are forgotten, and looked for again. */
const MAX_REMEMBERED = 10_000;

export class SpotLooks {
  readonly #lookedAt = new Map<string, number>();
  #left = PER_SECOND;
  #filledAt = performance.now();

  /** The ID when it should be looked for, which is then taken as done; nothing when it was within `maxAgeMs`, or others were too often. */
  due(id: string, maxAgeMs: number): string[] {
    const now = performance.now();
    if ((this.#lookedAt.get(id) ?? -Infinity) > now - maxAgeMs) return [];
    this.#left = Math.min(PER_SECOND, this.#left + ((now - this.#filledAt) / 1000) * PER_SECOND);
    this.#filledAt = now;
    if (this.#left < 1) return [];
    this.#left--;
    if (this.#lookedAt.size >= MAX_REMEMBERED) this.#lookedAt.clear();
    this.#lookedAt.set(id, now);
    return [id];
  }
}
