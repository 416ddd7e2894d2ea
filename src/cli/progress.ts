/** One line on a terminal that says how far a batch is. */
import type { Entry } from '../workers/profile-file.ts';

const EVERY_MS = 100;
const BAR = 24;

export class Progress {
  readonly #total: number;
  readonly #out: NodeJS.WriteStream;
  readonly #beganAt = performance.now();
  #done = 0;
  #failed = 0;
  #named = 0;
  #locations = 0;
  #drawnAt = -Infinity;

  /** @param out a terminal */
  constructor(total: number, out: NodeJS.WriteStream) {
    this.#total = total;
    this.#out = out;
  }

  /** Takes note of what became of a profile. */
  took({ status, locations }: Entry): void {
    this.#done++;
    if (status === 'failed') this.#failed++;
    this.#named += locations?.namedAfter ?? 0;
    this.#locations += locations?.total ?? 0;
    const now = performance.now();
    if (now - this.#drawnAt < EVERY_MS && this.#done < this.#total) return;
    this.#drawnAt = now;
    this.#out.write(`\r${this.line(now).slice(0, Math.max(20, this.#out.columns - 1))}\u001b[K`);
  }

  /** What is drawn. @param now on performance.now()'s clock */
  line(now: number): string {
    const seconds = (now - this.#beganAt) / 1000;
    const rate = this.#done / Math.max(seconds, 0.001);
    const filled = Math.round((BAR * this.#done) / this.#total);
    const parts = [
      `[${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}] ${this.#done}/${this.#total}`,
      `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`,
      this.#done < this.#total ? `${lasting((this.#total - this.#done) / rate)} left` : `${lasting(seconds)}`,
    ];
    if (this.#locations > 0) parts.push(`${((100 * this.#named) / this.#locations).toFixed(1)} % named`);
    if (this.#failed > 0) parts.push(`${this.#failed} failed`);
    return parts.join('  ');
  }

  /** Makes room for a line of text. */
  clear(): void {
    this.#out.write('\r\u001b[K');
    this.#drawnAt = -Infinity;
  }
}

function lasting(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
