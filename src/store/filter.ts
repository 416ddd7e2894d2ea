/** Which files of an archive somebody wants to see, and how many at once. */
import type { StoredBinary } from './store.ts';

/** What is given must hold. */
export interface ListFilter {
  /** The name, whole. */
  readonly program?: string;
  /** Version of the main module, or of Go ("go1.24.1"), whole. */
  readonly version?: string;
  /** Beginning of the commit it was built from. */
  readonly revision?: string;
  /** Beginning of any of its IDs or hashes, dashes and case apart. */
  readonly id?: string;
}

export function matches({ name, key, sha256, identity }: StoredBinary, filter: ListFilter): boolean {
  const { ids, go } = identity;
  if (filter.program !== undefined && name !== filter.program) return false;
  if (filter.version !== undefined && go?.main?.version !== filter.version && go?.version !== filter.version)
    return false;
  const revision = go?.settings['vcs.revision'];
  if (filter.revision !== undefined && revision?.startsWith(filter.revision.toLowerCase()) !== true) return false;
  if (filter.id === undefined) return true;
  const wanted = filter.id.toLowerCase().replaceAll('-', '');
  const known = [key, sha256, ids.gnu, ids.goDerivedGnu, ids.uuid, ids.pe, ids.pclntabSha256];
  return known.some((id) => id?.startsWith(wanted) === true) || ids.go?.startsWith(filter.id) === true;
}

export interface Page {
  readonly binaries: readonly StoredBinary[];
  /** The next page comes after this path; null: this is the last. */
  readonly next: string | null;
}

/**
 * A part of a list in the order of paths, which stays the same whatever is added meanwhile.
 * @param after path of the last one seen; "" for the first page
 */
export function pageOf(binaries: readonly StoredBinary[], after: string, limit: number): Page {
  const rest = binaries.filter(({ path }) => path > after).sort((a, b) => (a.path < b.path ? -1 : 1));
  const page = rest.slice(0, limit);
  return { binaries: page, next: rest.length > limit ? page[limit - 1].path : null };
}
