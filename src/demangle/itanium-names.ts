/** Names: plain, nested, local, of operators and constructors, in modules (5.1.2 to 5.1.6 of the Itanium ABI). */
import { ClosureType } from './function-nodes.ts';
import type { NameFacts } from './itanium-grammar.ts';
import { TypeGrammar } from './itanium-types.ts';
import {
  BindingNames,
  ConversionName,
  LocalName,
  ModuleEntity,
  ModuleName,
  Name,
  NestedName,
  PrefixedName,
  StandardName,
  StructorName,
  TaggedName,
  TemplateName,
  UnnamedType,
} from './name-nodes.ts';
import { type Node, UNREADABLE } from './node.ts';
import { OPERATORS } from './operators.ts';

const STD = new Name('std');
const STRING_LITERAL = new Name('string literal');

/** `<substitution> ::= Sa | Sb | ...`, short and in full. */
const STANDARD = new Map(
  [
    ['a', 'allocator', 'allocator'],
    ['b', 'basic_string', 'basic_string'],
    ['s', 'string', 'basic_string<char, std::char_traits<char>, std::allocator<char>>'],
    ['i', 'istream', 'basic_istream<char, std::char_traits<char>>'],
    ['o', 'ostream', 'basic_ostream<char, std::char_traits<char>>'],
    ['d', 'iostream', 'basic_iostream<char, std::char_traits<char>>'],
  ].map(([code, short, full]) => [code, new StandardName(short, full)]),
);

export abstract class NameGrammar extends TypeGrammar {
  /** `<name> ::= <nested-name> | <local-name> | <unscoped-name> [<template-args>]` */
  protected name(facts: NameFacts | null): Node {
    this.enter();
    const name = this.anyName(facts);
    this.leave();
    return name;
  }

  private anyName(facts: NameFacts | null): Node {
    if (this.peek() === 'N') return this.nestedName(facts);
    if (this.peek() === 'Z') return this.localName(facts);
    const { node, substituted } = this.unscopedName(facts);
    if (this.peek() === 'I') {
      if (!substituted) this.remember(node);
      const args = this.templateArguments(facts !== null);
      if (facts !== null) facts.endsWithArguments = true;
      return new TemplateName(node, args);
    }
    if (substituted) throw UNREADABLE; // a substitution is a name only with arguments behind it
    return node;
  }

  /** `[St] [<module>] <unqualified-name>`, or a substitution that the caller must make something of. */
  protected unscopedName(facts: NameFacts | null): { node: Node; substituted: boolean } {
    const scope = this.take('St') ? STD : null;
    let module: ModuleName | null = null;
    if (this.peek() === 'S') {
      const node = this.substitution();
      if (node instanceof ModuleName) module = node;
      else if (scope === null) return { node, substituted: true };
      else throw UNREADABLE;
    }
    return { node: this.unqualifiedName(facts, scope, module), substituted: false };
  }

  /** `N [H | <qualifiers> <ref-qualifier>] <prefix>* <unqualified-name> [<template-args>] E` */
  private nestedName(facts: NameFacts | null): Node {
    this.need('N');
    if (this.take('H')) {
      if (facts !== null) facts.explicitObject = true;
    } else {
      const qualifiers = this.qualifiers();
      const reference = this.refQualifier();
      if (facts !== null) Object.assign(facts, { qualifiers, reference });
    }
    let soFar: Node | null = null;
    while (!this.take('E')) {
      if (facts !== null) facts.endsWithArguments = false;
      const next: Node | null = this.nestedPart(facts, soFar);
      if (next === null) continue;
      soFar = next;
      this.take('M'); // a member initializer's scope is written like any other
    }
    if (soFar === null || this.substitutions.at(-1) !== soFar) throw UNREADABLE;
    this.substitutions.pop(); // the whole name is no prefix of anything yet
    return soFar;
  }

  /** One step of a nested name, remembered unless it is itself a substitution. */
  private nestedPart(facts: NameFacts | null, soFar: Node | null): Node | null {
    const first = this.peek();
    if (first === 'T') {
      if (soFar !== null) throw UNREADABLE;
      return this.remember(this.templateParameter());
    }
    if (first === 'I') {
      if (soFar === null || soFar instanceof TemplateName) throw UNREADABLE;
      const name = new TemplateName(soFar, this.templateArguments(facts !== null));
      if (facts !== null) facts.endsWithArguments = true;
      return this.remember(name);
    }
    if (first === 'D' && (this.peek(1) === 't' || this.peek(1) === 'T')) {
      if (soFar !== null) throw UNREADABLE;
      return this.remember(this.decltype());
    }
    let module: ModuleName | null = null;
    if (first === 'S') {
      const node = this.take('St') ? STD : this.substitution();
      if (node instanceof ModuleName) module = node;
      else if (soFar !== null) throw UNREADABLE;
      else return node;
    }
    return this.remember(this.unqualifiedName(facts, soFar, module));
  }

