/**
 * Text offsets. From Go 1.18 on the function table counts in offsets from runtime.text. With one text section, that is all
 * there is to it; the linker splits huge text (external linking on arm, ppc64, darwin/arm64) into several, and then offsets
 * are those of an imaginary contiguous text: a section covers the offsets [vaddr, end) and lies at `baseaddr`.
 *
 * Source: src/runtime/symtab.go (textAddr, textOff).
 */
export interface TextSection {
  /** Offsets covered: [vaddr, end). */
  readonly vaddr: number;
  readonly end: number;
  /** File address of `vaddr`. */
  readonly baseaddr: number;
}

/** The sections, ascending by address, or one for all when the program has only one. */
export class TextSections {
  readonly #text: number;
  readonly #sections: readonly TextSection[];

  constructor(text: number, sections: readonly TextSection[]) {
    this.#text = text;
    this.#sections = sections.length > 1 ? sections : [];
  }

  /** Text offset of a file address; -1 when it lies in none of several sections. */
  offsetOf(address: number): number {
    const sections = this.#sections;
    if (sections.length === 0) return address - this.#text;
    for (let i = 0; i < sections.length; i++) {
      const { baseaddr, vaddr, end } = sections[i];
      if (address < baseaddr) return -1;
      if (address - baseaddr < end - vaddr) return address - baseaddr + vaddr;
    }
    return -1;
  }

  /** File address of a text offset. The end of the last section counts as part of it, other gaps as following the one before. */
  addressOf(offset: number): number {
    const sections = this.#sections;
    if (sections.length === 0) return this.#text + offset;
    let section = sections[0];
    for (const next of sections) {
      if (offset < next.vaddr) break;
      // A function never begins at the end of a section, but the program may end there.
      section = next;
    }
    return section.baseaddr + (Math.min(offset, section.end) - section.vaddr);
  }
}
