import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { isParseError, isSystemError } from '../errors.ts';
import { fileOf, isFileStamp, isNamedLike, regionOf, whatToAdd, whyNotSearched } from '../match/region.ts';
import type { FoundBy } from '../match/verdict.ts';
import { chooseSlice } from '../object/macho-fat.ts';
import type { MappingRecord } from '../profile/profile.ts';
import { builds, openBuild } from './archived.ts';
import type { BinaryFiles } from './assembly.ts';
import { Beside } from './beside.ts';
import { architecturesOf, binaryFile, openLocal } from './local.ts';
import type { Lease, OpenedBinaries } from './opened.ts';
import type { BinaryQuery, StoredBinary, SymbolStore } from './store.ts';

/** A binary that may belong to a mapping. */
export interface Candidate {
  readonly name: string;
  readonly foundBy: FoundBy;
  /** Rejects with what opening or parsing the file threw. */
  lease(): Promise<Lease>;
}

export interface Candidates {
  /** Best first. */
  readonly found: readonly Candidate[];
  /** When there are none: what that means and what to do. */
  readonly reason: string;
}

/** Finds the binaries that may belong to a mapping: pinned files first, then the archive by build ID. */
export class CandidateFinder {
  readonly #store: SymbolStore | null;
  readonly #opened: OpenedBinaries;

  constructor(store: SymbolStore | null, opened: OpenedBinaries) {
    this.#store = store;
    this.#opened = opened;
  }

  /**
   * @param pinned paths of binaries the user named for this profile
   * Rejects when the archive cannot be read.
   */
  async find(mapping: MappingRecord, pinnedPaths: readonly string[]): Promise<Candidates> {
    const pinned = await this.#pinnedFor(mapping, pinnedPaths);
    const archived = await this.#archivedFor(mapping);
    return { found: [...pinned, ...archived.found], reason: archived.reason };
  }

  /** A pinned file is tried on the mapping with its build ID or its name, and on the main binary's. */
  async #pinnedFor(mapping: MappingRecord, paths: readonly string[]): Promise<Candidate[]> {
    const found: { candidate: Candidate; rank: number }[] = [];
    const parts = paths.flatMap((path) => partsOf(path));
    for (const { path, file, arch, name, isOnly } of parts) {
      const version = fileVersion(file);
      const lease = () => this.#opened.lease(`file:${file}:${version}:${arch ?? ''}`, name, () => openPath(file, arch));
      const id = await this.#buildIdOf(lease);
      const idKnown = id !== null && isGnuBuildId(plainHex(mapping.buildId));
      const sameId = idKnown && id === plainHex(mapping.buildId);
      const sameName = isNamedLike(mapping.filename, path) || isNamedLike(mapping.filename, file);
      if (!sameId && !sameName && mapping.index !== 0) continue;
      // Of a universal file the user named all parts, and at most one of them ran.
      const foundBy: FoundBy = sameId ? 'pinned' : idKnown ? 'pinned-other-id' : isOnly ? 'pinned' : 'name';
      found.push({ candidate: { name, foundBy, lease }, rank: sameId ? 0 : sameName ? 1 : 2 });
    }
    return found.sort((a, b) => a.rank - b.rank).map(({ candidate }) => candidate);
  }

  /** null without one, and for a file that cannot be read: it stays a candidate, so that its error is reported. */
  async #buildIdOf(open: () => Promise<Lease>): Promise<string | null> {
    try {
      const lease = await open();
      const { gnu, uuid, pe } = lease.binary.symbols.object.ids;
      lease.release();
      return gnu ?? uuid ?? pe;
    } catch (error) {
      if (isParseError(error) || isSystemError(error)) return null;
      throw error;
    }
  }

  /** Without an ID a name is all there is to go by; what it finds must prove itself. */
  async #namedLike(filename: string): Promise<Candidate[]> {
    if (this.#store === null || filename === '' || regionOf(filename) !== 'file') return [];
    const store = this.#store;
    const binaries = await store.named(basename(fileOf(filename)));
    return builds(binaries).map((build) => this.#candidate(store, build, 'name'));
  }

  #candidate(store: SymbolStore, build: readonly StoredBinary[], foundBy: FoundBy): Candidate {
    const [{ name }] = build;
    return { name, foundBy, lease: () => this.#opened.lease(keyOf(build), name, () => openBuild(store, build)) };
  }

  async #archivedFor(mapping: MappingRecord): Promise<Candidates> {
    const { buildId, filename } = mapping;
    const what = filename === '' ? 'this mapping' : filename;
    if (buildId === '' || isFileStamp(buildId, filename))
      return { found: await this.#namedLike(filename), reason: whyNotSearched(filename) };
    if (this.#store === null) return { found: [], reason: `no archive to search for ${what} (build ID ${buildId})` };
    const store = this.#store;
    for (const query of queriesFor(buildId)) {
      const binaries = await store.find(query);
      if (binaries.length === 0) continue;
      return { found: builds(binaries).map((build) => this.#candidate(store, build, 'build-id')), reason: '' };
    }
    return {
      found: [],
      reason: `${what} (build ID ${buildId}) is not in the archive; ${whatToAdd(filename)} with: resym store add FILE`,
    };
  }
}

function plainHex(id: string): string {
  return id.toLowerCase().replaceAll('-', '');
}

function isGnuBuildId(buildId: string): boolean {
  return /^[0-9a-fA-F]{4,128}$/.test(buildId);
}

/** The ways a producer may have written a build ID: hex of any format's own ID, a UUID with dashes, Go's text, that text in hex (Parca's agent). */
function queriesFor(buildId: string): BinaryQuery[] {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(buildId)) return [{ uuid: buildId }];
  if (!isGnuBuildId(buildId)) return buildId.includes('/') ? [{ go: buildId }] : [];
  const queries: BinaryQuery[] = [{ gnu: buildId, uuid: buildId, pe: buildId }];
  const text = Buffer.from(buildId, 'hex').toString('latin1');
  if (/^[\w\-+=/.]+$/.test(text) && text.includes('/')) queries.push({ go: text });
  return queries;
}

/** Changes when the file does; "" when it cannot be looked at, which opening it will report. */
function fileVersion(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats ? `${stats.ino}:${stats.size}:${stats.mtimeMs}` : '';
}

/** Changes when one of the files does. */
function keyOf(build: readonly StoredBinary[]): string {
  return `store:${build.map(({ path, version }) => `${path}:${version}`).join('|')}`;
}

/** What a pinned path stands for. */
interface PinnedPart {
  readonly path: string;
  readonly file: string;
  /** Of a universal file; undefined for others. */
  readonly arch: string | undefined;
  readonly name: string;
  readonly isOnly: boolean;
}

function partsOf(path: string): PinnedPart[] {
  const file = fileBehind(path);
  const arches = architecturesOf(file);
  return arches.map((arch) => {
    const isOnly = arches.length === 1;
    return { path, file, arch, name: isOnly ? path : `${path} (${arch})`, isOnly };
  });
}

/** The path as it is when it stands for nothing: opening it says why. */
function fileBehind(path: string): string {
  try {
    return binaryFile(path);
  } catch (error) {
    if (isParseError(error) || isSystemError(error)) return path;
    throw error;
  }
}

/** Rejects with the system's error or FormatError. */
function openPath(path: string, arch: string | undefined): Promise<BinaryFiles> {
  return Promise.resolve().then(() => ({
    files: [openLocal(path, (slices) => chooseSlice(slices, arch))],
    elsewhere: new Beside(path),
  }));
}
