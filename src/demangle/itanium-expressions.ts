/** Expressions and literals (5.1.8 of the Itanium ABI). */
import {
  BinaryExpression,
  CallExpression,
  ConditionalExpression,
  ConversionExpression,
  EnclosingExpression,
  KeywordExpression,
  MemberExpression,
  NamedCast,
  NewExpression,
  PostfixExpression,
  PrefixExpression,
  SubscriptExpression,
} from './expression-nodes.ts';
import { LiteralGrammar } from './itanium-literals.ts';
import { ArgumentPack, Name, NestedName, PrefixedName, TemplateName } from './name-nodes.ts';
import { type Node, PRIMARY, UNREADABLE } from './node.ts';
import { type Operator, OPERATORS } from './operators.ts';
import { PackExpansion } from './pack-nodes.ts';
import {
  DesignatedInitializer,
  ExpressionRequirement,
  FoldExpression,
  InitializerList,
  PackSize,
  RequiresExpression,
  Subobject,
  WordRequirement,
} from './value-nodes.ts';

export abstract class ExpressionGrammar extends LiteralGrammar {
  protected expression(): Node {
    this.enter();
    const expression = this.anyExpression();
    this.leave();
    return expression;
  }

  private anyExpression(): Node {
    const global = this.take('gs');
    const operator = OPERATORS.get(this.symbol.slice(this.at, this.at + 2));
    if (operator !== undefined && operator.form !== 'name-only') {
      this.at += 2;
      return this.operation(operator, global);
    }
    switch (this.peek()) {
      case 'L':
        return this.expressionPrimary();
      case 'T':
        return this.templateParameter();
      case 'f':
        return this.peek(1) === 'p' || (this.peek(1) === 'L' && this.peekDigit(2))
          ? this.functionParameter()
          : this.fold();
      case 'u':
        return this.vendorExpression();
    }
    const code = this.symbol.slice(this.at, this.at + 2);
    const start = this.at;
    this.at += 2;
    switch (code) {
      case 'il':
        return new InitializerList(
          null,
          this.until('E', () => this.bracedExpression()),
        );
      case 'tl': {
        const type = this.type();
        return new InitializerList(
          type,
          this.until('E', () => this.bracedExpression()),
        );
      }
      case 'tr':
        return new Name('throw');
      case 'tw':
        return new KeywordExpression('throw ', this.expression(), PRIMARY);
      case 'sp':
        return new PackExpansion(this.expression());
      case 'sZ':
        if (this.peek() === 'T') return new PackSize(this.templateParameter());
        return new EnclosingExpression('sizeof... ', this.functionParameter(), PRIMARY);
      case 'sP': {
        const args = this.until('E', () => this.templateArgument());
        return new EnclosingExpression('sizeof... ', new ArgumentPack(args), PRIMARY);
      }
      case 'so':
        return this.subobject();
      case 'mc': {
        const type = this.type();
        const member = this.expression();
        this.digits(true);
        this.need('E');
        return new ConversionExpression(type, [member]);
      }
      case 'rq':
      case 'rQ':
        return this.requiresExpression(code === 'rQ');
    }
    this.at = start;
    return this.unresolvedName(global);
  }

