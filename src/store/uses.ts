/**
 * When a build of a directory was last of use: the modification time of its facts, which nothing else goes by. It is set when a file is
 * added, and then by whoever resolves a profile with it, at most once a day: enough to tell what has been left alone for weeks.
 */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { FACTS_SUFFIX } from './layout.ts';

const MARK_EVERY_MS = 24 * 3600_000;
/** Files whose marks are remembered; one more is looked at again. */
const MAX_REMEMBERED = 10_000;

export class Uses {
  readonly #root: string;
  /** By path: when it was seen to be marked, ms since 1970. */
  readonly #marked = new Map<string, number>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Marks a file of the store as used now, unless that was said within a day. An archive that cannot be written to has no marks. */
  async mark(path: string, isForced = false): Promise<void> {
    const now = Date.now();
    if (!isForced && (this.#marked.get(path) ?? -Infinity) > now - MARK_EVERY_MS) return;
    if (this.#marked.size >= MAX_REMEMBERED) this.#marked.clear();
    this.#marked.set(path, now); // also when it fails: it is not tried again and again
    const facts = join(this.#root, path + FACTS_SUFFIX);
    try {
      const { mtimeMs } = await fs.stat(facts);
      if (isForced || mtimeMs < now - MARK_EVERY_MS) await fs.utimes(facts, now / 1000, now / 1000);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    }
  }

  /** ms since 1970; null when nothing tells. */
  async lastOf(path: string): Promise<number | null> {
    try {
      return (await fs.stat(join(this.#root, path + FACTS_SUFFIX))).mtimeMs;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      return null;
    }
  }
}
