/**
 * Names of C++ functions and objects as g++ and clang write them: the Itanium C++ ABI's mangling, on every platform but
 * Microsoft's.
 *
 * `_Z` <encoding> [`.` <suffix>]: `_ZNK3foo3barEi.cold` is `foo::bar(int) const [clone .cold]`. Mach-O puts one more
 * underscore in front, and blocks (closures of C and Objective-C) are `___Z` <encoding> `_block_invoke` [`_` <n>].
 *
 * The text is llvm-cxxfilt's (19), down to its spaces, but for the suffixes a compiler puts on copies and parts of a
 * function, which read `[clone .cold]` as in c++filt and perf; and for what llvm-cxxfilt cannot read or misreads: g++'s own
 * spelling of `T::name` in expressions, `_BitInt` and declared packs (test/demangle/itanium.test.ts has them all).
 */
import { FunctionEncoding } from './function-nodes.ts';
import { ExpressionGrammar } from './itanium-expressions.ts';
import { type Dialect, NameFacts } from './itanium-grammar.ts';
import { ConstructionVtable, PrefixedName } from './name-nodes.ts';
import { BEYOND, MAX_SYMBOL, type Node, Printer, UNREADABLE } from './node.ts';
import { fromByteUnits, isAscii, toByteUnits } from './utf8-units.ts';

/** Longest suffix of a clone, in UTF-16 units. Real ones have up to 40. */
const MAX_SUFFIX = 1000;

/** The readings to try, the ABI's first. */
const DIALECTS: readonly Dialect[] = [
  { gnu: false, argumentsOfType: false },
  { gnu: true, argumentsOfType: false },
  { gnu: false, argumentsOfType: true },
  { gnu: true, argumentsOfType: true },
];

/** `<special-name>`s that are a word or two and a type. */
const OF_TYPE = new Map([
  ['TV', 'vtable for '],
  ['TT', 'VTT for '],
  ['TI', 'typeinfo for '],
  ['TS', 'typeinfo name for '],
]);

/** `<special-name>`s that are a word or two and a name. */
const OF_NAME = new Map([
  ['TW', 'thread-local wrapper routine for '],
  ['TH', 'thread-local initialization routine for '],
  ['GV', 'guard variable for '],
]);

/** `<special-name>`s that are a word or two and another symbol's encoding: g++'s. */
const OF_ENCODING = new Map([
  ['GTt', 'transaction clone for '],
  ['GTn', 'non-transaction clone for '],
  ['GA', 'hidden alias for '],
]);

/** The readable name of a symbol of this mangling, null if it is not one or is beyond the bounds. */
export function demangleItanium(symbol: string): string | null {
  const start = encodingStart(symbol);
  if (start < 0 || symbol.length > MAX_SYMBOL) return null;
  if (isAscii(symbol)) return anyReading(symbol, start);
  const name = anyReading(toByteUnits(symbol), start);
  return name === null ? null : fromByteUnits(name);
}

function anyReading(symbol: string, start: number): string | null {
  for (const dialect of DIALECTS) {
    try {
      return new Encodings(symbol, start, dialect).read(start > 3);
    } catch (error) {
      if (error === BEYOND) return null;
      if (error !== UNREADABLE) throw error;
    }
  }
  return null;
}

/** Where the encoding begins, -1 if none does: behind one to four underscores and a `Z`. */
function encodingStart(symbol: string): number {
  let underscores = 0;
  while (underscores < 4 && symbol.charCodeAt(underscores) === 0x5f) underscores++;
  return underscores > 0 && symbol.charCodeAt(underscores) === 0x5a ? underscores + 1 : -1;
}

class Encodings extends ExpressionGrammar {
  /** The whole symbol. */
  read(isBlock: boolean): string {
    let root = this.encoding();
    if (isBlock) {
      this.need('_block_invoke');
      const numbered = this.take('_');
      if (this.digits() === '' && numbered) throw UNREADABLE;
      root = new PrefixedName('invocation function for block in ', root);
    }
    if (!this.done && this.peek() !== '.') throw UNREADABLE;
    const printer = new Printer();
    printer.print(root);
    return printer.text + cloneSuffixes(this.symbol.slice(this.at));
  }

  /** `<encoding> ::= <name> [<bare-function-type>] | <special-name>` */
  encoding(): Node {
    this.enter();
    const { levels } = this;
    this.levels = [];
    const first = this.peek();
    const encoding = first === 'T' || first === 'G' ? this.specialName() : this.functionOrObject();
    this.levels = levels;
    this.leave();
    return encoding;
  }

