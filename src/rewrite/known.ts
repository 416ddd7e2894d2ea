/**
 * What binaries have at addresses, remembered over profiles: those of one service ask for the same few thousand again and again.
 *
 * Answers depend on nothing but the binary and the address. They are kept until there are too many, then all are forgotten; what a
 * closed binary had goes with it.
 */
import { isAfterCall } from '../match/call-site.ts';
import type { CandidateFrames } from '../match/evidence.ts';
import { isInstructionStart } from '../match/instructions.ts';
import { LineTable } from '../profile/newlines.ts';
import { withoutLines } from '../symbolize/frame.ts';
import type { SymbolMap } from '../symbolize/symbol-map.ts';
import { AddressMemory } from './address-memory.ts';
import { addFrames } from './merge.ts';

/** Over all binaries, each some 200 bytes at most: those of forty services with profiles of 5,000 locations. */
const MAX_ANSWERS = 1 << 18;

/** In place of a list of lines: the binary knows nothing there. */
export const NO_LINES = -1;

/** Numbers of all lists and bytes of all names that are kept. */
const MAX_LINES = 2 ** 26;

/** The memory of all binaries. */
export class KnownAddresses {
  /** Of the lists that `lines` gives, and of those of repaired locations. */
  readonly table = new LineTable();
  readonly #max: number;
  readonly #binaries = new WeakMap<SymbolMap, KnownBinary>();
  #count = 0;

  constructor(max = MAX_ANSWERS) {
    this.#max = max;
  }

  /** True when it takes no more: another is to take its place. */
  get isFull(): boolean {
    return this.#count >= this.#max || this.table.size >= MAX_LINES;
  }

  of(symbols: SymbolMap): KnownBinary {
    let known = this.#binaries.get(symbols);
    if (known === undefined) {
      known = new KnownBinary(symbols, this.table, () => ++this.#count <= this.#max);
      this.#binaries.set(symbols, known);
    }
    return known;
  }
}

/** One binary, asked through the memory. */
export class KnownBinary {
  readonly table: LineTable;
  readonly #symbols: SymbolMap;
  /** False when an answer is not to be kept. */
  readonly #mayKeep: () => boolean;
  // By file address.
  readonly #lines = new AddressMemory();
  readonly #bareLines = new AddressMemory();
  readonly #frames = new Map<number, CandidateFrames | null>();
  readonly #afterCall = new Map<number, boolean>();
  readonly #instructionStart = new Map<number, boolean | null>();

  constructor(symbols: SymbolMap, table: LineTable, mayKeep: () => boolean) {
    this.#symbols = symbols;
    this.table = table;
    this.#mayKeep = mayKeep;
  }

  /** What `lines` gives, when it is remembered; else undefined. */
  knownLines(address: number, withLines = true): number | undefined {
    return (withLines ? this.#lines : this.#bareLines).get(address);
  }

  /** The frames at a file address as a list of lines in `table`, or NO_LINES. @param withLines false: functions only */
  lines(address: number, withLines = true): number {
    const lists = withLines ? this.#lines : this.#bareLines;
    const known = lists.get(address);
    if (known !== undefined) return known;
    const found = this.#symbols.lookup(address);
    const list = found === null ? NO_LINES : addFrames(this.table, (withLines ? found : withoutLines(found)).frames);
    if (this.#mayKeep()) lists.set(address, list);
    return list;
  }

  /** What is held against a profile's frames. Go text without a function disagrees; other code may just lack symbols: null. */
  frames(address: number): CandidateFrames | null {
    return this.#remember(this.#frames, address, () => candidateFrames(this.#symbols, address));
  }

  /** As match/call-site.ts. */
  isAfterCall(address: number): boolean {
    return this.#remember(this.#afterCall, address, () => isAfterCall(this.#symbols.object, address));
  }

  /** As match/instructions.ts. */
  isInstructionStart(address: number): boolean | null {
    return this.#remember(this.#instructionStart, address, () => isInstructionStart(this.#symbols.object, address));
  }

  #remember<T>(answers: Map<number, T>, address: number, ask: () => T): T {
    const known = answers.get(address);
    if (known !== undefined) return known;
    const answer = ask();
    if (this.#mayKeep()) answers.set(address, answer);
    return answer;
  }
}

function candidateFrames(symbols: SymbolMap, address: number): CandidateFrames | null {
  const found = symbols.lookup(address);
  if (found === null) return symbols.isGo(address) ? { names: ['(between functions)'], lines: [], isGo: true } : null;
  const { frames } = found;
  const { name, systemName } = frames[frames.length - 1];
  const isGo = found.source === 'pclntab';
  const aliases = isGo ? [] : symbols.aliases(address);
  return {
    names: [...new Set([name, systemName, ...aliases])],
    inlined: frames.slice(0, -1).map((frame) => frame.name),
    lines: frames.map((frame) => frame.line),
    file: frames[0].file,
    isGo,
  };
}
