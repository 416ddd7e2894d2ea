/** The file that dwz moved shared entries and strings to (`.gnu_debugaltlink`, or `.debug_sup` of DWARF 5, 7.3.6). */
import { Buffer } from 'node:buffer';
import { Cursor } from '../bytes/cursor.ts';
import { readDebugAltLink } from '../object/debug-link.ts';
import type { ObjectFile } from '../object/object.ts';
import { DebugFile } from './debug-file.ts';
import type { Problems } from './problems.ts';
import type { SplitFiles } from './split-units.ts';
import { debugSection } from './unit-headers.ts';

/** null when the program has no such file, or it is not at hand: then that is a problem, said once. */
export function openSupplement(
  object: ObjectFile,
  files: SplitFiles | undefined,
  problems: Problems,
): DebugFile | null {
  try {
    const link = readDebugAltLink(object) ?? readDebugSup(object);
    if (link === null) {
      problems.add('debug info refers to a supplementary file that it does not name');
      return null;
    }
    const found = files?.supplementary(link.name, link.buildId) ?? null;
    const file = found && DebugFile.open(found, problems);
    if (file === null) problems.add(`supplementary debug info is missing: ${link.name} (build ID ${link.buildId})`);
    return file;
  } catch (error) {
    problems.caught(error);
    return null;
  }
}

/** .debug_sup: u16 version, u8 is_supplementary, file name, uleb and bytes of its checksum. */
function readDebugSup(object: ObjectFile): { name: string; buildId: string } | null {
  const section = debugSection(object, 'sup');
  if (section === undefined) return null;
  const cursor = new Cursor(object.sectionData(section), object.littleEndian, section.name);
  cursor.skip(2);
  if (cursor.u8() !== 0) return null;
  const name = cursor.cstring();
  return { name, buildId: Buffer.from(cursor.take(cursor.uleb())).toString('hex') };
}
