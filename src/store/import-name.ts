/**
 * What a file is called that another tool filed away. Below DIR lies
 *
 *   <hex>/debuginfo, <hex>/executable           a debuginfod client's cache, Parca         no name: see `nameInside`
 *   ab/<hex>/debuginfo, ab/<hex>/executable     Sentry's unified layout                    "name" in ab/<hex>/meta, if it is there
 *   <name>/elf-buildid-<hex>/<name>             SSQP; also elf-buildid-sym, mach-uuid, mach-uuid-sym, and <hex> alone for PE
 *   _.debug/elf-buildid-sym-<hex>/_.debug       SSQP                                       no name
 *   <path of the program>/<hex>/elf             perf buildid-cache; also vdso; of old, ~/.debug/<path of the program>/<hex>
 *   .build-id/ab/<hex>[.debug]                  Linux distributions                        no name
 *   usr/lib/debug/<path of the program>.debug   Linux distributions
 *   <hex>/<name>                                google/pprof
 *
 * and anything else under its own name. What else these tools keep is no object file: sources, sections, kallsyms, probes.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isSystemError } from '../errors.ts';
import { readBuildInfo } from '../gosym/build-info.ts';
import { readDebugLink } from '../object/debug-link.ts';
import type { ObjectFile } from '../object/object.ts';
import { displayName } from './layout.ts';

/** Shorter ones are words: `add`, `feed`. GNU IDs have 40 digits, 32 or 16; PE's time and size some 13. */
const ID = /^[0-9a-f]{12,128}$/i;
const SSQP_FOLDER = /^(?:elf-buildid|elf-buildid-sym|mach-uuid|mach-uuid-sym)-([0-9a-f]+)$/i;

/** @param path of the file, as absolute as one has it */
export function importName(path: string, object: ObjectFile): string {
  const name = basename(path);
  const folder = basename(dirname(path));
  const above = basename(dirname(dirname(path)));
  const isIn = (pattern: RegExp): boolean => pattern.test(folder);

  if (name === 'debuginfo' || name === 'executable') {
    if (isIn(ID)) return nameInMeta(join(dirname(path), 'meta')) ?? nameInside(object) ?? folder.toLowerCase();
    const id = above + folder;
    if (/^[0-9a-f]{2}$/i.test(above) && ID.test(id)) {
      return nameInMeta(join(dirname(path), 'meta')) ?? nameInside(object) ?? id.toLowerCase();
    }
  }
  if (isIn(SSQP_FOLDER) && /^_\.(?:debug|dwarf|dsym)$/i.test(name)) {
    const id = SSQP_FOLDER.exec(folder)![1].toLowerCase();
    return above === name ? (nameInside(object) ?? id) : displayName(above);
  }
  if ((name === 'elf' || name === 'vdso') && isIn(ID) && above !== '') return displayName(withoutBrackets(above));
  const filed = /^([0-9a-f]{2,126})(?:\.debug)?$/i.exec(name);
  if (filed !== null && /^[0-9a-f]{2}$/i.test(folder) && above === '.build-id') {
    return nameInside(object) ?? (folder + filed[1]).toLowerCase();
  }
  if (/^[0-9a-f]{32,128}$/i.test(name) && path.includes('/.debug/')) return displayName(withoutBrackets(folder));
  if (/(?:^|\/)usr\/lib\/debug\/(?!\.)/.test(path) && name.endsWith('.debug'))
    return displayName(name.slice(0, -'.debug'.length));
  return displayName(name);
}

/** perf writes `[vdso]` for what has no path. */
function withoutBrackets(name: string): string {
  return name.replace(/^\[(.*)\]$/, '$1');
}

/** Of a file that was stripped into a program and its debug info: the name both came from; of a Go program its package's. */
function nameInside(object: ObjectFile): string | null {
  const program = readBuildInfo(object)?.path.split('/').at(-1);
  if (program !== undefined && program !== '') return displayName(program);
  const link = readDebugLink(object)?.name.replace(/\.debug$/, '') ?? '';
  return link === '' || /^[0-9a-f]{12,}$/.test(link) ? null : displayName(link);
}

function nameInMeta(path: string): string | null {
  try {
    const meta: unknown = JSON.parse(readFileSync(path, 'utf8'));
    const name = typeof meta === 'object' && meta !== null && 'name' in meta ? meta.name : null;
    return typeof name === 'string' && name !== '' ? displayName(name) : null;
  } catch (error) {
    if (!isSystemError(error) && !(error instanceof SyntaxError)) throw error;
    return null; // there is none, or it is something else
  }
}
