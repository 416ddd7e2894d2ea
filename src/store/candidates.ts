import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { isParseError, isSystemError } from '../errors.ts';
import { fileOf, isFileStamp, isNamedLike, regionOf, whatToAdd, whyNotSearched } from '../match/region.ts';
import type { SketchQuery } from '../match/sketch.ts';
import type { FoundBy } from '../match/verdict.ts';
import { chooseSlice } from '../object/macho-fat.ts';
import type { MappingRecord } from '../profile/profile.ts';
import { areTwins, builds, openBuild } from './archived.ts';
import type { BinaryFiles } from './assembly.ts';
import { Beside } from './beside.ts';
import { architecturesOf, binaryFile, openLocal } from './local.ts';
import type { Lease, OpenedBinaries } from './opened.ts';
import { isTellingGnuId, isTellingGoId } from './layout.ts';
import type { BinaryQuery, StoredBinary, SymbolStore } from './store.ts';

/** A binary that may belong to a mapping. */
export interface Candidate {
  readonly name: string;
  readonly foundBy: FoundBy;
  /** The archive's files of it; empty for one that the user named. */
  readonly build: readonly StoredBinary[];
  /** Rejects with what opening or parsing the file threw. */
  lease(): Promise<Lease>;
  /** Whether the same files are still there. */
  isThere(): Promise<boolean>;
  /** Tells the archive, which keeps longest what is used. */
  wasUsed(): void;
}

/** Why the archive has nothing for a mapping, and what to do. */
export interface Absence {
  readonly reason: string;
  readonly advice: string;
}

/** Builds of one function table are few: the stripped one, the plain one. */
const MAX_TWINS = 4;
/** Binaries tried by what they seem to have: each is opened. */
const MAX_ALIKE = 48;

/** Finds the binaries that may belong to a mapping; the ladder (ladder.ts) tries them. All reject when the archive cannot be read. */
export class CandidateFinder {
  readonly #store: SymbolStore | null;
  readonly #opened: OpenedBinaries;

  constructor(store: SymbolStore | null, opened: OpenedBinaries) {
    this.#store = store;
    this.#opened = opened;
  }

