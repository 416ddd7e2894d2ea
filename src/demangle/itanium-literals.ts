/** Literals and the symbols named in expressions (5.1.6.2 of the Itanium ABI). */
import { NameGrammar } from './itanium-names.ts';
import { floatLiteral, type FloatType } from './literals.ts';
import { Name } from './name-nodes.ts';
import { type Node, UNREADABLE } from './node.ts';
import { CastLiteral, LambdaExpression, StringLiteral } from './value-nodes.ts';

/** Literals by type: those of up to three letters are suffixes, the others are casts. */
const INTEGERS = new Map([
  ['w', 'wchar_t'],
  ['c', 'char'],
  ['a', 'signed char'],
  ['h', 'unsigned char'],
  ['s', 'short'],
  ['t', 'unsigned short'],
  ['i', ''],
  ['j', 'u'],
  ['l', 'l'],
  ['m', 'ul'],
  ['x', 'll'],
  ['y', 'ull'],
  ['n', '__int128'],
  ['o', 'unsigned __int128'],
]);

export abstract class LiteralGrammar extends NameGrammar {
  /** `<expr-primary> ::= L <type> <value> E | L <mangled-name> E | L <closure-type> E` */
  protected expressionPrimary(): Node {
    this.need('L');
    const first = this.peek();
    const integer = INTEGERS.get(first);
    if (integer !== undefined) {
      this.at++;
      return this.integer(integer);
    }
    if (this.take('_Z')) {
      const entity = this.encoding();
      this.need('E');
      return entity;
    }
    switch (first) {
      case 'b':
        if (this.take('b0E')) return new Name('false');
        if (this.take('b1E')) return new Name('true');
        this.at++;
        return this.integer('bool');
      case 'f':
      case 'd':
      case 'e':
      case 'g': {
        this.at++;
        const end = this.symbol.indexOf('E', this.at);
        const text = end < 0 ? null : this.float(first, this.symbol.slice(this.at, end));
        if (text === null) throw UNREADABLE;
        this.at = end + 1;
        return new Name(text);
      }
      case 'A': {
        const type = this.type();
        this.need('E');
        return new StringLiteral(type);
      }
      case 'D':
        if (!this.take('Dn')) break;
        this.take('0');
        this.need('E');
        return new Name('nullptr');
      case 'U': {
        if (this.peek(1) !== 'l') break;
        const closure = this.closureType();
        this.need('E');
        return new LambdaExpression(closure);
      }
    }
    const type = this.type();
    const value = this.digits(true);
    if (value === '') throw UNREADABLE;
    this.need('E');
    return new CastLiteral(type, value.replace('n', '-'));
  }

  private integer(type: string): Node {
    const digits = this.digits(true);
    if (digits === '') throw UNREADABLE;
    this.need('E');
    const value = digits.replace('n', '-');
    return new Name(type.length > 3 ? `(${type})${value}` : value + type);
  }

  private float(type: FloatType, hex: string): string | null {
    return /^[0-9a-f]{1,32}$/.test(hex) ? floatLiteral(type, hex) : null;
  }
}
