/** Nodes for C++ expressions. */
import { ASSIGNMENT, CAST, CONDITIONAL, LOGICAL_OR, LOOSEST, Node, POSTFIX, UNARY, type Printer } from './node.ts';
import type { ClosureType } from './name-nodes.ts';
import { PackExpansion } from './type-nodes.ts';

/** `a + b`. */
export class BinaryExpression extends Node {
  override readonly precedence: number;
  readonly leftSide: Node;
  readonly operator: string;
  readonly rightSide: Node;

  constructor(leftSide: Node, operator: string, rightSide: Node, precedence: number) {
    super();
    this.precedence = precedence;
    this.leftSide = leftSide;
    this.operator = operator;
    this.rightSide = rightSide;
  }

  override left(out: Printer): void {
    const { operator, precedence } = this;
    // a bare `>` would end the template argument list
    const enclose = out.brackets === 0 && (operator === '>' || operator === '>>');
    const assigns = precedence === ASSIGNMENT; // groups from the right
    if (enclose) out.open();
    out.operand(this.leftSide, assigns ? LOGICAL_OR : precedence, assigns);
    if (operator !== ',') out.put(' ');
    out.put(operator);
    out.put(' ');
    out.operand(this.rightSide, precedence, !assigns);
    if (enclose) out.close();
  }
}

/** `!a`. */
export class PrefixExpression extends Node {
  override readonly precedence: number;
  readonly operator: string;
  readonly operand: Node;

  constructor(operator: string, operand: Node, precedence: number) {
    super();
    this.precedence = precedence;
    this.operator = operator;
    this.operand = operand;
  }

  override left(out: Printer): void {
    out.put(this.operator);
    out.operand(this.operand, this.precedence);
  }
}

/** `a++`. */
export class PostfixExpression extends Node {
  override readonly precedence: number;
  readonly operand: Node;
  readonly operator: string;

  constructor(operand: Node, operator: string, precedence: number) {
    super();
    this.precedence = precedence;
    this.operand = operand;
    this.operator = operator;
  }

  override left(out: Printer): void {
    out.operand(this.operand, this.precedence, false);
    out.put(this.operator);
  }
}

/** `a[i]`. */
export class SubscriptExpression extends Node {
  override readonly precedence: number;
  readonly array: Node;
  readonly index: Node;

  constructor(array: Node, index: Node, precedence: number) {
    super();
    this.precedence = precedence;
    this.array = array;
    this.index = index;
  }

  override left(out: Printer): void {
    out.operand(this.array, this.precedence);
    out.open('[');
    out.operand(this.index);
    out.close(']');
  }
}

/** `a.b`, `a->b`, `a.*b`. */
export class MemberExpression extends Node {
  override readonly precedence: number;
  readonly object: Node;
  readonly operator: string;
  readonly member: Node;

  constructor(object: Node, operator: string, member: Node, precedence: number) {
    super();
    this.precedence = precedence;
    this.object = object;
    this.operator = operator;
    this.member = member;
  }

  override left(out: Printer): void {
    out.operand(this.object, this.precedence, false);
    out.put(this.operator);
    out.operand(this.member, this.precedence);
  }
}

/** `a ? b : c`. */
export class ConditionalExpression extends Node {
  override readonly precedence = CONDITIONAL;
  readonly condition: Node;
  readonly then: Node;
  readonly otherwise: Node;

  constructor(condition: Node, then: Node, otherwise: Node) {
    super();
    this.condition = condition;
    this.then = then;
    this.otherwise = otherwise;
  }

  override left(out: Printer): void {
    out.operand(this.condition, CONDITIONAL);
    out.put(' ? ');
    out.operand(this.then);
    out.put(' : ');
    out.operand(this.otherwise, ASSIGNMENT, false);
  }
}

/** `f(a, b)`, or `(f)(a, b)` where argument-dependent lookup was turned off. */
export class CallExpression extends Node {
  override readonly precedence = POSTFIX;
  readonly callee: Node;
  readonly args: readonly Node[];
  readonly lookupOff: boolean;

  constructor(callee: Node, args: readonly Node[], lookupOff = false) {
    super();
    this.callee = callee;
    this.args = args;
    this.lookupOff = lookupOff;
  }

  override left(out: Printer): void {
    if (this.lookupOff) out.open();
    out.print(this.callee);
    if (this.lookupOff) out.close();
    out.open();
    out.list(this.args);
    out.close();
  }
}

