/** The store in a bucket: names.ts says what lies where, shelf.ts how files get there, contents.ts how they are found. */
import { mkdirSync } from 'node:fs';
import { prepareZstd } from '../bytes/inflate.ts';
import type { SketchQuery } from '../match/sketch.ts';
import { Adding } from '../store/adding.ts';
import { hexIdsOf } from '../store/catalog.ts';
import { examine, type Examine } from '../store/examine.ts';
import { listed, type ListFilter, named, unusable } from '../store/filter.ts';
import { indexPath } from '../store/index-files.ts';
import type {
  AddOptions,
  AddResult,
  BinaryQuery,
  OpenBinary,
  Quarantined,
  StoredBinary,
  Swept,
  SweepOptions,
  SymbolStore,
  VerifyResult,
} from '../store/store.ts';
import { BucketCare } from './care.ts';
import { connectObjects } from './connect.ts';
import { BucketContents } from './contents.ts';
import { cacheOf, type Location, parseLocation } from './location.ts';
import { RemoteObjects } from './object-port.ts';
import { BucketError, type ObjectFacts } from './objects.ts';
import { BucketShelf } from './shelf.ts';
import { ObjectSource } from './source.ts';
import { BucketUses } from './uses.ts';

export interface BucketOptions {
  /** How old what is known may be when the bucket is not asked again, ms. Default 2 s. */
  readonly lookAgainMs?: number;
  /** Gets what is odd but no failure. */
  readonly notice?: (sentence: string) => void;
  /** How a file is identified; for tests. */
  readonly examine?: Examine;
  /** Where what was read is kept. Default: below ~/.cache/resym. */
  readonly cache?: string;
}

const LOOK_AGAIN_MS = 2000;

export class BucketStore implements SymbolStore {
  readonly #objects: RemoteObjects;
  readonly #cache: string;
  readonly #lookAgainMs: number;
  readonly #contents: BucketContents;
  readonly #care: BucketCare;
  readonly #uses: BucketUses;
  readonly #adding: Adding;

