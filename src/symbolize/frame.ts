/** One frame at an address. Arrays of frames run innermost first: inlined callee … physical function. */
export interface Frame {
  /** Readable name: what people see. Never empty. */
  readonly name: string;
  /** Name as linked; equal to `name` for Go. */
  readonly systemName: string;
  /** Source path as recorded; "" = unknown. */
  readonly file: string;
  /** 1-based, 0 = unknown. */
  readonly line: number;
  /** 1-based, 0 = unknown. */
  readonly column: number;
  /** Line of the function's declaration, 1-based, 0 = unknown. */
  readonly startLine: number;
}

/** Where the answer came from, best first. */
export type SymbolSource = 'pclntab' | 'dwarf' | 'symtab';

/** The answer for one address. */
export interface Resolution {
  readonly source: SymbolSource;
  /** At least one, innermost first. */
  readonly frames: readonly Frame[];
}

/** The same functions, for a binary that is proven but for its lines. */
export function withoutLines({ source, frames }: Resolution): Resolution {
  return { source, frames: frames.map((frame) => ({ ...frame, line: 0, column: 0, startLine: 0 })) };
}
