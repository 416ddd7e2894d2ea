import { chooseSlice, type FatSlice } from '../object/macho-fat.ts';
import { openObject } from '../object/open.ts';
import { binaryFile, type LocalBinary, openLocal } from '../store/local.ts';
import { printable } from './fields.ts';
import { UsageError } from './usage.ts';

/** What others call Go's architectures. */
const GO_NAMES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  x86_64h: 'amd64',
  aarch64: 'arm64',
  arm64e: 'arm64',
  i386: '386',
  armv7: 'arm',
};

export interface NamedBinary extends LocalBinary {
  /** The file itself, where the path was a bundle. */
  readonly file: string;
}

/**
 * The binary that a path and `--arch` name. Says on stderr which part of a universal file is taken when nobody chose.
 * Throws UsageError when there is none for that architecture; as `openLocal` otherwise.
 */
export function openNamed(path: string, arch: string | undefined): NamedBinary {
  const binary = openLocal(path, (slices) => choose(path, slices, arch));
  if (binary.slice === null && arch !== undefined) mustBe(path, binary, arch);
  if (binary.slice !== null && arch === undefined) {
    const others = binary.slices.filter((slice) => slice !== binary.slice).map((slice) => slice.appleArch);
    const note = others.length === 0 ? '' : `; --arch chooses another: ${others.join(', ')}`;
    process.stderr.write(`resym: ${printable(path)}: a universal file, taken for ${binary.slice.appleArch}${note}\n`);
  }
  return { ...binary, file: binaryFile(path) };
}

function choose(path: string, slices: readonly FatSlice[], arch: string | undefined): FatSlice {
  const isThere = (name: string) => slices.some((slice) => slice.appleArch === name || slice.arch === name);
  if (arch === undefined || isThere(arch)) return chooseSlice(slices, arch);
  const has = slices.map((slice) => slice.appleArch).join(', ');
  throw new UsageError(`${printable(path)} has nothing for ${printable(arch)}; it has ${has}`);
}

/** Of a file with one architecture that one only may be asked for. */
function mustBe(path: string, binary: LocalBinary, arch: string): void {
  try {
    const actual = openObject(binary.source).arch;
    if (arch === actual || GO_NAMES[arch] === actual) return;
    throw new UsageError(`${printable(path)} has nothing for ${printable(arch)}; it is for ${actual}`);
  } catch (error) {
    binary.release();
    throw error;
  }
}
