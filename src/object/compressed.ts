import type { ObjectFile } from './object.ts';

/** True when reading all sections of `object` takes `prepareZstd()` first. */
export function needsZstd(object: ObjectFile): boolean {
  return object.sections.some((section) => section.compression === 'zstd');
}
