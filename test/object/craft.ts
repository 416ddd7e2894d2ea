/** ELF files made by hand, for what no tool at hand makes: every field can be wrong. */

export interface CraftedSection {
  readonly name?: string;
  readonly type: number;
  readonly flags?: number;
  readonly address?: bigint;
  readonly data?: Uint8Array;
  /** Instead of the data's place and length. */
  readonly offset?: bigint;
  readonly size?: bigint;
  readonly link?: number;
  readonly info?: number;
  readonly align?: number;
  readonly entrySize?: number;
}

export interface CraftedSegment {
  readonly type: number;
  readonly flags?: number;
  readonly address?: bigint;
  readonly data?: Uint8Array;
  readonly offset?: bigint;
  readonly fileSize?: bigint;
  readonly memorySize?: bigint;
  readonly align?: number;
}

export interface Crafted {
  readonly is64?: boolean;
  readonly littleEndian?: boolean;
  readonly type?: number;
  readonly machine?: number;
  /** After the empty section 0; the section names are added last. */
  readonly sections?: readonly CraftedSection[];
  readonly segments?: readonly CraftedSegment[];
  /** Counts in section 0, as in a file with too many for the header. */
  readonly extended?: boolean;
  /** Overwrite header fields by offset with u16 values. */
  readonly patch?: Readonly<Record<number, number>>;
}

export function craftElf(recipe: Crafted): Uint8Array {
  const { is64 = true, littleEndian = true, type = 3, machine = 62, segments = [], extended = false } = recipe;
  const headerSize = is64 ? 64 : 52;
  const segmentSize = is64 ? 56 : 32;
  const names: number[] = [0];
  let nameTable = '\0';
  const sections = [...(recipe.sections ?? [])];
  for (const { name = '' } of sections) {
    names.push(name === '' ? 0 : nameTable.length);
    if (name !== '') nameTable += `${name}\0`;
  }
  names.push(nameTable.length);
  nameTable += '.shstrtab\0';
  if (recipe.sections !== undefined)
    sections.push({ name: '.shstrtab', type: 3, data: Buffer.from(nameTable, 'latin1') });

  const parts: Uint8Array[] = [];
  let end = headerSize + segments.length * segmentSize;
  const place = (data: Uint8Array): number => {
    const at = end;
    parts.push(data, new Uint8Array((8 - (data.length % 8)) % 8));
    end += data.length + ((8 - (data.length % 8)) % 8);
    return at;
  };

  const programs: number[] = [];
  const writer = (bytes: number[], width: 2 | 4 | 8, value: number | bigint): void => {
    const digits: number[] = [];
    for (let i = 0; i < width; i++) digits.push(Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
    bytes.push(...(littleEndian ? digits : digits.reverse()));
  };
  const word = is64 ? 8 : 4;
  for (const s of segments) {
    const at = s.data === undefined ? 0 : place(s.data);
    const fileSize = s.fileSize ?? BigInt(s.data?.length ?? 0);
    writer(programs, 4, s.type);
    if (is64) writer(programs, 4, s.flags ?? 4);
    writer(programs, word, s.offset ?? at);
    writer(programs, word, s.address ?? 0n);
    writer(programs, word, 0);
    writer(programs, word, fileSize);
    writer(programs, word, s.memorySize ?? fileSize);
    if (!is64) writer(programs, 4, s.flags ?? 4);
    writer(programs, word, s.align ?? 0x1000);
  }

  const table: number[] = [];
  const all: CraftedSection[] = recipe.sections === undefined ? [] : [{ type: 0 }, ...sections];
  all.forEach((s, i) => {
    const at = s.data === undefined ? 0 : place(s.data);
    const first = i === 0 && extended;
    writer(table, 4, names[i] ?? 0);
    writer(table, 4, s.type);
    writer(table, word, s.flags ?? 0);
    writer(table, word, s.address ?? 0n);
    writer(table, word, s.offset ?? at);
    writer(table, word, first ? all.length : (s.size ?? s.data?.length ?? 0));
    writer(table, 4, first ? all.length - 1 : (s.link ?? 0));
    writer(table, 4, first ? segments.length : (s.info ?? 0));
    writer(table, word, s.align ?? 1);
    writer(table, word, s.entrySize ?? 0);
  });
  const sectionOffset = all.length === 0 ? 0 : place(Uint8Array.from(table));

  const header: number[] = [0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, littleEndian ? 1 : 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  writer(header, 2, type);
  writer(header, 2, machine);
  writer(header, 4, 1);
  writer(header, word, 0); // e_entry
  writer(header, word, segments.length === 0 ? 0 : headerSize);
  writer(header, word, sectionOffset);
  writer(header, 4, 0); // e_flags
  writer(header, 2, headerSize);
  writer(header, 2, segmentSize);
  writer(header, 2, extended ? 0xffff : segments.length);
  writer(header, 2, is64 ? 64 : 40);
  writer(header, 2, extended ? 0 : all.length);
  writer(header, 2, extended ? 0xffff : Math.max(0, all.length - 1));
  for (const [at, value] of Object.entries(recipe.patch ?? {})) {
    const field: number[] = [];
    writer(field, 2, value);
    header.splice(Number(at), 2, ...field);
  }
  return Buffer.concat([Uint8Array.from(header), Uint8Array.from(programs), ...parts]);
}

/** A note record with its padding. */
export function craftNote(
  owner: string,
  type: number,
  desc: Uint8Array,
  littleEndian = true,
  align: 4 | 8 = 4,
): Uint8Array {
  const name = Buffer.from(owner, 'latin1');
  const up = (n: number) => Math.ceil(n / align) * align;
  const descAt = up(12 + name.length);
  const note = Buffer.alloc(up(descAt + desc.length));
  const write = (value: number, at: number) =>
    littleEndian ? note.writeUInt32LE(value, at) : note.writeUInt32BE(value, at);
  write(name.length, 0);
  write(desc.length, 4);
  write(type, 8);
  note.set(name, 12);
  note.set(desc, descAt);
  return note;
}

/** A 64-bit little-endian symbol. */
export function craftSymbol(name: number, info: number, section: number, value: bigint, size = 0): Uint8Array {
  const symbol = Buffer.alloc(24);
  symbol.writeUInt32LE(name, 0);
  symbol.writeUInt8(info, 4);
  symbol.writeUInt16LE(section, 6);
  symbol.writeBigUInt64LE(value, 8);
  symbol.writeBigUInt64LE(BigInt(size), 16);
  return symbol;
}
