import { LimitError } from '../errors.ts';

/** With half of the slots empty and bits well mixed, a run of so many full ones does not come by chance. */
const MAX_PROBES = 1024;

const FIRST_CAPACITY = 1024;

/** Distinct 64-bit addresses, numbered from 0 in order of first appearance, as two columns of 32 bits. */
export class AddressTable {
  count = 0;
  high = new Uint32Array(FIRST_CAPACITY);
  low = new Uint32Array(FIRST_CAPACITY);
  /** Number + 1 of an address, 0 for an empty slot; twice as many as addresses fit. */
  #slots = new Uint32Array(2 * FIRST_CAPACITY);

  /** The number of an address. Throws LimitError when addresses are made to collide. */
  number(high: number, low: number): number {
    const slot = this.#find(high, low);
    const known = this.#slots[slot];
    if (known !== 0) return known - 1;
    const number = this.count;
    if (number === this.high.length) {
      this.#grow();
      return this.number(high, low);
    }
    this.high[number] = high;
    this.low[number] = low;
    this.count = number + 1;
    this.#slots[slot] = number + 1;
    return number;
  }

  /** The number of an address, -1 if it never appeared. */
  find(high: number, low: number): number {
    return this.#slots[this.#find(high, low)] - 1;
  }

  #find(high: number, low: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = mix(high, low) & mask;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const number = slots[slot] - 1;
      if (number === -1 || (this.low[number] === low && this.high[number] === high)) return slot;
      slot = (slot + 1) & mask;
    }
    throw new LimitError('addresses collide as only made-up ones do');
  }

  #grow(): void {
    const capacity = this.high.length * 2;
    this.high = widened(this.high, capacity);
    this.low = widened(this.low, capacity);
    this.#slots = new Uint32Array(2 * capacity);
    for (let number = 0; number < this.count; number++) {
      this.#slots[this.#find(this.high[number], this.low[number])] = number + 1;
    }
  }
}

function widened(column: Uint32Array<ArrayBuffer>, capacity: number): Uint32Array<ArrayBuffer> {
  const wider = new Uint32Array(capacity);
  wider.set(column);
  return wider;
}

/** MurmurHash3's last steps. */
function mix(high: number, low: number): number {
  let hash = low ^ Math.imul(high, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
