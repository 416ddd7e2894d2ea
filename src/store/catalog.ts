/** The store's files in memory, by every ID they have. Knows no directory. */
import { derivedGnuBuildId } from '../gosym/build-id.ts';
import { richness } from './facts.ts';
import { MIN_ID_CHARS, isHexId, isTellingGnuId, isTellingGoId, tellingIds, withoutFirstByte } from './layout.ts';
import type { SketchQuery } from '../match/sketch.ts';
import { KeptSketch } from './snapshot.ts';
import { type BinaryQuery, type StoredBinary, StoreError } from './store.ts';
import { TimeSlice } from './time-slice.ts';

/** Names listed in a sentence before "and N more". */
const NAMED_CANDIDATES = 5;

/** The right binary scores 1, but for names that were changed on the way. */
const MIN_SCORE = 0.9;
/** Builds of one Go function table: a stripped one and its twin. */
const MAX_ALIKE = 2;

type Kind = 'key' | 'gnu' | 'go' | 'goDerivedGnu' | 'uuid' | 'pe' | 'pclntabSha256' | 'splitUnits';

/** The files that carry an ID: mostly one, and then without a list around it. */
type Sharers = StoredBinary | StoredBinary[];

export class Catalog {
  readonly #byPath = new Map<string, StoredBinary>();
  readonly #sketches = new Map<StoredBinary, Uint8Array | KeptSketch>();
  #areSketchesKept = false;
  readonly #byId: Readonly<Record<Kind, Map<string, Sharers>>> = {
    key: new Map(),
    gnu: new Map(),
    go: new Map(),
    goDerivedGnu: new Map(),
    uuid: new Map(),
    pe: new Map(),
    pclntabSha256: new Map(),
    splitUnits: new Map(),
  };

  get size(): number {
    return this.#byPath.size;
  }

  /** Puts a file in, in place of the one that had its path. `sketch`: what `search` goes by. */
  set(binary: StoredBinary, sketch: Uint8Array | KeptSketch | null = null): void {
    this.delete(binary.path);
    this.#byPath.set(binary.path, binary);
    if (sketch !== null && binary.problem === '') this.#sketches.set(binary, sketch);
    if (sketch instanceof KeptSketch) this.#areSketchesKept = true;
    for (const [index, id] of this.#idsOf(binary)) {
      const sharers = index.get(id);
      if (sharers === undefined) index.set(id, binary);
      else if (Array.isArray(sharers)) sharers.push(binary);
      else index.set(id, [sharers, binary]);
    }
  }

  delete(path: string): void {
    const binary = this.#byPath.get(path);
    if (binary === undefined) return;
    this.#byPath.delete(path);
    this.#sketches.delete(binary);
    for (const [index, id] of this.#idsOf(binary)) {
      const rest = listed(index.get(id)).filter((other) => other !== binary);
      if (rest.length === 0) index.delete(id);
      else index.set(id, rest);
    }
  }

  #idsOf({ key, identity }: StoredBinary): [Map<string, Sharers>, string][] {
    const ids: [Map<string, Sharers>, string][] = key === '' ? [] : [[this.#byId.key, key]];
    const telling = tellingIds(identity.ids);
    for (const kind of ID_KINDS) {
      const id = telling[kind];
      if (id !== null && id !== '') ids.push([this.#byId[kind], id]);
    }
    if (identity.splitUnits !== null) ids.push([this.#byId.splitUnits, identity.splitUnits]);
    return ids;
  }

  at(path: string): StoredBinary | undefined {
    return this.#byPath.get(path);
  }

  all(): IterableIterator<StoredBinary> {
    return this.#byPath.values();
  }

  underKey(key: string): StoredBinary[] {
    return [...listed(this.#byId.key.get(key))];
  }

  /** As SymbolStore.find. `exact`: one of them has the very ID asked for. */
  find(query: BinaryQuery): { binaries: StoredBinary[]; exact: boolean } {
    const { gnu, go, uuid, pe, pclntabSha256, splitUnits } = normalized(query);
    const exactly = this.#tier([
      ['gnu', gnu],
      ['uuid', uuid],
      ['pe', pe],
    ]);
    const byGoId = this.#tier([['go', go]]);
    const derived = this.#tier([['goDerivedGnu', gnu && withoutFirstByte(gnu)]]);
    const alike = this.#tier([['pclntabSha256', pclntabSha256]]);
    const split = this.#tier([['splitUnits', splitUnits]]);
    const binaries = [...new Set([...exactly, ...byGoId, ...derived, ...alike, ...split])];
    return { binaries, exact: exactly.length > 0 || byGoId.length > 0 };
  }

  /** Reads the sketches that are still in the snapshot: before the first search, which all others find them read by. */
  async loadSketches(): Promise<void> {
    if (!this.#areSketchesKept) return;
    const slice = new TimeSlice();
    for (const [binary, sketch] of this.#sketches) {
      if (!(sketch instanceof KeptSketch)) continue;
      const bytes = sketch.bytes();
      if (bytes === null) this.#sketches.delete(binary);
      else this.#sketches.set(binary, bytes);
      await slice.breathe();
    }
    this.#areSketchesKept = false;
  }

  /** As SymbolStore.search, after `loadSketches`. */
  search(query: SketchQuery, limit: number): StoredBinary[] {
    const scored: { binary: StoredBinary; score: number }[] = [];
    for (const [binary, sketch] of this.#sketches) {
      if (sketch instanceof KeptSketch) continue; // it came since they were loaded
      const score = query.score(sketch);
      if (score >= MIN_SCORE) scored.push({ binary, score });
    }
    scored.sort((a, b) => b.score - a.score || byRichness(a.binary, b.binary));
    const builds = new Set<string>();
    const ofTable = new Map<string, number>();
    const found: StoredBinary[] = [];
    for (const { binary } of scored) {
      if (found.length === limit) break;
      const { ids, goText, text } = binary.identity;
      const table = ids.pclntabSha256 === null ? binary.path : `${ids.pclntabSha256} ${goText}`;
      const build = `${binary.key} ${ids.pclntabSha256} ${text?.address} ${text?.size}`;
      const alike = ofTable.get(table) ?? 0;
      if (builds.has(build) || alike >= MAX_ALIKE) continue;
      builds.add(build);
      ofTable.set(table, alike + 1);
      found.push(binary);
    }
    return found;
  }

  #tier(ids: readonly (readonly [Kind, string | undefined])[]): StoredBinary[] {
    const found: StoredBinary[] = [];
    for (const [kind, id] of ids) {
      if (id === undefined) continue;
      for (const binary of listed(this.#byId[kind].get(id))) if (binary.problem === '') found.push(binary);
    }
    return found.sort(byRichness);
  }

  /**
   * The files a person means: all under one key, best first, or one named by its content hash or path. Empty when
   * nothing fits; throws StoreError `ambiguous-id` or `invalid-id`.
   */
  select(idOrPrefix: string): StoredBinary[] {
    const exactPath = this.#byPath.get(idOrPrefix.replace(/^\.\//, ''));
    if (exactPath !== undefined) return [exactPath];
    const id = idOrPrefix.trim();
    if (id.length < MIN_ID_CHARS) {
      throw new StoreError(
        'invalid-id',
        `${JSON.stringify(id)} is too short: give at least ${MIN_ID_CHARS} characters of an ID`,
      );
    }
    const hex = id.toLowerCase().replaceAll('-', '');
    const exact = this.#matching((candidate) => candidate === hex || candidate === id);
    if (exact.length > 0) return this.#ofOneKey(id, exact);
    return this.#ofOneKey(
      id,
      this.#matching((candidate) => candidate.startsWith(hex) || candidate.startsWith(id)),
    );
  }

  /** Files of which `test` accepts an ID; failing that, those of which it accepts the content hash. */
  #matching(test: (candidate: string) => boolean): StoredBinary[] {
    const all = [...this.#byPath.values()];
    const byId = all.filter(({ key, identity: { ids } }) =>
      [key, ids.gnu, ids.go, ids.goDerivedGnu, ids.uuid, ids.pe].some((candidate) => candidate && test(candidate)),
    );
    if (byId.length > 0)
      return byId.flatMap(({ key, path }) => (key === '' ? [this.#byPath.get(path)!] : this.underKey(key)));
    return all.filter(({ sha256, identity }) =>
      [sha256, identity.ids.pclntabSha256].some((candidate) => candidate && test(candidate)),
    );
  }

  #ofOneKey(id: string, found: readonly StoredBinary[]): StoredBinary[] {
    const files = [...new Set(found)].sort(byRichness);
    const names = new Map<string, string>();
    for (const { key, name } of files) if (!names.has(key)) names.set(key, `${key} (${name})`);
    if (names.size <= 1) return files;
    const listed = [...names.values()].slice(0, NAMED_CANDIDATES).join(', ');
    const more = names.size > NAMED_CANDIDATES ? ` and ${names.size - NAMED_CANDIDATES} more` : '';
    throw new StoreError('ambiguous-id', `${id} fits ${names.size} binaries: ${listed}${more}; give more of the ID`);
  }
}

/** Best first: no problem, then richness, then the one added last; the path makes it the same everywhere. */
export function byRichness(a: StoredBinary, b: StoredBinary): number {
  return (
    Number(a.problem !== '') - Number(b.problem !== '') ||
    richness(b.identity, b.debugOnly) - richness(a.identity, a.debugOnly) ||
    compareText(b.addedAt, a.addedAt) ||
    compareText(a.path, b.path)
  );
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const ID_KINDS = ['gnu', 'go', 'goDerivedGnu', 'uuid', 'pe', 'pclntabSha256'] as const;

function listed(sharers: Sharers | undefined): readonly StoredBinary[] {
  if (sharers === undefined) return [];
  return Array.isArray(sharers) ? sharers : [sharers];
}

/** The query without what names nothing: shared IDs, text that is no ID. */
function normalized(query: BinaryQuery): BinaryQuery {
  const hex = (id: string | undefined): string | undefined => {
    const plain = id?.trim().toLowerCase().replaceAll('-', '') ?? '';
    return isTellingGnuId(plain) ? plain : undefined;
  };
  const hash = query.pclntabSha256?.toLowerCase();
  return strip({
    gnu: hex(query.gnu),
    uuid: hex(query.uuid),
    pe: hex(query.pe),
    go: query.go !== undefined && isTellingGoId(query.go) ? query.go : undefined,
    pclntabSha256: hash !== undefined && isHexId(hash) ? hash : undefined,
    splitUnits: query.splitUnits,
  });
}

function strip(query: { [K in keyof BinaryQuery]: BinaryQuery[K] | undefined }): BinaryQuery {
  return Object.fromEntries(Object.entries(query).filter(([, id]) => id !== undefined));
}

/** The IDs of a query that a path may claim, lower-case. */
export function hexIdsOf(query: BinaryQuery): string[] {
  const { gnu, go, uuid, pe } = normalized(query);
  const ids = [gnu, gnu && withoutFirstByte(gnu), go && derivedGnuBuildId(go), uuid, pe];
  return ids.filter((id) => typeof id === 'string');
}