  /** What stands behind the two letters of an operator. */
  private operation(operator: Operator, global: boolean): Node {
    const { symbol, precedence } = operator;
    switch (operator.form) {
      case 'binary': {
        const left = this.expression();
        return new BinaryExpression(left, symbol, this.expression(), precedence);
      }
      case 'prefix':
        return new PrefixExpression(symbol, this.expression(), precedence);
      case 'postfix':
        if (this.take('_')) return new PrefixExpression(symbol, this.expression(), precedence);
        return new PostfixExpression(this.expression(), symbol, precedence);
      case 'subscript': {
        const array = this.expression();
        return new SubscriptExpression(array, this.expression(), precedence);
      }
      case 'member': {
        const object = this.expression();
        return new MemberExpression(object, symbol, this.expression(), precedence);
      }
      case 'call': {
        const callee = this.expression();
        const args = this.until('E', () => this.expression());
        return new CallExpression(callee, args, operator === OPERATORS.get('cp'));
      }
      case 'new':
        return this.newExpression(symbol, global);
      case 'delete':
        return new KeywordExpression(`${global ? '::' : ''}${symbol} `, this.expression(), precedence);
      case 'cast': {
        const { argumentsFollowTypes } = this;
        this.argumentsFollowTypes = false;
        const type = this.type();
        this.argumentsFollowTypes = argumentsFollowTypes;
        const operands = this.take('_') ? this.until('E', () => this.expression()) : [this.expression()];
        return new ConversionExpression(type, operands);
      }
      case 'named-cast': {
        const type = this.type();
        return new NamedCast(symbol, type, this.expression());
      }
      case 'of-type':
        return new EnclosingExpression(symbol, this.type(), precedence);
      case 'of-value':
        return new EnclosingExpression(symbol, this.expression(), precedence);
      case 'conditional': {
        const condition = this.expression();
        const then = this.expression();
        return new ConditionalExpression(condition, then, this.expression());
      }
      case 'name-only':
        throw UNREADABLE;
    }
  }

  /** `[gs] nw <placement>* _ <type> (E | pi <expression>* E | il <braced>* E)` */
  private newExpression(symbol: string, global: boolean): Node {
    const word = (global ? '::' : '') + symbol;
    const placement = this.until('_', () => this.expression());
    const type = this.type();
    if (this.take('pi')) {
      return new NewExpression(
        word,
        placement,
        type,
        this.until('E', () => this.expression()),
      );
    }
    if (this.symbol.startsWith('il', this.at)) {
      const list = this.expression() as InitializerList;
      return new NewExpression(word, placement, new InitializerList(type, list.elements), []);
    }
    this.need('E');
    return new NewExpression(word, placement, type, []);
  }

  /** `<braced-expression> ::= <expression> | di <field> <braced> | dx <index> <braced> | dX <from> <to> <braced>` */
  private bracedExpression(): Node {
    const kind = this.peek() === 'd' ? this.peek(1) : '';
    if (kind !== 'i' && kind !== 'x' && kind !== 'X') return this.expression();
    this.enter();
    this.at += 2;
    const from = kind === 'i' ? this.sourceName() : this.expression();
    const to = kind === 'X' ? this.expression() : null;
    const designated = new DesignatedInitializer(from, to, kind === 'i', this.bracedExpression());
    this.leave();
    return designated;
  }

  /** `(fl | fr | fL | fR) <operator> <expression> [<expression>]` */
  private fold(): Node {
    const kind = this.peek(1);
    if (this.peek() !== 'f' || kind === '' || !'lrLR'.includes(kind)) throw UNREADABLE;
    const operator = OPERATORS.get(this.symbol.slice(this.at + 2, this.at + 4));
    if (operator === undefined) throw UNREADABLE;
    const isPointer = operator.symbol === '.*' || operator.symbol === '->*';
    if (operator.form !== 'binary' && !isPointer) throw UNREADABLE;
    this.at += 4;
    let pack = this.expression();
    let start: Node | null = null;
    if (kind === 'L' || kind === 'R') start = this.expression();
    if (kind === 'L' && start !== null) [pack, start] = [start, pack];
    return new FoldExpression(operator.symbol, kind === 'l' || kind === 'L', pack, start);
  }

  /** `fpT | fp <qualifiers> [<n>] _ | fL <level> p <qualifiers> [<n>] _` */
  private functionParameter(): Node {
    if (this.take('fpT')) return new Name('this');
    if (this.take('fL')) {
      if (this.digits() === '') throw UNREADABLE;
      this.need('p');
    } else this.need('fp');
    this.qualifiers();
    const number = this.digits();
    this.need('_');
    return new Name(`fp${number}`);
  }

