/**
 * The way a request for a file has come, so that servers that are each other's upstreams do not ask in a ring for ever.
 *
 *     Via: 1.1 resym-4f2a9c01b2d4                   every resym adds itself; one that sees itself looks no further
 *     X-Forwarded-For: resym-4f2a9c01b2d4           the same, since elfutils' server hands on only this one; it counts the entries too
 */
import { randomBytes } from 'node:crypto';

/** As elfutils has it (--forwarded-ttl-limit). */
const MAX_HOPS = 8;
/** Of such a header; the way is short. */
const MAX_CHARS = 1000;

/** The names one process goes by. */
export class Hops {
  readonly #name = `resym-${randomBytes(6).toString('hex')}`;

  /** Headers of a request of our own. */
  own(): Record<string, string> {
    return { via: `1.1 ${this.#name}`, 'x-forwarded-for': this.#name };
  }

  /** Headers of a request that is handed on, by those it came with; null when it has come far enough. */
  handedOn(via = '', forwardedFor = ''): Record<string, string> | null {
    const all = `${via},${forwardedFor}`;
    if (all.includes(this.#name) || all.length > MAX_CHARS || !/^[\x20-\x7e]*$/.test(all)) return null;
    if (Math.max(count(via), count(forwardedFor)) >= MAX_HOPS) return null;
    const own = this.own();
    return { via: joined(via, own['via']), 'x-forwarded-for': joined(forwardedFor, own['x-forwarded-for']) };
  }
}

function count(list: string): number {
  return list.split(',').filter((entry) => entry.trim() !== '').length;
}

function joined(list: string, entry: string): string {
  return list.trim() === '' ? entry : `${list}, ${entry}`;
}
