/** Template arguments and parameters (5.1.4, 5.1.7 of the Itanium ABI). */
import { ForwardReference } from './function-nodes.ts';
import { ItaniumGrammar, type TemplateLevels } from './itanium-grammar.ts';
import { ArgumentPack, Name, TemplateArguments } from './name-nodes.ts';
import { type Node, UNREADABLE } from './node.ts';
import { ParameterPack } from './pack-nodes.ts';
import { ConstrainedParameter, PackParameter, TemplateTemplateParameter, ValueParameter } from './parameter-nodes.ts';

const MADE_UP_NAMES = ['$T', '$N', '$TT']; // of type, value and template parameters, which have none in a symbol
const AUTO = new Name('auto');

export abstract class TemplateGrammar extends ItaniumGrammar {
  /**
   * `<template-args> ::= I <template-arg>* [Q <constraint>] E`
   *
   * @param inForce these are the arguments of the entity being named, which its template parameters mean from here on
   */
  protected templateArguments(inForce: boolean): Node {
    this.need('I');
    this.enter();
    const { argumentsFollowTypes } = this;
    this.argumentsFollowTypes = true;
    const outermost: Node[] = [];
    if (inForce) this.levels = [outermost];
    const args: Node[] = [];
    while (!this.take('E')) {
      const arg = this.templateArgument();
      args.push(arg);
      if (inForce) outermost.push(arg instanceof ArgumentPack ? new ParameterPack(arg.elements) : arg);
      if (!this.take('Q')) continue;
      this.constraint();
      this.need('E');
      break;
    }
    this.argumentsFollowTypes = argumentsFollowTypes;
    this.leave();
    return new TemplateArguments(args);
  }

  /** `<template-arg> ::= <type> | X <expression> E | <expr-primary> | J <template-arg>* E | <parameter declaration> <template-arg>` */
  protected templateArgument(): Node {
    this.enter();
    const arg = this.anyTemplateArgument();
    this.leave();
    return arg;
  }

  private anyTemplateArgument(): Node {
    switch (this.peek()) {
      case 'X': {
        this.at++;
        const value = this.expression();
        this.need('E');
        return value;
      }
      case 'I': // before `J` there was
      case 'J':
        this.at++;
        return new ArgumentPack(this.until('E', () => this.templateArgument()));
      case 'L': {
        if (this.peek(1) !== 'Z') return this.expressionPrimary();
        this.at += 2;
        const entity = this.encoding();
        this.need('E');
        return entity;
      }
      case 'T':
        if (!this.atParameterDeclaration()) return this.type();
        this.undisplayedDeclaration();
        return this.templateArgument();
      default:
        return this.type();
    }
  }

  /**
   * A declaration that only tells overloads apart. It may name the argument it stands before, and parameters of templates
   * around, which are not known; a substitution further on may mean any of them.
   */
  private undisplayedDeclaration(): void {
    const { parametersUnknown, forwardAllowed } = this;
    this.parametersUnknown = true;
    this.forwardAllowed = true;
    this.templateParameterDeclaration([]);
    this.parametersUnknown = parametersUnknown;
    this.forwardAllowed = forwardAllowed;
  }

  /** `<template-param> ::= T_ | T <n> _ | TL <level> __ | TL <level> _ <n> _` */
  protected templateParameter(): Node {
    const start = this.at;
    this.need('T');
    let level = 0;
    if (this.take('L')) {
      level = this.count() + 1;
      this.need('_');
    }
    let index = 0;
    if (!this.take('_')) {
      index = this.count() + 1;
      this.need('_');
    }
    const asNumbered = this.parametersUnknown ? new Name(this.symbol.slice(start, this.at - 1)) : null;
    if (this.forwardAllowed && level === 0) {
      const reference = new ForwardReference(index, asNumbered);
      this.forward.push(reference);
      return reference;
    }
    if (asNumbered !== null) return asNumbered;
    const known = this.levels.at(level)?.[index];
    if (level < this.levels.length && known !== undefined) return known;
    if (this.lambdaLevel === level && level <= this.levels.length) {
      if (level === this.levels.length) this.levels.push(null);
      return AUTO;
    }
    throw UNREADABLE;
  }

  /** Whether a `T` here begins a declaration rather than a use. */
  protected atParameterDeclaration(): boolean {
    if (this.peek() !== 'T') return false;
    const kind = this.peek(1);
    return kind !== '' && 'yptnk'.includes(kind);
  }

  /**
   * `<template-param-decl> ::= Ty | Tk <concept> | Tn <type> | Tt <declaration>* E | Tp <declaration>`
   *
   * @param named receives the parameter, by the name made up for it
   */
  protected templateParameterDeclaration(named: Node[]): Node {
    this.enter();
    const declaration = this.anyParameterDeclaration(named);
    this.leave();
    return declaration;
  }

  private anyParameterDeclaration(named: Node[]): Node {
    this.need('T');
    const kind = this.peek();
    this.at++;
    switch (kind) {
      case 'y':
        return new ConstrainedParameter(null, this.makeUpName(0, named));
      case 'k': {
        const concept = this.name(null);
        return new ConstrainedParameter(concept, this.makeUpName(0, named));
      }
      case 'n': {
        const name = this.makeUpName(1, named);
        return new ValueParameter(name, this.type());
      }
      case 't': {
        const name = this.makeUpName(2, named);
        const inner: Node[] = [];
        const parameters: Node[] = [];
        let requirement: Node | null = null;
        const levels = this.pushLevel(inner);
        while (!this.take('E')) {
          parameters.push(this.templateParameterDeclaration(inner));
          if (!this.take('Q')) continue;
          requirement = this.constraint();
          this.need('E');
          break;
        }
        this.levels = levels;
        return new TemplateTemplateParameter(name, parameters, requirement);
      }
      case 'p':
        return new PackParameter(this.templateParameterDeclaration(named));
      default:
        throw UNREADABLE;
    }
  }

  /** Puts a level of parameters in force; the caller restores what this returns. */
  protected pushLevel(parameters: Node[]): TemplateLevels {
    const { levels } = this;
    this.levels = [...levels, parameters];
    return levels;
  }

  private makeUpName(kind: number, named: Node[]): Node {
    const n = this.madeUp[kind]++;
    const name = new Name(MADE_UP_NAMES[kind] + (n === 0 ? '' : String(n - 1)));
    named.push(name);
    return name;
  }

  /** `<constraint-expression>`: may name parameters of every enclosing template, so they stay as numbered. */
  protected constraint(): Node {
    const { parametersUnknown, forwardAllowed } = this;
    this.parametersUnknown = true;
    this.forwardAllowed = false;
    const expression = this.expression();
    this.parametersUnknown = parametersUnknown;
    this.forwardAllowed = forwardAllowed;
    return expression;
  }
}
