/**
 * DWARF that compilers at hand do not write, made byte by byte (assembler.ts), against what the standard says it means. Where
 * llvm-symbolizer is at hand it reads the sound ones too.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as dw from '../../src/dwarf/constants.ts';
import { DwarfSymbols } from '../../src/dwarf/symbols.ts';
import { Assembler, type AssemblerOptions, type Entry, TEXT, type Value, addLines } from './assembler.ts';
import { askLlvm, llvmSymbolizer } from './llvm-symbolizer.ts';

const DW_LANG_C_plus_plus = 0x04;
const DW_TAG_partial_unit = 0x3c;
const DW_TAG_type_unit = 0x41;
const DW_TAG_lexical_block = 0x0b;
const DW_TAG_base_type = 0x24;
const DW_AT_byte_size = 0x0b;
const DW_AT_const_value = 0x1c;

type Attribute = readonly [attribute: number, form: number, value: Value];

const name = (value: string): Attribute => [dw.DW_AT_name, dw.DW_FORM_string, value];
const code = (low: number | bigint, size: number): Attribute[] => [
  [dw.DW_AT_low_pc, dw.DW_FORM_addr, low],
  [dw.DW_AT_high_pc, dw.DW_FORM_data4, size],
];
const unit = (attributes: Attribute[], children: Entry[], tag = dw.DW_TAG_compile_unit): Entry => ({
  tag,
  attributes,
  children,
});
const named = (title: string, low: number, size: number): Entry => ({
  tag: dw.DW_TAG_subprogram,
  attributes: [name(title), ...code(low, size)],
});

function open(made: Assembler): DwarfSymbols {
  const symbols = DwarfSymbols.open(made.object());
  assert.ok(symbols);
  return symbols;
}

/** "name file:line:column<name..." or null. */
function said(symbols: DwarfSymbols, address: number): string | null {
  const frames = symbols.frames(address);
  return frames?.map((f) => `${f.linkageName || f.name} ${f.file}:${f.line}:${f.column}`).join(' < ') ?? null;
}

