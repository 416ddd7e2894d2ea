/** Types (5.1.5 of the Itanium ABI). */
import { TemplateGrammar } from './itanium-templates.ts';
import { Name, TemplateName } from './name-nodes.ts';
import { type Node, UNREADABLE } from './node.ts';
import { PackExpansion } from './pack-nodes.ts';
import {
  ArrayType,
  CONST,
  ElaboratedType,
  EnclosedNode,
  FunctionType,
  MemberPointerType,
  PointerType,
  ProtocolType,
  QualifiedType,
  ReferenceType,
  RESTRICT,
  SuffixedType,
  ThrowSpecification,
  TransformedType,
  VectorType,
  VendorQualifiedType,
  VOLATILE,
} from './type-nodes.ts';

const BUILTIN = names(
  'v void|w wchar_t|b bool|c char|a signed char|h unsigned char|s short|t unsigned short|i int|j unsigned int|l long|' +
    'm unsigned long|x long long|y unsigned long long|n __int128|o unsigned __int128|f float|d double|e long double|' +
    'g __float128|z ...',
);

/** After `D`. */
const BUILTIN_D = names(
  'd decimal64|e decimal128|f decimal32|h half|i char32_t|s char16_t|u char8_t|a auto|c decltype(auto)|n std::nullptr_t',
);

export abstract class TypeGrammar extends TemplateGrammar {
  protected type(): Node {
    this.enter();
    const type = this.anyType();
    this.leave();
    return type;
  }

  private anyType(): Node {
    const first = this.peek();
    const builtin = BUILTIN.get(first);
    if (builtin !== undefined) {
      this.at++;
      return builtin;
    }
    switch (first) {
      case 'r':
      case 'V':
      case 'K':
        return this.remember(this.atQualifiedFunction() ? this.functionType() : this.qualifiedType());
      case 'U':
        return this.remember(this.qualifiedType());
      case 'u':
        return this.vendorType();
      case 'D':
        return this.typeD();
      case 'F':
        return this.remember(this.functionType());
      case 'A':
        return this.remember(this.arrayType());
      case 'M': {
        this.at++;
        const owner = this.type();
        return this.remember(new MemberPointerType(owner, this.type()));
      }
      case 'T':
        return this.typeT();
      case 'P':
        this.at++;
        return this.remember(new PointerType(this.type()));
      case 'R':
        this.at++;
        return this.remember(new ReferenceType(this.type(), false));
      case 'O':
        this.at++;
        return this.remember(new ReferenceType(this.type(), true));
      case 'C':
        this.at++;
        return this.remember(new SuffixedType(this.type(), ' complex'));
      case 'G':
        this.at++;
        return this.remember(new SuffixedType(this.type(), ' imaginary'));
      case 'S':
        return this.peek(1) === 't' ? this.remember(this.name(null)) : this.substitutedType();
      default:
        return this.remember(this.name(null));
    }
  }

  /** `S_`, alone, with template arguments, or as the module of a name. */
  private substitutedType(): Node {
    const { node, substituted } = this.unscopedName(null);
    if (this.peek() === 'I' && (!substituted || this.argumentsFollowTypes)) {
      if (!substituted) this.remember(node);
      return this.remember(new TemplateName(node, this.templateArguments(false)));
    }
    return substituted ? node : this.remember(node);
  }

  /** A template parameter, or `struct`, `union`, `enum` before a name. */
  private typeT(): Node {
    const tag = { s: 'struct', u: 'union', e: 'enum' }[this.peek(1)];
    if (tag !== undefined) {
      this.at += 2;
      return this.remember(new ElaboratedType(tag, this.name(null)));
    }
    const parameter = this.remember(this.templateParameter());
    if (!this.argumentsFollowTypes || this.peek() !== 'I') return parameter;
    return this.remember(new TemplateName(parameter, this.templateArguments(false)));
  }

  /** `D`: the newer builtin types, decltype, vectors, packs, and functions with an exception specification. */
  private typeD(): Node {
    const second = this.peek(1);
    const builtin = BUILTIN_D.get(second);
    if (builtin !== undefined) {
      this.at += 2;
      return builtin;
    }
    switch (second) {
      case 'F':
        this.at += 2;
        return this.floatType();
      case 'B':
      case 'U': {
        this.at += 2;
        const width = this.peekDigit() ? new Name(this.digits()) : this.expression();
        this.need('_');
        return this.remember(new EnclosedNode(second === 'U' ? 'unsigned _BitInt' : '_BitInt', width));
      }
      case 'k':
        this.at += 2;
        return new SuffixedType(this.name(null), ' auto');
      case 'K':
        this.at += 2;
        return new SuffixedType(this.name(null), ' decltype(auto)');
      case 't':
      case 'T':
        return this.remember(this.decltype());
      case 'v':
        return this.remember(this.vectorType());
      case 'p':
        this.at += 2;
        return this.remember(new PackExpansion(this.type()));
      case 'o':
      case 'O':
      case 'w':
      case 'x':
        return this.remember(this.functionType());
      default:
        throw UNREADABLE;
    }
  }

