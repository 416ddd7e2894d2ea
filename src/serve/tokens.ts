/** Tokens of the configuration, known by their hashes. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { TokenConfig } from '../config.ts';

export class Tokens {
  readonly #tokens: readonly { readonly hash: Buffer; readonly config: TokenConfig }[];

  constructor(configs: readonly TokenConfig[]) {
    this.#tokens = configs.map((config) => ({ hash: Buffer.from(config.sha256, 'hex'), config }));
  }

  /** The one that was sent; null for one that is not known. All are compared, so that time tells nothing. */
  find(token: string): TokenConfig | null {
    const hash = createHash('sha256').update(token).digest();
    let found: TokenConfig | null = null;
    for (const known of this.#tokens) if (timingSafeEqual(known.hash, hash)) found = known.config;
    return found;
  }
}
