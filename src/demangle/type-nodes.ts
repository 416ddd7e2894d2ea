/** Nodes for C++ types. */
import { type Answer, Node, type Printer, UNREADABLE, YES } from './node.ts';

/** Bits of a qualifier set, printed in this order. */
export const CONST = 1;
export const VOLATILE = 2;
export const RESTRICT = 4;

/** What follows a member function's parameters: `&` or `&&`. */
export type RefQualifier = '' | ' &' | ' &&';

export function printQualifiers(out: Printer, qualifiers: number): void {
  if (qualifiers & CONST) out.put(' const');
  if (qualifiers & VOLATILE) out.put(' volatile');
  if (qualifiers & RESTRICT) out.put(' restrict');
}

/** `int const volatile`. */
export class QualifiedType extends Node {
  override readonly hasRight: Answer;
  override readonly isArray: Answer;
  override readonly isFunction: Answer;
  readonly child: Node;
  readonly qualifiers: number;

  constructor(child: Node, qualifiers: number) {
    super();
    this.hasRight = child.hasRight;
    this.isArray = child.isArray;
    this.isFunction = child.isFunction;
    this.child = child;
    this.qualifiers = qualifiers;
  }

  override left(out: Printer): void {
    out.left(this.child);
    printQualifiers(out, this.qualifiers);
  }

  override decider(): Node {
    return this.child;
  }

  override right(out: Printer): void {
    out.right(this.child);
  }
}

/** A vendor's qualifier: `int AS1`, `T name<args>`. */
export class VendorQualifiedType extends Node {
  readonly child: Node;
  readonly qualifier: string;
  readonly args: Node | null;

  constructor(child: Node, qualifier: string, args: Node | null) {
    super();
    this.child = child;
    this.qualifier = qualifier;
    this.args = args;
  }

  override left(out: Printer): void {
    out.print(this.child);
    out.put(' ');
    out.put(this.qualifier);
    if (this.args !== null) out.print(this.args);
  }
}

/** `struct X`, where a tag was needed to tell it from something else of that name. */
export class ElaboratedType extends Node {
  readonly tag: string;
  readonly child: Node;

  constructor(tag: string, child: Node) {
    super();
    this.tag = tag;
    this.child = child;
  }

  override left(out: Printer): void {
    out.put(this.tag);
    out.put(' ');
    out.print(this.child);
  }
}

/** `double complex`: a word behind the type. */
export class SuffixedType extends Node {
  readonly child: Node;
  readonly suffix: string;

  constructor(child: Node, suffix: string) {
    super();
    this.child = child;
    this.suffix = suffix;
  }

  override left(out: Printer): void {
    out.left(this.child);
    out.put(this.suffix);
  }
}

/** `__remove_pointer(T)`: a type transformation of the compiler left standing. */
export class TransformedType extends Node {
  readonly transform: string;
  readonly base: Node;

  constructor(transform: string, base: Node) {
    super();
    this.transform = transform;
    this.base = base;
  }

  override left(out: Printer): void {
    out.put(this.transform);
    out.put('(');
    out.print(this.base);
    out.put(')');
  }
}

/** `decltype(expression)`, `noexcept(expression)`, `_BitInt(n)`: a word around something. */
export class EnclosedNode extends Node {
  readonly before: string;
  readonly child: Node;

  constructor(before: string, child: Node) {
    super();
    this.before = before;
    this.child = child;
  }

  override left(out: Printer): void {
    out.put(this.before);
    out.open();
    out.print(this.child);
    out.close();
  }
}

/** An Objective-C object type with a protocol: `objc_object<P>`, and `id<P>` behind a pointer. */
export class ProtocolType extends Node {
  readonly child: Node;
  readonly protocol: string;

  constructor(child: Node, protocol: string) {
    super();
    this.child = child;
    this.protocol = protocol;
  }

  get isObject(): boolean {
    return this.child.baseName() === 'objc_object';
  }

  override left(out: Printer): void {
    out.print(this.child);
    out.put(`<${this.protocol}>`);
  }
}

/** `T*`. */
export class PointerType extends Node {
  override readonly hasRight: Answer;
  readonly pointee: Node;

  constructor(pointee: Node) {
    super();
    this.hasRight = pointee.hasRight;
    this.pointee = pointee;
  }

  override left(out: Printer): void {
    const { pointee } = this;
    if (pointee instanceof ProtocolType && pointee.isObject) {
      out.put(`id<${pointee.protocol}>`);
      return;
    }
    out.left(pointee);
    openDeclarator(out, pointee);
    out.put('*');
  }

  override decider(): Node {
    return this.pointee;
  }

  override right(out: Printer): void {
    if (this.pointee instanceof ProtocolType && this.pointee.isObject) return;
    closeDeclarator(out, this.pointee);
    out.right(this.pointee);
  }
}

