/** Mach-O files made by hand, in any word size and byte order, for what no tool at hand makes: every field can be wrong. */

export interface CraftedMachSection {
  readonly name: string;
  /** Of the segment, unless given. */
  readonly segmentName?: string;
  readonly address: bigint;
  readonly size: number;
  /** From the start of the segment's data; absolute with `absolute`. */
  readonly offset?: number;
  readonly absolute?: boolean;
  readonly flags?: number;
}

export interface CraftedMachSegment {
  readonly name: string;
  readonly address: bigint;
  readonly data?: Uint8Array;
  /** Bytes in memory; the data's length unless given. */
  readonly size?: number;
  readonly protection?: number;
  readonly sections?: readonly CraftedMachSection[];
}

export interface CraftedNlist {
  readonly name: string;
  readonly type: number;
  readonly section: number;
  readonly desc?: number;
  readonly value: bigint;
}

export interface CraftedMach {
  readonly is64?: boolean;
  readonly littleEndian?: boolean;
  readonly cpuType?: number;
  readonly fileType?: number;
  readonly flags?: number;
  readonly segments?: readonly CraftedMachSegment[];
  readonly symbols?: readonly CraftedNlist[];
  /** Commands that point to data: rebase opcodes, chained fixups, function starts. */
  readonly data?: readonly { readonly command: number; readonly bytes: Uint8Array }[];
  readonly uuid?: string;
}

/** Numbers in one byte order, one after the other. */
export class Writer {
  readonly #bytes: number[] = [];
  readonly #littleEndian: boolean;

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  put(width: 1 | 2 | 4 | 8, ...values: (number | bigint)[]): this {
    for (const value of values) {
      const digits = Array.from({ length: width }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
      this.#bytes.push(...(this.#littleEndian ? digits : digits.reverse()));
    }
    return this;
  }

  name(text: string): this {
    this.#bytes.push(...Buffer.from(text.padEnd(16, '\0').slice(0, 16), 'latin1'));
    return this;
  }

  add(bytes: Uint8Array): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

export function craftMacho(recipe: CraftedMach): Uint8Array {
  const { is64 = true, littleEndian = true, segments = [], symbols = [], data = [] } = recipe;
  const word = is64 ? 8 : 4;
  const writer = () => new Writer(littleEndian);
  const sizes = [
    ...segments.map(({ sections = [] }) => (is64 ? 72 : 56) + sections.length * (is64 ? 80 : 68)),
    ...data.map(({ command }) => (command === 0x80000022 ? 48 : 16)),
    ...(symbols.length > 0 ? [24] : []),
    ...(recipe.uuid === undefined ? [] : [24]),
  ];
  const headerSize = is64 ? 32 : 28;
  const commandBytes = sizes.reduce((sum, size) => sum + size, 0);
  const parts: Uint8Array[] = [];
  let end = headerSize + commandBytes;
  const place = (bytes: Uint8Array): number => {
    const at = end;
    const padding = (8 - ((at + bytes.length) % 8)) % 8;
    parts.push(bytes, new Uint8Array(padding));
    end += bytes.length + padding;
    return at;
  };

  const commands = writer();
  segments.forEach(({ name, address, data: bytes, size, protection = 5, sections = [] }, i) => {
    const at = bytes === undefined ? 0 : place(bytes);
    commands.put(4, is64 ? 0x19 : 1, sizes[i]).name(name);
    commands.put(word, address, size ?? bytes?.length ?? 0, at, bytes?.length ?? 0);
    commands.put(4, protection, protection, sections.length, 0);
    for (const section of sections) {
      const offset = (section.absolute === true ? 0 : at) + (section.offset ?? 0);
      commands
        .name(section.name)
        .name(section.segmentName ?? name)
        .put(word, section.address, section.size);
      commands.put(4, offset, 0, 0, 0, section.flags ?? 0, 0, 0);
      if (is64) commands.put(4, 0);
    }
  });
  for (const { command, bytes } of data) {
    commands.put(4, command, command === 0x80000022 ? 48 : 16, place(bytes), bytes.length);
    if (command === 0x80000022) commands.put(4, ...new Array<number>(8).fill(0));
  }
  if (symbols.length > 0) {
    const table = writer();
    let names = '\0';
    for (const { name, type, section, desc = 0, value } of symbols) {
      table.put(4, names.length).put(1, type, section).put(2, desc).put(word, value);
      names += `${name}\0`;
    }
    const strings = Buffer.from(names, 'latin1');
    commands.put(4, 2, 24, place(table.bytes), symbols.length, place(strings), strings.length);
  }
  if (recipe.uuid !== undefined) commands.put(4, 0x1b, 24).add(Buffer.from(recipe.uuid, 'hex'));

  const header = writer().put(4, is64 ? 0xfeedfacf : 0xfeedface, recipe.cpuType ?? 0x0100000c, 0, recipe.fileType ?? 2);
  header.put(4, sizes.length, commandBytes, recipe.flags ?? 0);
  if (is64) header.put(4, 0);
  return Buffer.concat([header.bytes, commands.bytes, ...parts]);
}

/** A universal file of the given parts, each after the other on a boundary of 16 bytes. */
export function craftFat(
  parts: readonly { cpuType: number; cpuSubtype?: number; bytes: Uint8Array }[],
  wide = false,
): Uint8Array {
  const entry = wide ? 32 : 20;
  let end = Math.ceil((8 + parts.length * entry) / 16) * 16;
  const table = new Writer(false).put(4, wide ? 0xcafebabf : 0xcafebabe, parts.length);
  const placed: Uint8Array[] = [];
  const start = end;
  for (const { cpuType, cpuSubtype = 0, bytes } of parts) {
    table
      .put(4, cpuType, cpuSubtype)
      .put(wide ? 8 : 4, end, bytes.length)
      .put(4, 4);
    if (wide) table.put(4, 0);
    const padding = (16 - (bytes.length % 16)) % 16;
    placed.push(bytes, new Uint8Array(padding));
    end += bytes.length + padding;
  }
  return Buffer.concat([table.bytes, new Uint8Array(start - table.bytes.length), ...placed]);
}

/** Chained fixups of the segments given: their pages' first pointers, offsets in the page; null for a segment without. */
export function craftChains(
  segments: readonly ({
    format: number;
    pages: readonly number[];
    pageSize?: number;
    maxValid?: number;
    more?: readonly number[];
  } | null)[],
  littleEndian = true,
): Uint8Array {
  const STARTS = 28;
  const infos: Uint8Array[] = [];
  const offsets: number[] = [];
  let at = 4 + 4 * segments.length;
  for (const segment of segments) {
    offsets.push(segment === null ? 0 : at);
    if (segment === null) continue;
    const { format, pages, pageSize = 0x1000, maxValid = 0, more = [] } = segment;
    const info = new Writer(littleEndian).put(4, 22 + 2 * (pages.length + more.length)).put(2, pageSize, format);
    info
      .put(8, 0)
      .put(4, maxValid)
      .put(2, pages.length, ...pages, ...more);
    infos.push(info.bytes);
    at += info.bytes.length;
  }
  const header = new Writer(littleEndian).put(4, 0, STARTS, 0, 0, 0, 1, 0).put(4, segments.length, ...offsets);
  return Buffer.concat([header.bytes, ...infos]);
}
