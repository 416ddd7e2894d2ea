/** Nodes for C++ expressions. */
import { ASSIGNMENT, CAST, CONDITIONAL, LOGICAL_OR, Node, POSTFIX, type Printer, UNARY } from './node.ts';

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
  readonly initializer: readonly Node[];

  constructor(operator: string, placement: readonly Node[], type: Node, initializer: readonly Node[]) {
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
    if (this.initializer.length > 0) {
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
