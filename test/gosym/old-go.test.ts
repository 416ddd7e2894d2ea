import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';
import { OLD_INLINING } from '../../src/gosym/layout.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { needsGo, toolchain } from '../support/toolchains.ts';
import { fixture, fixtureBytes, objectOf } from './fixtures.ts';

const OLDEST = 'tiny-go1.15-linux-amd64';

test('Go 1.15 has the inline trees of Go 1.13 and later', () => {
  assert.equal(GoSymbols.open(fixture(OLDEST))?.header.layout, OLD_INLINING[0]);
});

test('trees that contradict themselves are not used: functions are named, nothing is inlined', () => {
  const bytes = Buffer.from(fixtureBytes(OLDEST));
  const symbols = GoSymbols.open(objectOf(bytes));
  assert.ok(symbols);
  // As in a table of another kind: the line of the call says something else in every entry.
  const { header, table } = symbols;
  const object = objectOf(bytes);
  for (let i = 0; i < symbols.functionCount; i++) {
    const record = symbols.recordOffset(i);
    const pcdataCount = table.u32(record + 32);
    const funcdataCount = table.u8(record + 39);
    if (funcdataCount <= 4) continue;
    const tree = table.u64(Math.ceil((record + 40 + 4 * pcdataCount) / 8) * 8 + 4 * 8);
    if (tree !== 0) bytes.writeInt32LE(-5, object.fileOffsetOf(tree + 8, 4));
  }
  const contradicted = GoSymbols.open(objectOf(bytes));
  assert.equal(contradicted?.header.layout, OLD_INLINING.at(-1));
  for (let address = symbols.minPc; address < symbols.minPc + 20_000; address += 3) {
    const frames = contradicted!.frames(address);
    assert.equal(frames === null, symbols.frames(address) === null);
    if (frames !== null) assert.equal(frames.length, 1);
  }
  assert.equal(header.layout.inlineRecord, 20);
});

const SOURCE = `package main

func limit(n int) int {
	if n > 3 {
		return 3
	}
	return n
}

func more(n int) int { return limit(n) + 1 }

//go:noinline
func work(n int) (sum int) {
	for i := 0; i < n; i++ {
		sum += more(i)
	}
	return sum
}

func main() { println(work(5)) }
`;

for (const [version, deepest] of [
  ['1.11', ['main.work']],
  ['1.12', ['main.limit', 'main.more', 'main.work']],
  ['1.13', ['main.limit', 'main.more', 'main.work']],
] as const) {
  test(`go ${version}: inlined calls as far as they are known`, { skip: needsGo(version) }, () => {
    const dir = mkdtempSync(join(tmpdir(), 'resym-old-go-'));
    try {
      writeFileSync(join(dir, 'main.go'), SOURCE);
      const { go, env } = toolchain(version)!;
      const outsideModules = { ...env, GO111MODULE: 'off' };
      execFileSync(go, ['build', '-o', 'program', 'main.go'], { cwd: dir, env: outsideModules });
      const symbols = GoSymbols.open(objectOf(readFileSync(join(dir, 'program'))));
      assert.ok(symbols);
      const i = [...Array(symbols.functionCount).keys()].find((k) => symbols.functionName(k) === 'main.work')!;
      let most: string[] = [];
      for (let address = symbols.functionStart(i); address < symbols.functionEnd(i); address++) {
        const names = symbols.frames(address)?.map((frame) => frame.function) ?? [];
        if (names.length > most.length) most = names;
      }
      assert.deepEqual(most, deepest);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}
