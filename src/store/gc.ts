/**
 * What an archive may lose: by age, by number of builds of a program, by bytes. The choice is a pure function of what is there; collect.ts
 * does it.
 *
 * The unit is the build: all files under one key, and its twins, that is what was linked of the same code with other flags
 * (`-ldflags='-s -w'` gives another build ID). They stay together and go together. Builds of unchanged code from different commits have the
 * same Go tables too, and a release a day of a program that seldom changes must not count as one build that never ages: so a twin is of the
 * same version and commit. Where a build has no debug info but the twin of another commit has, that one stays as long as the build does.
 */
import { compareText } from './catalog.ts';
import { parseFilePath } from './layout.ts';
import type { StoredBinary } from './store.ts';

/** null = no such rule. */
export interface GcRules {
  /** Neither added nor used for so long, ms. */
  readonly maxAgeMs: number | null;
  /** So many builds of a program and architecture stay, the newest. */
  readonly keep: number | null;
  /** Bytes of all binaries; those left alone the longest go first. */
  readonly quotaBytes: number | null;
}

/** A build, and why it goes. */
export interface Removal {
  readonly files: readonly StoredBinary[];
  /** A clause, for people. */
  readonly reason: string;
}

export interface Choice {
  readonly removals: readonly Removal[];
  /** Bytes of what stays. */
  readonly keptBytes: number;
  /** How far what may not go is above the quota. */
  readonly overQuotaBytes: number;
}

/** What is known besides the binaries. */
export interface Circumstances {
  /** Keys. */
  readonly pins: ReadonlySet<string>;
  /** When builds were last of use, by key, ISO 8601. */
  readonly uses: ReadonlyMap<string, string>;
  /** ms since 1970. */
  readonly now: number;
}

interface Build {
  readonly files: readonly StoredBinary[];
  /** What it is counted as: one name and architecture. */
  readonly program: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly hasDwarf: boolean;
  /** When a file of it was last added or used, ms since 1970. */
  readonly ownAt: number;
  /** The same, or of a build that needs it. */
  lastAt: number;
  mayGo: boolean;
}

const DAY_MS = 24 * 3600_000;

/** Files put there by hand are somebody else's to remove. */
export function chooseRemovals(
  binaries: readonly StoredBinary[],
  { pins, uses, now }: Circumstances,
  { maxAgeMs, keep, quotaBytes }: GcRules,
): Choice {
  const builds = unitsOf(binaries).map((files) => buildOf(files, pins, uses));
  const helpers = helpersOf(builds);
  const reasons = new Map<Build, string>();
  const remove = (build: Build, reason: string): void => {
    if (build.mayGo && !reasons.has(build)) reasons.set(build, reason);
  };
  for (const build of builds) {
    const ageMs = now - build.lastAt;
    if (maxAgeMs !== null && ageMs > maxAgeMs) remove(build, `neither added nor used for ${daysOf(ageMs)}`);
  }
  if (keep !== null) {
    for (const ofProgram of groupedBy(builds, ({ program }) => program).values()) {
      const tooMany = ofProgram.sort((a, b) => b.ownAt - a.ownAt || -byAge(a, b)).slice(keep);
      for (const build of tooMany) remove(build, `more than ${keep} builds of ${build.name}, and the others are newer`);
    }
    for (const [build, helper] of helpers) if (!reasons.has(build)) reasons.delete(helper);
  }
  let keptBytes = 0;
  for (const build of builds) if (!reasons.has(build)) keptBytes += build.sizeBytes;
  if (quotaBytes !== null) {
    for (const build of builds.filter(({ mayGo }) => mayGo).sort(byAge)) {
      if (keptBytes <= quotaBytes) break;
      if (reasons.has(build)) continue;
      remove(build, 'the archive is above its quota, and what stays was added or used later');
      keptBytes -= build.sizeBytes;
    }
  }
  const removals = builds.flatMap((build) => {
    const reason = reasons.get(build);
    return reason === undefined ? [] : [{ files: build.files, reason }];
  });
  return { removals, keptBytes, overQuotaBytes: Math.max(0, keptBytes - (quotaBytes ?? Infinity)) };
}

