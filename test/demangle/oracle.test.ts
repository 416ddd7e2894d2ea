/**
 * Every symbol of the libraries and programs at hand, against the machine's own demanglers. RESYM_DEMANGLE_FILES (paths,
 * separated by colons) adds files; RESYM_DEMANGLE_COUNT is how many symbols are taken of one file, evenly spread.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { demangle } from '../../src/demangle/demangle.ts';
import { fixture } from './fixture.ts';
import { filtered, firstTool, gnuCxxfilt, isCxx, isRust, llvmCxxfilt, withoutSpaces, withoutSuffix } from './tools.ts';

const COUNT = Number(process.env.RESYM_DEMANGLE_COUNT ?? 4000);
const EXTRA = (process.env.RESYM_DEMANGLE_FILES ?? '').split(':').filter((path) => path !== '');
const MAX_FILES = 25;
const MIN_BYTES = 400_000;
const LEAST_AGREEMENT = 0.9995;

const llvm = llvmCxxfilt();
const gnu = gnuCxxfilt();
const nm = firstTool(['nm', 'llvm-nm']);
const missing =
  nm === null ? 'needs nm' : llvm === null ? 'needs llvm-cxxfilt 19' : gnu === null ? 'needs c++filt' : false;

/** Files with C++ in them, the largest of the system's libraries. */
function cxxFiles(): string[] {
  const files = [...EXTRA, process.execPath];
  for (const folder of ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64']) {
    if (existsSync(folder)) files.push(...largest(folder));
  }
  return files;
}

function largest(folder: string): string[] {
  const sizes = new Map<string, number>();
  for (const name of readdirSync(folder)) {
    if (!/^lib.*\.so(\.\d+)*$/.test(name)) continue;
    const path = join(folder, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isFile() === true && stat.size >= MIN_BYTES && !new Set(sizes.values()).has(stat.size)) {
      sizes.set(path, stat.size);
    }
  }
  return [...sizes.keys()].sort((a, b) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0));
}

/** Files of the Rust toolchain. */
function rustFiles(): string[] {
  const sysroot = spawnSync('rustc', ['--print', 'sysroot'], { encoding: 'utf8' });
  if (sysroot.status !== 0) return [];
  const folder = join(sysroot.stdout.trim(), 'lib');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.so'))
    .map((name) => join(folder, name));
}

function symbolsOf(file: string, wanted: (symbol: string) => boolean): string[] {
  assert.ok(nm !== null);
  const symbols = new Set<string>();
  for (const table of [[], ['-D']]) {
    const run = spawnSync(nm, [...table, file], { encoding: 'utf8', maxBuffer: 1 << 30 });
    for (const line of run.stdout.split('\n')) {
      const symbol = line.slice(line.lastIndexOf(' ') + 1).replace(/@.*/, '');
      if (wanted(symbol)) symbols.add(symbol);
    }
  }
  const all = [...symbols];
  const step = Math.max(1, Math.floor(all.length / COUNT));
  return all.filter((_, i) => i % step === 0);
}

describe('the demanglers of the machine agree', { skip: missing }, () => {
  assert.ok(llvm !== null && gnu !== null);

  test('on the C++ of its libraries', (t) => {
    let total = 0;
    let agreed = 0;
    let files = 0;
    const others: string[] = [];
    for (const file of cxxFiles()) {
      if (files >= MAX_FILES) break;
      const symbols = symbolsOf(file, isCxx);
      if (symbols.length < 100) continue;
      files++;
      const byLlvm = filtered(llvm, symbols.map(withoutSuffix));
      const byGnu = filtered(gnu, symbols);
      symbols.forEach((symbol, i) => {
        const name = demangle(symbol);
        const base = demangle(withoutSuffix(symbol));
        const suffix = name.slice(base.length);
        total++;
        const asLlvm = base === byLlvm[i] && name.startsWith(base) && (suffix === '' || byGnu[i].endsWith(suffix));
        if (asLlvm || name === withoutSpaces(byGnu[i])) agreed++;
        else others.push(symbol);
      });
    }
    t.diagnostic(`${agreed} of ${total} symbols of ${files} files`);
    assert.ok(files > 0);
    assert.ok(agreed >= total * LEAST_AGREEMENT, `${agreed} of ${total}; others: ${others.slice(0, 20).join(' ')}`);
  });

  test('on the Rust of its toolchain', (t) => {
    const files = rustFiles();
    if (files.length === 0) return t.skip('needs rustc');
    for (const file of files) {
      const symbols = symbolsOf(file, (symbol) => symbol.startsWith('_R'));
      const byLlvm = filtered(llvm, symbols.map(withoutSuffix));
      const wrong = symbols.filter((symbol, i) => demangle(withoutSuffix(symbol)) !== byLlvm[i]);
      t.diagnostic(`${symbols.length} symbols of ${file}`);
      assert.deepEqual(wrong, []);
    }
  });

  test('with what the fixture says of them', () => {
    const cxx = fixture('cxx').filter(([symbol]) => symbol === withoutSuffix(symbol));
    const byLlvm = filtered(
      llvm,
      cxx.map(([symbol]) => symbol),
    );
    const changed = cxx.filter(([, name], i) => name !== byLlvm[i]).length;
    assert.ok(changed <= cxx.length * (1 - LEAST_AGREEMENT), `${changed} of ${cxx.length} names are no longer llvm's`);
    assert.ok(cxx.every(([symbol]) => isCxx(symbol)) && fixture('rust').every(([symbol]) => isRust(symbol)));
  });
});
