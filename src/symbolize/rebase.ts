/**
 * Run-time address → file address.
 *
 *     profile                         memory                      file                      link time
 *     Location.address  ──────────►  [start ...... limit)  ───►  offset ...........  ───►  p_offset ↔ p_vaddr
 *
 *     base         = start - offset + p_offset - p_vaddr          (mod 2^64)
 *     link address = address - base
 *     file address = link address - object.bias                    (a number; see object/object.ts)
 *
 * What is subtracted is never just `start`: a Go PIE has its first segment at 0x400000, an lld library has
 * p_offset != p_vaddr, a kernel is mapped wherever it likes. The odd branches below are the situations that
 * google/pprof has met over the years; each names its case.
 */
import type { ObjectFile, Segment } from '../object/object.ts';

/** A mapping as the profile states it; everything in bytes, unsigned 64 bit. */
export interface MappedRange {
  readonly start: bigint;
  /** One past the last address; 0 = open-ended. */
  readonly limit: bigint;
  /** Offset of `start` in the file. */
  readonly offset: bigint;
  readonly filename: string;
}

/** The part of a PT_LOAD header the arithmetic needs. */
export interface LoadSegment {
  readonly fileOffset: bigint;
  readonly vaddr: bigint;
}

const U64 = (1n << 64n) - 1n;
const HIGH_HALF = 1n << 63n;
const PAGE = 4096n;
/** arm64 and ppc64 kernels may map in pages of 64 KiB, which moves a mapping's start further down. */
const LARGE_PAGE = 65536n;
/** What kernels map in: x86 and most of arm64, Apple's arm64, ppc64 and some of arm64. */
const PAGES = [PAGE, 16384n, LARGE_PAGE];
/** perf writes this page offset for the kernel's mapping on ppc64. */
const PPC64_KERNEL_OFFSET = 0xc000000000000000n;

/** Sums of two such numbers are exact. */
const EXACT = 1n << 52n;

const wrap = (value: bigint): bigint => value & U64;

/** True for the mapping a runtime makes up when it cannot read its own (Go outside Linux, address-only producers). */
export function isPlaceholder(range: Pick<MappedRange, 'start' | 'limit' | 'offset'>): boolean {
  return range.start === 0n && range.offset === 0n && (range.limit === 0n || range.limit === U64);
}

/**
 * The base of an ELF file in memory, or null when the numbers fit no known situation.
 * `stext` is the link-time address of the kernel's `_stext` (or `_text`), null for anything but a kernel.
 */
export function elfBase(
  type: ObjectFile['type'],
  load: LoadSegment | null,
  stext: bigint | null,
  range: Pick<MappedRange, 'start' | 'limit' | 'offset'>,
): bigint | null {
  const { start, limit, offset } = range;
  if (isPlaceholder(range)) return 0n;
  if (type === 'rel') return offset === 0n ? start : null; // a kernel module is mapped from its first byte
  if (type === 'dyn') {
    if (load === null) return wrap(start - offset);
    return kernelBase(load, stext, range) ?? wrap(start - offset + load.fileOffset - load.vaddr);
  }
  if (type !== 'exec') return null;
  if (load === null) return 0n;
  if (stext === null && start > 0n && start < HIGH_HALF) return wrap(start - offset + load.fileOffset - load.vaddr);
  const kernel = kernelBase(load, stext, range);
  if (kernel !== null) return kernel;
  // ChromeOS maps its kernel at 0.
  if (start === 0n && limit !== 0n && stext === null) return wrap(start - load.vaddr);
  return null;
}

/** The kernel's own ways of being mapped; null when none of them fits. */
function kernelBase(
  load: LoadSegment,
  stext: bigint | null,
  { start, limit, offset }: Pick<MappedRange, 'start' | 'limit' | 'offset'>,
): bigint | null {
  // start and vaddr differ by the offset alone: 0xffffffff81000000 with offset 0xffffffff81000000 - vaddr.
  if (load.vaddr === wrap(start - offset)) return offset;
  if (start === 0n && limit !== 0n && stext !== null) return wrap(start - stext);
  if (start >= HIGH_HALF && limit > start && (offset === 0n || offset === PPC64_KERNEL_OFFSET || offset === start)) {
    // Relocated by KASLR: [0xffffffff83200000, ...) for an image linked at 0xffffffff80200000, with _stext inside a page.
    if (stext !== null && start % PAGE === stext % PAGE) return wrap(start - stext);
    return wrap(start - load.vaddr);
  }
  // A mapping that begins at _stext itself, not at a page: 0xffffffff80200198.
  if (start % PAGE !== 0n && stext !== null && stext % PAGE === start % PAGE) return wrap(start - stext);
  return null;
}

