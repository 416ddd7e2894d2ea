import { demangle } from '../demangle/demangle.ts';

/** ELF symbol tables may append the ABI to a Go function's name; the runtime never prints it. */
const GO_ABI_SUFFIX = /\.abi(?:0|internal)$/;

/** Names kept: a profile shows a few thousand functions, of any binary. */
const MAX_KEPT = 1 << 15;

/** Linked name → what people read. A name is demangled once: that costs more than finding it. */
export class ReadableNames {
  readonly #kept = new Map<string, string>();

  of(systemName: string): string {
    let name = this.#kept.get(systemName);
    if (name === undefined) {
      name = demangle(systemName.replace(GO_ABI_SUFFIX, ''));
      if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
      this.#kept.set(systemName, name);
    }
    return name;
  }
}
