/** Profiles of bare addresses of a Go program's functions, that only the very binary explains. */
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { openObject } from '../../src/object/open.ts';
import { FileSource } from '../../src/store/file.ts';
import { addressProfile } from './mapped.ts';

/** @param functions which of the program's functions it has samples of, by number; the binary's build ID goes into the profile */
export function bareProfile(
  file: string,
  functions: readonly number[],
): { profile: Uint8Array; names: readonly string[] } {
  const source = FileSource.open(file);
  try {
    const object = openObject(source);
    const go = GoSymbols.open(object)!;
    const { address, size, fileOffset } = object.segments.find(({ executable }) => executable)!;
    const buildId = object.ids.gnu ?? '';
    const mapping = {
      start: BigInt(address),
      limit: BigInt(address + size),
      offset: BigInt(fileOffset),
      name: '/app/api',
      buildId,
    };
    const stacks = functions.map((n) => [BigInt(go.functionStart(n))]);
    return { profile: addressProfile([mapping], stacks), names: functions.map((n) => go.functionName(n)) };
  } finally {
    source.close();
  }
}