  private functionOrObject(): Node {
    const facts = new NameFacts();
    const firstForward = this.forward.length;
    const name = this.name(facts);
    this.resolve(firstForward);
    if (this.atEncodingEnd()) return name;

    let enableIf: Node[] = [];
    if (this.take('Ua9enable_ifI')) enableIf = this.until('E', () => this.templateArgument());
    const result = !facts.isStructor && facts.endsWithArguments ? this.type() : null;
    const parameters: Node[] = [];
    if (!this.take('v')) {
      do parameters.push(this.type());
      while (!this.atEncodingEnd() && this.peek() !== 'Q');
    }
    const requirement = this.take('Q') ? this.constraint() : null;
    return new FunctionEncoding(
      result,
      name,
      parameters,
      facts.explicitObject,
      enableIf,
      requirement,
      facts.qualifiers,
      facts.reference,
    );
  }

  private atEncodingEnd(): boolean {
    const next = this.peek();
    return next === '' || next === 'E' || next === '.' || next === '_';
  }

  /** Gives the template parameters of a conversion operator's type the arguments that came behind it. */
  private resolve(firstForward: number): void {
    const outermost = this.levels.at(0) ?? [];
    for (const reference of this.forward.splice(firstForward)) {
      reference.target = outermost[reference.index] ?? reference.fallback;
      if (reference.target === null) throw UNREADABLE;
    }
  }

  /** `<special-name>`: what compilers make for a class, a function or a variable. */
  private specialName(): Node {
    const code = this.symbol.slice(this.at, this.at + 2);
    const ofType = OF_TYPE.get(code);
    const ofName = OF_NAME.get(code);
    const threeLetters = this.symbol.slice(this.at, this.at + 3);
    const ofEncoding = OF_ENCODING.has(code) ? code : threeLetters;
    const start = this.at;
    this.at += 2;
    if (ofType !== undefined) return new PrefixedName(ofType, this.type());
    if (ofName !== undefined) return new PrefixedName(ofName, this.name(null));
    switch (code) {
      case 'Th':
      case 'Tv':
        this.at--;
        this.callOffset();
        return new PrefixedName(code === 'Th' ? 'non-virtual thunk to ' : 'virtual thunk to ', this.encoding());
      case 'Tc':
        this.callOffset();
        this.callOffset();
        return new PrefixedName('covariant return thunk to ', this.encoding());
      case 'TC': {
        const derived = this.type();
        this.digits(true);
        this.need('_');
        return new ConstructionVtable(this.type(), derived);
      }
      case 'TA':
        return new PrefixedName('template parameter object for ', this.templateArgument());
      case 'GR': {
        const name = this.name(null);
        // a sequence number follows, which the oldest compilers leave out
        const number = /^[0-9A-Z]*_/.exec(this.symbol.slice(this.at, this.at + 16));
        if (number !== null) this.at += number[0].length;
        return new PrefixedName('reference temporary for ', name);
      }
      case 'GI':
        return new PrefixedName('initializer for module ', this.neededModule());
    }
    const clone = OF_ENCODING.get(ofEncoding);
    if (clone === undefined) throw UNREADABLE;
    this.at = start + ofEncoding.length;
    return new PrefixedName(clone, this.encoding());
  }

  /** `<call-offset> ::= h <number> _ | v <number> _ <number> _`: what a thunk adds to `this`; not printed. */
  private callOffset(): void {
    const virtual = this.take('v');
    if (!virtual) this.need('h');
    for (let numbers = virtual ? 2 : 1; numbers > 0; numbers--) {
      if (this.digits(true) === '') throw UNREADABLE;
      this.need('_');
    }
  }
}

/**
 * ` [clone .cold] [clone .constprop.0]` for `.cold.constprop.0`: each word with the numbers behind it, as c++filt groups
 * them; a suffix not made that way stands whole.
 */
function cloneSuffixes(suffix: string): string {
  if (suffix === '') return '';
  if (suffix.length > MAX_SUFFIX) throw BEYOND;
  const parts = suffix.match(/\.(?:[a-z_][a-z_0-9]*|\d+)(?:\.\d+)*/g) ?? [];
  const clones = parts.join('') === suffix ? parts : [suffix];
  return clones.map((clone) => ` [clone ${clone}]`).join('');
}
