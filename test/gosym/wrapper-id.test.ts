import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { findWrapperId } from '../../src/gosym/wrapper-id.ts';
import { GO_VERSIONS, needsGo, toolchain } from '../support/toolchains.ts';
import { ELF_BINARIES, fixture, objectOf } from './fixtures.ts';

/** The wrapper ID is the last of its enumeration: in a whole program, the highest that occurs. */
function highest(symbols: GoSymbols): { id: number; at: (i: number) => number } {
  const { layout, fieldSize } = symbols.header;
  const field = fieldSize + 28 + (layout.separateTables ? 4 : 0) + (layout.startLine ? 4 : 0);
  const at = (i: number): number => symbols.recordOffset(i) + field;
  let id = 0;
  for (let i = 0; i < symbols.functionCount; i++) id = Math.max(id, symbols.table.u8(at(i)));
  return { id, at };
}

test('the most frequent ID is the highest: fixtures', () => {
  const ids = ELF_BINARIES.map(([name]) => {
    const symbols = GoSymbols.open(fixture(name));
    assert.ok(symbols);
    const { id, at } = highest(symbols);
    assert.equal(findWrapperId(symbols.table, symbols.functionCount, at), id, name);
    return id;
  });
  assert.deepEqual(ids, [22, 21, 22, 22, 22, 23, 23]);
});

for (const version of GO_VERSIONS) {
  test(`a sample is enough: the go command of ${version}`, { skip: needsGo(version) }, () => {
    const { go } = toolchain(version)!;
    for (const program of [go, join(dirname(go), 'gofmt')]) {
      const symbols = GoSymbols.open(objectOf(readFileSync(program)));
      assert.ok(symbols);
      const { id, at } = highest(symbols);
      let asked = 0;
      const counting = (i: number): number => {
        asked++;
        return at(i);
      };
      assert.equal(findWrapperId(symbols.table, symbols.functionCount, counting), id);
      assert.ok(asked <= 1024 || symbols.functionCount <= 4096, `${asked} of ${symbols.functionCount}`);
    }
  });
}

test('no wrappers, no ID', () => {
  const symbols = GoSymbols.open(fixture('tiny-go1.26-linux-amd64'));
  assert.ok(symbols);
  const { at, id } = highest(symbols);
  const plain = [...Array(symbols.functionCount).keys()].filter((i) => symbols.table.u8(at(i)) !== id);
  assert.equal(
    findWrapperId(symbols.table, plain.length, (i) => at(plain[i])),
    -1,
  );
});
