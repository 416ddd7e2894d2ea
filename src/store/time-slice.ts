/** Long synchronous work, cut up: other work of the process gets its turn every few milliseconds. */
export class TimeSlice {
  readonly #ms: number;
  #started = performance.now();

  constructor(ms = 8) {
    this.#ms = ms;
  }

  /** Waits for one turn of the event loop when the slice is used up. */
  async breathe(): Promise<void> {
    if (performance.now() - this.#started < this.#ms) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#started = performance.now();
  }
}