/** `static_cast<T>(a)`. */
export class NamedCast extends Node {
  override readonly precedence = POSTFIX;
  readonly cast: string;
  readonly type: Node;
  readonly operand: Node;

  constructor(cast: string, type: Node, operand: Node) {
    super();
    this.cast = cast;
    this.type = type;
    this.operand = operand;
  }

  override left(out: Printer): void {
    const { brackets } = out;
    out.put(this.cast);
    out.brackets = 0;
    out.put('<');
    out.left(this.type);
    out.put('>');
    out.brackets = brackets;
    out.open();
    out.operand(this.operand);
    out.close();
  }
}

/** `(T)(a, b)`. */
export class ConversionExpression extends Node {
  override readonly precedence = CAST;
  readonly type: Node;
  readonly operands: readonly Node[];

  constructor(type: Node, operands: readonly Node[]) {
    super();
    this.type = type;
    this.operands = operands;
  }

  override left(out: Printer): void {
    out.open();
    out.print(this.type);
    out.close();
    out.open();
    out.list(this.operands);
    out.close();
  }
}

/** `::new (place) T(a)`. */
export class NewExpression extends Node {
  override readonly precedence = UNARY;
  readonly operator: string;
  readonly placement: readonly Node[];
  readonly type: Node;
  /** Null when there is no initializer, which differs from an empty one. */
  readonly initializer: readonly Node[] | null;

  constructor(operator: string, placement: readonly Node[], type: Node, initializer: readonly Node[] | null) {
    super();
    this.operator = operator;
    this.placement = placement;
    this.type = type;
    this.initializer = initializer;
  }

  override left(out: Printer): void {
    out.put(this.operator);
    if (this.placement.length > 0) {
      out.open();
      out.list(this.placement);
      out.close();
    }
    out.put(' ');
    out.print(this.type);
    if (this.initializer !== null) {
      out.open();
      out.list(this.initializer);
      out.close();
    }
  }
}

/** `::delete[] a`, `throw a`: a word, then anything. */
export class KeywordExpression extends Node {
  override readonly precedence: number;
  readonly word: string;
  readonly operand: Node;

  constructor(word: string, operand: Node, precedence: number) {
    super();
    this.precedence = precedence;
    this.word = word;
    this.operand = operand;
  }

  override left(out: Printer): void {
    out.put(this.word);
    out.print(this.operand);
  }
}

/** `sizeof (a)`: a word, then anything in brackets. */
export class EnclosingExpression extends Node {
  override readonly precedence: number;
  readonly word: string;
  readonly operand: Node;

  constructor(word: string, operand: Node, precedence: number) {
    super();
    this.precedence = precedence;
    this.word = word;
    this.operand = operand;
  }

  override left(out: Printer): void {
    out.put(this.word);
    out.open();
    out.print(this.operand);
    out.close();
  }
}

/** `T{a, b}`, `{a, b}`. */
export class InitializerList extends Node {
  readonly type: Node | null;
  readonly elements: readonly Node[];

  constructor(type: Node | null, elements: readonly Node[]) {
    super();
    this.type = type;
    this.elements = elements;
  }

  override left(out: Printer): void {
    if (this.type !== null) out.print(this.type);
    out.put('{');
    out.list(this.elements);
    out.put('}');
  }
}

/** `.x = a`, `[1] = a`, `[1 ... 3] = a`; designators may follow each other. */
export class DesignatedInitializer extends Node {
  readonly from: Node;
  /** Of a range. */
  readonly to: Node | null;
  readonly isField: boolean;
  readonly value: Node;

  constructor(from: Node, to: Node | null, isField: boolean, value: Node) {
    super();
    this.from = from;
    this.to = to;
    this.isField = isField;
    this.value = value;
  }

  override left(out: Printer): void {
    out.put(this.isField ? '.' : '[');
    out.print(this.from);
    if (this.to !== null) {
      out.put(' ... ');
      out.print(this.to);
    }
    if (!this.isField) out.put(']');
    if (!(this.value instanceof DesignatedInitializer)) out.put(' = ');
    out.print(this.value);
  }
}

/** `(a + ... + pack)` and its three kin. */
export class FoldExpression extends Node {
  readonly operator: string;
  readonly fromLeft: boolean;
  readonly pack: Node;
  readonly start: Node | null;

