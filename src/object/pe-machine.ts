/** The machine and the kind of a PE file in words. */
import type { ObjectType } from './object.ts';
import * as pe from './pe-constants.ts';

/** GOARCH's name where Go has one; `pe:NN` for an unknown machine. */
export function archOfMachine(machine: number): string {
  switch (machine) {
    case pe.IMAGE_FILE_MACHINE_AMD64:
      return 'amd64';
    case pe.IMAGE_FILE_MACHINE_I386:
      return '386';
    case pe.IMAGE_FILE_MACHINE_ARM64:
    case pe.IMAGE_FILE_MACHINE_ARM64X:
      return 'arm64';
    case pe.IMAGE_FILE_MACHINE_ARM64EC:
      return 'arm64ec';
    case pe.IMAGE_FILE_MACHINE_ARM:
    case pe.IMAGE_FILE_MACHINE_THUMB:
    case pe.IMAGE_FILE_MACHINE_ARMNT:
      return 'arm';
    case pe.IMAGE_FILE_MACHINE_RISCV64:
      return 'riscv64';
    case pe.IMAGE_FILE_MACHINE_RISCV32:
      return 'riscv';
    case pe.IMAGE_FILE_MACHINE_LOONGARCH64:
      return 'loong64';
    case pe.IMAGE_FILE_MACHINE_LOONGARCH32:
      return 'loong32';
    case pe.IMAGE_FILE_MACHINE_IA64:
      return 'ia64';
    default:
      return `pe:${machine}`;
  }
}

/** True where bit 0 of a function's address says Thumb and is no part of it. */
export function isThumbMachine(machine: number): boolean {
  return machine === pe.IMAGE_FILE_MACHINE_ARMNT || machine === pe.IMAGE_FILE_MACHINE_THUMB;
}

/** A DLL or a program that may be loaded anywhere is `dyn`, as a shared library or position independent program is in ELF. */
export function peTypeOf(characteristics: number, dllCharacteristics: number): ObjectType {
  if ((characteristics & pe.IMAGE_FILE_DLL) !== 0) return 'dyn';
  const movable = (dllCharacteristics & pe.IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE) !== 0;
  return movable && (characteristics & pe.IMAGE_FILE_RELOCS_STRIPPED) === 0 ? 'dyn' : 'exec';
}

/** Machines object files are made for, by which one without any magic is recognised. */
export const OBJECT_MACHINES: ReadonlySet<number> = new Set([
  pe.IMAGE_FILE_MACHINE_AMD64,
  pe.IMAGE_FILE_MACHINE_I386,
  pe.IMAGE_FILE_MACHINE_ARM64,
  pe.IMAGE_FILE_MACHINE_ARM64EC,
  pe.IMAGE_FILE_MACHINE_ARMNT,
]);
