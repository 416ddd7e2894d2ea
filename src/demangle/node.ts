/**
 * The tree an Itanium name is parsed into, and the printer that writes it.
 *
 * C declarators wrap around the name they declare: in `int (*f(char))[3]` the parts of one type stand on both sides of
 * another. So every node prints in two halves, `left` (up to where the declared name would stand) and `right` (what
 * follows it); most have no right half. Nodes are shared (a substitution is the same node again), so a tree of n nodes
 * may describe text exponential in n: the printer counts the visits and the text, and gives up at a bound.
 *
 * The text is llvm-cxxfilt's, down to its spaces.
 */
/** Longest symbol read, in UTF-16 units. The longest of 780,000 in real libraries has 2,437. */
export const MAX_SYMBOL = 1 << 15;
/** Longest name written, in UTF-16 units. The longest of those has 21,552. */
export const MAX_TEXT = 1 << 16;
/**
 * Nesting of grammar rules, and of nodes while printing. Real names need up to 160; this much keeps the recursion within
 * half of a default stack.
 */
export const MAX_DEPTH = 512;
/** Nodes visited while printing one name, including those that print nothing. Real names need up to 8,000. */
const MAX_VISITS = 50_000;

/**
 * Thrown inside this room for a symbol that is not of the grammar, and for one that is beyond a bound; caught at the entry
 * points. Single objects: no stack is recorded, nothing is carried.
 */
export const UNREADABLE = new Error('not a name this reads');
export const BEYOND = new Error('a name beyond the bounds');

/** Answers to "does this node have the part": some depend on the pack element being printed and must be asked then. */
export const NO = 0;
export const YES = 1;
export const ASK = 2;
export type Answer = typeof NO | typeof YES | typeof ASK;

/** Binding strength of C++ expressions, strongest first. A node of higher number needs parentheses inside one of lower. */
export const PRIMARY = 0;
export const POSTFIX = 1;
export const UNARY = 2;
export const CAST = 3;
export const POINTER_TO_MEMBER = 4;
export const MULTIPLICATIVE = 5;
export const ADDITIVE = 6;
export const SHIFT = 7;
export const SPACESHIP = 8;
export const RELATIONAL = 9;
export const EQUALITY = 10;
export const AND = 11;
export const XOR = 12;
export const OR = 13;
export const LOGICAL_AND = 14;
export const LOGICAL_OR = 15;
export const CONDITIONAL = 16;
export const ASSIGNMENT = 17;
export const COMMA = 18;
export const LOOSEST = 19;

export abstract class Node {
  // Most nodes are plain: the values are on the prototype, and a class with others has a field of its own. (Fields of this
  // class would be set anew in every node, at twice the cost of all the rest.)

  /** Has text to the right of the declared name. */
  declare readonly hasRight: Answer;
  /** Is an array, so that a pointer to it needs parentheses. */
  declare readonly isArray: Answer;
  /** Is a function, likewise. */
  declare readonly isFunction: Answer;
  declare readonly precedence: number;

  static {
    Object.assign(this.prototype, { hasRight: NO, isArray: NO, isFunction: NO, precedence: PRIMARY });
  }

  abstract left(out: Printer): void;

  right(_out: Printer): void {
    // most nodes stand to the left of the name as a whole
  }

  /** The node that stands for this one at the element being printed. */
  actual(_out: Printer): Node | null {
    return this;
  }

  /** The node that decides where a part answers ASK. */
  decider(out: Printer): Node | null {
    return this.actual(out);
  }

  /** What a constructor of this class is called: the last name without template arguments. */
  baseName(): string {
    return '';
  }
}

/** Writes nodes into one string, within bounds. */
export class Printer {
  /** Code of the last character written, 0 at the start: reading it off the text would flatten the string every time. */
  last = 0;
  /** Element of the parameter packs being printed, and how many they have; -1 outside an expansion. */
  packIndex = -1;
  packSize = -1;
  /** Brackets open since the innermost template argument list: at 0 a `>` would end the list. */
  brackets = 1;
  #text = '';
  #depth = 0;
  #visits = 0;

  get text(): string {
    return this.#text;
  }

  get length(): number {
    return this.#text.length;
  }

  put(text: string): void {
    if (text.length === 0) return;
    this.#text += text;
    if (this.#text.length > MAX_TEXT) throw BEYOND;
    this.last = text.charCodeAt(text.length - 1);
  }

  /** Takes back what was written since the text had `length` units. */
  rewind(length: number): void {
    if (length === this.#text.length) return;
    this.#text = this.#text.slice(0, length);
    this.last = length === 0 ? 0 : this.#text.charCodeAt(length - 1);
  }

  left(node: Node): void {
    this.#enter();
    node.left(this);
    this.#depth--;
  }

  right(node: Node): void {
    if (node.hasRight === NO) return;
    this.#enter();
    node.right(this);
    this.#depth--;
  }

  print(node: Node): void {
    this.left(node);
    this.right(node);
  }

  hasRight(node: Node): boolean {
    return node.hasRight === ASK ? this.#ask(node, (decider) => this.hasRight(decider)) : node.hasRight === YES;
  }

  isArray(node: Node): boolean {
    return node.isArray === ASK ? this.#ask(node, (decider) => this.isArray(decider)) : node.isArray === YES;
  }

  isFunction(node: Node): boolean {
    return node.isFunction === ASK ? this.#ask(node, (decider) => this.isFunction(decider)) : node.isFunction === YES;
  }

  /** The node at the element being printed, null when the pack is empty or a reference leads back to itself. */
  actual(node: Node): Node | null {
    this.#enter();
    const actual = node.actual(this);
    this.#depth--;
    return actual;
  }

  open(bracket = '('): void {
    this.brackets++;
    this.put(bracket);
  }

  close(bracket = ')'): void {
    this.brackets--;
    this.put(bracket);
  }

  /** Prints an operand in a place of the given precedence: in brackets if weaker, with `tighter` also if the same. */
  operand(node: Node, precedence: number = LOOSEST, tighter = true): void {
    const enclose = node.precedence >= precedence + (tighter ? 0 : 1);
    if (enclose) this.open();
    this.print(node);
    if (enclose) this.close();
  }

  /** Prints nodes separated by commas, leaving out those that print nothing (empty packs). */
  list(nodes: readonly Node[]): void {
    let first = true;
    for (const node of nodes) {
      const before = this.length;
      if (!first) this.put(', ');
      const start = this.length;
      this.operand(node, COMMA);
      if (this.length === start) this.rewind(before);
      else first = false;
    }
  }

  #enter(): void {
    if (++this.#depth > MAX_DEPTH || ++this.#visits > MAX_VISITS) throw BEYOND;
  }

  #ask(node: Node, question: (decider: Node) => boolean): boolean {
    this.#enter();
    const decider = node.decider(this);
    const answer = decider !== null && decider !== node && question(decider);
    this.#depth--;
    return answer;
  }
}
