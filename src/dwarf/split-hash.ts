/**
 * What ties a program to its package of split debug info (.dwp), which carries no build ID: the ids of the split units, which both list.
 */
import { createHash } from 'node:crypto';
import type { ObjectFile } from '../object/object.ts';
import { DebugFile } from './debug-file.ts';
import { PackageIndex } from './package-index.ts';
import { Problems } from './problems.ts';
import { DebugSection } from './section.ts';
import { debugSection } from './unit-headers.ts';

/**
 * Lower-case hex over the ids in ascending order: equal for a program and the package made of it. null when the file neither is a
 * package nor a linked program with split units. Throws FormatError and LimitError for damaged sections.
 */
export function splitUnitsSha256(object: ObjectFile): string | null {
  const ids = packageIds(object) ?? skeletonIds(object);
  if (ids.size === 0) return null;
  return createHash('sha256')
    .update([...ids].sort().join(' '))
    .digest('hex');
}

/** True for a package of split debug info (.dwp). */
export function isSplitPackage(object: ObjectFile): boolean {
  return debugSection(object, 'cu_index') !== undefined;
}

function packageIds(object: ObjectFile): Set<string> | null {
  const index = debugSection(object, 'cu_index');
  return index === undefined ? null : new Set(new PackageIndex(new DebugSection(object, index)).ids());
}

/** Units without a name for their split part are not looked into: of most programs none has one. */
function skeletonIds(object: ObjectFile): Set<string> {
  const ids = new Set<string>();
  // Skeletons keep their addresses in .debug_addr, and they are all there is to .debug_info then.
  if (object.type === 'rel' || debugSection(object, 'addr') === undefined) return ids;
  const file = DebugFile.open(object, new Problems());
  if (file === null) return ids;
  for (let i = 0; i < file.units.length; i++) {
    const { dwoId, dwoName } = file.unit(i).root;
    if (dwoId !== '' && dwoName.form !== 0) ids.add(dwoId);
  }
  file.forget();
  return ids;
}