/** Mach-O: file offsets say nothing, the image slides as a whole. null when __TEXT lies above the mapping. */
export function machoBase(textAddress: bigint, start: bigint): bigint | null {
  return textAddress > start ? null : start - textAddress;
}

/** PE: the module starts at its ImageBase. A start of 0 means the producer knew nothing. */
export function peBase(imageBase: bigint, start: bigint): bigint {
  return start === 0n ? 0n : wrap(start - imageBase);
}

/** The segments a mapping can have been made from: those whose pages it covers. */
function segmentsOf(object: ObjectFile, range: MappedRange, page: bigint): Segment[] {
  const from = range.offset;
  const to = range.offset + wrap(range.limit - range.start);
  return object.segments.filter((segment) => {
    if (segment.fileSize === 0) return false;
    const offset = BigInt(segment.fileOffset);
    const end = offset + BigInt(segment.size);
    if (from >= end || offset >= to) return false;
    const inPage = (object.bias + BigInt(segment.address)) & (page - 1n);
    // Begins before the segment's first page: another segment's mapping that runs over this one's bytes.
    if (from < (offset > inPage ? offset - inPage : 0n)) return false;
    // Holds only the tail of this segment and a page or more of the next: it is the next one's mapping.
    return !(from > offset && end < from + page && to >= end + page);
  });
}

/** One mapping laid over one object file. */
export class Rebase {
  readonly #object: ObjectFile;
  readonly #range: MappedRange;
  readonly #candidates: readonly Segment[];
  readonly #stext: bigint | null;
  /** Set when every address of the mapping has the same base. */
  readonly #base: bigint | null;
  /** The same in numbers, where they are exact: the addresses [start, limit) less `shift` are the file's. */
  readonly #exact: { readonly start: number; readonly limit: number; readonly shift: number } | null;

  constructor(object: ObjectFile, range: MappedRange) {
    this.#object = object;
    this.#range = range;
    this.#stext = object.format === 'elf' ? kernelText(object, range) : null;
    this.#candidates = object.format === 'elf' ? this.#elfCandidates() : [];
    this.#base = this.#fixedBase();
    this.#exact = this.#inNumbers();
  }

