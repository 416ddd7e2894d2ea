/**
 * Debug info on this machine, where gdb looks for it too:
 *
 *   <root>/.build-id/ab/cdef.debug                            by build ID; root is /usr/lib/debug
 *   <dir>/<link>, <dir>/.debug/<link>, <root>/<dir>/<link>    .gnu_debuglink, if the CRC is right
 *   <file>.dSYM/Contents/Resources/DWARF/<name>               if the UUID is right; also <bundle>.app.dSYM around an application
 *   <file>.dwp                                                split units packed
 *   <file>.symidx                                             symbol index, made by `resym index`
 *   <compilation directory>/<name>.dwo, <dir>/<name>.dwo      split units, where the compiler left them or beside the program
 */
import { existsSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { isSplitPackage } from '../dwarf/split-hash.ts';
import { isParseError, isSystemError } from '../errors.ts';
import { fileCrc, readDebugLink } from '../object/debug-link.ts';
import type { ObjectFile } from '../object/object.ts';
import { openObject } from '../object/open.ts';
import type { Elsewhere } from './assembly.ts';
import { FileSource } from './file.ts';
import { INDEX_SUFFIX, isHexId } from './layout.ts';
import { openWithUuid } from './local.ts';
import type { OpenBinary } from './store.ts';

/** Where distributions put debug info. */
const DEBUG_ROOT = '/usr/lib/debug';

/** A file of this machine. Throws the system's error. */
export function openFile(path: string): OpenBinary {
  const source = FileSource.open(path);
  return { source, release: () => source.close() };
}

/** What lies beside a file of this machine. */
export class Beside implements Elsewhere {
  readonly #path: string;
  readonly #dir: string;
  readonly #root: string;

  constructor(path: string, root = DEBUG_ROOT) {
    this.#path = resolve(path);
    this.#dir = dirname(this.#path);
    this.#root = root;
  }

  debugFile(object: ObjectFile): Promise<OpenBinary | null> {
    const { gnu, uuid } = object.ids;
    if (gnu !== null) {
      const found = firstThat([this.#byBuildId(gnu)], (file) => openObject(file.source).ids.gnu === gnu);
      if (found !== null) return Promise.resolve(found);
    }
    if (uuid !== null) {
      return Promise.resolve(this.#bundled(uuid));
    }
    const link = readDebugLink(object);
    if (link === null || link.name !== basename(link.name)) return Promise.resolve(null);
    const folders = [this.#dir, join(this.#dir, '.debug'), join(this.#root, this.#dir)];
    const paths = folders.map((folder) => join(folder, link.name)).filter((path) => path !== this.#path);
    return Promise.resolve(firstThat(paths, (file) => fileCrc(file.source) === link.crc));
  }

  supplementary(name: string, buildId: string): Promise<OpenBinary | null> {
    const recorded = isAbsolute(name) ? [name] : [join(this.#dir, name), join(this.#root, this.#dir, name)];
    const shared = join(this.#root, '.dwz', basename(name));
    const paths = [...recorded, this.#byBuildId(buildId), shared];
    return Promise.resolve(firstThat(paths, (file) => openObject(file.source).ids.gnu === buildId));
  }

  splitPackage(): Promise<OpenBinary | null> {
    return Promise.resolve(firstThat([`${this.#path}.dwp`], (file) => isSplitPackage(openObject(file.source))));
  }

  symbolIndex(): Promise<OpenBinary | null> {
    return Promise.resolve(firstThat([this.#path + INDEX_SUFFIX], () => true));
  }

  /** The reader of the debug info compares the ids. */
  splitUnit(name: string, compDir: string): OpenBinary | null {
    return firstThat([resolve(compDir, name), join(this.#dir, name), join(this.#dir, basename(name))], () => true);
  }

  #bundled(uuid: string): OpenBinary | null {
    for (const path of [this.#path, ...bundlesAround(this.#path)]) {
      try {
        const found = existsSync(`${path}.dSYM`) ? openWithUuid(`${path}.dSYM`, uuid) : null;
        if (found !== null) return found;
      } catch (error) {
        if (!isParseError(error) && !isSystemError(error)) throw error;
      }
    }
    return null;
  }

  #byBuildId(id: string): string {
    return isHexId(id) ? join(this.#root, '.build-id', id.slice(0, 2), `${id.slice(2)}.debug`) : '';
  }
}

/** The directories a file lies in that macOS shows as one thing, inside out: Foo.app for Foo.app/Contents/MacOS/Foo. */
function bundlesAround(path: string): string[] {
  const parents: string[] = [];
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) parents.push(at);
  return parents.filter((parent) => /\.(?:app|framework|xpc|appex|bundle|kext)$/.test(parent));
}

/** The first file that is there, can be read and passes the test. */
function firstThat(paths: readonly string[], test: (file: OpenBinary) => boolean): OpenBinary | null {
  for (const path of paths) {
    if (path === '' || path.includes('\0') || !existsSync(path)) continue;
    let file: OpenBinary | null = null;
    try {
      file = openFile(path);
      if (test(file)) return file;
    } catch (error) {
      if (!isParseError(error) && !isSystemError(error)) {
        file?.release();
        throw error;
      }
    }
    file?.release();
  }
  return null;
}
