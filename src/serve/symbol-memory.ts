import type { ResolvedMapping } from '../pipeline.ts';

/** Profiles kept per target: several replicas may answer under one name, each with its own layout. */
const MAX_LAYOUTS = 8;

/** The mappings of each target's latest profiles: what run-time addresses mean there. */
export class SymbolMemory {
  /** By target; latest last. */
  readonly #layouts = new Map<string, Map<string, readonly ResolvedMapping[]>>();

  remember(target: string, mappings: readonly ResolvedMapping[]): void {
    if (mappings.length === 0) return;
    const layouts = this.#layouts.get(target) ?? new Map<string, readonly ResolvedMapping[]>();
    this.#layouts.set(target, layouts);
    const key = mappings
      .map(({ range }) => `${range.start},${range.limit},${range.offset},${range.filename}`)
      .join('\n');
    layouts.delete(key);
    layouts.set(key, mappings);
    for (const oldest of layouts.keys()) {
      if (layouts.size <= MAX_LAYOUTS) break;
      layouts.delete(oldest);
    }
  }

  /**
   * The latest mappings that hold all of these addresses. Empty when there are none: addresses of a process that is not
   * known must not be read with the layout of another.
   */
  recall(target: string, addresses: readonly bigint[]): readonly ResolvedMapping[] {
    const layouts = [...(this.#layouts.get(target)?.values() ?? [])].reverse();
    return layouts.find((mappings) => addresses.every((address) => holds(mappings, address))) ?? [];
  }
}

function holds(mappings: readonly ResolvedMapping[], address: bigint): boolean {
  return mappings.some(({ range }) => address >= range.start && (range.limit === 0n || address < range.limit));
}