  private constructor(objects: RemoteObjects, location: Location, options: BucketOptions) {
    const { lookAgainMs = LOOK_AGAIN_MS, notice = () => undefined } = options;
    const examined = options.examine ?? examine;
    this.#objects = objects;
    this.#cache = options.cache ?? cacheOf(location, process.env);
    this.#lookAgainMs = lookAgainMs;
    this.#uses = new BucketUses(objects);
    this.#contents = new BucketContents(objects, {
      cache: this.#cache,
      notice,
      examine: (object) => this.#examined(object, examined),
    });
    this.#care = new BucketCare(objects, this.#contents, this.#uses, this.#cache, examined);
    this.#adding = new Adding(new BucketShelf(this.#cache, objects, this.#contents, this.#uses), examined);
  }

  /**
   * Asks the bucket nothing yet: one that is down when a server starts may be up when a profile comes. Rejects with StoreError `no-store`
   * for what names no bucket, with BucketError when no thread is there to talk to it.
   */
  static async open(place: string, options: BucketOptions = {}): Promise<BucketStore> {
    const location = parseLocation(place);
    await prepareZstd(); // examining is synchronous, and files with zstd sections must not look damaged
    return new BucketStore(new RemoteObjects(await connectObjects(location.place)), location, options);
  }

  async find(query: BinaryQuery): Promise<StoredBinary[]> {
    const found = this.#contents.catalog.find(query);
    if (found.exact) {
      // What has gone since is noticed for the next profile, and by whoever opens it.
      this.#contents.look(this.#lookAgainMs).catch(ignoreOutage);
      return found.binaries;
    }
    if (await this.#contents.isCurrent(this.#lookAgainMs)) return this.#contents.catalog.find(query).binaries;
    await this.#contents.lookFor(hexIdsOf(query));
    const now = this.#contents.catalog.find(query);
    if (now.exact) return now.binaries;
    await this.#contents.look(this.#lookAgainMs);
    return this.#contents.catalog.find(query).binaries;
  }

  async named(name: string): Promise<StoredBinary[]> {
    await this.#contents.look(this.#lookAgainMs);
    return named(this.#contents.catalog, name);
  }

  async search(query: SketchQuery, { limit }: { readonly limit: number }): Promise<StoredBinary[]> {
    await this.#contents.look(this.#lookAgainMs);
    await this.#contents.catalog.loadSketches();
    return this.#contents.catalog.search(query, limit);
  }

  async unusable(id: string, name: string): Promise<StoredBinary | null> {
    await this.#contents.look(this.#lookAgainMs);
    return unusable(this.#contents.catalog, id, name);
  }

  async list(filter?: ListFilter): Promise<StoredBinary[]> {
    await this.#contents.look();
    return listed(this.#contents.catalog, filter);
  }

  async get(idOrPrefix: string): Promise<StoredBinary | null> {
    return (await this.select(idOrPrefix))[0] ?? null;
  }

  async select(idOrPrefix: string): Promise<StoredBinary[]> {
    await this.#contents.look();
    return this.#contents.catalog.select(idOrPrefix);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- other stores must wait here
  async open(binary: StoredBinary): Promise<OpenBinary> {
    return this.#opened(this.#objectOf(binary));
  }

  async part(binary: StoredBinary, offset: number, length: number): Promise<Uint8Array> {
    const object = this.#objectOf(binary);
    return await this.#objects.read(object.name, object.etag, offset, length);
  }

  #objectOf({ path }: StoredBinary): ObjectFacts {
    const object = this.#contents.held(path)?.object;
    if (object === undefined) throw new BucketError('ENOENT', `${path} is not in the archive any more`);
    return object;
  }

  /** It is in the bucket. */
  fileOf(): null {
    return null;
  }

  async openIndex(key: string, stamp: string): Promise<OpenBinary | null> {
    const object = await this.#objects.head(indexPath(key, stamp));
    return object === null ? null : this.#opened(object);
  }

  async keepIndex(key: string, stamp: string, bytes: Uint8Array): Promise<void> {
    await this.#objects.put(indexPath(key, stamp), bytes);
  }

  #opened(object: ObjectFacts): OpenBinary {
    const source = new ObjectSource(this.#objects, object, this.#cache);
    return { source, release: () => source.closed || source.close() };
  }

  #examined(object: ObjectFacts, examined: Examine): ReturnType<Examine> {
    const source = new ObjectSource(this.#objects, object, this.#cache);
    try {
      return examined(source);
    } finally {
      source.close();
    }
  }

  async incoming(): Promise<string> {
    mkdirSync(this.#cache, { recursive: true });
    return this.#adding.incoming();
  }

  async add(file: string, options?: AddOptions): Promise<AddResult> {
    await this.#contents.look(this.#lookAgainMs);
    return this.#adding.add(file, options);
  }

  remove(idOrPrefix: string): Promise<StoredBinary[]> {
    return this.#care.remove(idOrPrefix);
  }

  async verify(onResult?: (result: VerifyResult) => void): Promise<VerifyResult[]> {
    return this.#care.verify(await this.list(), onResult);
  }

  pins(): Promise<ReadonlySet<string>> {
    return this.#care.pins();
  }

  setPinned(idOrPrefix: string, isPinned: boolean): Promise<StoredBinary[]> {
    return this.#care.setPinned(idOrPrefix, isPinned);
  }

  used(binary: StoredBinary): Promise<void> {
    return this.#uses.mark(binary);
  }

  uses(keys?: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    return this.#uses.last(keys);
  }

  quarantine(binary: StoredBinary, problem: string): Promise<void> {
    return this.#care.quarantine(binary, problem);
  }

  quarantined(): Promise<Quarantined[]> {
    return this.#care.quarantined();
  }

  sweep(options?: SweepOptions): Promise<Swept[]> {
    return this.#care.sweep(options);
  }

  async close(): Promise<void> {
    await this.#contents.close();
    this.#objects.close();
  }
}

/** Whoever needs the bucket is told. */
function ignoreOutage(error: unknown): void {
  if (!(error instanceof BucketError)) throw error;
}
