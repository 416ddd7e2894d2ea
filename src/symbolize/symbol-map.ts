import type { ByteSource } from '../bytes/source.ts';
import { ALL_UNITS, type Share } from '../dwarf/cover.ts';
import type { DebugSection } from '../dwarf/section.ts';
import { DwarfSymbols } from '../dwarf/symbols.ts';
import type { SplitFiles } from '../dwarf/split-units.ts';
import type { DwarfFrame } from '../dwarf/unit-symbols.ts';
import { isParseError, messageOf } from '../errors.ts';
import type { GoFrame } from '../gosym/frame.ts';
import { GoSymbols } from '../gosym/pclntab.ts';
import type { ObjectFile } from '../object/object.ts';
import type { Frame, Resolution } from './frame.ts';
import { FunctionTable } from './function-table.ts';
import { GO_GENERATED, IndexBuilder } from './index-builder.ts';
import type { IndexUnderWay } from './index-part.ts';
import { stampOf } from './index-stamp.ts';
import { ReadableNames } from './readable-names.ts';
import { SymbolIndex } from './symbol-index.ts';

/** A damaged table can fail differently at every address; nobody reads more than a few. */
const MAX_PROBLEMS = 8;

/** Answers kept, each in one of the two places that its address names: those of a profile. */
const KEPT_BITS = 13;
const KEPT = 1 << KEPT_BITS;

/** Stubs and start-up code beside Go's: not worth an index. */
const LITTLE_CODE = 4096;

/** A source over one of the files, asked with that file's own addresses. */
interface Placed<T> {
  readonly source: T;
  /** File address in the source's file = file address in `object` + shift: files of one build may differ in bias. */
  readonly shift: number;
}

/**
 * Everything that is known of one binary's addresses. It may be spread over several files of one build: the program,
 * its stripped copy, its debug info alone. Sources are ranked per address:
 *
 *     .gopclntab   Go text, as the runtime itself prints it; padding between Go functions belongs to nobody
 *     the index    the rest, when there is one: what the following two say, found without reading them
 *     DWARF        C, C++, Rust, assembly with lines; Go where no pclntab is at hand
 *     symbol table names; with a line where DWARF has one and no function (assembly)
 *
 * The one place where parsers' exceptions stop: what could not be read becomes a `problem`.
 */
export class SymbolMap {
  /** The file whose segments say where code lies: of several the first that holds code. */
  readonly object: ObjectFile;
  readonly go: GoSymbols | null;
  readonly #goShift: number;
  readonly #dwarf: Placed<DwarfSymbols> | null;
  readonly #files: readonly ObjectFile[];
  readonly #names = new ReadableNames();
  readonly #problems: string[] = [];
  /** undefined: not looked for yet. */
  #index: SymbolIndex | null = null;
  /** The address whose answer is kept at each place. */
  readonly #keptAddresses = new Float64Array(KEPT).fill(-1);
  readonly #keptAnswers: (Resolution | null)[] = new Array<Resolution | null>(KEPT).fill(null);
  /** undefined: not read yet. */
  #tables: readonly Placed<FunctionTable>[] | undefined;

  /**
   * @param files of one build, the one that knows most first; at least one
   * @param split finds what the debug info has put elsewhere
   * @param problems sentences about files that could not be opened
   */
  constructor(files: readonly ObjectFile[], split?: SplitFiles, problems: readonly string[] = []) {
    this.#files = files;
    this.#problems.push(...problems);
    this.object = files.find(holdsCode) ?? files[0];
    const go = this.#firstOf('.gopclntab', (file) => GoSymbols.open(file));
    this.go = go?.source ?? null;
    this.#goShift = go?.shift ?? 0;
    this.#dwarf = this.#firstOf('DWARF', (file) => DwarfSymbols.open(file, split));
  }

