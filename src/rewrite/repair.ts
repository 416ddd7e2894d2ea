/**
 * What clients do to named frames, and how it is undone.
 *
 * google/pprof and go tool pprof symbolize a profile again when no flag keeps them from it, and write the result with `-proto`: by
 * default every profile with a C frame in it (the runtime then leaves has_functions unset), with `-symbolize=force` or a demangle
 * mode every one. Addresses, samples and build IDs stay. mapping.filename becomes the path of the file that was used, mappings
 * without samples go, ids are given anew, has_* flags are set. As seen in CPU and heap profiles of Go 1.15 to 1.26:
 *
 * | client, and the file it finds              | what becomes of [inner f:12, outer g:34], start lines 10 and 30           |
 * |--------------------------------------------|---------------------------------------------------------------------------|
 * | -symbolize=none, or file without symbols   | [inner f:12, outer g:34]                                                  |
 * | -noinlines                                 | [outer g:34] start 30                                                     |
 * | go tool pprof, any file                    | [outer f:12] start 0: one frame, the innermost place                      |
 * |   now and then                             | ["nearest symbol" f:12] start 0: x_cgo_munmap, a wrapper, ""              |
 * |   stripped, cgo, Go 1.18 and later         | [other f:99] start 0: every address looked up too far on, by as much as   |
 * |                                            | Go's text begins after .text; where no code is, a line of -1              |
 * | google/pprof, stripped file                | [""] without file, line and start: unnamed for resym as for anyone        |
 * | google/pprof, -symbolize=fastlocal; remote | [outer] without file, line and start                                      |
 * | google/pprof, file with DWARF              | whole, but `runtime.futex.abi0`, `./_cgo_gotypes.go`                      |
 * |   now and then                             | deeper: compiler's wrappers, and stacks the runtime had cut in two (stay) |
 * | their demanglers                           | names only: `cgoexp_…` for `_cgoexp_…`, `internal/sync..Load`             |
 *
 * A location is repaired only when its frames are one of these forms of the binary's; never to fewer frames. Frames that the runtime
 * itself writes in its own way stay: a stack cut in the middle of inlined calls (test/support/compare.ts says when), a file or start
 * line repeated from another function of the same name. Where addresses are gone (zeroed, as some databases store profiles), nothing
 * can be repaired.
 */
import { canonical, isSameFunction } from '../match/evidence.ts';
import type { Profile } from '../profile/profile.ts';
import type { Frame, Resolution, SymbolSource } from '../symbolize/frame.ts';
import type { SymbolMap } from '../symbolize/symbol-map.ts';
import type { Located } from './located.ts';

/** What was lost or wrong, in the report's words. */
export type Damage =
  'inlined calls' | 'start lines' | 'lines' | 'file names' | 'names' | 'linked names' | 'names of other addresses';

export interface Repair {
  /** At least one. */
  readonly damage: readonly Damage[];
  /** What to write instead, innermost first; at least as many as were there. */
  readonly frames: readonly Frame[];
}

/** A location's frames as the profile has them, innermost first. */
export function statedFrames(profile: Profile, location: number): Frame[] {
  const { functions, strings } = profile;
  return profile.locations.lines(location).map(({ functionIndex: at, line, column }) => ({
    name: at < 0 ? '' : strings.text(functions.name(at)),
    systemName: at < 0 ? '' : strings.text(functions.systemName(at)),
    file: at < 0 ? '' : strings.text(functions.filename(at)),
    line,
    column,
    startLine: at < 0 ? 0 : functions.startLine(at),
  }));
}

/**
 * How far go tool pprof misses when it symbolizes a stripped copy of this binary: it takes .text for the start of Go's text, before
 * which gcc's linker puts C's startup code. 0 when it does not miss.
 */
export function clientShift({ go, object }: SymbolMap): number {
  const text = object.section('.text');
  if (go === null || text === undefined) return 0;
  const shift = go.textStart - text.address;
  return shift > 0 && shift < text.size ? shift : 0;
}

/** Repairs the locations of a mapping whose binary is proven. */
export class Repairer {
  readonly #profile: Profile;
  readonly #located: Located;
  /** 0 unless a client looked the addresses up too far on. */
  readonly #shift: number;

  constructor(profile: Profile, located: Located, isShifted: boolean) {
    this.#profile = profile;
    this.#located = located;
    this.#shift = isShifted ? clientShift(located.symbols) : 0;
  }

