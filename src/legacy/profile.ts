import type { Lines } from './lines.ts';
import type { Mapping } from './mappings.ts';
import type { Stacks } from './stacks.ts';

export interface ValueType {
  readonly type: string;
  readonly unit: string;
}

/** What a parser made of its input: a pprof profile in all but its encoding. */
export interface LegacyProfile {
  readonly sampleTypes: readonly ValueType[];
  readonly periodType: ValueType | null;
  /** int64 */
  readonly period: bigint;
  /** int64 */
  readonly durationNanos: bigint;
  readonly stacks: Stacks;
  /** The list that came with it, in file order. */
  readonly maps: readonly Mapping[];
  /** Names, where the format carries them; then addresses say nothing. */
  readonly names: NamedAddresses | null;
  /** Samples may have their leaf twice. */
  readonly doubledLeaves: boolean;
}

/** By number of address. */
export interface NamedAddresses {
  /** Position in `functions` + 1, 0 for an address without a name. */
  readonly functionOf: Uint32Array;
  readonly lineOf: BigInt64Array;
  readonly functions: readonly { readonly name: string; readonly file: string }[];
}

/** A parser's way to say that a file is of another format, and why. */
export class Declined {
  readonly at: number;
  readonly problem: string;

  constructor(at: number, problem: string) {
    this.at = at;
    this.problem = problem;
  }

  static line(lines: Lines, problem: string): Declined {
    return new Declined(lines.start, `line ${lines.number}: ${problem}`);
  }
}

/** What most formats have in common. */
export const PLAIN = { durationNanos: 0n, names: null, doubledLeaves: false } as const;
