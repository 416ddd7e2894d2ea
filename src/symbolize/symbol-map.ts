import { isParseError, messageOf } from '../errors.ts';
import type { GoFrame } from '../gosym/frame.ts';
import { GoSymbols } from '../gosym/pclntab.ts';
import type { ObjectFile } from '../object/object.ts';
import type { Frame, Resolution } from './frame.ts';
import { FunctionTable } from './function-table.ts';

/**
 * Everything one binary can say about its addresses, sources ranked per address: .gopclntab for Go text, the symbol
 * table for the rest. The one place where parsers' exceptions stop: what could not be read becomes a `problem`.
 */
export class SymbolMap {
  readonly object: ObjectFile;
  readonly go: GoSymbols | null;
  /** Sentences about sources that could not be read. */
  readonly problems: readonly string[];
  readonly #problems: string[] = [];
  /** undefined: not read yet; null: unreadable or empty. */
  #functions: FunctionTable | null | undefined;

  constructor(object: ObjectFile) {
    this.object = object;
    this.problems = this.#problems;
    this.go = this.#attempt('.gopclntab', () => GoSymbols.open(object));
  }

  /** Frames at a file address, looked up as it is; null when no source knows it. Never throws on damaged symbols. */
  lookup(address: number): Resolution | null {
    if (this.go?.covers(address)) {
      const go = this.go;
      const frames = this.#attempt('.gopclntab', () => go.frames(address));
      // Padding between Go functions belongs to nobody: the symbol table must not guess there.
      return frames === null ? null : { source: 'pclntab', frames: frames.map(fromGo) };
    }
    const functions = this.functions();
    const found = functions && this.#attempt('symbol table', () => functions.find(address));
    return found ? { source: 'symtab', frames: [found] } : null;
  }

  /** The symbol table's functions; null when the file has none. */
  functions(): FunctionTable | null {
    this.#functions ??= this.#attempt('symbol table', () => FunctionTable.of(this.object));
    return this.#functions;
  }

  #attempt<T>(what: string, read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      if (!isParseError(error)) throw error;
      const problem = `${what}: ${messageOf(error)}`;
      if (!this.#problems.includes(problem) && this.#problems.length < MAX_PROBLEMS) this.#problems.push(problem);
      return null;
    }
  }
}

/** A damaged table can fail differently at every address; nobody reads more than a few. */
const MAX_PROBLEMS = 8;

function fromGo({ function: name, file, line, startLine }: GoFrame): Frame {
  return { name, systemName: name, file, line, column: 0, startLine };
}
