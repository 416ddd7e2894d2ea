/** Several archives as one: the first is the one that is kept, the others are only read, such as the cache of what came from upstream. */
import type { SketchQuery } from '../match/sketch.ts';
import type {
  AddOptions,
  AddResult,
  BinaryQuery,
  ListFilter,
  OpenBinary,
  Quarantined,
  StoredBinary,
  Swept,
  SweepOptions,
  SymbolStore,
  VerifyResult,
} from './store.ts';

export class LayeredStore implements SymbolStore {
  readonly #first: SymbolStore;
  readonly #all: readonly SymbolStore[];
  /** Which store has told of a file: two may have one of the same path. */
  readonly #origin = new WeakMap<StoredBinary, SymbolStore>();

  constructor(first: SymbolStore, others: readonly SymbolStore[]) {
    this.#first = first;
    this.#all = [first, ...others];
  }

  find(query: BinaryQuery): Promise<StoredBinary[]> {
    return this.#gathered((store) => store.find(query));
  }

  named(name: string): Promise<StoredBinary[]> {
    return this.#gathered((store) => store.named(name));
  }

  async search(query: SketchQuery, options: { readonly limit: number }): Promise<StoredBinary[]> {
    return (await this.#gathered((store) => store.search(query, options))).slice(0, options.limit);
  }

  async unusable(id: string, name: string): Promise<StoredBinary | null> {
    const [found] = await this.#gathered(async (store) => [(await store.unusable(id, name)) ?? []].flat());
    return found ?? null;
  }

  list(filter?: ListFilter): Promise<StoredBinary[]> {
    return this.#gathered((store) => store.list(filter));
  }

  open(binary: StoredBinary): Promise<OpenBinary> {
    return this.#of(binary).open(binary);
  }

  fileOf(binary: StoredBinary): string | null {
    return this.#of(binary).fileOf(binary);
  }

  part(binary: StoredBinary, offset: number, length: number): Promise<Uint8Array> {
    return this.#of(binary).part(binary, offset, length);
  }

  used(binary: StoredBinary): Promise<void> {
    return this.#of(binary).used(binary);
  }

  async openIndex(key: string, stamp: string): Promise<OpenBinary | null> {
    for (const store of this.#all) {
      const found = await store.openIndex(key, stamp);
      if (found !== null) return found;
    }
    return null;
  }

  /** With the files it is of. */
  async keepIndex(key: string, stamp: string, bytes: Uint8Array): Promise<void> {
    for (const store of this.#all) {
      if ((await store.list({ id: key })).length > 0) return store.keepIndex(key, stamp, bytes);
    }
  }

  get(idOrPrefix: string): Promise<StoredBinary | null> {
    return this.#first.get(idOrPrefix);
  }

  select(idOrPrefix: string): Promise<StoredBinary[]> {
    return this.#first.select(idOrPrefix);
  }

  incoming(): Promise<string> {
    return this.#first.incoming();
  }

  add(file: string, options?: AddOptions): Promise<AddResult> {
    return this.#first.add(file, options);
  }

  remove(idOrPrefix: string): Promise<StoredBinary[]> {
    return this.#first.remove(idOrPrefix);
  }

  verify(onResult?: (result: VerifyResult) => void): Promise<VerifyResult[]> {
    return this.#first.verify(onResult);
  }

  pins(): Promise<ReadonlySet<string>> {
    return this.#first.pins();
  }

  setPinned(idOrPrefix: string, isPinned: boolean): Promise<StoredBinary[]> {
    return this.#first.setPinned(idOrPrefix, isPinned);
  }

  uses(keys?: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    return this.#first.uses(keys);
  }

  quarantine(binary: StoredBinary, problem: string): Promise<void> {
    return this.#first.quarantine(binary, problem);
  }

  quarantined(): Promise<Quarantined[]> {
    return this.#first.quarantined();
  }

  sweep(options?: SweepOptions): Promise<Swept[]> {
    return this.#first.sweep(options);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((store) => store.close()));
  }

  #of(binary: StoredBinary): SymbolStore {
    return this.#origin.get(binary) ?? this.#first;
  }

  /** What all have, the first one's first. One that cannot be read hides what the others have no more than it must. */
  async #gathered(ask: (store: SymbolStore) => Promise<StoredBinary[]>): Promise<StoredBinary[]> {
    const answers = await Promise.allSettled(this.#all.map(ask));
    const found = answers.flatMap((answer, i) => {
      if (answer.status === 'rejected') return [];
      for (const binary of answer.value) this.#origin.set(binary, this.#all[i]);
      return answer.value;
    });
    const failed = answers.find((answer) => answer.status === 'rejected');
    if (found.length === 0 && failed !== undefined) throw failed.reason;
    return found;
  }
}
