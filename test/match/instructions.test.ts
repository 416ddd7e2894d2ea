import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BufferSource } from '../../src/bytes/source.ts';
import { isInstructionStart } from '../../src/match/instructions.ts';
import { instructionLength, MAX_INSTRUCTION_BYTES } from '../../src/match/x86-length.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';
import { buildGo } from '../support/build.ts';
import { randomBelow } from '../support/profile-model.ts';
import { SERVICE_DIR } from '../support/service.ts';
import { anyGo, needsTools } from '../support/toolchains.ts';

const GO = anyGo();
const NEEDS_32 = GO === null ? 'needs go' : needsTools('objdump');

const bin = fileURLToPath(new URL('../fixtures/go/bin/', import.meta.url));
/** Go, C with hand-written vector code, C++, and a large program. */
const FILES = [
  `${bin}tiny-go1.26-linux-amd64.unstripped`,
  '/lib/x86_64-linux-gnu/libc.so.6',
  '/lib/x86_64-linux-gnu/libstdc++.so.6',
  process.execPath,
].filter((path) => existsSync(path));

/** Data between functions: what objdump cannot decode, and prefixes that belong to nothing. */
const NO_INSTRUCTION = /\(bad\)|^(?:(?:rex[.A-Z]*|data16|addr32|repz|repnz|lock|[c-gs]s)\s*)+$/;

/** Instructions looked at in each file. */
const ASKED = Number(process.env.RESYM_TEST_ADDRESSES ?? 3_000);

/** Instructions, by address, with their bytes, as objdump sees them: functions' own, without what it cannot decode. */
function instructionsOf(path: string, object: ObjectFile): Map<number, string> {
  const section = object.section('.text')!;
  const stop = Math.min(section.size, 4 << 20);
  const text = execFileSync(
    'objdump',
    ['-d', '-w', '--section=.text', `--stop-address=0x${(section.address + stop).toString(16)}`, path],
    { maxBuffer: 1 << 29 },
  ).toString('latin1');
  const found = new Map<number, string>();
  for (const line of text.split('\n')) {
    const match = /^\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*\t(.*)/.exec(line);
    if (match !== null && !NO_INSTRUCTION.test(match[3])) found.set(parseInt(match[1], 16), match[2]);
  }
  return found;
}

describe('x86 instructions', { skip: process.arch !== 'x64' ? 'needs x64' : needsTools('objdump') }, () => {
  for (const path of FILES) {
    it(`are as long as objdump says: ${path.split('/').at(-1)}`, (t) => {
      const object = openObject(new BufferSource(readFileSync(path)));
      const instructions = instructionsOf(path, object);
      assert.ok(instructions.size > 1000, `${instructions.size} instructions`);
      const wrong: string[] = [];
      for (const [address, bytes] of instructions) {
        const code = Buffer.from(bytes.replaceAll(' ', ''), 'hex');
        // objdump writes a prefix that belongs to nothing as an instruction of its own.
        const length = instructionLength(code, 0, object.arch === 'amd64');
        if (length !== code.length) wrong.push(`${address.toString(16)}: ${bytes}: ${length}`);
      }
      t.diagnostic(`${wrong.length} of ${instructions.size} differ: ${wrong.slice(0, 5).join('; ')}`);
      assert.ok(wrong.length <= instructions.size / 5_000, wrong.slice(0, 20).join('\n'));
    });

    it(`begin where objdump says: ${path.split('/').at(-1)}`, (t) => {
      const object = openObject(new BufferSource(readFileSync(path)));
      const instructions = instructionsOf(path, object);
      const addresses = [...instructions.keys()];
      const random = randomBelow(1);
      let [starts, seen, others, mistaken] = [0, 0, 0, 0];
      for (let n = 0; n < ASKED; n++) {
        const address = addresses[random(addresses.length)];
        const told = isInstructionStart(object, address);
        if (told !== null) starts++;
        if (told === true) seen++;
        const size = instructions.get(address)!.trim().split(' ').length;
        if (size === 1) continue;
        const inside = isInstructionStart(object, address + 1 + random(size - 1));
        if (inside !== null) others++;
        if (inside === true) mistaken++;
      }
      t.diagnostic(
        `seen ${((100 * seen) / starts).toFixed(2)} %, mistaken ${((100 * mistaken) / others).toFixed(2)} %`,
      );
      assert.ok(starts > ASKED * 0.98, `${starts} of ${ASKED} could be told`);
      assert.ok(seen >= starts * 0.99, `${seen} of ${starts} beginnings seen`);
      assert.ok(mistaken <= others * 0.02, `${mistaken} of ${others} other places mistaken for one`);
    });
  }

  it('are never read past the end, whatever the bytes', () => {
    const random = randomBelow(7);
    for (let n = 0; n < 200_000; n++) {
      const code = Uint8Array.from({ length: random(18) }, () => random(256));
      for (const is64 of [true, false]) {
        const length = instructionLength(code, 0, is64);
        assert.ok(length >= 0 && length <= Math.min(code.length, MAX_INSTRUCTION_BYTES));
        if (length > 0) assert.equal(instructionLength(code.subarray(0, length - 1), 0, is64), 0);
      }
    }
  });
});

describe('32-bit instructions', { skip: NEEDS_32 }, () => {
  it('are as long as objdump says, and begin there', async () => {
    const path = await buildGo({ toolchain: GO!, dir: SERVICE_DIR, mode: 'exe', env: { GOARCH: '386' } });
    const object = openObject(new BufferSource(readFileSync(path)));
    assert.equal(object.arch, '386');
    const instructions = instructionsOf(path, object);
    const wrong = [...instructions].filter(([, bytes]) => {
      const code = Buffer.from(bytes.replaceAll(' ', ''), 'hex');
      return instructionLength(code, 0, false) !== code.length;
    });
    assert.ok(wrong.length <= instructions.size / 5_000, wrong.slice(0, 20).join('\n'));
    const addresses = [...instructions.keys()].filter((_, i) => i % 50 === 0);
    const unseen = addresses.filter((address) => isInstructionStart(object, address) === false);
    assert.ok(unseen.length <= addresses.length / 100, `${unseen.length} of ${addresses.length} not seen`);
  });
});

describe('where instructions begin cannot be told', () => {
  it('in code of other architectures and outside the code', () => {
    const arm = openObject(new BufferSource(readFileSync(`${bin}tiny-go1.19-linux-arm64`)));
    assert.equal(isInstructionStart(arm, arm.section('.text')!.address + 400), null);
    const amd = openObject(new BufferSource(readFileSync(`${bin}tiny-go1.26-linux-amd64.unstripped`)));
    for (const at of [0, 1, 95, 2 ** 40]) assert.equal(isInstructionStart(amd, at), null);
  });
});
