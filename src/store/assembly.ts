/**
 * From files to one binary that can be asked. What a build knows may lie in several: the program, its stripped copy, its
 * debug info alone; and those refer to more:
 *
 *   .gnu_debugdata      a small symbol table inside the file, compressed by xz      mini-debug-info.ts
 *   separate debug file by build ID or .gnu_debuglink; a .dSYM                      Elsewhere.debugFile
 *   .gnu_debugaltlink   what dwz made several files share                           Elsewhere.supplementary
 *   .symidx             what the others say, in a form made for looking up      Elsewhere.symbolIndex
 *   .dwp, .dwo          split debug info                                            Elsewhere.splitPackage, Elsewhere.splitUnit
 *
 * All but .dwo files are opened here, once: a lookup never waits.
 */
import { prepareZstd } from '../bytes/inflate.ts';
import type { SplitFiles } from '../dwarf/split-units.ts';
import { debugSection } from '../dwarf/unit-headers.ts';
import { isParseError, isSystemError, messageOf } from '../errors.ts';
import { needsZstd } from '../object/compressed.ts';
import { readDebugAltLink } from '../object/debug-link.ts';
import type { ObjectFile } from '../object/object.ts';
import { openObject } from '../object/open.ts';
import { SymbolMap } from '../symbolize/symbol-map.ts';
import { openMiniDebugInfo } from './mini-debug-info.ts';
import type { OpenBinary } from './store.ts';

/** Where debug info may be that a file refers to. Rejects and throws the system's errors only. */
export interface Elsewhere {
  /** The debug info of a file that has none itself. */
  debugFile(object: ObjectFile): Promise<OpenBinary | null>;
  /** The name as recorded, the build ID in lower-case hex. */
  supplementary(name: string, buildId: string): Promise<OpenBinary | null>;
  /** The package of its split units. */
  splitPackage(): Promise<OpenBinary | null>;
  /** An index of what all of this says, made before, by the stamp of the files. */
  symbolIndex(stamp: string): Promise<OpenBinary | null>;
  /** A .dwo file: its name and its unit's directory as recorded. */
  splitUnit(name: string, compDir: string): OpenBinary | null;
}

/** What one binary is made of. */
export interface BinaryFiles {
  /** Of one build, the one that knows most first; at least one. */
  readonly files: readonly OpenBinary[];
  readonly elsewhere: Elsewhere;
}

export interface AssembledBinary {
  readonly symbols: SymbolMap;
  /** Looks once more for an index, which may have been made meanwhile. Never rejects for the files' sake. */
  readonly findIndex: () => Promise<void>;
  /** Gives all files back. */
  readonly close: () => void;
}

/** .dwo files held open: a profile touches some dozens of units. */
const MAX_SPLIT_FILES = 4096;

/** Rejects with what opening or parsing the first file threw; what is wrong with the others is a problem of the result. */
export async function assemble({ files, elsewhere }: BinaryFiles): Promise<AssembledBinary> {
  const assembly = new Assembly(files, elsewhere);
  try {
    return await assembly.run();
  } catch (error) {
    assembly.close();
    throw error;
  }
}

class Assembly {
  readonly #held: OpenBinary[];
  readonly #elsewhere: Elsewhere;
  readonly #problems: string[] = [];
  readonly #objects: ObjectFile[] = [];

  constructor(files: readonly OpenBinary[], elsewhere: Elsewhere) {
    this.#held = [...files];
    this.#elsewhere = elsewhere;
  }

  readonly close = (): void => {
    for (const file of this.#held) file.release();
  };

  async run(): Promise<AssembledBinary> {
    const [first, ...others] = this.#held;
    this.#objects.push(await opened(first));
    for (const file of others) await this.#add(file);
    await this.#addDebugFile();
    await this.#addMiniDebugInfo();
    const split = await this.#split();
    const symbols = new SymbolMap(this.#objects, split, this.#problems);
    await this.#addIndex(symbols);
    return { symbols, findIndex: () => this.#addIndex(symbols), close: this.close };
  }

  async #addIndex(symbols: SymbolMap): Promise<void> {
    if (!symbols.isWorthIndexing || symbols.hasIndex) return;
    await this.#attempt('symbol index', async () => {
      const found = this.#hold(await this.#elsewhere.symbolIndex(symbols.stamp));
      if (found !== null) symbols.useIndex(found.source);
    });
  }

  async #addDebugFile(): Promise<void> {
    if (this.#objects.some(hasDwarf)) return;
    await this.#attempt('separate debug file', async () => {
      const found = this.#hold(await this.#elsewhere.debugFile(this.#objects[0]));
      if (found !== null) await this.#add(found);
    });
  }

  /** Only where there is no whole symbol table: it is a part of one. */
  async #addMiniDebugInfo(): Promise<void> {
    if (this.#objects.some((object) => object.section('.symtab') !== undefined)) return;
    for (const object of [...this.#objects]) {
      await this.#attempt('.gnu_debugdata', async () => {
        const inner = await openMiniDebugInfo(object);
        if (inner !== null) this.#objects.push(inner);
      });
    }
  }

  /** Opens what the debug info refers to. */
  async #split(): Promise<SplitFiles> {
    const supplements = new Map<string, ObjectFile>();
    let dwp: ObjectFile | null = null;
    const withDwarf = this.#objects.filter(hasDwarf);
    for (const object of withDwarf) {
      await this.#attempt('shared debug info', async () => {
        const link = readDebugAltLink(object);
        const found = link && this.#hold(await this.#elsewhere.supplementary(link.name, link.buildId));
        if (link && found) supplements.set(link.buildId, await opened(found));
      });
    }
    if (withDwarf.length > 0) {
      await this.#attempt('split debug info', async () => {
        const found = this.#hold(await this.#elsewhere.splitPackage());
        if (found !== null) dwp = await opened(found);
      });
    }
    return {
      dwp,
      dwo: (name, compDir) => this.#splitUnit(name, compDir),
      supplementary: (_name, buildId) => supplements.get(buildId) ?? null,
    };
  }

  /** Throws what opening threw: the DWARF reader says it with the unit's name. */
  #splitUnit(name: string, compDir: string): ObjectFile | null {
    if (this.#held.length >= MAX_SPLIT_FILES) return null;
    const file = this.#hold(this.#elsewhere.splitUnit(name, compDir));
    return file && openObject(file.source);
  }

  #hold(file: OpenBinary | null): OpenBinary | null {
    if (file !== null) this.#held.push(file);
    return file;
  }

  async #add(file: OpenBinary): Promise<void> {
    await this.#attempt('another file of this build', async () => {
      this.#objects.push(await opened(file));
    });
  }

  async #attempt(what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!isParseError(error) && !isSystemError(error)) throw error;
      this.#problems.push(`${what}: ${messageOf(error)}`);
    }
  }
}

async function opened(file: OpenBinary): Promise<ObjectFile> {
  const object = openObject(file.source);
  if (needsZstd(object)) await prepareZstd();
  return object;
}

function hasDwarf(object: ObjectFile): boolean {
  return debugSection(object, 'info') !== undefined;
}
