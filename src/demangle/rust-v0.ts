/**
 * Rust's v0 mangling (RFC 2603), the default since 1.95.
 *
 * `_R` <path> [<instantiating crate's path>] [`.` <suffix>]: `_RNvMs0_NtCs1234_7mycrate3fooNtB5_3Bar3baz` is
 * `<mycrate::foo::Bar>::baz`. Paths, types and constants are prefix-coded with one letter each; `B` and a number in base
 * 62 refer back to a place in the symbol, which is then read again from there. So a name can be exponentially longer
 * than its symbol: text and steps are bounded.
 *
 * The symbol is read twice, once over without printing (which follows no reference back) to see that it is well formed
 * and where it ends. The text is that of rustc-demangle's alternate form: without hashes of crates and without types
 * behind numbers.
 */
import { BEYOND, MAX_SYMBOL, UNREADABLE } from './node.ts';
import { character, quoted, utf8 } from './rust-literals.ts';
import { rustSuffix } from './rust-suffix.ts';
import { V0Cursor } from './rust-v0-cursor.ts';
import { isAscii } from './utf8-units.ts';

const BASIC_TYPES = new Map(
  (
    'a i8|b bool|c char|d f64|e str|f f32|h u8|i isize|j usize|l i32|m u32|n i128|o u128|p _|s i16|t u16|u ()|v ...|' +
    'x i64|y u64|z !'
  )
    .split('|')
    .map((entry) => [entry.charAt(0), entry.slice(2)]),
);

/** The readable name of a symbol of this mangling, null if it is not one or is beyond the bounds. */
export function demangleRustV0(symbol: string): string | null {
  const start = symbol.startsWith('_R') ? 2 : symbol.startsWith('__R') ? 3 : -1;
  if (start < 0 || symbol.length > MAX_SYMBOL || !isUpperCase(symbol.charCodeAt(start))) return null;
  if (!isAscii(symbol)) return null;
  try {
    const body = symbol.slice(start);
    const end = new V0(body).skip();
    const suffix = rustSuffix(body.slice(end));
    if (suffix === null) return null;
    return new V0(body).text() + suffix;
  } catch (error) {
    if (error === UNREADABLE || error === BEYOND) return null;
    throw error;
  }
}

function isUpperCase(code: number): boolean {
  return code >= 0x41 && code <= 0x5a;
}

class V0 extends V0Cursor {
  /** Where the mangled part ends. */
  skip(): number {
    this.printing = false;
    this.path(true);
    // the crate that made this copy of a generic function is not printed
    if (isUpperCase(this.symbol.charCodeAt(this.at))) this.path(false);
    return this.at;
  }

  text(): string {
    this.path(true);
    return this.out;
  }

  /** `<path>`; in the place of a value generic arguments follow `::`. */
  private path(inValue: boolean): void {
    this.enter();
    const tag = this.next();
    switch (tag) {
      case 'C':
        this.disambiguator();
        this.put(this.identifier());
        break;
      case 'N':
        this.nested(inValue);
        break;
      case 'M':
      case 'X':
      case 'Y':
        if (tag !== 'Y') {
          // where the impl stands: not printed
          this.disambiguator();
          const printing = this.printing;
          this.printing = false;
          this.path(false);
          this.printing = printing;
        }
        this.put('<');
        this.type();
        if (tag !== 'M') {
          this.put(' as ');
          this.path(false);
        }
        this.put('>');
        break;
      case 'I':
        this.path(inValue);
        this.put(inValue ? '::<' : '<');
        this.list(', ', () => this.genericArgument());
        this.put('>');
        break;
      case 'B':
        this.reference(() => this.path(inValue));
        break;
      default:
        throw UNREADABLE;
    }
    this.depth--;
  }

  /** `N <namespace> <path> <identifier>`: a capital names what has no name of its own, such as a closure. */
  private nested(inValue: boolean): void {
    const namespace = this.next();
    if (!/[A-Za-z]/.test(namespace)) throw UNREADABLE;
    this.path(inValue);
    const number = this.disambiguator();
    const name = this.identifier();
    if (!isUpperCase(namespace.charCodeAt(0))) {
      if (name !== '') this.put(`::${name}`);
      return;
    }
    const kind = namespace === 'C' ? 'closure' : namespace === 'S' ? 'shim' : namespace;
    this.put(`::{${kind}${name === '' ? '' : `:${name}`}#${number}}`);
  }

  private genericArgument(): void {
    if (this.take('L')) this.lifetime(this.base62());
    else if (this.take('K')) this.constant(false);
    else this.type();
  }

  private type(): void {
    if (this.take('w')) this.put('#[splat] ');
    const tag = this.next();
    const basic = BASIC_TYPES.get(tag);
    if (basic !== undefined) {
      this.put(basic);
      return;
    }
    this.enter();
    switch (tag) {
      case 'R':
      case 'Q':
        this.put('&');
        if (this.take('L')) {
          const lifetime = this.base62();
          if (lifetime !== 0) {
            this.lifetime(lifetime);
            this.put(' ');
          }
        }
        if (tag === 'Q') this.put('mut ');
        this.type();
        break;
      case 'P':
      case 'O':
        this.put(tag === 'P' ? '*const ' : '*mut ');
        this.type();
        break;
      case 'A':
      case 'S':
        this.put('[');
        this.type();
        if (tag === 'A') {
          this.put('; ');
          this.constant(true);
        }
        this.put(']');
        break;
      case 'T':
        this.put('(');
        this.put(this.list(', ', () => this.type()) === 1 ? ',)' : ')');
        break;
      case 'F':
        this.binder(() => this.functionType());
        break;
      case 'D':
        this.traitObject();
        break;
      case 'B':
        this.reference(() => this.type());
        break;
      case 'W':
        this.type();
        this.put(' is ');
        this.pattern();
        break;
      default:
        this.at--;
        this.path(false);
    }
    this.depth--;
  }

