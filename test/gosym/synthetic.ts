/**
 * An ELF program that is nothing but a Go function table of any size: what takes the linker minutes and the disk 700 MB is made in
 * memory in a moment. Layout of Go 1.20 to 1.25, little endian, 64 bits, no section headers.
 *
 * Function i is "example.com/huge/pkg<i % 1000>.function<i>", 64 bytes long: 32 bytes at line i + 1, 16 of a call inlined into it
 * from line i + 2 ("inlined", line 7), 8 more, 8 of padding. Every tenth is a wrapper.
 */
const TEXT = 0x10000000;
const TABLE = 0x400000;
export const FUNCTION_BYTES = 64;
const WRAPPER = 22;
const HEADER = 0x60;

export interface SyntheticProgram {
  readonly bytes: Buffer;
  readonly text: number;
  /** Bytes of the function table. */
  readonly tableLength: number;
  readonly names: (i: number) => string;
}

export function syntheticProgram(functionCount: number): SyntheticProgram {
  const name = (i: number): string => `example.com/huge/pkg${i % 1000}.function${i}`;
  const names = new Growing();
  names.text('runtime.first');
  const inlinedName = names.text('inlined');
  const nameOffsets = Array.from({ length: functionCount }, (_, i) => names.text(name(i)));

  const files = new Growing();
  const file = files.text('huge.go');
  const units = Buffer.alloc(8);
  units.writeUInt32LE(file, 4);

  const pctab = new Growing();
  pctab.byte(0);
  const fileStream = pctab.pairs([[1, 56]]);
  const inlineStream = pctab.pairs([
    [-1, 32],
    [0, 16],
    [-1, 8],
  ]);
  const lineStreams = Array.from({ length: functionCount }, (_, i) =>
    pctab.pairs([
      [i + 1, 32],
      [7, 16],
      [i + 1, 8],
    ]),
  );

  const functabBytes = 8 * functionCount + 4;
  const recordBytes = 44 + 4 * 3 + 4 * 4;
  const pcln = Buffer.alloc(functabBytes + 4 + recordBytes * functionCount);
  const firstRecord = functabBytes + 4;
  for (let i = 0; i <= functionCount; i++) {
    pcln.writeUInt32LE(i * FUNCTION_BYTES, 8 * i);
    if (i === functionCount) break;
    const record = firstRecord + i * recordBytes;
    pcln.writeUInt32LE(record, 8 * i + 4);
    const fields = [i * FUNCTION_BYTES, nameOffsets[i], 0, 0, 0, fileStream, lineStreams[i], 3, 0, i];
    fields.forEach((value, k) => pcln.writeUInt32LE(value, record + 4 * k));
    pcln.writeUInt8(i % 10 === 9 ? WRAPPER : 0, record + 40);
    pcln.writeUInt8(4, record + 43);
    pcln.writeUInt32LE(inlineStream, record + 44 + 8);
    for (let k = 0; k < 3; k++) pcln.writeUInt32LE(0xffffffff, record + 56 + 4 * k);
  }

  const parts = [names.bytes(), units, files.bytes(), pctab.bytes(), pcln];
  const offsets: number[] = [];
  let length = HEADER;
  for (const part of parts) {
    offsets.push(length);
    length = align(length + part.length);
  }
  const table = Buffer.alloc(length);
  table.writeUInt32LE(0xfffffff1, 0);
  table.writeUInt8(1, 6);
  table.writeUInt8(8, 7);
  [functionCount, 1, TEXT, ...offsets].forEach((word, k) => table.writeBigUInt64LE(BigInt(word), 8 + 8 * k));
  parts.forEach((part, k) => part.copy(table, offsets[k]));

  // Behind the table: moduledata, the text section map, one inline tree.
  const data = align(TABLE + length);
  const map = data + 0x200;
  const gofunc = data + 0x240;
  const tail = Buffer.alloc(0x280);
  const word = (index: number, value: number): void => {
    tail.writeBigUInt64LE(BigInt(value), 8 * index);
  };
  const slice = (index: number, pointer: number, count: number): void =>
    [pointer, count, count].forEach((value, k) => word(index + k, value));
  const end = TEXT + functionCount * FUNCTION_BYTES;
  word(0, TABLE);
  [1, 4, 7, 10].forEach((index, k) => slice(index, TABLE + offsets[k], parts[k].length));
  slice(13, TABLE + offsets[4], pcln.length);
  slice(16, TABLE + offsets[4], functionCount + 1);
  [TEXT, end, TEXT, end].forEach((value, k) => word(20 + k, value));
  word(40, gofunc);
  slice(41, map, 1);
  [0, functionCount * FUNCTION_BYTES, TEXT].forEach((value, k) => word(64 + k, value));
  tail.writeUInt32LE(inlinedName, 0x240 + 4);
  tail.writeUInt32LE(31, 0x240 + 8); // the call site is in the first range
  tail.writeUInt32LE(5, 0x240 + 12);

  const fileStart = 0x1000;
  const elf = Buffer.alloc(fileStart);
  elf.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  elf.writeUInt16LE(2, 0x10); // ET_EXEC
  elf.writeUInt16LE(62, 0x12); // EM_X86_64
  elf.writeUInt32LE(1, 0x14);
  elf.writeBigUInt64LE(0x40n, 0x20);
  [0x40, 56, 2, 64, 0, 0].forEach((half, k) => elf.writeUInt16LE(half, 0x34 + 2 * k));
  const body = Buffer.concat([table, Buffer.alloc(data - TABLE - length), tail]);
  segment(elf, 0x40, 6, fileStart, TABLE, body.length, body.length);
  segment(elf, 0x40 + 56, 5, 0, TEXT, 0, functionCount * FUNCTION_BYTES);
  return { bytes: Buffer.concat([elf, body]), text: TEXT, tableLength: length, names: name };
}