  /** A file the user named is tried on the mapping with its build ID or its name, and on the main binary's. */
  async pinned(mapping: MappingRecord, paths: readonly string[]): Promise<Candidate[]> {
    const found: { candidate: Candidate; rank: number }[] = [];
    const parts = paths.flatMap((path) => partsOf(path));
    for (const { path, file, arch, name, isOnly } of parts) {
      const version = fileVersion(file);
      const lease = () => this.#opened.lease(`file:${file}:${version}:${arch ?? ''}`, name, () => openPath(file, arch));
      const id = await this.#buildIdOf(lease);
      const idKnown = id !== null && isHex(plainHex(mapping.buildId)) && isTellingId(mapping.buildId);
      const sameId = idKnown && id === plainHex(mapping.buildId);
      const sameName = isNamedLike(mapping.filename, path) || isNamedLike(mapping.filename, file);
      if (!sameId && !sameName && mapping.index !== 0) continue;
      // Of a universal file the user named all parts, and at most one of them ran.
      const foundBy: FoundBy = sameId ? 'pinned' : idKnown ? 'pinned-other-id' : isOnly ? 'pinned' : 'name';
      const isThere = () => Promise.resolve(fileVersion(file) === version);
      const candidate = { name, foundBy, build: [], lease, isThere, wasUsed: () => undefined };
      found.push({ candidate, rank: sameId ? 0 : sameName ? 1 : 2 });
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

  /** By the mapping's build ID, in all the ways it may be written. More than one: different builds share it. */
  async byId({ buildId, filename }: MappingRecord): Promise<Candidate[]> {
    const store = this.#store;
    if (store === null || !isTelling(buildId, filename)) return [];
    for (const query of queriesFor(buildId)) {
      const binaries = await store.find(query);
      if (binaries.length > 0) return builds(binaries).map((build) => this.#candidate(store, build, 'build-id'));
    }
    return [];
  }

  /** Builds with the same Go function table at the same place, under other IDs; those with debug info only. */
  async twinsOf({ build }: Candidate): Promise<Candidate[]> {
    const store = this.#store;
    const own = build.find(({ identity }) => identity.ids.pclntabSha256 !== null);
    const pclntabSha256 = own?.identity.ids.pclntabSha256;
    if (store === null || own === undefined || typeof pclntabSha256 !== 'string') return [];
    const alike = await store.find({ pclntabSha256 });
    const keys = new Set(build.map(({ key }) => key));
    const twins = alike.filter((other) => !keys.has(other.key) && areTwins(own, other));
    const rich = builds(twins).filter((twin) => twin.some(({ identity }) => identity.symbols.dwarf !== null));
    return rich.slice(0, MAX_TWINS).map((twin) => this.#candidate(store, twin, 'twin'));
  }

  /** By the mapping's file name, for want of an ID. */
  async byName({ filename }: MappingRecord): Promise<Candidate[]> {
    const store = this.#store;
    if (store === null || filename === '' || regionOf(filename) !== 'file') return [];
    const binaries = await store.named(basename(fileOf(filename)));
    return builds(binaries).map((build) => this.#candidate(store, build, 'name'));
  }

  /** By the frames the profile names itself, whatever the file is called. */
  async byFrames(query: SketchQuery): Promise<Candidate[]> {
    const store = this.#store;
    if (store === null) return [];
    const alike = await store.search(query, { limit: MAX_ALIKE });
    const files: StoredBinary[] = [];
    // A sieve knows one file of a build; the others of that build help to open it.
    for (const binary of alike) files.push(binary, ...(await store.find(idOf(binary))));
    const found = builds([...new Map(files.map((file) => [file.path, file])).values()]);
    return found.map((build) => this.#candidate(store, build, 'evidence'));
  }

  #candidate(store: SymbolStore, build: readonly StoredBinary[], foundBy: FoundBy): Candidate {
    const [{ name }] = build;
    const lease = () => this.#opened.lease(keyOf(build), name, () => openBuild(store, build));
    // A mark that is lost makes gc think the build older than it is: no reason to fail a profile.
    const wasUsed = () => build.forEach((binary) => void store.used(binary).catch(() => undefined));
    return { name, foundBy, build, lease, isThere: () => isThere(store, build), wasUsed };
  }

  /** Why there is no candidate for a mapping. */
  async absence(mapping: MappingRecord): Promise<Absence> {
    const { buildId, filename } = mapping;
    const name = regionOf(filename) === 'file' ? basename(fileOf(filename)) : '';
    const unusable = (await this.#store?.unusable(buildId, name)) ?? null;
    const { reason, advice } = this.#absence(mapping);
    if (unusable === null) return { reason, advice };
    const said = unusable.problem.replace(/; add it again$/, '');
    return {
      reason: `${reason}, but for ${unusable.path}, which cannot be used: ${said}`,
      advice: 'add it again: resym store add FILE',
    };
  }

  #absence({ buildId, filename }: MappingRecord): Absence {
    const what = filename === '' ? 'this mapping' : filename;
    if (buildId === '' || isFileStamp(buildId, filename)) return whyNotSearched(filename);
    if (!isTellingId(buildId)) {
      return {
        reason: `${what} has a build ID that many binaries share (${buildId}), and no file in the archive has the profile's frames`,
        advice: `${whatToAdd(filename)} with: resym store add FILE`,
      };
    }
    if (this.#store === null) return { reason: `no archive to search for ${what} (build ID ${buildId})`, advice: '' };
    return {
      reason: `${what} (build ID ${buildId}) is not in the archive`,
      advice: `${whatToAdd(filename)} with: resym store add FILE`,
    };
  }
}

/** True for an ID that names one build: what a file's path and time, or Bazel's constant, do not. */
export function isTelling(buildId: string, filename: string): boolean {
  return buildId !== '' && !isFileStamp(buildId, filename) && isTellingId(buildId);
}

function isTellingId(buildId: string): boolean {
  const hex = plainHex(buildId);
  const goText = goIdInHex(hex);
  if (goText !== null) return isTellingGoId(goText);
  return isHex(hex) ? isTellingGnuId(hex) : isTellingGoId(buildId);
}

function idOf({ identity: { ids } }: StoredBinary): BinaryQuery {
  const known = { gnu: ids.gnu, uuid: ids.uuid, pe: ids.pe };
  return Object.fromEntries(Object.entries(known).filter(([, id]) => id !== null));
}

function plainHex(id: string): string {
  return id.toLowerCase().replaceAll('-', '');
}

function isHex(buildId: string): boolean {
  return /^[0-9a-fA-F]{4,128}$/.test(buildId);
}

/** The ways a producer may have written a build ID: hex of any format's own ID, a UUID with dashes, Go's text, that text in hex (Parca's agent). */
function queriesFor(buildId: string): BinaryQuery[] {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(buildId)) return [{ uuid: buildId }];
  const goText = goIdInHex(buildId);
  if (!isHex(buildId)) return goText !== null ? [{ go: goText }] : buildId.includes('/') ? [{ go: buildId }] : [];
  const queries: BinaryQuery[] = [{ gnu: buildId, uuid: buildId, pe: buildId }];
  if (goText !== null) queries.push({ go: goText });
  return queries;
}

/** Go's build ID, of some 83 characters, where a profile has it in hex; null for what is none. */
function goIdInHex(buildId: string): string | null {
  if (!/^(?:[0-9a-fA-F]{2}){4,512}$/.test(buildId)) return null;
  const text = Buffer.from(buildId, 'hex').toString('latin1');
  return /^[\w\-+=/.]+$/.test(text) && text.includes('/') ? text : null;
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

/** False when a file is gone or was changed; what cannot be read is not there either. */
async function isThere(store: SymbolStore, build: readonly StoredBinary[]): Promise<boolean> {
  try {
    const { go } = build[0].identity.ids;
    const found = await store.find({ ...idOf(build[0]), ...(go !== null && { go }) });
    return build.every(({ path, version }) => found.some((other) => other.path === path && other.version === version));
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
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
