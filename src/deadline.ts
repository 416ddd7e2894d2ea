/** What `Deadline.race` gives when the deadline came first. */
export const LATE = Symbol('late');

/** A server's event loop is not held longer than this by one profile, ms. */
const SLICE_MS = 8;

/** The time one profile has. Times are on performance.now()'s clock, in ms. */
export class Deadline {
  readonly #at: number;
  readonly #signal: AbortSignal | undefined;
  #sliceStart = performance.now();

  constructor(at = Infinity, signal?: AbortSignal) {
    this.#at = at;
    this.#signal = signal;
  }

  /**
   * True when time is up. Lets others run when this profile has held the event loop long enough.
   * Rejects with the signal's reason once it is aborted.
   */
  async passed(): Promise<boolean> {
    const now = performance.now();
    if (now - this.#sliceStart > SLICE_MS) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#sliceStart = performance.now();
    }
    this.#signal?.throwIfAborted();
    return now > this.#at;
  }

  /**
   * The promise's value, or LATE when the deadline comes first. The promise then goes on by itself: its value is
   * given to `discard`, its error is dropped, since whoever asks next meets it again.
   */
  async race<T>(promise: Promise<T>, discard: (value: T) => void = () => undefined): Promise<T | typeof LATE> {
    if (this.#at === Infinity) return promise;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<typeof LATE>((resolve) => {
      timer = setTimeout(() => resolve(LATE), Math.max(0, this.#at - performance.now()));
    });
    try {
      const first = await Promise.race([promise, late]);
      if (first === LATE) promise.then(discard, () => undefined);
      return first;
    } finally {
      clearTimeout(timer);
    }
  }
}
