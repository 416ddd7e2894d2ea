import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BufferSource } from '../../src/bytes/source.ts';
import { isAfterCall, knowsCalls } from '../../src/match/call-site.ts';
import { openObject } from '../../src/object/open.ts';
import { needsTools, tool } from '../support/toolchains.ts';

const bin = fileURLToPath(new URL('../fixtures/go/bin/', import.meta.url));
const objdump = ['llvm-objdump-19', 'llvm-objdump'].find(tool) ?? 'llvm-objdump';

/** Ends of call instructions, and of all others, as the disassembler sees them. */
function instructionEnds(path: string): { calls: number[]; others: number[] } {
  const text = execFileSync(objdump, ['-d', '--no-show-raw-insn', '--section=.text', '--section=__text', path], {
    maxBuffer: 1 << 28,
  });
  const ends = { calls: [] as number[], others: [] as number[] };
  let wasCall: boolean | null = null;
  for (const line of text.toString('latin1').split('\n')) {
    const found = /^\s*([0-9a-f]+):\s+(\S+)/.exec(line);
    if (found === null) {
      if (line.endsWith('>:') || line.trim() === '...') wasCall = null; // not the next instruction
      continue;
    }
    if (wasCall !== null) (wasCall ? ends.calls : ends.others).push(parseInt(found[1], 16));
    wasCall = /^(callq?|calll|bl|blr)$/.test(found[2]);
  }
  return ends;
}

describe('a call before an address', { skip: needsTools(objdump) }, () => {
  for (const name of [
    'tiny-go1.26-linux-amd64.unstripped',
    'tiny-go1.19-linux-arm64',
    'tiny-go1.23-darwin-arm64', // linked above 4 GiB
    'tiny-go1.21-windows-amd64',
  ]) {
    it(`is seen where ${objdump} sees one: ${name}`, () => {
      const path = bin + name;
      const object = openObject(new BufferSource(readFileSync(path)));
      assert.ok(knowsCalls(object.arch));
      const step = object.arch === 'arm64' ? 4 : 1;
      const { calls, others } = instructionEnds(path);
      assert.ok(calls.length > 1000, `${calls.length} calls`);
      // Both ways of stating it: the return address, and one before it.
      assert.deepEqual(
        calls.filter((at) => !isAfterCall(object, at)),
        [],
      );
      assert.deepEqual(
        calls.filter((at) => !isAfterCall(object, at - step)),
        [],
      );
      const byChance = others.filter((at) => isAfterCall(object, at)).length / others.length;
      assert.ok(byChance < 0.3, `${byChance} of all other instructions`);
    });
  }

  it('is nowhere outside the code', () => {
    const object = openObject(new BufferSource(readFileSync(`${bin}tiny-go1.24-linux-amd64`)));
    for (const at of [0, 1, 6, 0x400000, 2 ** 40]) assert.equal(isAfterCall(object, at), false);
  });
});
