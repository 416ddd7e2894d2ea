/**
 * Readable names for what linkers call functions: C++ (Itanium ABI) and Rust (both manglings).
 *
 * D, Swift, OCaml and Microsoft's C++ are left as they are, and so is everything that is not mangled.
 */
import { demangleItanium } from './itanium.ts';
import { demangleRustLegacy } from './rust-legacy.ts';
import { demangleRustV0 } from './rust-v0.ts';

/**
 * Readable name of a linker symbol; the symbol itself when it is not mangled, uses a scheme not read here, or is beyond
 * the bounds (32 Ki units of symbol, 64 Ki of name, nesting, steps). Never throws, and takes milliseconds at worst.
 *
 * A version (`@GLIBCXX_3.4`, `@plt`) stays behind the name, and the dot of a function's entry on PowerPC before it.
 */
export function demangle(symbol: string): string {
  const first = symbol.charCodeAt(0);
  if (first !== 0x5f && first !== 0x2e) return symbol; // `_`, `.`: only with them a mangled name begins
  const dot = first === 0x2e ? 1 : 0;
  const version = symbol.indexOf('@', dot + 1);
  const end = version < 0 ? symbol.length : version;
  const whole = dot === 0 && version < 0;
  const name = demangledOrNull(whole ? symbol : symbol.slice(dot, end));
  if (name === null) return symbol;
  return whole ? name : symbol.slice(0, dot) + name + symbol.slice(end);
}

function demangledOrNull(mangled: string): string | null {
  // `_R...`, and `__R...` on Mach-O; all else begins with underscores and a Z
  const second = mangled.charCodeAt(1);
  if (second === 0x52 || (second === 0x5f && mangled.charCodeAt(2) === 0x52)) return demangleRustV0(mangled);
  // a Rust name of the older mangling is also a C++ one
  return (mangled.includes('17h') ? demangleRustLegacy(mangled) : null) ?? demangleItanium(mangled);
}