function buildOf(files: readonly StoredBinary[], pins: ReadonlySet<string>, uses: ReadonlyMap<string, string>): Build {
  const times = files.flatMap(({ addedAt, key }) => [addedAt, uses.get(key) ?? addedAt]);
  const { name, identity } = [...files].sort(byProgramsName)[0];
  const ownAt = Math.max(...times.map((time) => Date.parse(time)).filter((time) => !Number.isNaN(time)), 0);
  return {
    files,
    name,
    program: `${name}\0${identity.arch}`,
    sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    hasDwarf: files.some((file) => file.identity.symbols.dwarf !== null),
    ownAt,
    lastAt: ownAt,
    mayGo: files.every(({ key, path }) => !pins.has(key) && parseFilePath(path) !== null),
  };
}

/** The program before its debug info, and `api` before `api.unstripped`. */
function byProgramsName(a: StoredBinary, b: StoredBinary): number {
  return Number(a.debugOnly) - Number(b.debugOnly) || a.name.length - b.name.length || compareText(a.name, b.name);
}

/** Oldest first; of two alike the one that has no debug info, which may need the other. */
function byAge(a: Build, b: Build): number {
  return (
    a.lastAt - b.lastAt || Number(a.hasDwarf) - Number(b.hasDwarf) || compareText(a.files[0].path, b.files[0].path)
  );
}

/** The files in groups that stay or go together. */
function unitsOf(binaries: readonly StoredBinary[]): StoredBinary[][] {
  const sets = new Map<StoredBinary, StoredBinary[]>();
  for (const binary of binaries) sets.set(binary, [binary]);
  const join = (a: StoredBinary, b: StoredBinary): void => {
    const [one, other] = [sets.get(a)!, sets.get(b)!].sort((x, y) => y.length - x.length);
    if (one === other) return;
    for (const file of other) sets.set(file, one);
    one.push(...other);
  };
  const joinAlike = (markOf: (binary: StoredBinary) => string | null): void => {
    for (const [first, ...others] of groupedBy(binaries, markOf).values())
      for (const other of others) join(first, other);
  };
  joinAlike(({ key }) => key || null);
  joinAlike(({ identity }) => identity.splitUnits);
  joinAlike((binary) => {
    const code = codeOf(binary);
    return code && `${code} ${commitOf(binary)}`;
  });
  return [...new Set(sets.values())].map((files) => files.sort((a, b) => compareText(a.path, b.path)));
}

/** As `areTwins` compares it; null for what can have no twin. */
function codeOf({ identity: { ids, arch, goText, text } }: StoredBinary): string | null {
  return ids.pclntabSha256 && `${ids.pclntabSha256} ${arch} ${goText} ${text?.address} ${text?.size}`;
}

/** What tells builds of unchanged code apart: the commit, and what the linker was told but for what to leave out. */
function commitOf({ identity: { go } }: StoredBinary): string {
  const { settings = {}, main = null } = go ?? {};
  const said = (settings['-ldflags'] ?? '').split(/\s+/).filter((flag) => !/^-[sw](=\w+)?$/.test(flag));
  const { 'vcs.revision': revision, 'vcs.time': time, 'vcs.modified': modified } = settings;
  return JSON.stringify([main?.version, revision, time, modified, ...said.filter(Boolean)]);
}

/** By build without debug info: the newest build of the same code that has some. It is as young as what needs it. */
function helpersOf(builds: readonly Build[]): Map<Build, Build> {
  const helpers = new Map<Build, Build>();
  const codes = new Map<string, Set<Build>>();
  for (const build of builds) {
    for (const file of build.files) {
      const code = codeOf(file);
      if (code !== null) codes.set(code, (codes.get(code) ?? new Set()).add(build));
    }
  }
  for (const sharing of codes.values()) {
    const [helper] = [...sharing].filter(({ hasDwarf }) => hasDwarf).sort((a, b) => -byAge(a, b));
    if (helper === undefined) continue;
    for (const build of sharing) {
      if (build.hasDwarf) continue;
      helpers.set(build, helper);
      helper.lastAt = Math.max(helper.lastAt, build.lastAt);
      helper.mayGo &&= build.mayGo;
    }
  }
  return helpers;
}

/** By mark; what has none is left out. */
function groupedBy<T>(items: readonly T[], markOf: (item: T) => string | null): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const mark = markOf(item);
    if (mark === null) continue;
    const group = groups.get(mark);
    if (group === undefined) groups.set(mark, [item]);
    else group.push(item);
  }
  return groups;
}

function daysOf(ms: number): string {
  const days = Math.floor(ms / DAY_MS);
  return days === 0 ? `${Math.floor(ms / 3600_000)} hours` : days === 1 ? 'a day' : `${days} days`;
}