  /** The file address, or null when the address is not part of this file. */
  toFile(address: bigint): number | null {
    const { start, limit } = this.#range;
    if (!isPlaceholder(this.#range) && (address < start || (limit !== 0n && address >= limit))) return null;
    const base = this.#base ?? this.#baseFor(address);
    if (base === null) return null;
    const relative = wrap(address - base) - this.#object.bias;
    return relative >= 0n && relative <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(relative) : null;
  }

  /** The same for an address below 2^53; a tenth of the time where a program is mapped as usual. */
  toFileFrom(address: number): number | null {
    const exact = this.#exact;
    if (exact === null) return this.toFile(BigInt(address));
    if (address < exact.start || address >= exact.limit) return null;
    const relative = address - exact.shift;
    return relative >= 0 && relative <= Number.MAX_SAFE_INTEGER ? relative : null;
  }

  /** Why no address can be placed, or "" when addresses can. */
  get problem(): string {
    if (this.#base !== null || this.#candidates.length > 1) return '';
    if (this.#object.type === 'rel') return moduleProblem(this.#object, this.#range);
    if (this.#object.debugOnly) {
      return 'debug info alone does not tell which part of the file this mapping is; add the program or library itself';
    }
    if (this.#object.format === 'macho') return "the mapping begins below the file's __TEXT segment";
    return `no segment of the file covers offset 0x${this.#range.offset.toString(16)}, where the mapping begins`;
  }

  #inNumbers(): { start: number; limit: number; shift: number } | null {
    if (this.#base === null) return null;
    const { start, limit } = this.#range;
    // Below 2^52 neither the shift nor a difference with it is rounded.
    const base = BigInt.asIntN(64, this.#base);
    const { bias } = this.#object;
    const isExact = start < EXACT && base < EXACT && base > -EXACT && bias >= 0n && bias < EXACT;
    if (!isExact) return null;
    const isOpen = limit === 0n || isPlaceholder(this.#range);
    const shift = Number(base + bias);
    return { start: isPlaceholder(this.#range) ? 0 : Number(start), limit: isOpen ? Infinity : Number(limit), shift };
  }

  #elfCandidates(): readonly Segment[] {
    const object = this.#object;
    if (isPlaceholder(this.#range) || (object.debugOnly && this.#stext === null)) return [];
    if (isKernelLike(this.#range, this.#stext)) {
      const text = object.section('.text');
      const holding = object.segments.filter(
        (s) => s.executable && (!text || (text.address >= s.address && text.address < s.address + s.size)),
      );
      return holding.slice(0, 1);
    }
    const range = this.#range.limit === 0n ? { ...this.#range, limit: U64 } : this.#range;
    const exact = segmentsOf(object, range, PAGE);
    return exact.length > 0 ? exact : segmentsOf(object, range, LARGE_PAGE);
  }

  #fixedBase(): bigint | null {
    const { start } = this.#range;
    const object = this.#object;
    if (object.format === 'macho') {
      if (isPlaceholder(this.#range)) return 0n;
      const text = object.segments.find((s) => s.name === '__TEXT');
      return text ? machoBase(object.bias + BigInt(text.address), start) : null;
    }
    if (object.format === 'pe') return peBase(object.bias + BigInt(object.segments[0]?.address ?? 0), start);
    if (object.debugOnly && this.#stext === null) return this.#debugOnlyBase();
    if (object.type === 'rel' && moduleProblem(object, this.#range) !== '') return null;
    if (object.segments.length === 0 || isPlaceholder(this.#range)) {
      return elfBase(object.type, null, this.#stext, this.#range);
    }
    const only = this.#candidates.length === 1 ? this.#candidates[0] : null;
    return only ? this.#baseOf(only) : null;
  }

  /**
   * Program headers of a debug-only file have no file offsets; a mapping is known to begin where the code does when it is as long. It
   * is longer where code and data are one segment, or where perf saw the loader reserve the whole file; then the usual layout must fit.
   */
  #debugOnlyBase(): bigint | null {
    const { start, limit, offset } = this.#range;
    if (isPlaceholder(this.#range)) return 0n;
    const { segments, bias } = this.#object;
    const [text, ...others] = segments.filter((s) => s.executable);
    if (text === undefined || others.length > 0) return null;
    const vaddr = bias + BigInt(text.address);
    const end = vaddr + BigInt(text.size);
    const lowest = bias + BigInt(segments.reduce((least, s) => Math.min(least, s.address), text.address));
    for (const page of PAGES) {
      if (start % page !== 0n) break;
      const first = vaddr & -page;
      const length = ((end + page - 1n) & -page) - first;
      const isUsual = offset === first - (lowest & -page);
      const mapped = limit - start;
      if (limit === 0n || mapped === length || (mapped > length && isUsual)) return wrap(start - first);
    }
    return null;
  }

  #baseOf(segment: Segment): bigint | null {
    const load = { fileOffset: BigInt(segment.fileOffset), vaddr: this.#object.bias + BigInt(segment.address) };
    return elfBase(this.#object.type, load, this.#stext, this.#range);
  }

  /** Several segments in one mapping: the one that holds the address's file offset decides. */
  #baseFor(address: bigint): bigint | null {
    const fileOffset = address - this.#range.start + this.#range.offset;
    const holding = this.#candidates.filter((s) => {
      const offset = BigInt(s.fileOffset);
      return fileOffset >= offset && fileOffset < offset + BigInt(s.size);
    });
    return holding.length === 1 ? this.#baseOf(holding[0]) : null;
  }
}

/**
 * Why a relocatable file is not what was mapped; "" for a kernel module whose .text is loaded where the module begins: its
 * executable sections are laid out in the file's order, but for those of starting up, which go elsewhere. arm64 puts a .plt
 * first, whose size is known only in memory.
 */
function moduleProblem({ sections, pointerSize }: ObjectFile, { start, offset }: MappedRange): string {
  if (offset !== 0n || (pointerSize === 8 && start < HIGH_HALF)) {
    return 'it is relocatable, as kernel modules are, and this is no mapping of a kernel module';
  }
  const first = sections.find(
    ({ name, executable, size }) => name === '.plt' || (executable && size > 0 && !name.startsWith('.init')),
  );
  if (first?.name === '.text') return '';
  return `it is relocatable, and begins with ${first?.name ?? 'no code'}, not .text: where its functions went is known only in memory`;
}

function isKernelLike({ start, limit }: MappedRange, stext: bigint | null): boolean {
  return stext !== null || (limit !== 0n && start >= limit) || limit >= HIGH_HALF;
}

/** The kernel's text symbol, looked up only where a kernel may be meant: reading a symbol table is not free. */
function kernelText(object: ObjectFile, { start, limit, offset, filename }: MappedRange): bigint | null {
  const aligned = start % PAGE === 0n && limit % PAGE === 0n && offset % PAGE === 0n;
  if (aligned && !/vmlinux|kernel\.kallsyms/.test(filename)) return null;
  const wanted = filename.endsWith('kernel.kallsyms]_text') ? '_text' : '_stext';
  const symbol = object.symbols().find((s) => s.name === wanted);
  return symbol ? object.bias + BigInt(symbol.address) : null;
}
