/**
 * The samples of a profile while it is read, as flat columns: a 50 MB heap profile has millions of frames.
 *
 *     addresses   high, low                     one an address, in order of appearance
 *     frames      numbers of addresses          leaf first, one sample's after the other's
 *     from, to    where a sample's frames are   one a sample
 *     values      `width` int64 a sample
 *     labels      one int64 a sample, "bytes"   where the profile has them
 */
import { AddressTable } from './address-table.ts';

const TWO_32 = 0x100000000;

/** A typed array that grows. */
class Column<T extends Uint32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>> {
  data: T;
  length = 0;
  readonly #make: (length: number) => T;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.data = make(1024);
  }

  push(value: T[number]): void {
    if (this.length === this.data.length) {
      const wider = this.#make(this.length * 2);
      (wider as { set(from: T): void }).set(this.data);
      this.data = wider;
    }
    this.data[this.length++] = value;
  }
}

export class Stacks {
  readonly addresses = new AddressTable();
  /** Values a sample. */
  readonly width: number;
  /** Samples carry the label "bytes". */
  readonly labelled: boolean;
  readonly #frames = new Column((length) => new Uint32Array(length));
  readonly #from = new Column((length) => new Uint32Array(length));
  readonly #to = new Column((length) => new Uint32Array(length));
  readonly #values = new Column((length) => new BigInt64Array(length));
  readonly #labels = new Column((length) => new BigInt64Array(length));
  /** First frame of the sample being read. */
  #open = 0;

  constructor(width: number, labelled = false) {
    this.width = width;
    this.labelled = labelled;
  }

  /** Samples. */
  get count(): number {
    return this.#from.length;
  }

  /** Frames in all samples, those taken out since included. */
  get frameCount(): number {
    return this.#frames.length;
  }

  get frames(): Uint32Array {
    return this.#frames.data;
  }

  from(sample: number): number {
    return this.#from.data[sample];
  }

  to(sample: number): number {
    return this.#to.data[sample];
  }

  value(sample: number, i: number): bigint {
    return this.#values.data[sample * this.width + i];
  }

  label(sample: number): bigint {
    return this.#labels.data[sample];
  }

  /** Adds a frame to the sample being read. */
  push(high: number, low: number): void {
    this.#frames.push(this.addresses.number(high, low));
  }

  /** Adds the frame one byte before an address: within the call instead of after it. */
  pushCall(high: number, low: number): void {
    if (low !== 0) this.push(high, low - 1);
    else this.push(high === 0 ? TWO_32 - 1 : high - 1, TWO_32 - 1);
  }

  /** Frames of the sample being read. */
  get depth(): number {
    return this.#frames.length - this.#open;
  }

  /** Ends the sample being read. `values` may be reused. */
  close(values: readonly bigint[], label = 0n): void {
    this.#from.push(this.#open);
    this.#open = this.#frames.length;
    this.#to.push(this.#open);
    for (let i = 0; i < this.width; i++) this.#values.push(BigInt.asIntN(64, values[i]));
    if (this.labelled) this.#labels.push(label);
  }

  /** Forgets the frames of the sample being read. */
  discard(): void {
    this.#frames.length = this.#open;
  }

  /** Adds one to the first value of the last sample, if there is one. */
  repeat(): void {
    if (this.count > 0) this.#values.data[(this.count - 1) * this.width] += 1n;
  }

  /** Takes the frame that called the leaf out of a sample. */
  dropCaller(sample: number): void {
    const from = this.from(sample);
    this.frames[from + 1] = this.frames[from];
    this.#from.data[sample] = from + 1;
  }

  /** For each sample whose leaf's caller is one byte before the leaf itself: the leaf was found twice, and once is enough. */
  dropDoubledLeaves(): void {
    const { high, low } = this.addresses;
    for (let sample = 0; sample < this.count; sample++) {
      const from = this.from(sample);
      if (this.to(sample) - from < 2) continue;
      const leaf = this.frames[from];
      const caller = this.frames[from + 1];
      const carried = low[caller] === TWO_32 - 1;
      const nextLow = carried ? 0 : low[caller] + 1;
      const nextHigh = carried ? (high[caller] + 1) % TWO_32 : high[caller];
      if (low[leaf] === nextLow && high[leaf] === nextHigh) this.dropCaller(sample);
    }
  }

  /** Ids of the locations, dense from 1 in the order in which samples refer to them; 0 for addresses no sample has. */
  locationIds(): LocationIds {
    const ids = new Uint32Array(this.addresses.count);
    const order = new Uint32Array(this.addresses.count);
    let count = 0;
    for (let sample = 0; sample < this.count; sample++) {
      const to = this.to(sample);
      for (let at = this.from(sample); at < to; at++) {
        const address = this.frames[at];
        if (ids[address] !== 0) continue;
        order[count++] = address;
        ids[address] = count;
      }
    }
    return { ids, order: order.subarray(0, count) };
  }
}

export interface LocationIds {
  /** By number of address. */
  readonly ids: Uint32Array;
  /** Numbers of addresses; the location of id n is at n - 1. */
  readonly order: Uint32Array;
}