  /** `Z <encoding> E (<entity> | s | d [<number>] _ <entity>) [<discriminator>]` */
  private localName(facts: NameFacts | null): Node {
    this.need('Z');
    const encoding = this.encoding();
    this.need('E');
    if (this.take('s')) {
      this.discriminator();
      return new LocalName(encoding, STRING_LITERAL);
    }
    // template parameters inside have nothing to do with those around
    const { levels } = this;
    this.levels = [];
    let entity: Node;
    if (this.take('d')) {
      this.digits(true);
      this.need('_');
      entity = this.name(facts);
    } else {
      entity = this.name(facts);
      this.discriminator();
    }
    if (facts === null) this.levels = levels;
    return new LocalName(encoding, entity);
  }

  /** `_ <digit> | __ <digits> _`, and bare digits at the very end, which some compilers leave; not printed. */
  private discriminator(): void {
    if (this.peek() === '_') {
      if (this.peekDigit(1)) {
        this.at += 2;
      } else if (this.peek(1) === '_') {
        const { at } = this;
        this.at += 2;
        if (this.digits() === '' || !this.take('_')) this.at = at;
      }
    } else if (this.peekDigit()) {
      const { at } = this;
      this.digits();
      if (!this.done) this.at = at;
    }
  }

  /** `[<module>] [F] [L] (<source-name> | <operator> | <structor> | <unnamed> | DC <source-name>+ E) <abi-tag>*` */
  protected unqualifiedName(facts: NameFacts | null, scope: Node | null, module: ModuleName | null): Node {
    const within = this.moduleName(module);
    const friend = scope !== null && this.take('F');
    this.take('L'); // internal linkage
    let name: Node;
    const first = this.peek();
    const second = this.peek(1);
    if (this.peekDigit()) name = this.sourceName();
    else if (first === 'U') name = this.unnamedType(facts);
    else if (first === 'D' && second === 'C') {
      this.at += 2;
      name = new BindingNames(this.until('E', () => this.sourceName()));
    } else if (first === 'C' || first === 'D') {
      if (scope === null || within !== null) throw UNREADABLE;
      name = this.structor(facts, scope);
    } else name = this.operatorName(facts);
    if (within !== null) name = new ModuleEntity(within, name);
    name = this.abiTags(name);
    if (scope === null) return name;
    return new NestedName(structorScope(scope, name), name, friend ? '::friend ' : '::');
  }

  /** `(W [P] <source-name>)*` */
  private moduleName(module: ModuleName | null): ModuleName | null {
    let soFar = module;
    while (this.take('W')) {
      const partition = this.take('P');
      soFar = new ModuleName(soFar, this.sourceName(), partition);
      this.remember(soFar);
    }
    return soFar;
  }

  /** The module whose initializer a symbol is. */
  protected neededModule(): ModuleName {
    const module = this.moduleName(null);
    if (module === null) throw UNREADABLE;
    return module;
  }

  /** `<source-name> ::= <length> <identifier>` */
  protected sourceName(): Node {
    const identifier = this.identifier();
    return new Name(identifier.startsWith('_GLOBAL__N') ? '(anonymous namespace)' : identifier);
  }

  protected identifier(): string {
    const length = this.count();
    const start = this.at;
    if (length === 0 || start + length > this.symbol.length) throw UNREADABLE;
    this.at += length;
    return this.symbol.slice(start, this.at);
  }

  /** `<abi-tag> ::= B <source-name>` */
  protected abiTags(name: Node): Node {
    let tagged = name;
    while (this.take('B')) tagged = new TaggedName(tagged, this.identifier());
    return tagged;
  }

  /** `C (1..5) | CI (1..5) <base class> | D (0..5)` */
  private structor(facts: NameFacts | null, scope: Node): Node {
    const destructor = this.take('D');
    if (!destructor) this.need('C');
    const inherited = !destructor && this.take('I');
    const kind = this.peek();
    if (kind === '' || !(destructor ? '01245' : '12345').includes(kind)) throw UNREADABLE;
    this.at++;
    if (facts !== null) facts.isStructor = true;
    // the base it comes from is not printed
    if (inherited && this.peek() === 'S' && this.peek(1) !== 't') this.type();
    else if (inherited) this.name(facts);
    return new StructorName(spelledOut(scope), destructor);
  }