  /** Sentences about sources that could not be read; grows with use. */
  get problems(): readonly string[] {
    return [...this.#problems, ...(this.#dwarf?.source.problems ?? [])];
  }

  /** True when the DWARF of some file is at hand. */
  get hasDwarf(): boolean {
    return this.#dwarf !== null;
  }

  /** True when the address is in Go's text, where only Go's own tables are asked. */
  isGo(address: number): boolean {
    return this.go?.covers(address + this.#goShift) ?? false;
  }

  /** Frames at a file address, looked up as it is; null when no source knows it. Never throws on damaged symbols. */
  lookup(address: number): Resolution | null {
    const addresses = this.#keptAddresses;
    const answers = this.#keptAnswers;
    const place = Math.imul(address, 0x9e3779b1) >>> (32 - KEPT_BITS);
    if (addresses[place] === address) return answers[place];
    if (addresses[place ^ 1] === address) return answers[place ^ 1];
    const answer = this.#find(address);
    // The one asked last is kept longer.
    addresses[place ^ 1] = addresses[place];
    answers[place ^ 1] = answers[place];
    addresses[place] = address;
    answers[place] = answer;
    return answer;
  }

  /** Gives back what lookups in Go's tables and in an index have taken; debug info, which takes long to read, is kept. */
  rest(): void {
    this.go?.release();
    this.#index?.release();
    this.#keptAddresses.fill(-1);
    this.#keptAnswers.fill(null);
  }

  #find(address: number): Resolution | null {
    const { go } = this;
    if (go !== null && this.isGo(address)) {
      const frames = this.#attempt('.gopclntab', () => go.frames(address + this.#goShift));
      return frames === null ? null : { source: 'pclntab', frames: frames.map(fromGo) };
    }
    if (this.#index !== null) {
      const index = this.#index;
      const indexed = this.#attempt('symbol index', () => ({ answer: index.lookup(address) }));
      if (indexed !== null) return indexed.answer;
      this.#index = null; // damaged: the sources themselves are still there
    }
    const debugInfo = this.#dwarf;
    const found = debugInfo?.source.frames(address + debugInfo.shift) ?? null;
    const frames = found && this.#fromDwarf(found, address);
    if (frames !== null) return { source: 'dwarf', frames };
    const named = this.#inTables(address);
    if (named === null) return null;
    const place = debugInfo?.source.line(address + debugInfo.shift);
    return { source: 'symtab', frames: [place ? { ...named, ...place } : named] };
  }

  /** True when there is debug info of more than Go's code, which has its own tables. */
  get isWorthIndexing(): boolean {
    if (this.#dwarf === null || this.go === null) return this.#dwarf !== null;
    const from = this.go.minPc - this.#goShift;
    const to = this.go.maxPc - this.#goShift;
    const others = this.object.sections.filter(({ executable }) => executable);
    const bytes = others.reduce((sum, { address, size }) => {
      const inGo = Math.max(0, Math.min(address + size, to) - Math.max(address, from));
      return sum + size - inGo;
    }, 0);
    return bytes > LITTLE_CODE;
  }

  get hasIndex(): boolean {
    return this.#index !== null;
  }

  /** Takes an index from `source` from now on, when it is one of these very files. Never throws on damaged bytes. */
  useIndex(source: ByteSource): boolean {
    this.#index = this.#attempt('symbol index', () => {
      const index = new SymbolIndex(source);
      return index.stamp === this.stamp ? index : null;
    });
    if (this.#index !== null) this.#dwarf?.source.release();
    return this.#index !== null;
  }

  /** Says which files these are; see index-stamp.ts. */
  get stamp(): string {
    return stampOf(this.#files);
  }

  /**
   * An index of all that is not Go's, to be handed to `useIndex` later; null when something could not be read, which the index would
   * not tell. Takes seconds for a large binary.
   */
  makeIndex(): Uint8Array | null {
    return this.startIndex(ALL_UNITS).finish();
  }

  /** The same of a share of the debug info: the first one's index takes the parts of the others, in order, and is finished then. */
  startIndex(share: Share): IndexUnderWay {
    const debugInfo = this.#dwarf;
    const tables = this.#functionTables();
    const before = this.#problems.length;
    const builder = new IndexBuilder({
      shift: debugInfo?.shift ?? 0,
      isGo: (address) => this.isGo(address),
      linkedName: (name, address) => this.#linkedName(name, address),
      readableName: (linkedName, plain) => this.#readable(linkedName, plain),
      symbolAt: (address) => this.#inTables(address)?.systemName ?? '',
      symbolBounds: boundsOf(tables),
    });
    debugInfo?.source.cover(builder, (start) => !this.isGo(start - debugInfo.shift), share);
    const ifWhole = <T>(made: T): T | null =>
      this.#problems.length === before && (debugInfo?.source.problems.length ?? 0) === 0 ? made : null;
    debugInfo?.source.release();
    return {
      part: () => ifWhole(builder.part()),
      add: (part) => builder.add(part),
      finish: () => ifWhole(builder.finish(this.stamp)),
    };
  }

  /** The sections of debug info that making an index reads. */
  get debugSections(): DebugSection[] {
    return this.#dwarf?.source.sections ?? [];
  }

  /** Bytes of debug info in the files: what making an index has to read. */
  get debugInfoBytes(): number {
    return this.#dwarf?.source.fileBytes ?? 0;
  }

  /** Every name a symbol table has for the function at an address, as linked: aliases are all right. */
  aliases(address: number): string[] {
    return this.#functionTables().flatMap(
      ({ source, shift }) => this.#attempt('symbol table', () => source.aliases(address + shift)) ?? [],
    );
  }

  #inTables(address: number): Frame | null {
    for (const { source, shift } of this.#functionTables()) {
      const symbol = this.#attempt('symbol table', () => source.find(address + shift));
      if (symbol === null || symbol === '') continue;
      return { name: this.#names.of(symbol), systemName: symbol, file: '', line: 0, column: 0, startLine: 0 };
    }
    return null;
  }

  /** The symbol tables, the largest first: a stripped file's is part of the whole one. */
  #functionTables(): readonly Placed<FunctionTable>[] {
    this.#tables ??= this.#files
      .flatMap(
        (file) =>
          this.#place(
            file,
            this.#attempt('symbol table', () => FunctionTable.of(file)),
          ) ?? [],
      )
      .sort((a, b) => b.source.count - a.source.count);
    return this.#tables;
  }

  /** Inlined calls without a name are left out; a function without one is called what the symbol table calls it. */
  #fromDwarf(found: readonly DwarfFrame[], address: number): Frame[] | null {
    const frames: Frame[] = [];
    for (const [i, { name, linkageName, file, line, column, startLine }] of found.entries()) {
      let systemName = linkageName !== '' ? linkageName : name;
      const isInlined = i < found.length - 1;
      if (linkageName === '' && !isInlined) systemName = this.#linkedName(name, address);
      if (systemName === '') continue;
      frames.push({
        name: this.#readable(systemName, linkageName && name),
        systemName,
        file,
        line,
        column,
        startLine,
      });
    }
    // A method that the Go compiler wrapped around another: the runtime leaves it out of its stacks.
    if (frames.length > 1 && frames[frames.length - 1].file === GO_GENERATED) frames.pop();
    return frames.length > 0 ? frames : null;
  }

  /** Linked under another name than written (an asm label: `__GI___libc_malloc`): people look for what is written. */
  #readable(systemName: string, written: string): string {
    const readable = this.#names.of(systemName);
    return readable === systemName && written !== '' ? written : readable;
  }

  /**
   * Name as linked of a function whose debug info has none: GCC leaves it out in anonymous namespaces, where only the symbol table has
   * the parameters. The linker may have folded another function into this one, so its symbol must have the name's last part in it.
   */
  #linkedName(name: string, address: number): string {
    if (name !== '' && !name.includes('::')) return name;
    const symbol = this.#inTables(address);
    if (symbol === null) return name;
    const last = name.slice(name.lastIndexOf('::') + 2);
    return name === '' || (symbol.name !== symbol.systemName && symbol.name.includes(last)) ? symbol.systemName : name;
  }

  #firstOf<T>(what: string, open: (file: ObjectFile) => T | null): Placed<T> | null {
    for (const file of this.#files) {
      const placed = this.#place(
        file,
        this.#attempt(what, () => open(file)),
      );
      if (placed !== null) return placed;
    }
    return null;
  }

  #place<T>(file: ObjectFile, source: T | null): Placed<T> | null {
    return source === null ? null : { source, shift: Number(this.object.bias - file.bias) };
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

/** Where functions of symbol tables begin and end, ascending. */
function boundsOf(tables: readonly Placed<FunctionTable>[]): Float64Array {
  const all = tables.flatMap(({ source, shift }) => [...source.bounds()].map((bound) => bound - shift));
  return Float64Array.from(new Set(all)).sort();
}

function holdsCode({ debugOnly, segments }: ObjectFile): boolean {
  return !debugOnly && segments.length > 0;
}

function fromGo({ function: name, file, line, startLine }: GoFrame): Frame {
  return { name, systemName: name, file, line, column: 0, startLine };
}