/** The same of every address, by resym and, where it is here and its reading is not `otherwise`, by llvm-symbolizer. */
async function check(
  made: Assembler,
  expected: readonly (readonly [address: number, said: string | null])[],
  { otherwise = false, problems = [] as string[] } = {},
): Promise<void> {
  const symbols = open(made);
  for (const [address, what] of expected) assert.equal(said(symbols, address), what, `0x${address.toString(16)}`);
  assert.deepEqual(symbols.problems, problems);
  if (llvmSymbolizer === null || otherwise) return;
  const dir = mkdtempSync(join(tmpdir(), 'resym-handmade-'));
  try {
    const path = join(dir, 'program');
    writeFileSync(path, made.file());
    const answers = await askLlvm(
      path,
      expected.map(([address]) => address),
    );
    answers.forEach((frames, i) => {
      const [address, what] = expected[i];
      const theirs = frames.map((f) => `${f.FunctionName} ${f.FileName}:${f.Line}:${f.Column}`).join(' < ') || null;
      assert.equal(theirs, what?.replace(/(^| < )(?:\w+::)+/g, '$1') ?? null, `llvm 0x${address.toString(16)}`);
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const encodings: AssemblerOptions[] = [true, false].flatMap((littleEndian) =>
  ([4, 8] as const).flatMap((offsetSize) =>
    ([8, 4] as const).map((addressSize) => ({ littleEndian, offsetSize, addressSize })),
  ),
);

describe('handmade DWARF', () => {
  for (const options of encodings) {
    const { littleEndian, offsetSize = 4, addressSize } = options;
    for (const version of [2, 3, 4, 5]) {
      if (version === 2 && offsetSize === 8) continue; // 64-bit DWARF begins with version 3
      const title = `${littleEndian ? 'little' : 'big'} endian, ${8 * offsetSize} bit, addresses of ${addressSize}, version ${version}`;
      test(title, async () => {
        const made = new Assembler(options);
        const lines = addLines(
          made,
          {
            version,
            directories: version === 5 ? ['/src', '/src/sub', 'rel'] : ['/src/sub', 'rel'],
            files: [
              ['a.c', 0],
              ['b.c', 1],
              ['c.c', 2],
            ],
            md5: true,
          },
          (program) => {
            const first = version === 5 ? 0 : 1;
            program.setAddress(TEXT).fileNumber(first).row(9).advance(4).column(7).row(2);
            program
              .fileNumber(first + 1)
              .advance(4)
              .row(-8);
            program
              .fileNumber(first + 2)
              .advance(4)
              .row(97)
              .advance(4)
              .endSequence();
          },
        );
        const data = offsetSize === 8 ? dw.DW_FORM_data8 : dw.DW_FORM_data4;
        const offsetForm = version >= 4 ? dw.DW_FORM_sec_offset : data;
        made.unit(
          { version },
          unit(
            [
              [dw.DW_AT_name, version === 5 ? dw.DW_FORM_line_strp : dw.DW_FORM_strp, 'a.c'],
              [dw.DW_AT_comp_dir, dw.DW_FORM_strp, '/src'],
              [dw.DW_AT_stmt_list, offsetForm, lines],
              [dw.DW_AT_low_pc, dw.DW_FORM_addr, TEXT],
              [dw.DW_AT_high_pc, dw.DW_FORM_addr, TEXT + 0x20],
            ],
            [
              {
                tag: dw.DW_TAG_subprogram,
                attributes: [
                  [dw.DW_AT_name, dw.DW_FORM_strp, 'first'],
                  [dw.DW_AT_low_pc, dw.DW_FORM_addr, TEXT],
                  [dw.DW_AT_high_pc, dw.DW_FORM_addr, TEXT + 0x10],
                  [dw.DW_AT_decl_line, dw.DW_FORM_udata, 9],
                ],
              },
            ],
          ),
        );
        await check(made, [
          [TEXT, 'first /src/a.c:10:0'],
          [TEXT + 3, 'first /src/a.c:10:0'],
          [TEXT + 4, 'first /src/a.c:12:7'],
          [TEXT + 8, 'first /src/sub/b.c:4:7'],
          [TEXT + 15, 'first /src/rel/c.c:101:7'],
          [TEXT + 16, null],
        ]);
        assert.equal(open(made).frames(TEXT)?.[0].startLine, 9);
      });
    }
  }

  test('every form of index, reference and constant', async () => {
    const made = new Assembler();
    const addr = made
      .section('.debug_addr')
      .number(4, 8 * 4 + 4)
      .number(2, 5)
      .u8(8, 0);
    for (const address of [TEXT, TEXT + 0x10, TEXT + 0x20, TEXT + 0x30]) addr.number(8, address);
    const offsets = made
      .section('.debug_str_offsets')
      .number(4, 4 * 5 + 4)
      .number(2, 5)
      .number(2, 0);
    for (const text of ['zero', 'one', 'two', 'three', 'four']) offsets.number(4, made.str(text));
    const indexed = (strForm: number, addrForm: number, i: number): Entry => ({
      tag: dw.DW_TAG_subprogram,
      attributes: [
        [dw.DW_AT_name, strForm, i],
        [dw.DW_AT_low_pc, addrForm, i],
        [dw.DW_AT_high_pc, dw.DW_FORM_udata, 0x10],
      ],
    });
    made.unit(
      {},
      unit(
        [
          name('a.c'),
          [dw.DW_AT_str_offsets_base, dw.DW_FORM_sec_offset, 8],
          [dw.DW_AT_addr_base, dw.DW_FORM_sec_offset, 8],
          [dw.DW_AT_low_pc, dw.DW_FORM_addrx, 0],
          [dw.DW_AT_high_pc, dw.DW_FORM_implicit_const, 0x40],
        ],
        [
          // A constant of 64 bits in the table, as GCC writes them for enumerators.
          {
            tag: DW_TAG_base_type,
            attributes: [[DW_AT_byte_size, dw.DW_FORM_data16, { raw: Array<number>(16).fill(255) }]],
          },
          indexed(dw.DW_FORM_strx, dw.DW_FORM_addrx, 0),
          indexed(dw.DW_FORM_strx1, dw.DW_FORM_addrx1, 1),
          indexed(dw.DW_FORM_strx2, dw.DW_FORM_addrx2, 2),
          {
            tag: dw.DW_TAG_subprogram,
            attributes: [
              [dw.DW_AT_name, dw.DW_FORM_strx3, 3],
              [dw.DW_AT_low_pc, dw.DW_FORM_addrx4, 3],
              [dw.DW_AT_high_pc, dw.DW_FORM_data8, 8],
            ],
          },
          {
            tag: dw.DW_TAG_subprogram,
            attributes: [
              [dw.DW_AT_name, dw.DW_FORM_indirect, { raw: [dw.DW_FORM_strx4, 4, 0, 0, 0] }],
              [dw.DW_AT_low_pc, dw.DW_FORM_indirect, { raw: [dw.DW_FORM_addr, 0x38, 0x10, 0, 0, 0, 0, 0, 0] }],
              [dw.DW_AT_high_pc, dw.DW_FORM_udata, 8],
            ],
          },
        ],
      ),
    );
    await check(made, [
      [TEXT, 'zero :0:0'],
      [TEXT + 0x10, 'one :0:0'],
      [TEXT + 0x2f, 'two :0:0'],
      [TEXT + 0x30, 'three :0:0'],
      [TEXT + 0x38, 'four :0:0'],
      [TEXT + 0x40, null],
    ]);
  });

  test('a constant of 64 bits in the abbreviations', async () => {
    const made = new Assembler();
    made.unit(
      {},
      unit(
        [
          name('a.cc'),
          [DW_AT_const_value, dw.DW_FORM_implicit_const, Number.MIN_SAFE_INTEGER * 64],
          ...code(TEXT, 0x20),
        ],
        [
          { tag: DW_TAG_base_type, attributes: [[DW_AT_const_value, dw.DW_FORM_implicit_const, 2 ** 60]] },
          {
            tag: dw.DW_TAG_subprogram,
            attributes: [[dw.DW_AT_decl_line, dw.DW_FORM_implicit_const, 2 ** 60], name('one'), ...code(TEXT, 0x20)],
          },
        ],
      ),
    );
    await check(made, [[TEXT, 'one :0:0']]);
    assert.equal(open(made).frames(TEXT)?.[0].startLine, 0);
  });

  for (const form of [
    dw.DW_FORM_ref1,
    dw.DW_FORM_ref2,
    dw.DW_FORM_ref4,
    dw.DW_FORM_ref8,
    dw.DW_FORM_ref_udata,
    dw.DW_FORM_ref_addr,
  ]) {
    test(`origins by form 0x${form.toString(16)}`, async () => {
      const made = new Assembler();
      made.unit(
        {},
        unit(
          [name('a.c'), ...code(TEXT, 0x40)],
          [
            { tag: dw.DW_TAG_subprogram, label: 'inner', attributes: [name('inner')] },
            {
              tag: dw.DW_TAG_subprogram,
              attributes: [name('outer'), ...code(TEXT, 0x40)],
              children: [
                {
                  tag: dw.DW_TAG_inlined_subroutine,
                  attributes: [
                    [dw.DW_AT_abstract_origin, form, { to: 'inner' }],
                    ...code(TEXT + 8, 8),
                    [dw.DW_AT_call_line, dw.DW_FORM_data2, 77],
                    [dw.DW_AT_call_column, dw.DW_FORM_data1, 5],
                  ],
                },
              ],
            },
          ],
        ),
      );
      await check(made, [
        [TEXT, 'outer :0:0'],
        [TEXT + 8, 'inner :0:0 < outer :77:5'],
        [TEXT + 16, 'outer :0:0'],
      ]);
    });
  }

  test('origins and specifications across units, partial and type units between them', async () => {
    for (const version of [3, 4, 5]) {
      const made = new Assembler();
      const partial: Entry = unit(
        [[dw.DW_AT_language, dw.DW_FORM_data1, DW_LANG_C_plus_plus]],
        [
          {
            tag: dw.DW_TAG_namespace,
            attributes: [name('space')],
            children: [
              {
                tag: dw.DW_TAG_class_type,
                attributes: [name('Shape')],
                children: [
                  {
                    tag: dw.DW_TAG_subprogram,
                    label: 'declared',
                    attributes: [name('area'), [dw.DW_AT_decl_line, dw.DW_FORM_data1, 3]],
                  },
                ],
              },
            ],
          },
        ],
        DW_TAG_partial_unit,
      );
      made.unit({ version, type: dw.DW_UT_partial }, partial);
      if (version === 5) {
        const more = [...Array<number>(8).fill(1), 24, 0, 0, 0];
        made.unit({ type: dw.DW_UT_type, more }, unit([], [named('wrong', TEXT, 0x100)], DW_TAG_type_unit));
      }
      made.unit(
        { version },
        unit(
          [name('a.cc'), [dw.DW_AT_language, dw.DW_FORM_data1, DW_LANG_C_plus_plus]],
          [
            {
              tag: dw.DW_TAG_subprogram,
              label: 'abstract',
              attributes: [
                [dw.DW_AT_specification, dw.DW_FORM_ref_addr, { to: 'declared' }],
                [dw.DW_AT_decl_line, dw.DW_FORM_data1, 30],
              ],
            },
          ],
        ),
      );
      made.unit(
        { version },
        unit(
          [name('b.cc'), [dw.DW_AT_language, dw.DW_FORM_data1, DW_LANG_C_plus_plus], ...plain(version, TEXT, 0x40)],
          [
            {
              tag: dw.DW_TAG_subprogram,
              attributes: [
                [dw.DW_AT_abstract_origin, dw.DW_FORM_ref_addr, { to: 'abstract' }],
                ...plain(version, TEXT, 0x40),
              ],
            },
          ],
        ),
      );
      await check(made, [[TEXT + 4, 'space::Shape::area :0:0']]);
      assert.equal(open(made).frames(TEXT)?.[0].startLine, 30);
    }
  });

  test('lines: few standard opcodes, wide instructions, unknown opcodes, files defined on the way', async () => {
    const made = new Assembler();
    const lines = addLines(
      made,
      // Opcodes 4 to 9 are special here, and the instructions are of four bytes.
      {
        version: 4,
        minInstructionLength: 4,
        lineBase: -1,
        lineRange: 4,
        opcodeLengths: [0, 1, 1],
        files: [['a.c', 0]],
      },
      (program) => {
        program.setAddress(TEXT);
        program.out.u8(1); // copy
        program.out.u8(4 + 2 + 4 * 3); // line + 1, address + 3 * 4
        program.out.u8(0, 3, 0x80, 1, 2); // an extended opcode of some vendor
        program.out.u8(0, 8, dw.DW_LNE_define_file).text('d.c').u8(0, 0, 0);
        program.out.u8(4 + 3 + 4 * 1); // line + 2, address + 4
        program.advance(2).endSequence();
      },
    );
    made.unit(
      { version: 4 },
      unit(
        [
          name('a.c'),
          [dw.DW_AT_comp_dir, dw.DW_FORM_string, '/d'],
          [dw.DW_AT_stmt_list, dw.DW_FORM_sec_offset, lines],
          ...code(TEXT, 0x40),
        ],
        [named('one', TEXT, 0x40)],
      ),
    );
    await check(made, [
      [TEXT, 'one /d/a.c:1:0'],
      [TEXT + 11, 'one /d/a.c:1:0'],
      [TEXT + 12, 'one /d/a.c:2:0'],
      [TEXT + 16, 'one /d/a.c:4:0'],
      [TEXT + 24, 'one :0:0'],
    ]);
  });

  test('lines: several operations an instruction (VLIW)', async () => {
    const made = new Assembler();
    const lines = addLines(
      made,
      { version: 4, minInstructionLength: 16, maxOperations: 3, files: [['a.c', 0]] },
      (program) => {
        program.setAddress(TEXT).row(0).advance(2).row(1).advance(1).row(1).advance(4).row(1).advance(3).endSequence();
      },
    );
    made.unit(
      { version: 4 },
      unit(
        [
          name('a.c'),
          [dw.DW_AT_comp_dir, dw.DW_FORM_string, '/d'],
          [dw.DW_AT_stmt_list, dw.DW_FORM_sec_offset, lines],
          ...code(TEXT, 0x60),
        ],
        [named('one', TEXT, 0x60)],
      ),
    );
    await check(made, [
      [TEXT, 'one /d/a.c:2:0'],
      [TEXT + 0x10, 'one /d/a.c:3:0'],
      [TEXT + 0x20, 'one /d/a.c:4:0'],
    ]);
  });

  test('lines: sequences out of order, left out ones, gaps, discriminators', async () => {
    const made = new Assembler();
    const lines = addLines(made, { version: 5 }, (program) => {
      program
        .setAddress(TEXT + 0x40)
        .fileNumber(0)
        .row(39)
        .advance(16)
        .endSequence();
      // Left out by the linker: at 0, and at the highest address.
      program.setAddress(0).fileNumber(0).row(499).advance(0x7000).endSequence();
      program.setAddress(0xffffffffffffffffn).fileNumber(0).row(499).advance(0x7000).endSequence();
      program.setAddress(TEXT).fileNumber(0).row(9);
      program.out.u8(0, 2, 4, 7); // DW_LNE_set_discriminator
      program.advance(4).row(0).advance(4).row(1).advance(8).endSequence();
    });
    made.unit(
      {},
      unit(
        [name('a.c'), [dw.DW_AT_stmt_list, dw.DW_FORM_sec_offset, lines], ...code(TEXT, 0x80)],
        [named('one', TEXT, 0x80)],
      ),
    );
    // llvm-symbolizer believes the one at 0.
    await check(
      made,
      [
        [TEXT, 'one /src/a.c:10:0'],
        [TEXT + 4, 'one /src/a.c:10:0'],
        [TEXT + 8, 'one /src/a.c:11:0'],
        [TEXT + 16, 'one :0:0'],
        [TEXT + 0x40, 'one /src/a.c:40:0'],
        [TEXT + 0x50, 'one :0:0'],
      ],
      { otherwise: true },
    );
  });

  test('range lists of version 5: every kind of entry', async () => {
    const made = new Assembler();
    const addr = made
      .section('.debug_addr')
      .number(4, 8 * 4 + 4)
      .number(2, 5)
      .u8(8, 0);
    for (const address of [TEXT, TEXT + 0x100, TEXT + 0x200, TEXT + 0x208]) addr.number(8, address);
    const lists = made.section('.debug_rnglists');
    const end = made.begin(lists);
    lists.number(2, 5).u8(8, 0).number(4, 1).number(4, 4);
    const start = lists.length;
    lists.u8(dw.DW_RLE_offset_pair).uleb(0).uleb(4); // from the unit's low_pc
    lists.u8(dw.DW_RLE_base_addressx).uleb(1).u8(dw.DW_RLE_offset_pair).uleb(8).uleb(12);
    lists.u8(dw.DW_RLE_startx_endx).uleb(2).uleb(3);
    lists.u8(dw.DW_RLE_startx_length).uleb(3).uleb(4);
    lists
      .u8(dw.DW_RLE_base_address)
      .number(8, TEXT + 0x300)
      .u8(dw.DW_RLE_offset_pair)
      .uleb(0)
      .uleb(4);
    lists
      .u8(dw.DW_RLE_start_end)
      .number(8, TEXT + 0x400)
      .number(8, TEXT + 0x404);
    lists
      .u8(dw.DW_RLE_start_length)
      .number(8, TEXT + 0x500)
      .uleb(4);
    lists
      .u8(dw.DW_RLE_start_length)
      .number(8, TEXT + 0x600)
      .uleb(0); // nothing
    lists.u8(dw.DW_RLE_start_length).number(8, 0xffffffffffffffffn).uleb(9); // left out
    lists.u8(dw.DW_RLE_base_address).number(8, 0xffffffffffffffffn).u8(dw.DW_RLE_offset_pair).uleb(0).uleb(0x4000);
    lists.u8(dw.DW_RLE_start_length).number(8, 0).uleb(0x8000);
    lists.u8(dw.DW_RLE_end_of_list);
    end();
    const ranged = (form: number, value: number): Entry[] => [
      { tag: dw.DW_TAG_subprogram, attributes: [name('one'), [dw.DW_AT_ranges, form, value]] },
    ];
    for (const [form, value] of [
      [dw.DW_FORM_rnglistx, 0],
      [dw.DW_FORM_sec_offset, start],
    ]) {
      const bases: Attribute[] = [
        [dw.DW_AT_addr_base, dw.DW_FORM_sec_offset, 8],
        [dw.DW_AT_rnglists_base, dw.DW_FORM_sec_offset, 12],
        [dw.DW_AT_low_pc, dw.DW_FORM_addr, TEXT],
        [dw.DW_AT_ranges, form, value],
      ];
      made.info.list.length = 0;
      made.unit({}, unit([name('a.c'), ...bases], ranged(form, value)));
      const at = (offset: number, inside: boolean): [number, string | null] => [
        TEXT + offset,
        inside ? 'one :0:0' : null,
      ];
      await check(made, [
        at(0, true),
        at(4, false),
        at(0x100, false),
        at(0x108, true),
        at(0x10c, false),
        at(0x200, true),
        at(0x208, true),
        at(0x20c, false),
        at(0x300, true),
        at(0x304, false),
        at(0x400, true),
        at(0x500, true),
        at(0x504, false),
        at(0x600, false),
      ]);
    }
  });

  test('range lists of version 4: bases, empty ranges, what linkers leave out', async () => {
    const made = new Assembler();
    const ranges = made.section('.debug_ranges');
    const pair = (begin: number | bigint, end: number | bigint) => ranges.number(8, begin).number(8, end);
    pair(0, 4);
    pair(8, 8);
    pair(0xfffffffffffffffen, 0xfffffffffffffffen); // left out by lld
    pair(0xffffffffffffffffn, TEXT + 0x100);
    pair(0, 4);
    pair(0, 0);
    made.unit(
      { version: 4 },
      unit(
        [name('a.c'), [dw.DW_AT_low_pc, dw.DW_FORM_addr, TEXT], [dw.DW_AT_ranges, dw.DW_FORM_sec_offset, 0]],
        [{ tag: dw.DW_TAG_subprogram, attributes: [name('one'), [dw.DW_AT_ranges, dw.DW_FORM_sec_offset, 0]] }],
      ),
    );
    await check(made, [
      [TEXT, 'one :0:0'],
      [TEXT + 4, null],
      [TEXT + 8, null],
      [TEXT + 0x100, 'one :0:0'],
      [TEXT + 0x104, null],
    ]);
  });

  test('functions that linkers left out do not cover what is at their address', async () => {
    for (const dead of [0n, 1n, 0xffffffffffffffffn, 0xfffffffffffffffen, 8n]) {
      const made = new Assembler();
      made.unit(
        {},
        unit(
          [name('a.c')],
          [
            { tag: dw.DW_TAG_subprogram, attributes: [name('dead'), ...code(dead, 0x8000)] },
            named('alive', TEXT, 0x10),
            { tag: dw.DW_TAG_subprogram, attributes: [name('dead too'), ...code(dead, 0x8000)] },
            { tag: dw.DW_TAG_subprogram, attributes: [name('empty'), ...code(TEXT, 0)] },
          ],
        ),
      );
      // llvm-symbolizer knows only the highest addresses as left out.
      await check(
        made,
        [
          [TEXT, 'alive :0:0'],
          [TEXT + 0x10, null],
        ],
        { otherwise: true },
      );
    }
  });

  test('units that overlap: the first with the answer, and the narrow one inside a wide one without', () => {
    const made = new Assembler();
    made.unit({}, unit([name('wide.s'), ...code(TEXT, 0x1000)], []));
    made.unit({}, unit([name('narrow.c'), ...code(TEXT + 0x100, 0x10)], [named('narrow', TEXT + 0x100, 0x10)]));
    made.unit({}, unit([name('again.c'), ...code(TEXT + 0x100, 0x20)], [named('again', TEXT + 0x100, 0x20)]));
    const symbols = open(made);
    assert.equal(said(symbols, TEXT), null);
    assert.equal(said(symbols, TEXT + 0x100), 'narrow :0:0');
    assert.equal(said(symbols, TEXT + 0x110), 'again :0:0');
  });

  test('a unit with lines for code but no function is not overruled by another one', () => {
    const made = new Assembler();
    const lines = addLines(made, {}, (program) => {
      program.setAddress(TEXT).fileNumber(0).row(9).advance(0x40).endSequence();
    });
    // The linker kept the first unit's copy of some code, which the second one describes otherwise.
    made.unit(
      {},
      unit(
        [name('a.c'), [dw.DW_AT_stmt_list, dw.DW_FORM_sec_offset, lines], ...code(TEXT, 0x40)],
        [named('kept', TEXT + 0x20, 0x20)],
      ),
    );
    made.unit({}, unit([name('b.c'), ...code(TEXT, 0x40)], [named('discarded', TEXT, 0x40)]));
    const symbols = open(made);
    assert.equal(said(symbols, TEXT), null);
    assert.deepEqual(symbols.line(TEXT), { file: '/src/a.c', line: 10, column: 0 });
    assert.equal(said(symbols, TEXT + 0x20), 'kept /src/a.c:10:0');
  });

  test('inlined calls in lexical blocks, deep; a nested function is a frame of its own', () => {
    const depth = 200;
    const made = new Assembler();
    let entry: Entry = { tag: DW_TAG_lexical_block, children: [] };
    for (let n = depth; n > 0; n--) {
      const call: Attribute[] = [
        [dw.DW_AT_abstract_origin, dw.DW_FORM_ref4, { to: 'inner' }],
        ...code(TEXT + n, 0x400 - 2 * n),
        [dw.DW_AT_call_line, dw.DW_FORM_data2, n],
      ];
      entry = {
        tag: DW_TAG_lexical_block,
        children: [{ tag: dw.DW_TAG_inlined_subroutine, attributes: call, children: [entry] }],
      };
    }
    made.unit(
      {},
      unit(
        [name('a.c'), ...code(TEXT, 0x1000)],
        [
          { tag: dw.DW_TAG_subprogram, label: 'inner', attributes: [name('inner')] },
          {
            tag: dw.DW_TAG_subprogram,
            attributes: [name('outer'), ...code(TEXT, 0x1000)],
            children: [entry, named('nested', TEXT + 0x800, 0x10)],
          },
        ],
      ),
    );
    const symbols = open(made);
    assert.equal(symbols.frames(TEXT)?.length, 1);
    assert.equal(symbols.frames(TEXT + depth)?.length, depth + 1);
    assert.deepEqual(
      symbols.frames(TEXT + depth)?.map(({ line }) => line),
      [0, ...Array.from({ length: depth }, (_, i) => depth - i)],
    );
    assert.equal(said(symbols, TEXT + 0x800), 'outer::nested :0:0');
  });

  test('code above 2^53: a kernel', () => {
    const base = 0xffffffff81000000n;
    const made = new Assembler({ text: base });
    made.unit(
      {},
      unit(
        [name('k.c'), ...code(base, 0x40)],
        [{ tag: dw.DW_TAG_subprogram, attributes: [name('start_kernel'), ...code(base, 0x40)] }],
      ),
    );
    const object = made.object();
    const symbols = DwarfSymbols.open(object)!;
    assert.equal(said(symbols, Number(base - object.bias)), 'start_kernel :0:0');
  });
});

/** Versions before 4 have the end of code as address. */
function plain(version: number, low: number, size: number): Attribute[] {
  if (version >= 4) return code(low, size);
  return [
    [dw.DW_AT_low_pc, dw.DW_FORM_addr, low],
    [dw.DW_AT_high_pc, dw.DW_FORM_addr, low + size],
  ];
}

/** All of it within a second, without a throw; what was wrong is said. */
function survives(made: Assembler, addresses: readonly number[] = [TEXT, TEXT + 8, TEXT + 0x100]): DwarfSymbols {
  const before = process.memoryUsage().rss;
  const start = performance.now();
  const symbols = open(made);
  for (const address of addresses) {
    symbols.frames(address);
    symbols.line(address);
  }
  const spent = performance.now() - start;
  assert.ok(spent < 2000, `${spent} ms`);
  assert.ok(process.memoryUsage().rss - before < 300 << 20, 'too much memory');
  return symbols;
}

describe('hostile DWARF', () => {
  test('origins in a circle, and to nowhere', () => {
    const made = new Assembler();
    const to = (label: string): Attribute[] => [
      [dw.DW_AT_abstract_origin, dw.DW_FORM_ref4, { to: label }],
      [dw.DW_AT_specification, dw.DW_FORM_ref4, { to: label }],
    ];
    made.unit(
      {},
      unit(
        [name('a.c'), ...code(TEXT, 0x200)],
        [
          { tag: dw.DW_TAG_subprogram, label: 'self', attributes: [...to('self'), ...code(TEXT, 8)] },
          { tag: dw.DW_TAG_subprogram, label: 'a', attributes: [...to('b'), ...code(TEXT + 8, 8)] },
          { tag: dw.DW_TAG_subprogram, label: 'b', attributes: to('a') },
          {
            tag: dw.DW_TAG_subprogram,
            attributes: [[dw.DW_AT_abstract_origin, dw.DW_FORM_ref4, 0x7fffffff], ...code(TEXT + 0x10, 8)],
          },
          {
            tag: dw.DW_TAG_subprogram,
            attributes: [[dw.DW_AT_abstract_origin, dw.DW_FORM_ref_addr, 0x7fffffff], ...code(TEXT + 0x18, 8)],
          },
          named('well', TEXT + 0x100, 8),
        ],
      ),
    );
    const symbols = survives(made, [TEXT, TEXT + 8]);
    assert.equal(symbols.frames(TEXT)?.[0].name, '');
    survives(made, [TEXT + 0x10, TEXT + 0x18, TEXT + 0x100]);
  });

  test('a damaged function spoils neither the others of its unit nor the next unit', () => {
    const made = new Assembler();
    made.unit(
      {},
      unit(
        [name('a.c'), ...code(TEXT, 0x100)],
        [
          {
            tag: dw.DW_TAG_subprogram,
            attributes: [[dw.DW_AT_abstract_origin, dw.DW_FORM_ref4, 0x7fffffff], ...code(TEXT, 8)],
          },
          named('well', TEXT + 0x80, 8),
        ],
      ),
    );
    made.unit({}, unit([name('b.c'), ...code(TEXT + 0x100, 0x100)], [named('next', TEXT + 0x100, 8)]));
    const symbols = survives(made, [TEXT]);
    assert.equal(said(symbols, TEXT + 0x100), 'next :0:0');
    assert.equal(said(symbols, TEXT + 0x80), 'well :0:0');
    assert.equal(symbols.problems.length, 1);
  });

  test('a line program without end, of a million sequences, of giant steps', () => {
    for (const fill of [
      (out: number[]) => {
        for (let i = 0; i < 200_000; i++) out.push(255, 255, 255);
      },
      (out: number[]) => {
        for (let i = 0; i < 100_000; i++) out.push(0, 9, 2, 0, 0x10, 0, 0, 0, 0, 0, 0, 1, 20, 0, 1, 1);
      },
      (out: number[]) => {
        for (let i = 0; i < 10_000; i++) out.push(2, ...Array<number>(30).fill(0xff), 0x7f, 1, 0, 1, 1);
      },
    ]) {
      const made = new Assembler();
      const bytes: number[] = [];
      fill(bytes);
      const lines = addLines(made, {}, (program) => {
        program.setAddress(TEXT);
        for (const byte of bytes) program.out.list.push(byte);
      });
      made.unit(
        {},
        unit(
          [name('a.c'), [dw.DW_AT_stmt_list, dw.DW_FORM_sec_offset, lines], ...code(TEXT, 8)],
          [named('one', TEXT, 8)],
        ),
      );
      assert.match(said(survives(made), TEXT) ?? '', /^one /);
    }
  });

  test('line tables with absurd counts', () => {
    for (const patch of [
      [0x7f, 0xff, 0xff, 0x7f],
      [0xff, 0xff, 0xff, 0xff],
      [0x80, 0x80, 0x80, 0x80],
    ]) {
      for (let at = 0; at < 60; at++) {
        const made = new Assembler();
        const lines = addLines(made, {}, (program) => {
          program.setAddress(TEXT).fileNumber(0).row(1).advance(4).endSequence();
        });
        made.section('.debug_line').list.splice(at, 4, ...patch);
        made.unit(
          {},
          unit(
            [name('a.c'), [dw.DW_AT_stmt_list, dw.DW_FORM_sec_offset, lines], ...code(TEXT, 8)],
            [named('one', TEXT, 8)],
          ),
        );
        assert.match(said(survives(made), TEXT) ?? '', /^one /, `at ${at}`);
      }
    }
  });

  test('nesting without end', () => {
    const made = new Assembler();
    const { info, abbrev } = made;
    const end = made.begin(info);
    info.number(2, 5).u8(1, 8).number(4, 0);
    const declare = (number: number, tag: number, attributes: number[]) =>
      abbrev.uleb(number).uleb(tag).u8(1).bytes(attributes).u8(0, 0);
    declare(1, dw.DW_TAG_compile_unit, [dw.DW_AT_low_pc, dw.DW_FORM_addr, dw.DW_AT_high_pc, dw.DW_FORM_data4]);
    declare(2, dw.DW_TAG_subprogram, [dw.DW_AT_low_pc, dw.DW_FORM_addr, dw.DW_AT_high_pc, dw.DW_FORM_data4]);
    declare(3, DW_TAG_lexical_block, []);
    declare(4, dw.DW_TAG_namespace, []);
    abbrev.u8(0);
    info.u8(1).number(8, TEXT).number(4, 0x100);
    for (let i = 0; i < 100_000; i++) info.list.push(4);
    info.u8(2).number(8, TEXT).number(4, 0x100);
    for (let i = 0; i < 100_000; i++) info.list.push(3);
    end();
    const symbols = survives(made, [TEXT, TEXT + 8]);
    assert.match(symbols.problems.join(), /nested deeper than/);
  });

  test('range lists that lead into each other cost bounded time', () => {
    const made = new Assembler();
    const lists = made.section('.debug_rnglists');
    lists.number(4, 0x10000).number(2, 5).u8(8, 0).number(4, 0);
    for (let i = 0; i < 100_000; i++) lists.list.push(dw.DW_RLE_offset_pair, 1, 2);
    lists.u8(0);
    const functions = Array.from({ length: 2000 }, (_, i): Entry => ({
      tag: dw.DW_TAG_subprogram,
      attributes: [[dw.DW_AT_ranges, dw.DW_FORM_sec_offset, 12 + 3 * i]],
    }));
    made.unit({}, unit([name('a.c'), ...code(TEXT, 0x100)], functions));
    const symbols = survives(made, [TEXT + 1]);
    assert.match(symbols.problems.join(), /more than/);
  });

  test('siblings that lead back or out', () => {
    for (const sibling of [0, 1, 12, 0x7fffffff]) {
      const made = new Assembler();
      made.unit(
        {},
        unit(
          [name('a.c'), ...code(TEXT, 0x100)],
          [
            {
              tag: dw.DW_TAG_class_type,
              attributes: [[dw.DW_AT_sibling, dw.DW_FORM_ref4, sibling]],
              children: [named('inside', TEXT, 8)],
            },
          ],
        ),
      );
      survives(made);
    }
  });

  test('cut off anywhere, and any byte of any section spoilt', () => {
    const sound = (): Assembler => {
      const made = new Assembler();
      const lines = addLines(made, { md5: true }, (program) => {
        program.setAddress(TEXT).fileNumber(0).row(1).advance(4).row(3).advance(4).endSequence();
      });
      made.unit(
        {},
        unit(
          [name('a.c'), [dw.DW_AT_stmt_list, dw.DW_FORM_sec_offset, lines], ...code(TEXT, 0x40)],
          [
            { tag: dw.DW_TAG_subprogram, label: 'inner', attributes: [[dw.DW_AT_name, dw.DW_FORM_strp, 'inner']] },
            {
              tag: dw.DW_TAG_subprogram,
              attributes: [name('outer'), ...code(TEXT, 0x40)],
              children: [
                {
                  tag: dw.DW_TAG_inlined_subroutine,
                  attributes: [[dw.DW_AT_abstract_origin, dw.DW_FORM_ref4, { to: 'inner' }], ...code(TEXT, 8)],
                },
              ],
            },
          ],
        ),
      );
      made.file();
      return made;
    };
    for (const section of ['.debug_info', '.debug_abbrev', '.debug_line', '.debug_str']) {
      const { length } = sound().section(section);
      for (let at = 0; at < length; at++) {
        const cut = sound();
        cut.section(section).list.length = at;
        quiet(cut);
        for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
          const spoilt = sound();
          spoilt.section(section).list[at] = value;
          quiet(spoilt);
        }
      }
    }
  });
});

/** Nothing is thrown, and nothing takes long. */
function quiet(made: Assembler): void {
  // The references were filled in before the damage.
  const symbols = DwarfSymbols.open(made.damaged());
  if (symbols === null) return;
  const start = performance.now();
  symbols.frames(TEXT);
  symbols.frames(TEXT + 0x20);
  symbols.line(TEXT);
  assert.ok(performance.now() - start < 1000);
}
