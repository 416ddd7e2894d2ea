import { demangleItanium } from './itanium.ts';
export function demangle(symbol: string): string {
  return demangleItanium(symbol) ?? symbol;
}
