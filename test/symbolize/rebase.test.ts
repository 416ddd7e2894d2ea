import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ObjectFile, Segment } from '../../src/object/object.ts';
import { elfBase, machoBase, peBase, Rebase, type MappedRange } from '../../src/symbolize/rebase.ts';

const load = (fileOffset: bigint, vaddr: bigint) => ({ fileOffset, vaddr });
const U64_MAX = (1n << 64n) - 1n;

describe('base of an ELF mapping', () => {
  // Measured against nm on real binaries unless the row says otherwise.
  const rows: readonly {
    name: string;
    type: ObjectFile['type'];
    segment: { fileOffset: bigint; vaddr: bigint } | null;
    stext?: bigint;
    start: bigint;
    limit: bigint;
    offset: bigint;
    base: bigint | null;
    address?: bigint;
    linked?: bigint;
  }[] = [
    {
      name: 'Go 1.26 executable',
      type: 'exec',
      segment: load(0n, 0x400000n),
      start: 0x400000n,
      limit: 0x6d0000n,
      offset: 0n,
      base: 0n,
      address: 0x671d72n,
      linked: 0x671d72n,
    },
    {
      name: 'Go 1.26 PIE, whose first segment is linked at 0x400000',
      type: 'dyn',
      segment: load(0n, 0x400000n),
      start: 0x55a115ae4000n,
      limit: 0x55a115db4000n,
      offset: 0n,
      base: 0x55a1156e4000n,
      address: 0x55a115d56203n,
      linked: 0x672203n,
    },
    {
      name: 'Go 1.15 PIE',
      type: 'dyn',
      segment: load(0n, 0x400000n),
      start: 0x560644f61000n,
      limit: 0x5606452d9000n,
      offset: 0n,
      base: 0x560644b61000n,
      address: 0x5606452d7d5an,
      linked: 0x776d5an,
    },
    {
      name: 'cgo executable, text segment not first',
      type: 'exec',
      segment: load(0x2000n, 0x402000n),
      start: 0x402000n,
      limit: 0x679000n,
      offset: 0x2000n,
      base: 0n,
      address: 0x678044n,
      linked: 0x678044n,
    },
    {
      name: 'cgo PIE linked by gcc',
      type: 'dyn',
      segment: load(0xb1000n, 0xb1000n),
      start: 0x5634481fc000n,
      limit: 0x563448473000n,
      offset: 0xb1000n,
      base: 0x56344814b000n,
      address: 0x5634484724a6n,
      linked: 0x3274a6n,
    },
    {
      name: 'libc.so.6',
      type: 'dyn',
      segment: load(0x26000n, 0x26000n),
      start: 0x7f2677fea000n,
      limit: 0x7f267813f000n,
      offset: 0x26000n,
      base: 0x7f2677fc4000n,
    },
    {
      name: 'library linked by lld: file offset and address differ',
      type: 'dyn',
      segment: load(0x1000n, 0x2000n),
      start: 0x7f0000201000n,
      limit: 0x7f0000202000n,
      offset: 0x1000n,
      base: 0x7f00001ff000n,
      address: 0x7f0000201010n,
      linked: 0x2010n,
    },
    {
      name: 'vmlinux moved by KASLR',
      type: 'exec',
      segment: load(0n, 0xffffffff80200000n),
      stext: 0xffffffff80200198n,
      start: 0xffffffff83200000n,
      limit: 0xffffffff84200000n,
      offset: 0n,
      base: 0x3000000n,
    },
    {
      name: 'kernel module: relocatable, mapped from its first byte',
      type: 'rel',
      segment: null,
      start: 0xffffffffa0200000n,
      limit: 0xffffffffa0210000n,
      offset: 0n,
      base: 0xffffffffa0200000n,
    },
    {
      name: 'kernel module at an offset',
      type: 'rel',
      segment: null,
      start: 0xffffffffa0200000n,
      limit: 0xffffffffa0210000n,
      offset: 0x1000n,
      base: null,
    },
    { name: 'placeholder mapping', type: 'exec', segment: null, start: 0n, limit: 0n, offset: 0n, base: 0n },
    {
      name: 'placeholder mapping to the end of memory',
      type: 'dyn',
      segment: load(0n, 0n),
      start: 0n,
      limit: U64_MAX,
      offset: 0n,
      base: 0n,
    },
    {
      name: 'no program header',
      type: 'dyn',
      segment: null,
      start: 0x5000n,
      limit: 0x9000n,
      offset: 0x1000n,
      base: 0x4000n,
    },
    {
      name: 'ChromeOS kernel at 0',
      type: 'exec',
      segment: load(0n, 0xffffffff80200000n),
      start: 0n,
      limit: 0x1000000n,
      offset: 0n,
      base: 0x7fe00000n,
    },
  ];
  for (const row of rows) {
    it(row.name, () => {
      const base = elfBase(row.type, row.segment, row.stext ?? null, row);
      assert.equal(base, row.base);
      if (row.address !== undefined) assert.equal(BigInt.asUintN(64, row.address - base!), row.linked);
    });
  }

  it('Mach-O slides as a whole; a mapping below __TEXT fits nothing', () => {
    assert.equal(machoBase(0x100000000n, 0x104e3c000n), 0x4e3c000n);
    assert.equal(machoBase(0x100000000n, 0x4000n), null);
  });

  it('PE starts at its ImageBase', () => {
    assert.equal(peBase(0x140000000n, 0x7ff6a0000000n), 0x7ff560000000n);
    assert.equal(peBase(0x140000000n, 0n), 0n);
  });
});