/** `T&` and `T&&`. A reference to a reference, which template arguments make, is one reference: `&` wins. */
export class ReferenceType extends Node {
  override readonly hasRight: Answer;
  readonly pointee: Node;
  readonly rvalue: boolean;
  #printing = false;

  constructor(pointee: Node, rvalue: boolean) {
    super();
    this.hasRight = pointee.hasRight;
    this.pointee = pointee;
    this.rvalue = rvalue;
  }

  override left(out: Printer): void {
    if (this.#printing) return;
    this.#printing = true;
    const { pointee, rvalue } = this.#collapsed(out);
    out.left(pointee);
    openDeclarator(out, pointee);
    out.put(rvalue ? '&&' : '&');
    this.#printing = false;
  }

  override decider(): Node {
    return this.pointee;
  }

  override right(out: Printer): void {
    if (this.#printing) return;
    this.#printing = true;
    const { pointee } = this.#collapsed(out);
    closeDeclarator(out, pointee);
    out.right(pointee);
    this.#printing = false;
  }

  #collapsed(out: Printer): { pointee: Node; rvalue: boolean } {
    let { pointee, rvalue } = this;
    for (let steps = 0; ; steps++) {
      if (steps > 1000) throw UNREADABLE; // references that name each other in a circle
      const actual = out.actual(pointee);
      if (!(actual instanceof ReferenceType)) return { pointee, rvalue };
      pointee = actual.pointee;
      rvalue &&= actual.rvalue;
    }
  }
}

/** `T C::*`. */
export class MemberPointerType extends Node {
  override readonly hasRight: Answer;
  readonly owner: Node;
  readonly member: Node;

  constructor(owner: Node, member: Node) {
    super();
    this.hasRight = member.hasRight;
    this.owner = owner;
    this.member = member;
  }

  override left(out: Printer): void {
    out.left(this.member);
    if (out.isArray(this.member) || out.isFunction(this.member)) out.put('(');
    else out.put(' ');
    out.print(this.owner);
    out.put('::*');
  }

  override decider(): Node {
    return this.member;
  }

  override right(out: Printer): void {
    closeDeclarator(out, this.member);
    out.right(this.member);
  }
}

/** `T [n]`. */
export class ArrayType extends Node {
  override readonly hasRight = YES;
  override readonly isArray = YES;
  readonly element: Node;
  readonly dimension: Node | null;

  constructor(element: Node, dimension: Node | null) {
    super();
    this.element = element;
    this.dimension = dimension;
  }

  override left(out: Printer): void {
    out.left(this.element);
  }

  override right(out: Printer): void {
    if (out.last !== 0x5d) out.put(' '); // `]`: a further dimension follows without a space
    out.put('[');
    if (this.dimension !== null) out.print(this.dimension);
    out.put(']');
    out.right(this.element);
  }
}

/** `float vector[4]`. */
export class VectorType extends Node {
  readonly element: Node;
  readonly dimension: Node | null;

  constructor(element: Node, dimension: Node | null) {
    super();
    this.element = element;
    this.dimension = dimension;
  }

  override left(out: Printer): void {
    out.print(this.element);
    out.put(' vector[');
    if (this.dimension !== null) out.print(this.dimension);
    out.put(']');
  }
}

/** `R (P...) const & noexcept`. */
export class FunctionType extends Node {
  override readonly hasRight = YES;
  override readonly isFunction = YES;
  readonly result: Node;
  readonly parameters: readonly Node[];
  readonly qualifiers: number;
  readonly reference: RefQualifier;
  readonly exceptions: Node | null;

  constructor(
    result: Node,
    parameters: readonly Node[],
    qualifiers: number,
    reference: RefQualifier,
    exceptions: Node | null,
  ) {
    super();
    this.result = result;
    this.parameters = parameters;
    this.qualifiers = qualifiers;
    this.reference = reference;
    this.exceptions = exceptions;
  }

  override left(out: Printer): void {
    out.left(this.result);
    out.put(' ');
  }

  override right(out: Printer): void {
    out.open();
    out.list(this.parameters);
    out.close();
    out.right(this.result);
    printQualifiers(out, this.qualifiers);
    out.put(this.reference);
    if (this.exceptions !== null) {
      out.put(' ');
      out.print(this.exceptions);
    }
  }
}

/** `throw(A, B)`. */
export class ThrowSpecification extends Node {
  readonly thrown: readonly Node[];

  constructor(thrown: readonly Node[]) {
    super();
    this.thrown = thrown;
  }

  override left(out: Printer): void {
    out.put('throw');
    out.open();
    out.list(this.thrown);
    out.close();
  }
}

function openDeclarator(out: Printer, inner: Node): void {
  const array = out.isArray(inner);
  if (array) out.put(' ');
  if (array || out.isFunction(inner)) out.put('(');
}

function closeDeclarator(out: Printer, inner: Node): void {
  if (out.isArray(inner) || out.isFunction(inner)) out.put(')');
}
