/** A number for each of many addresses, in two flat columns. What finds no room near its place is not kept: ask again. */

const FEWEST_SLOTS = 256;
/** Slots an address may lie in, one after the other; addresses made up to share a place find no more than these. */
const MAX_STEPS = 16;
/** No file address. */
const FREE = -1;

export class AddressMemory {
  #addresses = new Float64Array(FEWEST_SLOTS).fill(FREE);
  #numbers = new Int32Array(FEWEST_SLOTS);
  #count = 0;

  /** undefined when it is not kept. @param address 0 to 2^53 */
  get(address: number): number | undefined {
    const addresses = this.#addresses;
    const mask = addresses.length - 1;
    let slot = placeOf(address) & mask;
    for (let step = 0; step < MAX_STEPS; step++, slot = (slot + 1) & mask) {
      const there = addresses[slot];
      if (there === address) return this.#numbers[slot];
      if (there === FREE) return undefined;
    }
    return undefined;
  }

  /** Of an address that is not there. @param number of 32 bits */
  set(address: number, number: number): void {
    if (2 * this.#count >= this.#addresses.length) this.#grow();
    this.#put(address, number);
  }

  #put(address: number, number: number): void {
    const mask = this.#addresses.length - 1;
    let slot = placeOf(address) & mask;
    for (let step = 0; step < MAX_STEPS; step++, slot = (slot + 1) & mask) {
      if (this.#addresses[slot] !== FREE) continue;
      this.#addresses[slot] = address;
      this.#numbers[slot] = number;
      this.#count++;
      return;
    }
  }

  #grow(): void {
    const [addresses, numbers] = [this.#addresses, this.#numbers];
    this.#addresses = new Float64Array(2 * addresses.length).fill(FREE);
    this.#numbers = new Int32Array(2 * addresses.length);
    this.#count = 0;
    for (let slot = 0; slot < addresses.length; slot++) {
      if (addresses[slot] !== FREE) this.#put(addresses[slot], numbers[slot]);
    }
  }
}

function placeOf(address: number): number {
  const mixed = Math.imul((address | 0) ^ Math.floor(address / 2 ** 32), 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}
