/**
 * Hostile tables: 10,000 seeded mutations of small Go programs, in the bytes GoSymbols reads. The only outcomes are an answer, null,
 * or one of the errors a parser may throw, in bounded time and memory. Seeds that once failed are kept in `ONCE_FAILED`.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { BufferSource } from '../../src/bytes/source.ts';
import { isParseError, UnsupportedError } from '../../src/errors.ts';
import { derivedGnuBuildId, readGoBuildId } from '../../src/gosym/build-id.ts';
import { readBuildInfo } from '../../src/gosym/build-info.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { pclntabSha256 } from '../../src/gosym/table-hash.ts';
import { openObject } from '../../src/object/open.ts';
import { boundaries, random } from './boundaries.ts';
import { fixtureBytes, objectOf } from './fixtures.ts';

const SEEDS = 10_000;
const ONCE_FAILED: readonly number[] = [];
const LOOKUPS = 200;
const MAX_MS = 5000;
const MAX_HELD_BYTES = 96 << 20;

interface Subject {
  readonly name: string;
  readonly bytes: Buffer;
  /** File offsets [start, end) worth damaging, each as likely as the others. */
  readonly targets: readonly (readonly [number, number])[];
  readonly addresses: readonly number[];
}

function subject(name: string): Subject {
  const bytes = Buffer.from(fixtureBytes(name));
  const object = objectOf(bytes);
  const symbols = GoSymbols.open(object)!;
  const { header, tableFileOffset: table, module } = symbols;
  const record = symbols.recordOffset(symbols.functionCount >> 1);
  const moduledata = object.fileOffsetOf(module.address, 0x180);
  const targets: [number, number][] = [
    [0, 0x200], // ELF header and program headers
    [bytes.length - 0x800, bytes.length], // section headers
    [table, table + 0x48],
    [table, table + 0x48],
    [moduledata, moduledata + 0x180],
    [moduledata, moduledata + 0x180],
    [table + header.functab, table + header.functab + 2 * header.fieldSize * symbols.functionCount],
    [table + record, table + symbols.table.length],
    [table, table + symbols.table.length],
  ];
  if (header.layout.separateTables) {
    targets.push([table + header.cu, table + header.pctab], [table + header.pctab, table + header.pcln]);
  }
  if (module.gofunc >= 0) {
    const trees = object.fileOffsetOf(module.gofunc, 1);
    targets.push([trees, trees + 0x4000]);
  }
  return { name, bytes, targets, addresses: boundaries(symbols, 4000, 1000) };
}