  constructor(operator: string, fromLeft: boolean, pack: Node, start: Node | null) {
    super();
    this.operator = operator;
    this.fromLeft = fromLeft;
    this.pack = pack;
    this.start = start;
  }

  override left(out: Printer): void {
    out.open();
    if (!this.fromLeft) this.#pack(out);
    else if (this.start !== null) out.operand(this.start, CAST, false);
    if (!this.fromLeft || this.start !== null) out.put(` ${this.operator} `);
    out.put('...');
    if (this.fromLeft || this.start !== null) out.put(` ${this.operator} `);
    if (this.fromLeft) this.#pack(out);
    else if (this.start !== null) out.operand(this.start, CAST, false);
    out.close();
  }

  #pack(out: Printer): void {
    out.open();
    out.print(new PackExpansion(this.pack));
    out.close();
  }
}

/** `sizeof...(T)`. */
export class PackSize extends Node {
  readonly pack: Node;

  constructor(pack: Node) {
    super();
    this.pack = pack;
  }

  override left(out: Printer): void {
    out.put('sizeof...');
    out.open();
    out.print(new PackExpansion(this.pack));
    out.close();
  }
}

/** `a.<T at offset 4>`: a part of an object that has no name. */
export class Subobject extends Node {
  readonly type: Node;
  readonly object: Node;
  readonly offset: string;

  constructor(type: Node, object: Node, offset: string) {
    super();
    this.type = type;
    this.object = object;
    this.offset = offset;
  }

  override left(out: Printer): void {
    out.print(this.object);
    out.put('.<');
    out.print(this.type);
    out.put(` at offset ${this.offset}>`);
  }
}

/** `(T)4`: a value of an enumeration or of a type without a suffix for its literals. */
export class CastLiteral extends Node {
  readonly type: Node;
  readonly value: string;

  constructor(type: Node, value: string) {
    super();
    this.type = type;
    this.value = value;
  }

  override left(out: Printer): void {
    out.open();
    out.print(this.type);
    out.close();
    out.put(this.value);
  }
}

/** `"<char const [3]>"`: a string literal, of which only the type is known. */
export class StringLiteral extends Node {
  readonly type: Node;

  constructor(type: Node) {
    super();
    this.type = type;
  }

  override left(out: Printer): void {
    out.put('"<');
    out.print(this.type);
    out.put('>"');
  }
}

/** `[](int){...}`. */
export class LambdaExpression extends Node {
  readonly closure: ClosureType;

  constructor(closure: ClosureType) {
    super();
    this.closure = closure;
  }

  override left(out: Printer): void {
    out.put('[]');
    this.closure.signature(out);
    out.put('{...}');
  }
}

/** `requires (T a) { a.b; }`. */
export class RequiresExpression extends Node {
  readonly parameters: readonly Node[];
  readonly requirements: readonly Node[];

  constructor(parameters: readonly Node[], requirements: readonly Node[]) {
    super();
    this.parameters = parameters;
    this.requirements = requirements;
  }

  override left(out: Printer): void {
    out.put('requires');
    if (this.parameters.length > 0) {
      out.put(' ');
      out.open();
      out.list(this.parameters);
      out.close();
    }
    out.put(' ');
    out.open('{');
    for (const requirement of this.requirements) out.print(requirement);
    out.put(' ');
    out.close('}');
  }
}

/** ` {a} noexcept -> Concept;` */
export class ExpressionRequirement extends Node {
  readonly value: Node;
  readonly isNoexcept: boolean;
  readonly constraint: Node | null;

  constructor(value: Node, isNoexcept: boolean, constraint: Node | null) {
    super();
    this.value = value;
    this.isNoexcept = isNoexcept;
    this.constraint = constraint;
  }

  override left(out: Printer): void {
    const enclose = this.isNoexcept || this.constraint !== null;
    out.put(' ');
    if (enclose) out.open('{');
    out.operand(this.value, LOOSEST);
    if (enclose) out.close('}');
    if (this.isNoexcept) out.put(' noexcept');
    if (this.constraint !== null) {
      out.put(' -> ');
      out.print(this.constraint);
    }
    out.put(';');
  }
}

/** ` typename T;`, ` requires C;` */
export class WordRequirement extends Node {
  readonly word: string;
  readonly required: Node;

  constructor(word: string, required: Node) {
    super();
    this.word = word;
    this.required = required;
  }

  override left(out: Printer): void {
    out.put(` ${this.word} `);
    out.print(this.required);
    out.put(';');
  }
}
