/**
 * Universal ("fat") files: one Mach-O file for each of several architectures, behind a table. Always big endian.
 *
 *   +0 u32 magic      ca fe ba be, or ca fe ba bf with 64-bit offsets
 *   +4 u32 count
 *   then for each     u32 cputype, cpusubtype; u32 offset, size, align (log 2)                  20 bytes
 *                     u32 cputype, cpusubtype; u64 offset, size; u32 align, reserved            32 bytes
 *
 * Example: ca fe ba be | 00 00 00 02 | 01 00 00 07 (x86-64) | 00 00 00 03 | 00 00 10 00 | 00 00 22 10 | 00 00 00 0c | ...
 */
import { Cursor } from '../bytes/cursor.ts';
import { RangeSource, type ByteSource } from '../bytes/source.ts';
import { FormatError } from '../errors.ts';
import * as macho from './macho-constants.ts';
import { appleArchOf, archOfCpu } from './macho-machine.ts';

/** Java class files have the same magic and a version of at least 45 where a fat file has its number of parts. */
export const FIRST_JAVA_VERSION = 45;

/** One architecture of a universal file. */
export interface FatSlice {
  /** GOARCH's name: amd64, arm64. */
  readonly arch: string;
  /** Apple's name, which tells variants apart: x86_64, x86_64h, arm64, arm64e. */
  readonly appleArch: string;
  readonly cpuType: number;
  /** Bytes from the start of the universal file. */
  readonly offset: number;
  readonly size: number;
}

/** True for the first 8 bytes of a universal file. */
export function isFat(start: Uint8Array): boolean {
  if (start.length < 8) return false;
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const magic = view.getUint32(0);
  return magic === macho.FAT_MAGIC_64 || magic === macho.FAT_MAGIC ? view.getUint32(4) < FIRST_JAVA_VERSION : false;
}

/** The slices in the file's order; null when it is no universal file. Throws FormatError when a slice lies outside the file. */
export function fatSlices(source: ByteSource): FatSlice[] | null {
  const start = source.read(0, Math.min(source.size, 8));
  if (!isFat(start)) return null;
  const name = 'universal file';
  const header = new Cursor(start, false, name);
  const is64 = header.u32() === macho.FAT_MAGIC_64;
  const count = header.u32();
  if (count === 0) throw header.error('no architectures');
  const entry = is64 ? 32 : 20;
  if (8 + count * entry > source.size) throw header.error(`${count} architectures in ${source.size} bytes`);
  const table = new Cursor(source.read(8, count * entry), false, name, 8);
  return Array.from({ length: count }, (_, i) => {
    table.seek(i * entry);
    const [cpuType, cpuSubtype] = [table.u32(), table.u32()];
    const [offset, size] = is64 ? [table.u64(), table.u64()] : [table.u32(), table.u32()];
    const appleArch = appleArchOf(cpuType, cpuSubtype);
    if (!(offset >= 8 + count * entry && offset + size <= source.size)) {
      throw table.error(`${appleArch}: ${size} bytes at ${offset} of a file of ${source.size} bytes`);
    }
    return { arch: archOfCpu(cpuType), appleArch, cpuType, offset, size };
  });
}

/** The bytes of one slice. */
export function sliceSource(source: ByteSource, slice: FatSlice): ByteSource {
  return new RangeSource(source, slice.offset, slice.size, `${slice.appleArch} of a universal file`);
}

/**
 * The slice of an architecture, by Go's name or by Apple's; by Go's name a baseline comes before its variants (arm64 before
 * arm64e). Without one: the first for amd64 or arm64, else the first of all, so that the same file is the same program on
 * every machine. Throws FormatError when there is none of that architecture.
 */
export function chooseSlice(slices: readonly FatSlice[], arch?: string): FatSlice {
  if (arch === undefined) return slices.find((s) => s.arch === 'amd64' || s.arch === 'arm64') ?? slices[0];
  const found =
    slices.find((s) => s.appleArch === arch) ??
    slices.find((s) => s.arch === arch && BASELINES.has(s.appleArch)) ??
    slices.find((s) => s.arch === arch);
  if (found !== undefined) return found;
  const has = slices.map((s) => s.appleArch).join(', ');
  throw new FormatError('universal file', 0, `no program for ${arch}; it has those for ${has}`);
}

const BASELINES: ReadonlySet<string> = new Set(['x86_64', 'arm64']);
