import { longer, StringPool } from './string-pool.ts';

export interface NewFunction {
  readonly name: string;
  /** The linker's name; may be "". */
  readonly systemName: string;
  readonly filename: string;
  /** 1-based; 0 = unknown. */
  readonly startLine: number;
}

/** Functions of one hash that are compared. Beyond, which only made-up names reach, a function may get a second number. */
const MAX_CHAIN = 256;
const FEWEST_HEADS = 256;
const NONE = -1;

/** Functions that new lines refer to, over many profiles: each is a number, and so are its strings in `strings`. */
export class FunctionPool {
  readonly strings = new StringPool();
  count = 0;
  #names = new Int32Array(64);
  #systemNames = new Int32Array(64);
  #filenames = new Int32Array(64);
  #startLines = new Float64Array(64);
  /** By hash: the last function with it; `next` leads to the ones before. */
  #heads = new Int32Array(FEWEST_HEADS).fill(NONE);
  #next = new Int32Array(64);

  /** Functions with equal fields have one number. */
  number(f: NewFunction): number {
    const { strings } = this;
    const name = strings.number(f.name);
    const systemName = f.systemName === f.name ? name : strings.number(f.systemName);
    const filename = strings.number(f.filename);
    const { startLine } = f;
    const hash = hashOf(name, systemName, filename, startLine);
    let left = MAX_CHAIN;
    for (let n = this.#heads[hash & (this.#heads.length - 1)]; n !== NONE && left > 0; n = this.#next[n], left--) {
      const isSame = this.#names[n] === name && this.#startLines[n] === startLine;
      if (isSame && this.#filenames[n] === filename && this.#systemNames[n] === systemName) return n;
    }
    return this.#enter(name, systemName, filename, startLine);
  }

  /** Number of a string, as those of `systemName` and `filename`. */
  name(number: number): number {
    return this.#names[number];
  }

  systemName(number: number): number {
    return this.#systemNames[number];
  }

  filename(number: number): number {
    return this.#filenames[number];
  }

  startLine(number: number): number {
    return this.#startLines[number];
  }

  #enter(name: number, systemName: number, filename: number, startLine: number): number {
    const number = this.count++;
    if (number === this.#names.length) {
      this.#names = longer(this.#names);
      this.#systemNames = longer(this.#systemNames);
      this.#filenames = longer(this.#filenames);
      this.#startLines = longer(this.#startLines);
      this.#next = longer(this.#next);
    }
    this.#names[number] = name;
    this.#systemNames[number] = systemName;
    this.#filenames[number] = filename;
    this.#startLines[number] = startLine;
    if (this.count > this.#heads.length) this.#rehash(4 * this.#heads.length);
    else this.#link(number);
    return number;
  }

  #link(n: number): void {
    const hash = hashOf(this.#names[n], this.#systemNames[n], this.#filenames[n], this.#startLines[n]);
    const slot = hash & (this.#heads.length - 1);
    this.#next[n] = this.#heads[slot];
    this.#heads[slot] = n;
  }

  #rehash(heads: number): void {
    this.#heads = new Int32Array(heads).fill(NONE);
    for (let n = 0; n < this.count; n++) this.#link(n);
  }
}

function hashOf(name: number, systemName: number, filename: number, startLine: number): number {
  let hash = Math.imul(name, 0x9e3779b1) ^ Math.imul(systemName + 1, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) ^ Math.imul(filename + 1, 0x27d4eb2f);
  hash = Math.imul(hash ^ (hash >>> 13), 0x165667b1) ^ (startLine | 0);
  hash = Math.imul(hash, 0x9e3779b1);
  return hash ^ (hash >>> 16);
}
