/** One frame of Go code as the runtime itself would print it. */
export interface GoFrame {
  /** Full symbol name, escaped as in .gopclntab: `example.com/m/yaml%2ev3.(*T).Decode`. */
  readonly function: string;
  /** Source path as recorded at build time; "" when the function has none. */
  readonly file: string;
  /** 1-based, 0 = unknown. */
  readonly line: number;
  /** Line of the `func` keyword, 1-based; 0 = unknown (Go before 1.20). */
  readonly startLine: number;
}