  /** `u <source-name> <template-arg>* E`, and the older `u8__uuidof (t <type> | z <expression>)` */
  private vendorExpression(): Node {
    this.need('u');
    const name = this.sourceName();
    if (name.baseName() === '__uuidof') {
      if (this.take('t')) return new CallExpression(name, [this.type()]);
      if (this.take('z')) return new CallExpression(name, [this.expression()]);
    }
    return new CallExpression(
      name,
      this.until('E', () => this.templateArgument()),
    );
  }

  /** `so <type> <object> [<offset>] (_ [<n>])* [p] E`: of unions, which member; past the end */
  private subobject(): Node {
    const type = this.type();
    const object = this.expression();
    const offset = this.digits(true);
    while (this.take('_')) this.digits();
    this.take('p');
    this.need('E');
    return new Subobject(type, object, offset === '' ? '0' : offset.replace('n', '-'));
  }

  /** `rq <requirement>+ E | rQ <parameter>* _ <requirement>+ E` */
  private requiresExpression(withParameters: boolean): Node {
    const parameters = withParameters ? this.until('_', () => this.type()) : [];
    const requirements = this.until('E', () => this.requirement());
    return new RequiresExpression(parameters, requirements);
  }

  /** `X <expression> [N] [R <concept>] | T <type> | Q <constraint>` */
  private requirement(): Node {
    if (this.take('X')) {
      const value = this.expression();
      const isNoexcept = this.take('N');
      return new ExpressionRequirement(value, isNoexcept, this.take('R') ? this.name(null) : null);
    }
    if (this.take('T')) return new WordRequirement('typename', this.type());
    this.need('Q');
    return new WordRequirement('requires', this.constraint());
  }

  /** `[gs] <base> | [gs] sr <level>+ E <base> | srN <type> <level>+ E <base> | sr <type> <base>` */
  private unresolvedName(global: boolean): Node {
    if (!this.take('sr')) {
      const base = this.baseUnresolvedName();
      return global ? new PrefixedName('::', base) : base;
    }
    let scope: Node;
    if (this.dialect.gnu) scope = this.type();
    else if (this.take('N')) scope = this.innerScope(this.unresolvedType());
    else if (this.peekDigit()) {
      const outermost = this.simpleId();
      scope = this.innerScope(global ? new PrefixedName('::', outermost) : outermost);
    } else scope = this.unresolvedType();
    return new NestedName(scope, this.baseUnresolvedName());
  }

  private innerScope(outermost: Node): Node {
    let scope = outermost;
    while (!this.take('E')) scope = new NestedName(scope, this.simpleId());
    return scope;
  }

  /** `<unresolved-type> ::= <template-param> [<args>] | <decltype> | <substitution> [<args>]` */
  private unresolvedType(): Node {
    const first = this.peek();
    let type: Node;
    if (first === 'T') type = this.remember(this.templateParameter());
    else if (first === 'D') type = this.remember(this.decltype());
    else type = this.substitution();
    return this.peek() === 'I' ? new TemplateName(type, this.templateArguments(false)) : type;
  }

  /** `<simple-id> ::= <source-name> [<template-args>]` */
  private simpleId(): Node {
    const name = this.sourceName();
    return this.peek() === 'I' ? new TemplateName(name, this.templateArguments(false)) : name;
  }

  /** `<simple-id> | on <operator-name> [<template-args>] | dn (<unresolved-type> | <simple-id>)` */
  private baseUnresolvedName(): Node {
    if (this.peekDigit()) return this.simpleId();
    if (this.take('dn')) {
      return new PrefixedName('~', this.peekDigit() ? this.simpleId() : this.unresolvedType());
    }
    this.take('on');
    const name = this.operatorName(null);
    return this.peek() === 'I' ? new TemplateName(name, this.templateArguments(false)) : name;
  }
}
