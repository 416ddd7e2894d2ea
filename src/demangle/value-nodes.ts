/** Nodes for literals, initializers, folds, and what a template requires. */
import type { ClosureType } from './function-nodes.ts';
import { CAST, LOOSEST, Node, type Printer } from './node.ts';
import { PackExpansion } from './pack-nodes.ts';

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
