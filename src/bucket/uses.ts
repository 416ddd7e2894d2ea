/** When builds were last of use: empty objects by key, as old as that. Written at most once a day, by whoever resolves a profile with it. */
import { isHexId } from '../store/layout.ts';
import type { StoredBinary } from '../store/store.ts';
import { USED_DIR } from './names.ts';
import { BucketError, type Objects } from './objects.ts';

const MARK_EVERY_MS = 24 * 3600_000;
/** Keys whose marks are remembered; one more is looked at again. */
const MAX_REMEMBERED = 10_000;

export class BucketUses {
  readonly #objects: Objects;
  /** By key: when it was seen to be marked, ms since 1970. */
  readonly #marked = new Map<string, number>();

  constructor(objects: Objects) {
    this.#objects = objects;
  }

  /** As SymbolStore.used. A bucket that cannot be written to has no marks. @param isForced also when it was marked today */
  async mark({ key }: StoredBinary, isForced = false): Promise<void> {
    const now = Date.now();
    if (!isHexId(key) || (!isForced && (this.#marked.get(key) ?? -Infinity) > now - MARK_EVERY_MS)) return;
    if (this.#marked.size >= MAX_REMEMBERED) this.#marked.clear();
    this.#marked.set(key, now); // also when it fails: it is not tried again and again
    const name = `${USED_DIR}/${key}`;
    try {
      const marked = isForced ? null : await this.#objects.head(name);
      if ((marked?.modifiedMs ?? -Infinity) < now - MARK_EVERY_MS) await this.#objects.put(name, new Uint8Array(0));
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
    }
  }

  /** As SymbolStore.uses. Rejects with BucketError. */
  async last(keys?: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    const lists =
      keys === undefined
        ? [await this.#objects.list(`${USED_DIR}/`)]
        : await Promise.all([...keys].map((key) => this.#objects.list(`${USED_DIR}/${key}`)));
    for (const { name, modifiedMs } of lists.flat()) {
      const key = name.slice(USED_DIR.length + 1);
      if (keys?.has(key) ?? isHexId(key)) found.set(key, new Date(modifiedMs).toISOString());
    }
    return found;
  }

  /** The build is gone. */
  async forget(key: string): Promise<void> {
    this.#marked.delete(key);
    await this.#objects.remove(`${USED_DIR}/${key}`);
  }
}
