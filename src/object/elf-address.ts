/**
 * ELF addresses. Three spaces, one direction:
 *
 *   link-time address (u64, in headers and symbols) --- minus bias --> file address (number) --- PT_LOAD --> file offset
 *
 * The bias is 0 unless the code is linked at or above 2^53, which only kernels are.
 */
import { lastAtOrBelow } from '../bytes/search.ts';
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

/** Turns link-time addresses into file addresses, -1 when one is not within 2^53 of the bias. */
export class AddressSpace {
  readonly bias: bigint;
  readonly #high: number;
  readonly #low: number;

  constructor(bias: bigint) {
    this.bias = bias;
    this.#high = Number(bias >> 32n);
    this.#low = Number(bias & 0xffffffffn);
  }

  fromLink(address: bigint): number {
    return this.fromHalves(Number(address >> 32n), Number(address & 0xffffffffn));
  }

  /** The same from the two unsigned halves of a u64, for the loops over symbols and relocations. */
  fromHalves(high: number, low: number): number {
    const address = (high - this.#high) * 0x100000000 + (low - this.#low);
    return address >= 0 && address <= Number.MAX_SAFE_INTEGER ? address : -1;
  }
}

/** A piece of the file at an address: a segment, or in a debug-only file a section. */
export interface MappedRange {
  readonly address: number;
  /** Bytes in memory. */
  readonly size: number;
  readonly fileOffset: number;
  readonly fileSize: number;
}

/** File address to file offset. Where ranges overlap, the one that starts last is asked. */
export class AddressMap {
  /** The memory the file describes: `[lowest, highest)`; both 0 without ranges. */
  readonly lowest: number;
  readonly highest: number;
  readonly #ranges: readonly MappedRange[];
  readonly #starts: readonly number[];
  readonly #fileSize: number;

  constructor(ranges: readonly MappedRange[], fileSize: number) {
    this.#ranges = ranges.filter((range) => range.address >= 0 && range.size > 0).sort((a, b) => a.address - b.address);
    this.#starts = this.#ranges.map((range) => range.address);
    this.#fileSize = fileSize;
    this.lowest = this.#starts[0] ?? 0;
    this.highest = this.#ranges.reduce((end, range) => Math.max(end, range.address + range.size), 0);
  }

  /** Offset of `address` in the file, or -1 unless one range's file bytes hold all of `[address, address + length)`. */
  offsetOf(address: number, length: number): number {
    const range = this.#ranges[lastAtOrBelow(this.#starts, address)];
    if (range === undefined || !(length >= 0)) return -1;
    const within = address - range.address;
    const backed = Math.min(range.fileSize, range.size, this.#fileSize - range.fileOffset);
    return within + length <= backed && within < backed ? range.fileOffset + within : -1;
  }
}
