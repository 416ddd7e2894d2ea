import { PF_X, PT_LOAD, SHF_ALLOC, SHF_EXECINSTR } from './elf-constants.ts';
import type { ElfHeader } from './elf-header.ts';

const TWO_53 = 1n << 53n;

/**
 * The lowest mapped address of the code's region, rounded down to 4 KiB, when the code is at or above 2^53; else 0.
 * Decided by executable parts: a kernel may also have a segment at address 0 (x86-64 per-CPU data).
 */
export function addressBias(header: ElfHeader): bigint {
  const loads = header.programs.filter((p) => p.type === PT_LOAD);
  const code = loads.filter((p) => (p.flags & PF_X) !== 0);
  const mapped = header.sections.filter((s) => (s.flags & SHF_ALLOC) !== 0);
  const mappedCode = mapped.filter((s) => (s.flags & SHF_EXECINSTR) !== 0);
  const [deciding, all] = loads.length > 0 ? [code, loads] : [mappedCode, mapped];
  const lowestCode = lowest((deciding.length > 0 ? deciding : all).map((part) => part.address));
  if (lowestCode === undefined || lowestCode < TWO_53) return 0n;
  const base = lowest(all.map((part) => part.address).filter((address) => address >= TWO_53));
  return (base ?? lowestCode) & ~0xfffn;
}

function lowest(values: readonly bigint[]): bigint | undefined {
  let least: bigint | undefined;
  for (const value of values) if (least === undefined || value < least) least = value;
  return least;
}
