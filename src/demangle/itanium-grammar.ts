/**
 * What the rules of the Itanium grammar share: the symbol and the place in it, the substitutions, the template arguments
 * in force, and the bounds.
 *
 * The rules are spread over a line of classes, each knowing those before it (templates, types, names, expressions, at
 * last encodings); a rule that is needed before it is defined is declared here.
 */
import type { ClosureType, ForwardReference } from './function-nodes.ts';
import { BEYOND, MAX_DEPTH, type Node, UNREADABLE } from './node.ts';
import type { RefQualifier } from './type-nodes.ts';

/** Rules entered while reading one symbol. Real symbols need up to 1,000. */
const MAX_RULES = 20_000;
/** Components remembered for substitution. Real symbols have up to 200. */
const MAX_SUBSTITUTIONS = 4_000;

/** What the name of a function says about the rest of its encoding. */
export class NameFacts {
  /** A constructor, destructor or conversion: no result type is encoded. */
  isStructor = false;
  /** A template's function: the result type is encoded. */
  endsWithArguments = false;
  /** Its first parameter is `this`, spelled out. */
  explicitObject = false;
  qualifiers = 0;
  reference: RefQualifier = '';
}

/** Arguments by template parameter level, outermost first; null for a lambda's level made up of `auto`. */
export type TemplateLevels = (Node[] | null)[];

/** What a symbol does not say: which of two readings its compiler meant. */
export interface Dialect {
  /**
   * `sr` is followed by a type that later substitutions may mean, and `Dv_` by an expression: g++'s spelling. Else `sr` is
   * followed by names up to an `E`, as the ABI has it.
   */
  readonly gnu: boolean;
  /** In `operator T<...>` the arguments are the type's, not the operator's. */
  readonly argumentsOfType: boolean;
}

export abstract class ItaniumGrammar {
  protected readonly symbol: string;
  protected readonly dialect: Dialect;
  protected at: number;
  /** The components that `S_`, `S0_`, ... mean. */
  protected substitutions: Node[] = [];
  protected levels: TemplateLevels = [];
  protected forward: ForwardReference[] = [];
  /** Template arguments that follow a type belong to it. Not so within `operator T<...>`. */
  protected argumentsFollowTypes = true;
  /** Template parameters may mean arguments that come later. */
  protected forwardAllowed = false;
  /** Template parameters cannot be told from the outside levels and are printed as numbered. */
  protected parametersUnknown = false;
  /** The level of the lambda whose parameters are being read, where an unknown parameter is an `auto`. */
  protected lambdaLevel = -1;
  /** How many template parameters of each kind (type, value, template) have been given made-up names. */
  protected madeUp = [0, 0, 0];
  private depth = 0;
  private rules = 0;

  constructor(symbol: string, at: number, dialect: Dialect) {
    this.symbol = symbol;
    this.dialect = dialect;
    this.at = at;
  }

  abstract encoding(): Node;
  protected abstract type(): Node;
  protected abstract name(facts: NameFacts | null): Node;
  protected abstract unscopedName(facts: NameFacts | null): { node: Node; substituted: boolean };
  protected abstract sourceName(): Node;
  protected abstract identifier(): string;
  protected abstract closureType(): ClosureType;
  protected abstract expression(): Node;
  protected abstract expressionPrimary(): Node;

  /** Every rule that can contain itself is entered through here. */
  protected enter(): void {
    if (++this.depth > MAX_DEPTH || ++this.rules > MAX_RULES) throw BEYOND;
  }

  protected leave(): void {
    this.depth--;
  }

  /** The character `ahead` of here, '' past the end. */
  protected peek(ahead = 0): string {
    return this.symbol.charAt(this.at + ahead);
  }

  protected get done(): boolean {
    return this.at >= this.symbol.length;
  }

  protected take(text: string): boolean {
    if (!this.symbol.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }

  protected need(text: string): void {
    if (!this.take(text)) throw UNREADABLE;
  }

  protected peekDigit(ahead = 0): boolean {
    const code = this.symbol.charCodeAt(this.at + ahead);
    return code >= 0x30 && code <= 0x39;
  }

  /** Digits as written, '' if there are none; with `signed` also `n` (minus) before them. */
  protected digits(signed = false): string {
    const start = this.at;
    if (signed && this.peek() === 'n' && this.peekDigit(1)) this.at++;
    while (this.peekDigit()) this.at++;
    return this.symbol.slice(start, this.at);
  }

  /** A number that counts something in this symbol. */
  protected count(): number {
    const digits = this.digits();
    if (digits === '' || digits.length > 9) throw UNREADABLE;
    return Number(digits);
  }

  /** `rule` until `end` stands here, which is taken too. */
  protected until(end: string, rule: () => Node): Node[] {
    const nodes: Node[] = [];
    while (!this.take(end)) nodes.push(rule());
    return nodes;
  }

  /** Remembers a component that later substitutions may mean. */
  protected remember(node: Node): Node {
    if (this.substitutions.push(node) > MAX_SUBSTITUTIONS) throw BEYOND;
    return node;
  }

  /** `<ref-qualifier>` */
  protected refQualifier(): RefQualifier {
    if (this.take('R')) return ' &';
    return this.take('O') ? ' &&' : '';
  }
}