  /** `DF <bits> _`, `DF <bits> x`, `DF16b` */
  private floatType(): Node {
    const bits = this.digits();
    if (bits === '') throw UNREADABLE;
    if (this.take('b')) return new Name(bits === '16' ? 'std::bfloat16_t' : `std::bfloat${bits}_t`);
    if (this.take('x')) return new Name(`_Float${bits}x`);
    this.need('_');
    return new Name(`_Float${bits}`);
  }

  /** `Dt <expression> E`, `DT <expression> E` */
  protected decltype(): Node {
    this.at += 2;
    const expression = this.expression();
    this.need('E');
    return new EnclosedNode('decltype', expression);
  }

  /** `u <source-name> [I <type> E]` */
  private vendorType(): Node {
    this.need('u');
    const name = this.sourceName();
    if (!this.take('I')) return this.remember(name);
    const base = this.type();
    this.need('E');
    return this.remember(new TransformedType(name.baseName(), base));
  }

  /** Whether the qualifiers here belong to a (member) function type. */
  private atQualifiedFunction(): boolean {
    let ahead = 0;
    for (const qualifier of 'rVK') if (this.peek(ahead) === qualifier) ahead++;
    const first = this.peek(ahead);
    if (first === 'F') return true;
    const second = this.peek(ahead + 1);
    return first === 'D' && (second === 'o' || second === 'O' || second === 'w' || second === 'x');
  }

  /** `[r] [V] [K]` */
  protected qualifiers(): number {
    let qualifiers = 0;
    if (this.take('r')) qualifiers |= RESTRICT;
    if (this.take('V')) qualifiers |= VOLATILE;
    if (this.take('K')) qualifiers |= CONST;
    return qualifiers;
  }

  /** `<qualified-type> ::= U <source-name> [<template-args>] <qualified-type> | <qualifiers> <type>` */
  private qualifiedType(): Node {
    if (!this.take('U')) {
      const qualifiers = this.qualifiers();
      const type = this.type();
      return qualifiers === 0 ? type : new QualifiedType(type, qualifiers);
    }
    this.enter();
    const qualifier = this.identifier();
    let type: Node;
    if (qualifier.startsWith('objcproto')) {
      const protocol = /^objcproto(\d{1,9})(.+)$/s.exec(qualifier);
      if (protocol === null || Number(protocol[1]) !== protocol[2].length) throw UNREADABLE;
      type = new ProtocolType(this.qualifiedType(), protocol[2]);
    } else {
      const args = this.peek() === 'I' ? this.templateArguments(false) : null;
      type = new VendorQualifiedType(this.qualifiedType(), qualifier, args);
    }
    this.leave();
    return type;
  }

  /** `[<qualifiers>] [<exception-spec>] [Dx] F [Y] <result> <parameter>* [<ref-qualifier>] E` */
  private functionType(): Node {
    const qualifiers = this.qualifiers();
    let exceptions: Node | null = null;
    if (this.take('Do')) exceptions = new Name('noexcept');
    else if (this.take('DO')) {
      exceptions = new EnclosedNode('noexcept', this.expression());
      this.need('E');
    } else if (this.take('Dw')) exceptions = new ThrowSpecification(this.until('E', () => this.type()));
    this.take('Dx'); // transaction-safe: not printed
    this.need('F');
    this.take('Y'); // extern "C": not printed
    const result = this.type();
    const parameters: Node[] = [];
    for (;;) {
      if (this.take('E')) return new FunctionType(result, parameters, qualifiers, '', exceptions);
      if (this.take('v')) continue;
      const reference = this.take('RE') ? ' &' : this.take('OE') ? ' &&' : null;
      if (reference !== null) return new FunctionType(result, parameters, qualifiers, reference, exceptions);
      parameters.push(this.type());
    }
  }

  /** `A [<number> | <expression>] _ <type>` */
  private arrayType(): Node {
    this.need('A');
    const dimension = this.optionalDimension();
    return new ArrayType(this.type(), dimension);
  }

  private optionalDimension(): Node | null {
    if (this.take('_')) return null;
    const dimension = this.peekDigit() ? new Name(this.digits()) : this.expression();
    this.need('_');
    return dimension;
  }

  /** `Dv <number> _ <type>`, `Dv [<expression>] _ <type>`, `Dv <number> _ p` (AltiVec pixels), g++'s `Dv _ <expression> _ <type>` */
  private vectorType(): Node {
    this.at += 2;
    if (this.dialect.gnu && this.take('_')) {
      const older = this.expression();
      this.need('_');
      return new VectorType(this.type(), older);
    }
    const dimension = this.optionalDimension();
    if (this.take('p')) return new VectorType(new Name('pixel'), dimension);
    return new VectorType(this.type(), dimension);
  }
}

function names(table: string): ReadonlyMap<string, Name> {
  return new Map(table.split('|').map((entry) => [entry.charAt(0), new Name(entry.slice(2))]));
}
