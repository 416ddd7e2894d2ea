/** Nodes for template parameter packs and their expansion. */
import { type Answer, ASK, NO, Node, type Printer } from './node.ts';

/** An argument pack where it stands for one of its elements: the one the expansion around it is printing. */
export class ParameterPack extends Node {
  override readonly hasRight: Answer;
  override readonly isArray: Answer;
  override readonly isFunction: Answer;
  readonly elements: readonly Node[];

  constructor(elements: readonly Node[]) {
    super();
    // with no two-sided element there is nothing to ask
    this.hasRight = elements.every((element) => element.hasRight === NO) ? NO : ASK;
    this.isArray = elements.every((element) => element.isArray === NO) ? NO : ASK;
    this.isFunction = elements.every((element) => element.isFunction === NO) ? NO : ASK;
    this.elements = elements;
  }

  override left(out: Printer): void {
    const element = this.#element(out);
    if (element !== null) out.left(element);
  }

  override right(out: Printer): void {
    const element = this.#element(out);
    if (element !== null) out.right(element);
  }

  override actual(out: Printer): Node | null {
    const element = this.#element(out);
    return element === null ? null : out.actual(element);
  }

  /** The first pack met inside an expansion sets how often the expansion prints. */
  #element(out: Printer): Node | null {
    if (out.packSize < 0) {
      out.packSize = this.elements.length;
      out.packIndex = 0;
    }
    return this.elements[out.packIndex] ?? null;
  }
}

/** `T...` printed once for every element of the packs inside. */
export class PackExpansion extends Node {
  readonly pattern: Node;

  constructor(pattern: Node) {
    super();
    this.pattern = pattern;
  }

  override left(out: Printer): void {
    const { packIndex, packSize, length } = out;
    out.packIndex = -1;
    out.packSize = -1;
    out.print(this.pattern);
    const size = out.packSize; // set while printing the pattern
    if (size < 0) out.put('...');
    else if (size === 0) out.rewind(length);
    for (let index = 1; index < size; index++) {
      out.put(', ');
      out.packIndex = index;
      out.print(this.pattern);
    }
    out.packIndex = packIndex;
    out.packSize = packSize;
  }
}
