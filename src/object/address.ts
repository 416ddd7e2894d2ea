/**
 * Addresses of a file. Three spaces, one direction:
 *
 *   link-time address (u64, in headers and symbols) --- minus bias --> file address (number) --- segments --> file offset
 *
 * The bias is 0 unless the code is linked at or above 2^53, which only kernels are.
 */
import { lastAtOrBelow } from '../bytes/search.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError } from '../errors.ts';

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

/** The memory a file describes, and its bytes. Where ranges overlap, the one that starts last is asked. */
export class MappedMemory {
  /** `[lowest, highest)`; both 0 without ranges. */
  readonly lowest: number;
  readonly highest: number;
  readonly #source: ByteSource;
  readonly #space: AddressSpace;
  readonly #pointerSize: 4 | 8;
  readonly #littleEndian: boolean;
  readonly #ranges: readonly MappedRange[];
  readonly #starts: readonly number[];

  constructor(
    source: ByteSource,
    space: AddressSpace,
    ranges: readonly MappedRange[],
    words: { readonly pointerSize: 4 | 8; readonly littleEndian: boolean },
  ) {
    this.#source = source;
    this.#space = space;
    this.#pointerSize = words.pointerSize;
    this.#littleEndian = words.littleEndian;
    this.#ranges = ranges.filter((range) => range.address >= 0 && range.size > 0).sort((a, b) => a.address - b.address);
    this.#starts = this.#ranges.map((range) => range.address);
    this.lowest = this.#starts[0] ?? 0;
    this.highest = this.#ranges.reduce((end, range) => Math.max(end, range.address + range.size), 0);
  }

  /** Offset of `address` in the file, or -1 unless one range's file bytes hold all of `[address, address + length)`. */
  offsetOf(address: number, length: number): number {
    const range = this.#ranges[lastAtOrBelow(this.#starts, address)];
    if (range === undefined || !(length >= 0)) return -1;
    const within = address - range.address;
    const backed = Math.min(range.fileSize, range.size, this.#source.size - range.fileOffset);
    return within + length <= backed && within < backed ? range.fileOffset + within : -1;
  }

  /** As `ObjectFile.readAddress`. */
  read(address: number, length: number): Uint8Array {
    const offset = this.offsetOf(address, length);
    if (offset < 0) {
      throw new FormatError('segments', Math.max(0, address), `${length} bytes at this address are not in the file`);
    }
    return this.#source.read(offset, length);
  }

  /** The pointer in a word of the file: a file address, or -1 when it leads out of the file's memory. */
  pointerIn(word: Uint8Array): number {
    const view = new DataView(word.buffer, word.byteOffset, word.byteLength);
    const little = this.#littleEndian;
    if (this.#pointerSize === 4) return this.inside(this.#space.fromHalves(0, view.getUint32(0, little)));
    return this.inside(
      this.#space.fromHalves(view.getUint32(little ? 4 : 0, little), view.getUint32(little ? 0 : 4, little)),
    );
  }

  /** The address if it is in the file's memory, else -1. The end is a valid pointer: tables are delimited by it. */
  inside(address: number): number {
    return address >= this.lowest && address <= this.highest ? address : -1;
  }
}
