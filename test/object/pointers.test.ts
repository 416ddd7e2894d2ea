/** Relocations and symbols of machines whose linker is not at hand: the committed files of test/fixtures/elf/pointers. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BufferSource } from '../../src/bytes/source.ts';
import { openObject } from '../../src/object/open.ts';
import { withoutSectionHeaders } from './samples.ts';

const FILES: Readonly<Record<string, { arch: string; littleEndian?: boolean; thumb?: boolean; relr?: boolean }>> = {
  arm: { arch: 'arm', thumb: true },
  arm64: { arch: 'arm64' },
  'arm64-zeroed': { arch: 'arm64' },
  arm64be: { arch: 'arm64be', littleEndian: false },
  ppc64: { arch: 'ppc64', littleEndian: false },
  ppc64le: { arch: 'ppc64le' },
  'ppc64le-relr': { arch: 'ppc64le', relr: true },
  riscv64: { arch: 'riscv64' },
  s390x: { arch: 's390x', littleEndian: false },
};

function fixture(name: string): Uint8Array {
  return readFileSync(new URL(`../fixtures/elf/pointers/${name}.so`, import.meta.url));
}

for (const [name, { arch, littleEndian = true, thumb = false }] of Object.entries(FILES)) {
  test(name, () => {
    const bytes = fixture(name);
    const whole = openObject(new BufferSource(bytes));
    assert.deepEqual([whole.arch, whole.littleEndian, whole.type], [arch, littleEndian, 'dyn']);
    assert.equal(whole.ids.gnu, Buffer.from('resymtst').toString('hex'));
    const address = (symbol: string) => {
      const found = whole.symbols().find((s) => s.name === symbol);
      assert.ok(found, symbol);
      return found.address;
    };
    const functions = whole.functionSymbols();
    assert.deepEqual(
      Array.from({ length: functions.length }, (_, i) => [functions.name(i), functions.start[i], functions.size[i]]),
      [
        ['local_function', address('local_function'), 16],
        ['global_function', address('global_function'), 8],
      ],
    );
    assert.equal(address('local_function') % 2, 0);

    // Both ways to the relocations: by section headers and, without them, by the dynamic section.
    for (const object of [whole, openObject(new BufferSource(withoutSectionHeaders(bytes)))]) {
      const size = object.pointerSize;
      const pointers = (table: string) => [0, 1, 2].map((i) => object.readPointer(address(table) + i * size));
      const bit = thumb ? 1 : 0;
      assert.deepEqual(pointers('local_table'), [
        address('local_function') + bit,
        address('counter'),
        address('counter') + 4,
      ]);
      assert.deepEqual(pointers('global_table'), [address('global_function') + bit, address('exported_data') + 32, -1]);
      assert.deepEqual(object.relocationsTo(address('counter')), [address('local_table') + size]);
      assert.deepEqual(object.relocationsTo(address('exported_data')), []);
      const names = object.dynamicSymbols().map((s) => s.name);
      for (const symbol of ['exported_data', 'global_function']) assert.ok(names.includes(symbol), symbol);
      assert.ok(!names.includes('imported'));
    }
  });
}

test('a machine whose relocations are not known: no guess', () => {
  const object = openObject(new BufferSource(fixture('mips')));
  assert.equal(object.arch, 'mips');
  const table = object.symbols().find((s) => s.name === 'local_table');
  assert.ok(table);
  assert.equal(object.readPointer(table.address), -1);
});
