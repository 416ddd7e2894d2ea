/**
 * DwarfSymbols and llvm-symbolizer about the same random addresses in the code of every kind of program: functions, files,
 * lines, columns, declaration lines and whole inline stacks. Where they differ, a third tool must tell why (explain.ts):
 * what it does not explain may not exceed one address in a thousand.
 *
 * RESYM_TEST_ADDRESSES: addresses a program, 2,000 unless told. RESYM_TEST_REPORT=1 prints the table and examples.
 * RESYM_TEST_DEBUG_FILES: further files, separated by colons.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { prepareZstd } from '../../src/bytes/inflate.ts';
import { DwarfSymbols } from '../../src/dwarf/symbols.ts';
import type { DwarfFrame, DwarfLine } from '../../src/dwarf/unit-symbols.ts';
import { randomAddresses } from './addresses.ts';
import { type Difference, explain } from './explain.ts';
import { askLlvm, llvmSymbolizer, type OracleFrame } from './llvm-symbolizer.ts';
import { filesBeside, openFile, programs } from './programs.ts';

const ADDRESSES = Number(process.env.RESYM_TEST_ADDRESSES ?? 2000);
const REPORT = process.env.RESYM_TEST_REPORT === '1';
const UNEXPLAINED = 0.001;
/** Explained ones are few too: an explanation that fits everything explains nothing. */
const EXPLAINED = 0.02;

describe('DwarfSymbols agrees with llvm-symbolizer', { concurrency: 2 }, () => {
  for (const program of programs()) {
    const skip = program.skip || (llvmSymbolizer === null && 'needs llvm-symbolizer');
    test(program.name, { skip }, async () => {
      await prepareZstd();
      const { path, reference, original } = await program.build();
      const object = openFile(path);
      const symbols = DwarfSymbols.open(object, filesBeside(path));
      assert.ok(symbols, 'no debug info');
      const addresses = randomAddresses(object, ADDRESSES);
      const expected = await askLlvm(reference, addresses);
      const differences: Difference[] = [];
      let named = 0;
      let inlined = 0;
      addresses.forEach((address, i) => {
        const frames = symbols.frames(address);
        if (frames !== null) named++;
        if (frames !== null && frames.length > 1) inlined++;
        const kind = difference(frames, frames === null ? symbols.line(address) : null, expected[i]);
        if (kind !== null) differences.push({ address, kind, ours: frames, theirs: expected[i] });
      });
      const explained = await explain(differences, original ?? path);
      const unexplained = differences.filter(({ address }) => !explained.has(address));
      const kinds = new Map<string, Difference[]>();
      for (const one of differences) {
        const kind = `${one.kind}, ${explained.get(one.address) ?? 'UNEXPLAINED'}`;
        kinds.set(kind, [...(kinds.get(kind) ?? []), one]);
      }
      const agreement = 100 * (1 - unexplained.length / ADDRESSES);
      const counts = [...kinds].map(([kind, { length }]) => `${length} ${kind}`).join('; ') || 'none';
      const row = `${program.name} | ${ADDRESSES} | named ${named}, inlined ${inlined} | equal ${ADDRESSES - differences.length} | ${counts}`;
      const examples = [...kinds].map(([kind, all]) => `${kind}:\n${all.slice(0, 3).map(show).join('\n')}`).join('\n');
      // eslint-disable-next-line no-console
      if (REPORT) console.log(`| ${row} |${examples && `\n${examples}`}`);
      assert.ok(named > 0 && expected.some((frames) => frames.length > 0), 'nothing was named at all');
      assert.deepEqual(symbols.problems, []);
      assert.ok(agreement >= 100 * (1 - UNEXPLAINED), `${row}\n${examples}`);
      assert.ok(explained.size <= EXPLAINED * ADDRESSES, `${row}\n${examples}`);
    });
  }
});

/** What two answers differ in; null when they agree. */
function difference(ours: DwarfFrame[] | null, line: DwarfLine | null, theirs: OracleFrame[]): string | null {
  if (ours === null) {
    const [only] = theirs;
    if (only === undefined) return null;
    if (theirs.length > 1 || only.FunctionName !== '') return 'unnamed here';
    return line === null || place(line) !== oraclePlace(only) ? 'line without function' : null;
  }
  if (theirs.length === 0) return 'unnamed there';
  if (ours.length !== theirs.length) return 'depth';
  const differs = (same: (frame: DwarfFrame, oracle: OracleFrame) => boolean) =>
    ours.some((f, i) => !same(f, theirs[i]));
  if (differs(sameFunction)) return 'function';
  if (differs((frame, oracle) => place(frame) === oraclePlace(oracle))) return 'place';
  return differs((frame, oracle) => frame.startLine === oracle.StartLine) ? 'declaration' : null;
}

/** Without a linkage name llvm-symbolizer prints the bare name; resym has its scopes too. */
function sameFunction({ name, linkageName }: DwarfFrame, { FunctionName }: OracleFrame): boolean {
  if (linkageName !== '') return linkageName === FunctionName;
  return name === FunctionName || (FunctionName !== '' && name.endsWith(`::${FunctionName}`));
}

function place({ file, line, column }: DwarfLine): string {
  return `${file}:${line}:${column}`;
}

function oraclePlace({ FileName, Line, Column }: OracleFrame): string {
  // Go's directory is ".", which adds nothing to what is no path: see LineTable.
  const file = FileName.replace(/^\.\/(<autogenerated>|_cgo_)/, '$1');
  return `${file}:${Line}:${Column}`;
}

function show({ address, ours, theirs }: Difference): string {
  const mine = ours?.map((f) => `${f.linkageName || f.name} ${place(f)} from ${f.startLine}`) ?? null;
  const other = theirs.map((f) => `${f.FunctionName} ${f.FileName}:${f.Line}:${f.Column} from ${f.StartLine}`);
  return `0x${address.toString(16)}\n  ours ${JSON.stringify(mine)}\n  llvm ${JSON.stringify(other)}`;
}