  /** Null when the location's frames are right, or wrong in a way that damage does not explain. */
  at(location: number): Repair | null {
    const found = this.#located.lookup(this.#profile, location);
    if (found === null) return null;
    const stated = statedFrames(this.#profile, location);
    if (this.#shift === 0) return repairOf(stated, found);
    const { rebase, symbols } = this.#located;
    const address = rebase.toFile(this.#profile.locations.address(location));
    return repairShifted(stated, found, address === null ? null : symbols.lookup(address + this.#shift));
  }
}

/** Null when the frames are right, or not explained by damage: then they stay. @param found what the proven binary has there */
export function repairOf(stated: readonly Frame[], found: Resolution): Repair | null {
  const { frames } = found;
  if (stated.length === 0 || stated.length > frames.length || stated.every(({ name }) => name === '')) return null;
  const flattened = stated.length === 1 && frames.length > 1 ? unflattened(stated[0], found) : null;
  if (flattened !== null) return flattened;
  const damage = new Set<Damage>();
  const restored = stated.map((frame, i) => restore(frame, frames[i], found.source, damage));
  // Fewer frames than the binary has, from the innermost on: the runtime cut the stack there.
  if (!restored.includes(null)) return repair(damage, restored as Frame[]);
  return stated.length === 1 && found.source === 'pclntab' ? renamed(stated[0], frames) : null;
}

/**
 * The same for a mapping of which it is known that a client looked its addresses up `clientShift` too far on.
 * @param there what the proven binary has at that other address
 */
export function repairShifted(stated: readonly Frame[], found: Resolution, there: Resolution | null): Repair | null {
  const here = repairOf(stated, found);
  if (stated.length !== 1 || found.source !== 'pclntab') return here;
  const [frame] = stated;
  const isOwn = isNamed(frame, found.frames[found.frames.length - 1], 'pclntab') && frame.line === found.frames[0].line;
  if (isOwn || frame.startLine !== 0 || !isOf(frame, there)) return here;
  return { damage: ['names of other addresses'], frames: found.frames };
}

/** True for the single frame that go tool pprof makes of these. Between Go's functions and after them it finds the one before. */
function isOf({ file, line }: Frame, there: Resolution | null): boolean {
  if (there?.source !== 'pclntab') return true;
  const [inner] = there.frames;
  return line === inner.line && file === inner.file;
}

/** One frame for several: the outermost function, on the innermost place, on its own, or without any. */
function unflattened(stated: Frame, { frames, source }: Resolution): Repair | null {
  const [inner, outer] = [frames[0], frames[frames.length - 1]];
  if (!isNamed(stated, outer, source)) return null;
  const isStartLost = stated.startLine === 0 && outer.startLine !== 0;
  // A function inlined into itself: what the runtime cut looks the same, but has its start line.
  if (isNamed(stated, inner, source) && !isStartLost) return null;
  const damage = new Set<Damage>(['inlined calls']);
  const own = restore(stated, outer, source, damage);
  if (own !== null) return repair(damage, [...frames.slice(0, -1), own]);
  if (stated.line !== inner.line || undotted(stated.file) !== inner.file) return null;
  if (isStartLost) damage.add('start lines');
  return repair(damage, frames);
}

/**
 * One Go frame of another function, on the innermost place or on none, as a client makes it: without start line. The runtime itself
 * names nothing without a place.
 */
function renamed(stated: Frame, frames: readonly Frame[]): Repair | null {
  const [inner] = frames;
  const isUnplaced = stated.line <= 0 && stated.file === '';
  const isPlaced = stated.line > 0 && stated.line === inner.line && stated.file === inner.file;
  if (stated.startLine !== 0 || !(isPlaced || isUnplaced)) return null;
  const damage = new Set<Damage>(['names']);
  if (isUnplaced) damage.add('lines').add('file names');
  if (frames.length > 1) damage.add('inlined calls');
  if (inner.startLine !== 0) damage.add('start lines');
  return repair(damage, frames);
}

/** The frame with what it has lost; null when it is another one than `found`. Adds to `damage` what that was. */
function restore(stated: Frame, found: Frame, source: SymbolSource, damage: Set<Damage>): Frame | null {
  if (!isNamed(stated, found, source) || (stated.line > 0 && stated.line !== found.line)) return null;
  // How much of a C++ or Rust name is shown is the reader's choice; Go's names are as the runtime writes them.
  const isGo = source === 'pclntab';
  const name = isGo || stated.name === '' ? found.name : stated.name;
  const systemName = isGo || stated.systemName === '' ? found.systemName : stated.systemName;
  if (stated.name !== name) damage.add('names');
  else if (stated.systemName !== systemName) damage.add('linked names');
  if (stated.line <= 0 && found.line !== 0) damage.add('lines');
  const isFileLost = stated.file !== found.file && (stated.file === '' || undotted(stated.file) === found.file);
  if (isFileLost) damage.add('file names');
  const isStartLost = stated.startLine === 0 && found.startLine !== 0;
  if (isStartLost) damage.add('start lines');
  return {
    name,
    systemName,
    file: isFileLost ? found.file : stated.file,
    line: found.line,
    column: stated.column,
    startLine: isStartLost ? found.startLine : stated.startLine,
  };
}

/** The same function, however it is spelled. In Go parentheses tell methods apart: `sync.(*Mutex).Unlock`, `sync.(*RWMutex).Unlock`. */
function isNamed(stated: Frame, found: Frame, source: SymbolSource): boolean {
  if (stated.systemName === found.systemName) return true;
  if (source !== 'pclntab') return isSameFunction(stated.name, found.name);
  return canonical(stated.name) === canonical(found.name);
}

/** DWARF names files relative to a directory that cgo leaves as ".", which joins to `./file` or `././file`. */
function undotted(file: string): string {
  return file.replace(/^(?:\.\/)+/, '');
}

function repair(damage: ReadonlySet<Damage>, frames: readonly Frame[]): Repair | null {
  return damage.size === 0 ? null : { damage: [...damage], frames };
}
