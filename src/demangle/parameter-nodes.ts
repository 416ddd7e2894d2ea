/** Nodes for the template parameters a lambda declares. */
import { printRequires } from './function-nodes.ts';
import { Node, type Printer, YES } from './node.ts';

/** `typename $T`, `Concept $T`. */
export class ConstrainedParameter extends Node {
  override readonly hasRight = YES;
  readonly concept: Node | null;
  readonly name: Node;

  constructor(concept: Node | null, name: Node) {
    super();
    this.concept = concept;
    this.name = name;
  }

  override left(out: Printer): void {
    if (this.concept === null) out.put('typename');
    else out.print(this.concept);
    out.put(' ');
  }

  override right(out: Printer): void {
    out.print(this.name);
  }
}

/** `int $N`. */
export class ValueParameter extends Node {
  override readonly hasRight = YES;
  readonly name: Node;
  readonly type: Node;

  constructor(name: Node, type: Node) {
    super();
    this.name = name;
    this.type = type;
  }

  override left(out: Printer): void {
    out.left(this.type);
    if (!out.hasRight(this.type)) out.put(' ');
  }

  override right(out: Printer): void {
    out.print(this.name);
    out.right(this.type);
  }
}

/** `template<typename $T> typename $TT`. */
export class TemplateTemplateParameter extends Node {
  override readonly hasRight = YES;
  readonly name: Node;
  readonly parameters: readonly Node[];
  readonly requirement: Node | null;

  constructor(name: Node, parameters: readonly Node[], requirement: Node | null) {
    super();
    this.name = name;
    this.parameters = parameters;
    this.requirement = requirement;
  }

  override left(out: Printer): void {
    const { brackets } = out;
    out.brackets = 0;
    out.put('template<');
    out.list(this.parameters);
    out.put('> typename ');
    out.brackets = brackets;
  }

  override right(out: Printer): void {
    out.print(this.name);
    printRequires(out, this.requirement, false);
  }
}

/** `typename ...$T`. */
export class PackParameter extends Node {
  override readonly hasRight = YES;
  readonly parameter: Node;

  constructor(parameter: Node) {
    super();
    this.parameter = parameter;
  }

  override left(out: Printer): void {
    out.left(this.parameter);
    out.put('...');
  }

  override right(out: Printer): void {
    out.right(this.parameter);
  }
}
