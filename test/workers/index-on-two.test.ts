/** Two threads make the very index that one makes; whatever keeps the second from helping, there is one nevertheless. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { openObject } from '../../src/object/open.ts';
import { BufferSource } from '../../src/bytes/source.ts';
import { assemble } from '../../src/store/assembly.ts';
import { Beside } from '../../src/store/beside.ts';
import { openLocal } from '../../src/store/local.ts';
import type { SymbolMap } from '../../src/symbolize/symbol-map.ts';
import { makeIndexOnTwo } from '../../src/workers/index-on-two.ts';
import { needsTools } from '../support/toolchains.ts';

const work = mkdtempSync(join(tmpdir(), 'resym-index-on-two-'));
after(() => rmSync(work, { recursive: true, force: true }));
const THREAD = new URL('thread.mjs', import.meta.url);
const LOOPS = fileURLToPath(new URL('../fixtures/dwarf/loops.c', import.meta.url));
const skip = needsTools('gcc');

/** Many units that share names and files. */
async function program(flags: readonly string[]): Promise<string> {
  const sources = [LOOPS];
  for (let n = 0; n < 24; n++) {
    const path = join(work, `unit${n}.c`);
    writeFileSync(path, unit(n));
    sources.push(path);
  }
  const path = join(work, `many${flags.join('')}`);
  await promisify(execFile)('gcc', ['-O2', ...flags, '-o', path, ...sources, '-lm']);
  return path;
}

function unit(n: number): string {
  const calls = Array.from({ length: 1 + (n % 5) }, (_, i) => `shared(x + ${i}) * own${n}(x ^ ${i})`).join(' + ');
  return [
    'static inline int shared(int x) { volatile int y = x * 3; return y + 1; }',
    `static inline int own${n}(int x) { volatile int y = shared(x); return y - ${n}; }`,
    `int entry${n}(int x) { return ${calls}; }`,
  ].join('\n');
}

async function withSymbols<T>(path: string, run: (symbols: SymbolMap) => T | Promise<T>): Promise<T> {
  const { symbols, close } = await assemble({ files: [openLocal(path)], elsewhere: new Beside(path) });
  try {
    return await run(symbols);
  } finally {
    close();
  }
}

const onTwo = (symbols: SymbolMap, path: string, thread = THREAD) =>
  makeIndexOnTwo(symbols, { path, arch: undefined }, { fromBytes: 0, thread });

const alone = (path: string) => withSymbols(path, (symbols) => symbols.makeIndex());

for (const flags of [['-g'], ['-g', '-gz'], ['-g', '-gdwarf-4', '-gz']]) {
  test(`the same bytes of a program built with ${flags.join(' ')}`, { skip }, async () => {
    const path = await program(flags);
    const expected = await alone(path);
    assert.ok(expected !== null && expected.length > 1000);
    const made = await withSymbols(path, (symbols) => {
      symbols.makeIndex = () => assert.fail('one thread had to do it all');
      return onTwo(symbols, path);
    });
    assert.deepEqual(made, expected);
  });
}

test('both threads have a share of their own', { skip }, async () => {
  const path = await program(['-g']);
  const [first, second] = await Promise.all(
    [0, 0.5].map((from) => withSymbols(path, (symbols) => symbols.startIndex({ from, to: from + 0.5 }).part())),
  );
  for (const part of [first, second]) assert.ok(part !== null && part.functions.count > 5 && part.ranges.count > 20);
});

test('a thread that dies, and one that finds other files, are no hindrance', { skip }, async () => {
  const path = await program(['-g', '-gz']);
  const expected = await alone(path);
  const dying = join(work, 'dying.mjs');
  writeFileSync(dying, 'throw new Error("no thread");\n');
  const without = await withSymbols(path, (symbols) => onTwo(symbols, path, pathToFileURL(dying)));
  assert.deepEqual(without, expected);
  const other = join(work, 'other');
  writeFileSync(other, readFileSync(path).subarray(0, 100));
  const made = await withSymbols(path, (symbols) => onTwo(symbols, other));
  assert.deepEqual(made, expected);
});

test('of damaged debug info there is no index, and the same is told of it', { skip }, async () => {
  for (const [flag, name, part] of [
    ['-gz', '.debug_info', 0.1],
    ['-gz', '.debug_line', 0.5],
    ['-g', '.debug_info', 0.2],
    ['-g', '.debug_info', 0.9],
  ] as const) {
    const path = await program(['-g', flag]);
    const bytes = readFileSync(path);
    const section = openObject(new BufferSource(bytes)).section(name)!;
    const at = section.fileOffset + Math.floor(part * section.size);
    bytes.fill(0xff, at, at + 200);
    const damaged = join(work, 'damaged');
    writeFileSync(damaged, bytes);
    const told = (make: (symbols: SymbolMap) => Promise<Uint8Array | null> | Uint8Array | null) =>
      withSymbols(damaged, async (symbols) => [await make(symbols), symbols.problems]);
    const expected = await told((symbols) => symbols.makeIndex());
    assert.equal(expected[0], null, `${flag} ${name} at ${part}`);
    assert.deepEqual(await told((symbols) => onTwo(symbols, damaged)), expected, `${flag} ${name} at ${part}`);
  }
});