const EDGES = [0, 1, 2, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

/** Damages the bytes in place; returns what undoes it, and how much of the file is left. */
function damage({ bytes, targets }: Subject, next: (n: number) => number): { undo: () => void; length: number } {
  const saved: [number, Buffer][] = [];
  for (let left = 1 + next(6); left > 0; left--) {
    const [start, end] = targets[next(targets.length)];
    const at = Math.min(start + next(end - start), bytes.length - 8);
    saved.push([at, Buffer.from(bytes.subarray(at, at + 8))]);
    const aligned = at & ~3;
    switch (next(5)) {
      case 0:
        bytes[at] ^= 1 << next(8);
        break;
      case 1:
        bytes[at] = next(256);
        break;
      case 2:
        if (aligned >= at) bytes.writeUInt32LE(EDGES[next(EDGES.length)], aligned);
        else bytes.writeUInt32LE(EDGES[next(EDGES.length)], at);
        break;
      case 3:
        bytes.writeUInt32LE((bytes.readUInt32LE(at) + next(9) - 4) >>> 0, at);
        break;
      default:
        bytes.fill(0x80 + next(0x80), at, at + 8); // a varint without end
    }
  }
  const length = next(20) === 0 ? next(bytes.length) : bytes.length;
  const undo = (): void => {
    for (const [at, before] of saved.reverse()) before.copy(bytes, at);
  };
  return { undo, length };
}

test(`${SEEDS} damaged Go programs`, (t) => {
  const subjects = [
    subject('tiny-go1.15-linux-amd64'),
    subject('tiny-go1.19-linux-arm64'),
    subject('tiny-go1.24-linux-amd64-pie'),
    subject('tiny-go1.26-linux-amd64'),
  ];
  const outcomes = { answered: 0, 'no table': 0, refused: 0, 'refused later': 0 };
  let slowest = 0;
  for (const seed of [...ONCE_FAILED, ...Array(SEEDS).keys()]) {
    const next = random(seed);
    const chosen = subjects[seed % subjects.length];
    const { undo, length } = damage(chosen, next);
    const start = performance.now();
    try {
      outcomes[attempt(chosen, length, next)]++;
    } catch (error) {
      throw new Error(`seed ${seed} (${chosen.name})`, { cause: error });
    } finally {
      undo();
    }
    const took = performance.now() - start;
    assert.ok(took < MAX_MS, `seed ${seed} (${chosen.name}) took ${Math.round(took)} ms`);
    slowest = Math.max(slowest, took);
  }
  t.diagnostic(`${JSON.stringify(outcomes)}, slowest ${Math.round(slowest)} ms`);
  for (const [outcome, count] of Object.entries(outcomes)) {
    if (outcome !== 'no table') assert.ok(count > SEEDS / 50, `${outcome}: ${count}`);
  }
  for (const { name, bytes } of subjects) assert.deepEqual(bytes, Buffer.from(fixtureBytes(name)), 'all damage undone');
});

type Outcome = 'answered' | 'no table' | 'refused' | 'refused later';

function attempt({ bytes, addresses }: Subject, length: number, next: (n: number) => number): Outcome {
  let refused: boolean;
  /** Runs a read; anything but a value or a parse error passes through and fails the test. */
  const tryTo = <T>(read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      if (!isParseError(error)) throw error;
      refused = true;
      return undefined;
    }
  };
  let symbols: GoSymbols | null;
  try {
    const object = openObject(new BufferSource(bytes.subarray(0, length)));
    const id = tryTo(() => readGoBuildId(object));
    if (typeof id === 'string') derivedGnuBuildId(id);
    tryTo(() => readBuildInfo(object));
    symbols = GoSymbols.open(object, next(2) === 0 ? 64 << 10 : undefined);
  } catch (error) {
    if (!isParseError(error)) throw error;
    return 'refused';
  }
  refused = false;
  if (symbols === null) return 'no table';
  const found = symbols;
  for (let i = 0; i < LOOKUPS; i++) {
    const address = addresses[next(addresses.length)];
    const frames = tryTo(() => found.frames(address));
    if (frames === undefined || frames === null) continue;
    assert.ok(frames.length > 0);
    for (const frame of frames) {
      assert.equal(typeof frame.function, 'string');
      assert.equal(typeof frame.file, 'string');
      assert.ok(Number.isInteger(frame.line) && frame.line >= 0);
      assert.ok(Number.isInteger(frame.startLine) && frame.startLine >= 0);
    }
  }
  const i = next(found.functionCount);
  tryTo(() => [found.functionName(i), found.functionStart(i), found.functionEnd(i)]);
  tryTo(() => pclntabSha256(found));
  assert.ok(found.heldBytes < MAX_HELD_BYTES, `${found.heldBytes} bytes held`);
  return refused ? 'refused later' : 'answered';
}

test('1,000 altered magics are all refused', () => {
  const next = random(1);
  const known = new Set([0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1]);
  for (const name of ['tiny-go1.15-linux-amd64', 'tiny-go1.24-linux-amd64-pie', 'tiny-go1.26-linux-amd64']) {
    const bytes = Buffer.from(fixtureBytes(name));
    const { tableFileOffset } = GoSymbols.open(objectOf(bytes))!;
    for (let i = 0; i < 334; i++) {
      const magic = next(2 ** 32);
      if (known.has(magic)) continue;
      bytes.writeUInt32LE(magic, tableFileOffset);
      assert.throws(() => GoSymbols.open(objectOf(bytes)), UnsupportedError);
    }
  }
});
