/** Mach-O cputype, cpusubtype and filetype in words. */
import * as macho from './macho-constants.ts';
import type { ObjectType } from './object.ts';

const ARCHES: ReadonlyMap<number, string> = new Map([
  [macho.CPU_TYPE_X86_64, 'amd64'],
  [macho.CPU_TYPE_I386, '386'],
  [macho.CPU_TYPE_ARM64, 'arm64'],
  [macho.CPU_TYPE_ARM, 'arm'],
  [macho.CPU_TYPE_ARM64_32, 'arm64_32'],
  [macho.CPU_TYPE_POWERPC, 'ppc'],
  [macho.CPU_TYPE_POWERPC64, 'ppc64'],
]);

/** GOARCH's name where Go has one, whatever the subtype: arm64 also for arm64e; `macho:NN` for an unknown cputype. */
export function archOfCpu(cpuType: number): string {
  return ARCHES.get(cpuType) ?? `macho:${cpuType}`;
}

/** Apple's name, as lipo prints it: x86_64, x86_64h, arm64e, armv7...; the one of `archOfCpu` where it has no other. */
export function appleArchOf(cpuType: number, cpuSubtype: number): string {
  const subtype = cpuSubtype & macho.CPU_SUBTYPE_MASK;
  switch (cpuType) {
    case macho.CPU_TYPE_X86_64:
      return subtype === macho.CPU_SUBTYPE_X86_64_H ? 'x86_64h' : 'x86_64';
    case macho.CPU_TYPE_I386:
      return 'i386';
    case macho.CPU_TYPE_ARM64:
      return subtype === macho.CPU_SUBTYPE_ARM64E ? 'arm64e' : 'arm64';
    case macho.CPU_TYPE_ARM:
      if (subtype === macho.CPU_SUBTYPE_ARM_V7) return 'armv7';
      if (subtype === macho.CPU_SUBTYPE_ARM_V7S) return 'armv7s';
      return subtype === macho.CPU_SUBTYPE_ARM_V7K ? 'armv7k' : 'arm';
    default:
      return archOfCpu(cpuType);
  }
}

/** What filetype says of a file; position independent programs are `dyn`, as in ELF. */
export function machoTypeOf(fileType: number, flags: number): ObjectType {
  switch (fileType) {
    case macho.MH_OBJECT:
      return 'rel';
    case macho.MH_EXECUTE:
      return (flags & macho.MH_PIE) !== 0 ? 'dyn' : 'exec';
    case macho.MH_PRELOAD:
      return 'exec';
    case macho.MH_CORE:
      return 'core';
    case macho.MH_DYLIB:
    case macho.MH_DYLINKER:
    case macho.MH_BUNDLE:
    case macho.MH_KEXT_BUNDLE:
      return 'dyn';
    case macho.MH_DSYM:
      return 'dsym';
    default:
      return 'other';
  }
}
