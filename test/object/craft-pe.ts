/** PE files made by hand, for what no tool at hand makes: every field can be wrong. */

export interface CraftedPeSection {
  /** At most 8 bytes; a longer one goes to the string table, as `/123`. */
  readonly name: string;
  readonly rva: number;
  readonly data?: Uint8Array;
  /** Instead of the data's length. */
  readonly virtualSize?: number;
  readonly rawSize?: number;
  /** Instead of the data's place. */
  readonly fileOffset?: number;
  /** Default: code for .text, else readable and writable data. */
  readonly flags?: number;
}

export interface CraftedPeSymbol {
  readonly name: string;
  readonly value: number;
  readonly section: number;
  readonly type?: number;
  readonly storageClass?: number;
  readonly auxiliary?: number;
}

export interface CraftedPe {
  readonly is64?: boolean;
  readonly machine?: number;
  readonly imageBase?: bigint;
  readonly characteristics?: number;
  readonly dllCharacteristics?: number;
  readonly sections?: readonly CraftedPeSection[];
  readonly symbols?: readonly CraftedPeSymbol[];
  /** `{ number: [rva, size] }`. */
  readonly directories?: Readonly<Record<number, readonly [rva: number, size: number]>>;
  /** Instead of 16. */
  readonly directoryCount?: number;
  /** Overwrite u32s at offsets of the file. */
  readonly patch?: Readonly<Record<number, number>>;
}

export const COFF_HEADER = 0x84;
export const OPTIONAL_HEADER = COFF_HEADER + 20;
export const CODE = 0x60000020;
export const DATA = 0xc0000040;

const ALIGNMENT = 0x200;

export function craftPe(crafted: CraftedPe): Buffer {
  const { is64 = true, sections = [], symbols = [], imageBase = is64 ? 0x140000000n : 0x400000n } = crafted;
  const optionalSize = (is64 ? 112 : 96) + 16 * 8;
  const table = OPTIONAL_HEADER + optionalSize;
  const headersSize = aligned(table + 40 * sections.length);
  const strings = new Strings();

  const headers = Buffer.alloc(headersSize);
  headers.write('MZ', 0, 'latin1');
  headers.writeUInt32LE(0x80, 0x3c);
  headers.write('PE\0\0', 0x80, 'latin1');
  headers.writeUInt16LE(crafted.machine ?? (is64 ? 0x8664 : 0x14c), COFF_HEADER);
  headers.writeUInt16LE(sections.length, COFF_HEADER + 2);
  headers.writeUInt16LE(optionalSize, COFF_HEADER + 16);
  headers.writeUInt16LE(crafted.characteristics ?? 0x22, COFF_HEADER + 18);
  headers.writeUInt16LE(is64 ? 0x20b : 0x10b, OPTIONAL_HEADER);
  if (is64) headers.writeBigUInt64LE(imageBase, OPTIONAL_HEADER + 24);
  else headers.writeUInt32LE(Number(imageBase), OPTIONAL_HEADER + 28);
  headers.writeUInt32LE(0x1000, OPTIONAL_HEADER + 32);
  headers.writeUInt32LE(ALIGNMENT, OPTIONAL_HEADER + 36);
  headers.writeUInt32LE(headersSize, OPTIONAL_HEADER + 60);
  headers.writeUInt16LE(crafted.dllCharacteristics ?? 0, OPTIONAL_HEADER + 70);
  const directories = OPTIONAL_HEADER + (is64 ? 112 : 96);
  headers.writeUInt32LE(crafted.directoryCount ?? 16, directories - 4);
  for (const [number, [rva, size]] of Object.entries(crafted.directories ?? {})) {
    headers.writeUInt32LE(rva, directories + 8 * Number(number));
    headers.writeUInt32LE(size, directories + 8 * Number(number) + 4);
  }

  const parts: Buffer[] = [headers];
  let end = headersSize;
  sections.forEach((section, i) => {
    const at = table + 40 * i;
    const data = section.data ?? new Uint8Array(0);
    const name = section.name.length <= 8 ? section.name : `/${strings.add(section.name)}`;
    headers.write(name, at, 'latin1');
    headers.writeUInt32LE(section.virtualSize ?? data.length, at + 8);
    headers.writeUInt32LE(section.rva, at + 12);
    headers.writeUInt32LE(section.rawSize ?? aligned(data.length), at + 16);
    headers.writeUInt32LE(section.fileOffset ?? (data.length === 0 ? 0 : end), at + 20);
    headers.writeUInt32LE(section.flags ?? (section.name === '.text' ? CODE : DATA), at + 36);
    const padded = Buffer.alloc(aligned(data.length));
    padded.set(data);
    parts.push(padded);
    end += padded.length;
  });

  let count = 0;
  const records = symbols.map((symbol) => {
    const record = Buffer.alloc(18 * (1 + (symbol.auxiliary ?? 0)));
    if (symbol.name.length <= 8) record.write(symbol.name, 'utf8');
    else record.writeUInt32LE(strings.add(symbol.name), 4);
    record.writeUInt32LE(symbol.value, 8);
    record.writeInt16LE(symbol.section, 12);
    record.writeUInt16LE(symbol.type ?? 0x20, 14);
    record.writeUInt8(symbol.storageClass ?? 2, 16);
    record.writeUInt8(symbol.auxiliary ?? 0, 17);
    count += record.length / 18;
    return record;
  });
  if (count > 0 || strings.size > 4) {
    headers.writeUInt32LE(end, COFF_HEADER + 8);
    headers.writeUInt32LE(count, COFF_HEADER + 12);
    parts.push(...records, strings.bytes());
  }
  const bytes = Buffer.concat(parts);
  for (const [at, value] of Object.entries(crafted.patch ?? {})) bytes.writeUInt32LE(value, Number(at));
  return bytes;
}

function aligned(size: number): number {
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT;
}

class Strings {
  #text = '';

  get size(): number {
    return 4 + this.#text.length;
  }

  add(name: string): number {
    const at = this.size;
    this.#text += `${name}\0`;
    return at;
  }

  bytes(): Buffer {
    const bytes = Buffer.alloc(this.size);
    bytes.writeUInt32LE(this.size);
    bytes.write(this.#text, 4, 'latin1');
    return bytes;
  }
}