  /** `[U] [K <abi>] <type>* E <type>` */
  private functionType(): void {
    if (this.take('U')) this.put('unsafe ');
    if (this.take('K')) {
      let abi = 'C';
      if (!this.take('C')) {
        if (this.symbol[this.at] === 'u') throw UNREADABLE;
        abi = this.identifier().replaceAll('_', '-');
        if (abi === '') throw UNREADABLE;
      }
      this.put(`extern "${abi}" `);
    }
    this.put('fn(');
    this.list(', ', () => this.type());
    this.put(')');
    if (this.take('u')) return; // no result
    this.put(' -> ');
    this.type();
  }

  /** `<binder> <trait>* E L <lifetime>` */
  private traitObject(): void {
    this.put('dyn ');
    this.binder(() => this.list(' + ', () => this.boundTrait()));
    if (!this.take('L')) throw UNREADABLE;
    const lifetime = this.base62();
    if (lifetime === 0) return;
    this.put(' + ');
    this.lifetime(lifetime);
  }

  /** `<path> (p <identifier> (<type> | K <const>))*`: associated types go among the generic arguments. */
  private boundTrait(): void {
    let open = this.pathLeftOpen();
    while (this.take('p')) {
      this.put(open ? ', ' : '<');
      open = true;
      this.put(`${this.identifier()} = `);
      if (this.take('K')) this.constant(false);
      else this.type();
    }
    if (open) this.put('>');
  }

  /** A path whose generic arguments, if it has some, are not closed; returns whether so. */
  private pathLeftOpen(): boolean {
    if (this.take('B')) {
      let open = false;
      this.enter();
      this.reference(() => (open = this.pathLeftOpen()));
      this.depth--;
      return open;
    }
    if (!this.take('I')) {
      this.path(false);
      return false;
    }
    this.path(false);
    this.put('<');
    this.list(', ', () => this.genericArgument());
    return true;
  }

  /** `R <const> <const>`, `O <pattern>+ E`, `N` */
  private pattern(): void {
    this.enter();
    const tag = this.next();
    if (tag === 'R') {
      this.constant(false);
      this.put('..=');
      this.constant(false);
    } else if (tag === 'O') {
      if (this.list(' | ', () => this.pattern()) === 0) throw UNREADABLE;
    } else if (tag === 'N') this.put('!null');
    else throw UNREADABLE;
    this.depth--;
  }

  /** `<const>`; inside a value expressions need no braces. */
  private constant(inValue: boolean): void {
    this.enter();
    const tag = this.next();
    if (tag === 'B') this.reference(() => this.constant(inValue));
    else if (!this.simpleConstant(tag)) {
      // a reference to a string is a literal, all else is an expression
      const isLiteral = tag === 'R' && this.take('e');
      const braces = !inValue && !isLiteral;
      if (braces) this.put('{');
      if (isLiteral) this.put(quoted(utf8(this.hexadecimal()), '"'));
      else this.constantExpression(tag);
      if (braces) this.put('}');
    }
    this.depth--;
  }

  /** A number, boolean or character; returns whether it was one. */
  private simpleConstant(tag: string): boolean {
    if (tag === 'p') this.put('_');
    else if ('htmyoj'.includes(tag)) this.put(decimal(this.hexadecimal()));
    else if ('aslxni'.includes(tag)) {
      const sign = this.take('n') ? '-' : '';
      this.put(sign + decimal(this.hexadecimal()));
    } else if (tag === 'b') {
      const value = decimal(this.hexadecimal());
      if (value !== '0' && value !== '1') throw UNREADABLE;
      this.put(value === '1' ? 'true' : 'false');
    } else if (tag === 'c') this.put(quoted(character(this.hexadecimal()), "'"));
    else return false;
    return true;
  }

  private constantExpression(tag: string): void {
    const one = (): void => this.constant(true);
    switch (tag) {
      case 'e':
        this.put(`*${quoted(utf8(this.hexadecimal()), '"')}`);
        break;
      case 'R':
      case 'Q':
        this.put(tag === 'R' ? '&' : '&mut ');
        one();
        break;
      case 'A':
        this.put('[');
        this.list(', ', one);
        this.put(']');
        break;
      case 'T':
        this.put('(');
        this.put(this.list(', ', one) === 1 ? ',)' : ')');
        break;
      case 'V':
        this.path(true);
        this.fields();
        break;
      default:
        throw UNREADABLE;
    }
  }

  /** Of a struct or variant: `U`, `T <const>* E`, `S (<identifier> <const>)* E` */
  private fields(): void {
    const tag = this.next();
    if (tag === 'T') {
      this.put('(');
      this.list(', ', () => this.constant(true));
      this.put(')');
    } else if (tag === 'S') {
      this.put(' { ');
      this.list(', ', () => {
        this.disambiguator();
        this.put(`${this.identifier()}: `);
        this.constant(true);
      });
      this.put(' }');
    } else if (tag !== 'U') throw UNREADABLE;
  }
}

/** A number written in hexadecimal, in decimal if it has no more than 64 bits. */
function decimal(hex: string): string {
  const digits = hex.replace(/^0+/, '');
  if (digits.length > 16) return `0x${hex}`;
  return digits.length < 13 ? String(Number.parseInt(digits || '0', 16)) : BigInt(`0x${digits}`).toString();
}