function segment(
  elf: Buffer,
  at: number,
  flags: number,
  offset: number,
  address: number,
  fileSize: number,
  size: number,
): void {
  elf.writeUInt32LE(1, at); // PT_LOAD
  elf.writeUInt32LE(flags, at + 4);
  [offset, address, address, fileSize, size, 0x1000].forEach((value, k) =>
    elf.writeBigUInt64LE(BigInt(value), at + 8 + 8 * k),
  );
}

function align(n: number): number {
  return Math.ceil(n / 32) * 32;
}

/** Bytes appended one after the other. */
class Growing {
  #buffer = Buffer.alloc(1 << 16);
  #length = 0;

  byte(value: number): void {
    if (this.#length === this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer], this.#length * 2);
    this.#buffer[this.#length++] = value;
  }

  /** A NUL-terminated string; returns where it is. */
  text(value: string): number {
    const at = this.#length;
    for (let i = 0; i < value.length; i++) this.byte(value.charCodeAt(i));
    this.byte(0);
    return at;
  }

  /** A pc-value stream of values and the bytes they hold for; returns where it is. */
  pairs(ranges: readonly (readonly [value: number, bytes: number])[]): number {
    const at = this.#length;
    let value = -1;
    // A value that does not change would end the stream.
    const merged: [number, number][] = [];
    for (const [next, bytes] of ranges) {
      const last = merged.at(-1);
      if (last?.[0] === next) last[1] += bytes;
      else merged.push([next, bytes]);
    }
    for (const [next, bytes] of merged) {
      const delta = next - value;
      this.#uvarint(delta < 0 ? -delta * 2 - 1 : delta * 2);
      this.#uvarint(bytes);
      value = next;
    }
    this.byte(0);
    return at;
  }

  #uvarint(value: number): void {
    for (; value >= 0x80; value >>>= 7) this.byte((value & 0x7f) | 0x80);
    this.byte(value);
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}
