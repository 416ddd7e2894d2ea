/**
 * The index says what the sources say, about every kind of program the tests can make, and damage to it is noticed.
 *
 * RESYM_TEST_ADDRESSES: addresses a program, 1,000 unless told.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { prepareZstd } from '../../src/bytes/inflate.ts';
import { BufferSource } from '../../src/bytes/source.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { SymbolIndex } from '../../src/symbolize/symbol-index.ts';
import { SymbolMap } from '../../src/symbolize/symbol-map.ts';
import { buildGo } from '../support/build.ts';
import { SERVICE_DIR } from '../support/service.ts';
import { needsGo, needsTools, toolchain } from '../support/toolchains.ts';
import { seededRandom } from '../fuzz/mutate.ts';
import { randomAddresses } from '../dwarf/addresses.ts';
import { filesBeside, openFile, programs } from '../dwarf/programs.ts';

const ADDRESSES = Number(process.env.RESYM_TEST_ADDRESSES ?? 1000);

/** Addresses where something begins or ends: functions of the symbol table, each with its neighbours. */
function edges(object: ObjectFile, count: number): number[] {
  const { start, size, length } = object.functionSymbols();
  const step = Math.max(1, Math.floor(length / count));
  const found: number[] = [];
  for (let i = 0; i < length; i += step) {
    for (const at of [start[i], start[i] + size[i]]) found.push(at - 1, at, at + 1);
  }
  return found.filter((at) => at >= 0);
}

describe('an index answers as its sources', { concurrency: 2 }, () => {
  for (const program of programs()) {
    test(program.name, { skip: program.skip }, async () => {
      await prepareZstd();
      const { path } = await program.build();
      const object = openFile(path);
      const split = filesBeside(path);
      const bytes = new SymbolMap([object], split).makeIndex();
      assert.ok(bytes, 'something could not be read');
      for (const shares of [2, 5]) {
        const [first, ...others] = Array.from({ length: shares }, (_, number) =>
          new SymbolMap([openFile(path)], split).startIndex({ from: number / shares, to: (number + 1) / shares }),
        );
        for (const other of others) first.add(other.part()!);
        assert.deepEqual(first.finish(), bytes, `of ${shares} shares`);
      }
      const indexed = new SymbolMap([object], split);
      assert.ok(indexed.useIndex(new BufferSource(bytes)));
      const live = new SymbolMap([object], split);
      const addresses = [...randomAddresses(object, ADDRESSES), ...edges(object, ADDRESSES / 10)];
      let named = 0;
      for (const address of addresses) {
        const expected = live.lookup(address);
        assert.deepEqual(indexed.lookup(address), expected, `at 0x${address.toString(16)}`);
        if (expected !== null) named++;
      }
      assert.ok(named > addresses.length / 4, `only ${named} of ${addresses.length} are known at all`);
      assert.ok(indexed.hasIndex);
      assert.deepEqual(indexed.problems, live.problems);
    });
  }
});

describe('an index of a Go program with C in it', { skip: needsGo('1.26') || needsTools('gcc') }, () => {
  const build = async () => openFile(await buildGo({ toolchain: toolchain('1.26')!, dir: SERVICE_DIR, mode: 'cgo' }));

  test('holds the C code and leaves Go to its own tables', async () => {
    const object = await build();
    const map = new SymbolMap([object]);
    const bytes = map.makeIndex()!;
    const index = new SymbolIndex(new BufferSource(bytes));
    const sources = new Set<string>();
    for (const [i, address] of [...randomAddresses(object, 5000)].entries()) {
      const expected = map.lookup(address);
      sources.add(expected?.source ?? 'none');
      if (i % 100 === 99) index.release(); // answers stay the same
      assert.deepEqual(index.lookup(address), map.isGo(address) ? null : expected, `at 0x${address.toString(16)}`);
    }
    for (const source of ['pclntab', 'dwarf']) assert.ok(sources.has(source), source);
  });

  test('is refused for other files', async () => {
    const object = await build();
    const bytes = new SymbolMap([object]).makeIndex()!;
    const other = openFile(
      await buildGo({ toolchain: toolchain('1.26')!, dir: SERVICE_DIR, mode: 'cgo', strip: 's-w' }),
    );
    const map = new SymbolMap([other]);
    assert.equal(map.useIndex(new BufferSource(bytes)), false);
    assert.deepEqual([map.hasIndex, map.problems], [false, []]);
  });

  test('that is damaged is noticed, wherever it is; the sources then answer', async () => {
    const object = await build();
    const bytes = new SymbolMap([object]).makeIndex()!;
    const live = new SymbolMap([object]);
    const addresses = randomAddresses(object, 400);
    const random = seededRandom(5);
    let [refused, noticed] = [0, 0];
    for (let n = 0; n < 300; n++) {
      const damaged = bytes.slice(0, n % 10 === 0 ? Math.floor(random() * bytes.length) : bytes.length);
      // Half of it in the head, which is small.
      const at = Math.floor(random() * (n % 2 === 0 ? Math.min(2000, damaged.length) : damaged.length));
      if (damaged.length === bytes.length) damaged[at] ^= 1 << Math.floor(random() * 8);
      const map = new SymbolMap([object]);
      if (!map.useIndex(new BufferSource(damaged))) refused++;
      for (const address of addresses) assert.deepEqual(map.lookup(address), live.lookup(address), `bit flip at ${at}`);
      if (map.problems.length > 0) noticed++;
    }
    assert.ok(refused > 30 && noticed > 100, `${refused} refused, ${noticed} told`);
  });
});
