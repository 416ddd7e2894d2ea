/**
 * What binaries have at addresses, remembered over profiles: those of one service ask for the same few thousand again and again.
 *
 * Answers depend on nothing but the binary and the address. They are kept until there are too many, then all are forgotten; what a
 * closed binary had goes with it.
 */
import { isAfterCall } from '../match/call-site.ts';
import type { CandidateFrames } from '../match/evidence.ts';
import { isInstructionStart } from '../match/instructions.ts';
import type { LineTable } from '../profile/newlines.ts';
import { withoutLines } from '../symbolize/frame.ts';
import type { SymbolMap } from '../symbolize/symbol-map.ts';
import { LineMaker } from './merge.ts';

/** Over all binaries, each some 200 bytes at most: those of forty services with profiles of 5,000 locations. */
const MAX_ANSWERS = 1 << 18;

/** In place of a list of lines: the binary knows nothing there. */
export const NO_LINES = -1;

/** The memory of all binaries. */
export class KnownAddresses {
  readonly #max: number;
  #binaries = new WeakMap<SymbolMap, KnownBinary>();
  #count = 0;

  constructor(max = MAX_ANSWERS) {
    this.#max = max;
  }

  /** After a profile: makes room when there is none left. */
  tidy(): void {
    if (this.#count < this.#max) return;
    this.#binaries = new WeakMap();
    this.#count = 0;
  }

  /** Valid until `tidy`. */
  of(symbols: SymbolMap): KnownBinary {
    let known = this.#binaries.get(symbols);
    if (known === undefined) {
      known = new KnownBinary(symbols, () => ++this.#count <= this.#max);
      this.#binaries.set(symbols, known);
    }
    return known;
  }
}

/** One binary, asked through the memory. */
export class KnownBinary {
  /** Of the lists that `lines` gives. */
  readonly table: LineTable;
  readonly #symbols: SymbolMap;
  /** False when an answer is not to be kept. */
  readonly #mayKeep: () => boolean;
  readonly #maker = new LineMaker();
  // By file address.
  readonly #lines = new Map<number, number>();
  readonly #bareLines = new Map<number, number>();
  readonly #frames = new Map<number, CandidateFrames | null>();
  readonly #afterCall = new Map<number, boolean>();
  readonly #instructionStart = new Map<number, boolean | null>();

  constructor(symbols: SymbolMap, mayKeep: () => boolean) {
    this.#symbols = symbols;
    this.#mayKeep = mayKeep;
    this.table = this.#maker.table;
  }

  /** The frames at a file address as a list of lines in `table`, or NO_LINES. @param withLines false: functions only */
  lines(address: number, withLines = true): number {
    const lists = withLines ? this.#lines : this.#bareLines;
    return this.#remember(lists, address, () => {
      const found = this.#symbols.lookup(address);
      return found === null ? NO_LINES : this.#maker.list((withLines ? found : withoutLines(found)).frames);
    });
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
