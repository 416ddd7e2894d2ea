/** DWARF in PE files, against what llvm-symbolizer said of every byte of their code. agreement.ts builds more of them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DwarfSymbols } from '../../src/dwarf/symbols.ts';
import type { DwarfFrame } from '../../src/dwarf/unit-symbols.ts';
import { answersOf, openPeFile, WITH_DWARF } from '../object/pe-fixtures.ts';

for (const [file, answers] of WITH_DWARF) {
  test(`as llvm-symbolizer says: ${file}`, () => {
    const symbols = DwarfSymbols.open(openPeFile(file));
    assert.ok(symbols);
    let [named, inlined] = [0, 0];
    for (const { start, end, frames } of answersOf(answers)) {
      for (let address = start; address < end; address++) {
        const found: DwarfFrame[] = symbols.frames(address) ?? [];
        const seen = found.map((frame) => ({
          name: frame.linkageName || frame.name,
          file: frame.file,
          line: frame.line,
        }));
        assert.deepEqual(seen, frames, `at 0x${address.toString(16)}`);
        if (frames.length > 0) named++;
        if (frames.length > 1) inlined++;
      }
    }
    assert.ok(named > 150 && inlined > 20, `${named} named, ${inlined} inlined`);
    assert.deepEqual(symbols.problems, []);
  });
}
