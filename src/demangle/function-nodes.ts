/** Nodes for functions and closures, and for template parameters whose arguments come later. */
import { ASK, Node, type Printer, YES } from './node.ts';
import { printQualifiers, type RefQualifier } from './type-nodes.ts';

/** `'lambda0'<typename $T>($T)`. */
export class ClosureType extends Node {
  readonly templateParameters: readonly Node[];
  readonly requiresBefore: Node | null;
  readonly parameters: readonly Node[];
  readonly requiresAfter: Node | null;
  readonly count: string;

  constructor(
    templateParameters: readonly Node[],
    requiresBefore: Node | null,
    parameters: readonly Node[],
    requiresAfter: Node | null,
    count: string,
  ) {
    super();
    this.templateParameters = templateParameters;
    this.requiresBefore = requiresBefore;
    this.parameters = parameters;
    this.requiresAfter = requiresAfter;
    this.count = count;
  }

  override left(out: Printer): void {
    out.put(`'lambda${this.count}'`);
    this.signature(out);
  }

  signature(out: Printer): void {
    if (this.templateParameters.length > 0) {
      const { brackets } = out;
      out.brackets = 0;
      out.put('<');
      out.list(this.templateParameters);
      out.put('>');
      out.brackets = brackets;
    }
    printRequires(out, this.requiresBefore, true);
    out.open();
    out.list(this.parameters);
    out.close();
    printRequires(out, this.requiresAfter, false);
  }
}

/** A whole function: result, name, parameters, and what follows them. */
export class FunctionEncoding extends Node {
  override readonly hasRight = YES;
  override readonly isFunction = YES;
  readonly result: Node | null;
  readonly name: Node;
  readonly parameters: readonly Node[];
  readonly explicitObject: boolean;
  readonly enableIf: readonly Node[];
  readonly requirement: Node | null;
  readonly qualifiers: number;
  readonly reference: RefQualifier;

  constructor(
    result: Node | null,
    name: Node,
    parameters: readonly Node[],
    explicitObject: boolean,
    enableIf: readonly Node[],
    requirement: Node | null,
    qualifiers: number,
    reference: RefQualifier,
  ) {
    super();
    this.result = result;
    this.name = name;
    this.parameters = parameters;
    this.explicitObject = explicitObject;
    this.enableIf = enableIf;
    this.requirement = requirement;
    this.qualifiers = qualifiers;
    this.reference = reference;
  }

  override left(out: Printer): void {
    if (this.result !== null) {
      out.left(this.result);
      if (!out.hasRight(this.result)) out.put(' ');
    }
    out.print(this.name);
  }

  override right(out: Printer): void {
    out.open();
    if (this.explicitObject && this.parameters.length > 0) out.put('this ');
    out.list(this.parameters);
    out.close();
    if (this.result !== null) out.right(this.result);
    printQualifiers(out, this.qualifiers);
    out.put(this.reference);
    if (this.enableIf.length > 0) {
      out.put(' [enable_if:');
      out.list(this.enableIf);
      out.put(']');
    }
    printRequires(out, this.requirement, false);
  }
}

/** A template parameter that means an argument further on in the symbol: in the type of a conversion operator. */
export class ForwardReference extends Node {
  override readonly hasRight = ASK;
  override readonly isArray = ASK;
  override readonly isFunction = ASK;
  readonly index: number;
  /** What to print if no such argument comes, null if one must. */
  readonly fallback: Node | null;
  /** Set when the arguments have been read. */
  target: Node | null = null;
  #printing = false;

  constructor(index: number, fallback: Node | null) {
    super();
    this.index = index;
    this.fallback = fallback;
  }

  override left(out: Printer): void {
    if (this.#printing || this.target === null) return;
    this.#printing = true;
    out.left(this.target);
    this.#printing = false;
  }

  override right(out: Printer): void {
    if (this.#printing || this.target === null) return;
    this.#printing = true;
    out.right(this.target);
    this.#printing = false;
  }

  override actual(out: Printer): Node | null {
    if (this.#printing || this.target === null) return null;
    this.#printing = true;
    const actual = out.actual(this.target);
    this.#printing = false;
    return actual;
  }
}

export function printRequires(out: Printer, requirement: Node | null, spaceAfter: boolean): void {
  if (requirement === null) return;
  out.put(' requires ');
  out.print(requirement);
  if (spaceAfter) out.put(' ');
}
