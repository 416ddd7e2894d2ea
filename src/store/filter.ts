/** Parts of an archive's list: what a person asks for, and one page after the other of it. */
import { byRichness, type Catalog, compareText } from './catalog.ts';
import { displayName } from './layout.ts';
import { type ListFilter, type StoredBinary, StoreError } from './store.ts';

export type { ListFilter } from './store.ts';

/** True when a binary is all that a filter asks for. */
export function matches(
  binary: StoredBinary,
  { program = '', version = '', revision = '', id = '' }: ListFilter,
): boolean {
  const { go } = binary.identity;
  return (
    (program === '' || binary.name === displayName(program)) &&
    (version === '' || withoutV(go?.main?.version ?? '') === withoutV(version)) &&
    (revision === '' || (go?.settings['vcs.revision'] ?? '').startsWith(revision.toLowerCase())) &&
    (id === '' || hasId(binary, id))
  );
}

/** The binaries a filter lets through; all of them without one. */
export function filtered(binaries: readonly StoredBinary[], filter: ListFilter = {}): StoredBinary[] {
  return binaries.filter((binary) => matches(binary, filter));
}

/** As SymbolStore.list has them: by name and key, the best of a key first. */
export function listed(catalog: Catalog, filter?: ListFilter): StoredBinary[] {
  return filtered([...catalog.all()], filter).sort(
    (a, b) => compareText(a.name, b.name) || compareText(a.key, b.key) || byRichness(a, b),
  );
}

/** Those of a name, the best first: as SymbolStore.named. */
export function named(catalog: Catalog, name: string): StoredBinary[] {
  return [...catalog.all()].filter((b) => b.name === displayName(name) && b.problem === '').sort(byRichness);
}

/** As SymbolStore.unusable. */
export function unusable(catalog: Catalog, id: string, name: string): StoredBinary | null {
  const wanted = { id: id.toLowerCase().replaceAll('-', ''), name: displayName(name) };
  for (const binary of catalog.all()) {
    if (binary.problem === '') continue;
    if ((name !== '' && binary.name === wanted.name) || (wanted.id !== '' && binary.key === wanted.id)) return binary;
  }
  return null;
}

function withoutV(version: string): string {
  return version.replace(/^v(?=\d)/, '');
}

function hasId({ key, sha256, identity: { ids } }: StoredBinary, id: string): boolean {
  const wanted = id.trim();
  const hex = wanted.toLowerCase().replaceAll('-', '');
  return [key, sha256, ids.gnu, ids.go, ids.goDerivedGnu, ids.uuid, ids.pe].some(
    (known) => known !== null && known !== '' && (known.startsWith(hex) || known.startsWith(wanted)),
  );
}

export interface Page {
  readonly binaries: StoredBinary[];
  /** What to ask for as `after` next; null when this is the last page. */
  readonly next: string | null;
}

/** On a page nobody bounded, and the most on any: some 2 KB each in JSON. */
export const MAX_PAGE = 1000;

/**
 * The page of a list after the place where the one before ended. The list is in the order of SymbolStore.list. What is removed or added
 * between two pages hides none of the others; the files of a key may come twice when one of them is removed just then.
 * Throws StoreError `invalid-id` for an `after` that no page gave.
 */
export function pageOf(
  binaries: readonly StoredBinary[],
  { after = '', limit = MAX_PAGE }: { readonly after?: string; readonly limit?: number } = {},
): Page {
  const from = after === '' ? 0 : indexAfter(binaries, placeFrom(after));
  const to = from + Math.min(Math.max(1, Math.trunc(limit)), MAX_PAGE);
  const page = binaries.slice(from, to);
  return { binaries: page, next: to < binaries.length ? placeOf(page[page.length - 1]) : null };
}

interface Place {
  readonly name: string;
  readonly key: string;
  readonly path: string;
}

function indexAfter(binaries: readonly StoredBinary[], { name, key, path }: Place): number {
  let low = 0;
  let high = binaries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const binary = binaries[middle];
    if ((compareText(binary.name, name) || compareText(binary.key, key)) < 0) low = middle + 1;
    else high = middle;
  }
  for (let i = low; i < binaries.length && binaries[i].name === name && binaries[i].key === key; i++) {
    if (binaries[i].path === path) return i + 1;
  }
  return low; // it is gone: what stood beside it comes again rather than never
}

function placeOf({ name, key, path }: StoredBinary): string {
  return Buffer.from(JSON.stringify([name, key, path])).toString('base64url');
}

function placeFrom(text: string): Place {
  const place = parsed(text);
  if (!Array.isArray(place) || place.length !== 3 || !place.every((part) => typeof part === 'string')) {
    throw new StoreError(
      'invalid-id',
      `${JSON.stringify(text.slice(0, 100))} is no place in the list: take the one the last page gave`,
    );
  }
  const [name, key, path] = place;
  return { name, key, path };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