describe('an address in a mapping', () => {
  const segment = (part: Partial<Segment>): Segment => ({
    name: 'LOAD',
    fileOffset: 0,
    fileSize: part.size ?? 0,
    address: 0,
    size: 0,
    align: 0x1000,
    readable: true,
    writable: false,
    executable: true,
    ...part,
  });
  const object = (part: Partial<ObjectFile>): ObjectFile =>
    ({ format: 'elf', type: 'dyn', bias: 0n, segments: [], debugOnly: false, ...part }) as ObjectFile;
  const range = (start: bigint, limit: bigint, offset: bigint): MappedRange => ({
    start,
    limit,
    offset,
    filename: '/bin/x',
  });

  const pie = object({
    segments: [
      segment({ fileOffset: 0, address: 0, size: 0x800, executable: false }),
      segment({ fileOffset: 0x1000, address: 0x1000, size: 0x5000 }),
      segment({ fileOffset: 0x6000, address: 0x7000, size: 0x2000, executable: false }),
    ],
  });

  it('takes the segment the mapping was made from', () => {
    const rebase = new Rebase(pie, range(0x555500001000n, 0x555500006000n, 0x1000n));
    assert.equal(rebase.toFile(0x555500001234n), 0x1234);
  });

  it('refuses addresses outside the mapping', () => {
    const rebase = new Rebase(pie, range(0x555500001000n, 0x555500006000n, 0x1000n));
    assert.equal(rebase.toFile(0x555500000fffn), null);
    assert.equal(rebase.toFile(0x555500006000n), null);
  });

  it('treats a limit of 0 as open-ended', () => {
    const rebase = new Rebase(pie, range(0x555500001000n, 0n, 0x1000n));
    assert.equal(rebase.toFile(0x555500001234n), 0x1234);
  });

  it('tells segments that share a page of the file apart by file offset', () => {
    const sharing = object({
      segments: [
        segment({ fileOffset: 0x1000, address: 0x1000, size: 0x200 }),
        segment({ fileOffset: 0x1200, address: 0x2200, size: 0x3000 }),
      ],
    });
    const rebase = new Rebase(sharing, range(0x555500001000n, 0x555500002000n, 0x1000n));
    assert.equal(rebase.toFile(0x555500001010n), 0x1010);
    assert.equal(rebase.toFile(0x555500001234n), 0x2234);
  });

  it('gives nothing where no segment covers the mapping', () => {
    const rebase = new Rebase(pie, range(0x555500100000n, 0x555500200000n, 0x100000n));
    assert.equal(rebase.toFile(0x555500100010n), null);
    assert.match(rebase.problem, /offset 0x100000/);
  });

  it('does not take the tail of the segment before for the one that was mapped', () => {
    const neighbours = object({
      segments: [
        segment({ fileOffset: 0, address: 0x0, size: 0x1200 }),
        segment({ fileOffset: 0x1200, address: 0x2200, size: 0x3000 }),
      ],
    });
    const rebase = new Rebase(neighbours, range(0x7f0000001000n, 0x7f0000005000n, 0x1000n));
    assert.equal(rebase.toFile(0x7f0000001234n), 0x2234);
  });

  it('places a debug-only file by its one executable segment', () => {
    const text = segment({ address: 0xb15a0, size: 0x2761a0, fileSize: 0 });
    const debug = object({ debugOnly: true, segments: [segment({ size: 0x500, executable: false }), text] });
    const rebase = new Rebase(debug, range(0x5634481fc000n, 0x563448473000n, 0xb1000n));
    assert.equal(rebase.toFile(0x5634484724a6n), 0x3274a6);
    const openEnded = new Rebase(debug, range(0x5634481fc000n, 0n, 0xb1000n));
    assert.equal(openEnded.toFile(0x5634484724a6n), 0x3274a6);
  });

  it('does not guess which part of a segment was mapped from a debug-only file', () => {
    const text = segment({ address: 0x15a0, size: 0x5000, fileSize: 0 });
    const debug = object({ debugOnly: true, segments: [segment({ size: 0x500, executable: false }), text] });
    const base = 0x7f0000000000n;
    const at = (start: bigint, limit: bigint, offset: bigint) =>
      new Rebase(debug, range(base + start, base + limit, offset));
    assert.equal(at(0x1000n, 0x7000n, 0x0n).toFile(base + 0x1678n), 0x1678, 'lld: the offset is another');
    const piece = at(0x2000n, 0x7000n, 0x1000n);
    assert.equal(piece.toFile(base + 0x2678n), null, "the rest of lld's, whose offset would suit the whole");
    assert.match(piece.problem, /debug info alone/);
    assert.equal(at(0x1000n, 0x9000n, 0x1000n).toFile(base + 0x1678n), 0x1678, 'more was reserved');
    assert.equal(at(0x1000n, 0x9000n, 0x0n).toFile(base + 0x1678n), null);
  });

  it('knows larger pages around a debug-only file', () => {
    const text = segment({ address: 0x11000, size: 0x5000, fileSize: 0 });
    const debug = object({ debugOnly: true, segments: [segment({ size: 0x500, executable: false }), text] });
    const rebase = new Rebase(debug, range(0x7f0000010000n, 0x7f0000020000n, 0x10000n));
    assert.equal(rebase.toFile(0x7f0000011234n), 0x11234);
  });

  it('keeps kernel addresses exact by the bias', () => {
    const kernel = object({
      type: 'exec',
      bias: 0xffffffff81000000n,
      segments: [segment({ fileOffset: 0x200000, address: 0, size: 0x1000000 })],
      symbols: () => [],
      section: () => undefined,
    });
    const rebase = new Rebase(kernel, {
      ...range(0xffffffff81000000n, 0xffffffff82000000n, 0n),
      filename: 'vmlinux',
    });
    assert.equal(rebase.toFile(0xffffffff81000123n), 0x123);
  });

  it('goes by __TEXT on macOS, whatever the offset says', () => {
    const text = segment({ name: '__TEXT', address: 0x100000000, size: 0x5000, fileSize: 0x5000 });
    const macho = object({ format: 'macho', segments: [text, segment({ executable: false, size: 0x9000 })] });
    const rebase = new Rebase(macho, range(0x104e3c000n, 0x104e41000n, 0x4000n));
    assert.equal(rebase.toFile(0x104e3c123n), 0x100000123);
    const below = new Rebase(macho, range(0x4000n, 0x9000n, 0n));
    assert.equal(below.toFile(0x4123n), null);
    assert.match(below.problem, /below the file's __TEXT/);
  });

  it('goes by the whole image on Windows', () => {
    const headers = segment({ name: 'headers', address: 0x140000000, size: 0x400, executable: false });
    const text = segment({ name: '.text', address: 0x140001000, size: 0x1234 });
    const pe = object({ format: 'pe', segments: [headers, text] });
    const rebase = new Rebase(pe, range(0x7ff6a0000000n, 0x7ff6a0006000n, 0n));
    assert.equal(rebase.toFile(0x7ff6a0001010n), 0x140001010);
  });

  it('says the same of a number', () => {
    const kernel = object({
      type: 'exec',
      bias: 0xffffffff81000000n,
      segments: [segment({ fileOffset: 0x200000, address: 0, size: 0x1000000 })],
      symbols: () => [],
      section: () => undefined,
    });
    const headers = segment({ name: 'headers', address: 0x140000000, size: 0x400, executable: false });
    const pe = object({ format: 'pe', segments: [headers] });
    const bare = { symbols: () => [], section: () => undefined };
    const { segments } = pie;
    const program = object({ segments, ...bare });
    const files = [program, kernel, object({ type: 'exec', segments, ...bare }), pe];
    const ranges = [
      range(0x555500001000n, 0x555500006000n, 0x1000n),
      range(0x555500001000n, 0n, 0x1000n),
      range(0n, 0n, 0n),
      range(0n, (1n << 64n) - 1n, 0n),
      range(0x1000n, 0x6000n, 0x1000n),
      range(0x555500000000n, 0x555500009000n, 0n),
      range(0xffffffff81000000n, 0xffffffff82000000n, 0n),
      range(0x400n, 0x5000n, 0x1000n),
      range((1n << 53n) - 0x2000n, (1n << 53n) + 0x5000n, 0x1000n),
    ];
    const offsets = [-0x1001, -1, 0, 1, 0x123, 0x4fff, 0x5000, 0x8fff, 0x140000123];
    let placed = 0;
    for (const file of files) {
      for (const each of ranges) {
        const rebase = new Rebase(file, each);
        for (const from of [each.start, each.limit, 0n, 0x555500001000n, 1n << 52n, (1n << 53n) - 0x9000n]) {
          for (const offset of offsets) {
            const address = from + BigInt(offset);
            if (address < 0n || address > BigInt(Number.MAX_SAFE_INTEGER)) continue;
            const expected = rebase.toFile(address);
            if (expected !== null) placed++;
            assert.equal(
              rebase.toFileFrom(Number(address)),
              expected,
              `${each.start.toString(16)} ${address.toString(16)}`,
            );
          }
        }
      }
    }
    assert.ok(placed > 200, String(placed));
  });
});
