/** ELF e_type and e_machine in words (gABI 4, "ELF Header"). */
import * as elf from './elf-constants.ts';
import type { ElfHeader } from './elf-header.ts';
import type { ObjectType } from './object.ts';

/** What e_type says of a file. */
export function objectTypeOf(type: number): ObjectType {
  switch (type) {
    case elf.ET_REL:
      return 'rel';
    case elf.ET_EXEC:
      return 'exec';
    case elf.ET_DYN:
      return 'dyn';
    case elf.ET_CORE:
      return 'core';
    default:
      return 'other';
  }
}

/** GOARCH's name where Go has one, else a name in its manner; `elf:NN` for an unknown e_machine. */
export function archOf({ machine, is64, littleEndian }: ElfHeader): string {
  const le = littleEndian;
  switch (machine) {
    case elf.EM_X86_64:
      return is64 ? 'amd64' : 'amd64p32';
    case elf.EM_386:
      return '386';
    case elf.EM_AARCH64:
      return le ? 'arm64' : 'arm64be';
    case elf.EM_ARM:
      return le ? 'arm' : 'armbe';
    case elf.EM_PPC64:
      return le ? 'ppc64le' : 'ppc64';
    case elf.EM_PPC:
      return 'ppc';
    case elf.EM_S390:
      return is64 ? 's390x' : 's390';
    case elf.EM_RISCV:
      return is64 ? 'riscv64' : 'riscv';
    case elf.EM_LOONGARCH:
      return is64 ? 'loong64' : 'loong32';
    case elf.EM_MIPS:
      return `mips${is64 ? '64' : ''}${le ? 'le' : ''}`;
    case elf.EM_SPARC:
      return 'sparc';
    case elf.EM_SPARCV9:
      return 'sparc64';
    default:
      return `elf:${machine}`;
  }
}
