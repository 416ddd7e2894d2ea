/**
 * Everything a file's debug info says of its code, range by range, for whoever wants to keep it in another form. What repeats is
 * handed over once and is a number of the taker's from then on.
 */
import type { FunctionName } from './function-names.ts';

/** No function covers the range. */
export const NO_SCOPE = -1;
/** No line is known for it. */
export const NO_PLACE = -1;

export interface Cover {
  /** A path; "" unknown. */
  file(path: string): number;
  place(file: number, line: number, column: number): number;
  name(name: FunctionName): number;
  /** A function, of which `start` is one address. */
  function(name: number, start: number): number;
  /** A function inlined into the scope `around`, called at a place in it. */
  call(name: number, around: number, place: number): number;
  /** Code of a scope or NO_SCOPE, and its line or NO_PLACE. Ranges are disjoint, and come in no order. */
  range(start: number, end: number, scope: number, place: number): void;
}

/** The units of which the middle lies in this part of all bytes of the units, 0 to 1: `from` counts, `to` does not. */
export interface Share {
  readonly from: number;
  readonly to: number;
}

export const ALL_UNITS: Share = { from: 0, to: 1 };
