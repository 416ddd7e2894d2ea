/** Nodes for C++ names, from identifiers up to whole functions. */
import { type Answer, Node, type Printer } from './node.ts';

/** An identifier, a builtin type, an operator: text as it is. */
export class Name extends Node {
  readonly text: string;

  constructor(text: string) {
    super();
    this.text = text;
  }

  override left(out: Printer): void {
    out.put(this.text);
  }

  override baseName(): string {
    return this.text;
  }
}

/** `std::string` and its kin, which have an abbreviation of their own. As the class of a constructor they are spelt out. */
export class StandardName extends Node {
  /** Without `std::`. */
  readonly short: string;
  readonly full: string;
  readonly spelledOut: boolean;

  constructor(short: string, full: string, spelledOut = false) {
    super();
    this.short = short;
    this.full = full;
    this.spelledOut = spelledOut;
  }

  override left(out: Printer): void {
    out.put('std::');
    out.put(this.spelledOut ? this.full : this.short);
  }

  override baseName(): string {
    const name = this.spelledOut ? this.full : this.short;
    const args = name.indexOf('<');
    return args < 0 ? name : name.slice(0, args);
  }
}

/** `scope::name`, with an optional word before the name (`friend`). */
export class NestedName extends Node {
  readonly scope: Node;
  readonly name: Node;
  readonly join: string;

  constructor(scope: Node, name: Node, join = '::') {
    super();
    this.scope = scope;
    this.name = name;
    this.join = join;
  }

  override left(out: Printer): void {
    out.print(this.scope);
    out.put(this.join);
    out.print(this.name);
  }

  override baseName(): string {
    return this.name.baseName();
  }
}

/** `function()::name`. */
export class LocalName extends Node {
  readonly encoding: Node;
  readonly entity: Node;

  constructor(encoding: Node, entity: Node) {
    super();
    this.encoding = encoding;
    this.entity = entity;
  }

  override left(out: Printer): void {
    out.print(this.encoding);
    out.put('::');
    out.print(this.entity);
  }
}

/** A module's name, `a.b:part`. */
export class ModuleName extends Node {
  readonly parent: Node | null;
  readonly name: Node;
  readonly partition: boolean;

  constructor(parent: Node | null, name: Node, partition: boolean) {
    super();
    this.parent = parent;
    this.name = name;
    this.partition = partition;
  }

  override left(out: Printer): void {
    if (this.parent !== null) out.print(this.parent);
    if (this.partition) out.put(':');
    else if (this.parent !== null) out.put('.');
    out.print(this.name);
  }
}

/** `name@module`. */
export class ModuleEntity extends Node {
  readonly module: ModuleName;
  readonly name: Node;

  constructor(module: ModuleName, name: Node) {
    super();
    this.module = module;
    this.name = name;
  }

  override left(out: Printer): void {
    out.print(this.name);
    out.put('@');
    out.print(this.module);
  }

  override baseName(): string {
    return this.name.baseName();
  }
}

/** `name[abi:tag]`. */
export class TaggedName extends Node {
  override readonly hasRight: Answer;
  override readonly isArray: Answer;
  override readonly isFunction: Answer;
  readonly base: Node;
  readonly tag: string;

  constructor(base: Node, tag: string) {
    super();
    this.hasRight = base.hasRight;
    this.isArray = base.isArray;
    this.isFunction = base.isFunction;
    this.base = base;
    this.tag = tag;
  }

  override left(out: Printer): void {
    out.left(this.base);
    out.put(`[abi:${this.tag}]`);
  }

  override decider(): Node {
    return this.base;
  }

  override baseName(): string {
    return this.base.baseName();
  }
}

/** `name<arguments>`. */
export class TemplateName extends Node {
  readonly name: Node;
  readonly args: Node;

  constructor(name: Node, args: Node) {
    super();
    this.name = name;
    this.args = args;
  }

  override left(out: Printer): void {
    out.print(this.name);
    out.print(this.args);
  }

  override baseName(): string {
    return this.name.baseName();
  }
}

/** `<arguments>`. What they require is not part of what a reader knows the name by, and is left out. */
export class TemplateArguments extends Node {
  readonly args: readonly Node[];

  constructor(args: readonly Node[]) {
    super();
    this.args = args;
  }

  override left(out: Printer): void {
    const { brackets } = out;
    out.brackets = 0;
    out.put('<');
    out.list(this.args);
    out.put('>');
    out.brackets = brackets;
  }
}

/** Several arguments given for one parameter. */
export class ArgumentPack extends Node {
  readonly elements: readonly Node[];

  constructor(elements: readonly Node[]) {
    super();
    this.elements = elements;
  }

  override left(out: Printer): void {
    out.list(this.elements);
  }
}

/** A constructor, or with `~` a destructor: called what its class is called. */
export class StructorName extends Node {
  readonly owner: Node;
  readonly destructor: boolean;

  constructor(owner: Node, destructor: boolean) {
    super();
    this.owner = owner;
    this.destructor = destructor;
  }

  override left(out: Printer): void {
    if (this.destructor) out.put('~');
    out.put(this.owner.baseName());
  }
}

/** `operator T`, the conversion to a type. */
export class ConversionName extends Node {
  readonly type: Node;

  constructor(type: Node) {
    super();
    this.type = type;
  }

  override left(out: Printer): void {
    out.put('operator ');
    out.print(this.type);
  }
}

/** A word or two before a node: `vtable for X`, `~T`, `::name`. */
export class PrefixedName extends Node {
  readonly prefix: string;
  readonly child: Node;

  constructor(prefix: string, child: Node) {
    super();
    this.prefix = prefix;
    this.child = child;
  }

  override left(out: Printer): void {
    out.put(this.prefix);
    out.print(this.child);
  }
}

/** `construction vtable for A-in-B`. */
export class ConstructionVtable extends Node {
  readonly base: Node;
  readonly derived: Node;

  constructor(base: Node, derived: Node) {
    super();
    this.base = base;
    this.derived = derived;
  }

  override left(out: Printer): void {
    out.put('construction vtable for ');
    out.print(this.base);
    out.put('-in-');
    out.print(this.derived);
  }
}

/** `[a, b]`, the names of a structured binding. */
export class BindingNames extends Node {
  readonly names: readonly Node[];

  constructor(names: readonly Node[]) {
    super();
    this.names = names;
  }

  override left(out: Printer): void {
    out.open('[');
    out.list(this.names);
    out.close(']');
  }
}

/** `'unnamed0'`. */
export class UnnamedType extends Node {
  readonly count: string;

  constructor(count: string) {
    super();
    this.count = count;
  }

  override left(out: Printer): void {
    out.put(`'unnamed${this.count}'`);
  }
}
