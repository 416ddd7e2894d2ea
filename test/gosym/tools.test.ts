/** What tools do to a Go program afterwards: strip, objcopy, a linker that leaves relocated words empty. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { readBuildInfo } from '../../src/gosym/build-info.ts';
import { readGoBuildId } from '../../src/gosym/build-id.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { pclntabSha256 } from '../../src/gosym/table-hash.ts';
import { buildGo } from '../support/build.ts';
import { GO_VERSIONS, needsGo, needsTools, toolchain } from '../support/toolchains.ts';
import { boundaries } from './boundaries.ts';
import { fixtureBytes, objectOf } from './fixtures.ts';

const oracle = fileURLToPath(new URL('../fixtures/go/oracle', import.meta.url));
const UNSTRIPPED = fileURLToPath(new URL('../fixtures/go/bin/tiny-go1.26-linux-amd64.unstripped', import.meta.url));

function symbolsOf(bytes: Uint8Array): GoSymbols {
  const symbols = GoSymbols.open(objectOf(bytes));
  assert.ok(symbols);
  return symbols;
}

function sameAnswers(one: GoSymbols, other: GoSymbols): void {
  assert.equal(one.functionCount, other.functionCount);
  for (const address of boundaries(one, 10_000, 1000)) assert.deepEqual(other.frames(address), one.frames(address));
}

/** The bytes of what a command makes of the unstripped program; the last argument is its output. */
function madeBy(command: string, ...args: string[]): Uint8Array {
  const dir = mkdtempSync(join(tmpdir(), 'resym-tools-'));
  try {
    const output = join(dir, 'program');
    execFileSync(command, [...args, UNSTRIPPED, ...(command.includes('strip') ? ['-o', output] : [output])]);
    return readFileSync(output);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const STRIPPING: readonly (readonly [command: string, ...args: string[]])[] = [
  ['strip'],
  ['strip', '--strip-unneeded'],
  ['objcopy', '--strip-debug'],
  ['objcopy', '--compress-debug-sections=zlib'],
  ['eu-strip'],
  ['llvm-strip'],
];

for (const [command, ...args] of STRIPPING) {
  test(`still all there after ${[command, ...args].join(' ')}`, { skip: needsTools(command) }, () => {
    const before = fixtureBytes('tiny-go1.26-linux-amd64.unstripped');
    const after = madeBy(command, ...args);
    const [whole, left] = [symbolsOf(before), symbolsOf(after)];
    sameAnswers(whole, left);
    assert.equal(pclntabSha256(left), pclntabSha256(whole));
    assert.equal(readGoBuildId(objectOf(after)), readGoBuildId(objectOf(before)));
    assert.deepEqual(readBuildInfo(objectOf(after)), readBuildInfo(objectOf(before)));
  });
}

test('a debug file has no table, and that is no damage', { skip: needsTools('objcopy') }, () => {
  const object = objectOf(madeBy('objcopy', '--only-keep-debug'));
  assert.equal(object.debugOnly, true);
  assert.equal(GoSymbols.open(object), null);
  assert.equal(readBuildInfo(object), null);
  assert.match(readGoBuildId(object) ?? '', /^[\w-]+\/[\w-]+\/[\w-]+\/[\w-]+$/);
});

// Go's own tools carry every magic as a constant, and their tables are of usual size.
for (const version of GO_VERSIONS) {
  test(`found in the go command of ${version} without section headers`, { skip: needsGo(version) }, () => {
    const { go, env } = toolchain(version)!;
    const tools = execFileSync(go, ['env', 'GOTOOLDIR'], { env, encoding: 'utf8' }).trim();
    for (const program of [go, join(tools, 'link')]) {
      const bytes = readFileSync(program);
      const symbols = symbolsOf(bytes);
      const bare = Buffer.from(bytes);
      bare.writeBigUInt64LE(0n, 0x28);
      bare.writeUInt16LE(0, 0x3c);
      bare.writeUInt16LE(0, 0x3e);
      const found = symbolsOf(bare);
      assert.equal(found.tableAddress, symbols.tableAddress);
      assert.equal(pclntabSha256(found), pclntabSha256(symbols));
    }
  });
}

// Up to Go 1.17 the table itself is full of relocated words: function entries, addresses of inline trees.
for (const version of ['1.15', '1.16', '1.17', '1.19', '1.26']) {
  test(`position independent, relocated words left empty: go ${version}`, { skip: needsGo(version) }, async () => {
    const options = { dir: oracle, mode: 'pie', strip: 's-w', trimpath: true } as const;
    const bytes = readFileSync(await buildGo({ toolchain: toolchain(version)!, ...options }));
    const empty = Buffer.from(bytes);
    const object = objectOf(bytes);
    const relocations = object.section('.rela.dyn') ?? object.section('.rela');
    assert.ok(relocations);
    let emptied = 0;
    for (let at = relocations.fileOffset; at < relocations.fileOffset + relocations.size; at += 24) {
      if (bytes.readUInt32LE(at + 8) !== 8) continue; // R_X86_64_RELATIVE
      empty.writeBigUInt64LE(0n, object.fileOffsetOf(Number(bytes.readBigUInt64LE(at)), 8));
      emptied++;
    }
    assert.ok(emptied > 1000);
    const [applied, left] = [symbolsOf(bytes), symbolsOf(empty)];
    sameAnswers(applied, left);
    for (let i = 0; i < applied.functionCount; i += 97) {
      assert.equal(left.functionStart(i), applied.functionStart(i));
      assert.equal(left.functionName(i), applied.functionName(i));
    }
    // The words of the oldest layouts are in the table, so its bytes differ.
    if (!applied.header.layout.absoluteEntries) assert.equal(pclntabSha256(left), pclntabSha256(applied));
  });
}