  /** `Ut [<n>] _`, `Ul ... E [<n>] _`, `Ub [<n>] _` */
  private unnamedType(facts: NameFacts | null): Node {
    if (facts !== null) this.levels = []; // parameters from here on are those of the function inside
    if (this.take('Ut')) {
      const count = this.digits();
      this.need('_');
      return new UnnamedType(count);
    }
    if (this.peek(1) === 'l') return this.closureType();
    this.need('Ub');
    this.digits();
    this.need('_');
    return new Name("'block-literal'");
  }

  /** `Ul <parameter declaration>* [Q <constraint>] <parameter>+ [Q <constraint>] E [<n>] _` */
  protected closureType(): ClosureType {
    this.need('Ul');
    const { lambdaLevel } = this;
    this.lambdaLevel = this.levels.length;
    const named: Node[] = [];
    const levels = this.pushLevel(named);
    const declared: Node[] = [];
    while (this.atParameterDeclaration()) declared.push(this.templateParameterDeclaration(named));
    // without declarations the first `auto` makes the level
    if (declared.length === 0) this.levels = levels.slice();
    const before = this.take('Q') ? this.constraint() : null;
    const parameters: Node[] = [];
    if (!this.take('v')) {
      do parameters.push(this.type());
      while (this.peek() !== 'E' && this.peek() !== 'Q');
    }
    const after = this.take('Q') ? this.constraint() : null;
    this.need('E');
    const count = this.digits();
    this.need('_');
    this.levels = levels;
    this.lambdaLevel = lambdaLevel;
    return new ClosureType(declared, before, parameters, after, count);
  }

  /** `<operator-name> ::= <two letters> | cv <type> | li <source-name> | v <digit> <source-name>` */
  protected operatorName(facts: NameFacts | null): Node {
    if (this.peek() === 'v' && this.peekDigit(1)) {
      this.at += 2;
      return new ConversionName(this.sourceName());
    }
    const code = this.symbol.slice(this.at, this.at + 2);
    if (code === 'cv') return this.conversion(facts);
    const operator = OPERATORS.get(code);
    if (operator === undefined || operator.name === null) throw UNREADABLE;
    this.at += 2;
    return code === 'li' ? new PrefixedName('operator"" ', this.sourceName()) : new Name(operator.name);
  }

  /** `cv <type>`: its template parameters may mean the arguments behind it. */
  private conversion(facts: NameFacts | null): Node {
    this.at += 2;
    const { argumentsFollowTypes, forwardAllowed } = this;
    this.argumentsFollowTypes = this.dialect.argumentsOfType;
    this.forwardAllowed ||= facts !== null;
    const type = this.type();
    this.argumentsFollowTypes = argumentsFollowTypes;
    this.forwardAllowed = forwardAllowed;
    if (facts !== null) facts.isStructor = true;
    return new ConversionName(type);
  }

  /** `<substitution> ::= S <seq-id> _ | S_ | Sa | Sb | ...` (`St` is read where names are) */
  protected substitution(): Node {
    this.need('S');
    const code = this.peek();
    const standard = STANDARD.get(code);
    if (standard !== undefined) {
      this.at++;
      const tagged = this.abiTags(standard);
      return tagged === standard ? standard : this.remember(tagged);
    }
    const index = this.sequenceId();
    if (index >= this.substitutions.length) throw UNREADABLE;
    return this.substitutions[index];
  }

  /** `[<digits and capitals, base 36>] _`; the bare `_` is 0, `0_` is 1. */
  private sequenceId(): number {
    if (this.take('_')) return 0;
    let id = 0;
    for (; ; this.at++) {
      const code = this.symbol.charCodeAt(this.at);
      const digit = code >= 0x30 && code <= 0x39 ? code - 0x30 : code >= 0x41 && code <= 0x5a ? code - 0x37 : -1;
      if (digit < 0) break;
      id = id * 36 + digit;
      if (id > this.substitutions.length) throw UNREADABLE;
    }
    this.need('_');
    return id + 1;
  }
}

/** `std::string`'s constructors are those of `std::basic_string<...>`. */
function spelledOut(scope: Node): Node {
  return scope instanceof StandardName ? new StandardName(scope.short, scope.full, true) : scope;
}

function structorScope(scope: Node, name: Node): Node {
  let inner = name;
  while (inner instanceof TaggedName) inner = inner.base;
  return inner instanceof StructorName ? spelledOut(scope) : scope;
}
