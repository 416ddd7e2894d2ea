/**
 * Damaged symbols: whatever a linker, a disk or a stranger makes of a name, demangling it gives a text, in time, and never
 * throws. RESYM_FUZZ_SEED and RESYM_DEMANGLE_MUTATIONS repeat or extend a run.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { demangle } from '../../src/demangle/demangle.ts';
import { fixture } from '../demangle/fixture.ts';
import { filtered, llvmCxxfilt } from '../demangle/tools.ts';
import { seededRandom } from './mutate.ts';

const SEED = Number(process.env.RESYM_FUZZ_SEED ?? 20_260);
const COUNT = Number(process.env.RESYM_DEMANGLE_MUTATIONS ?? 200_000);
/** For one name, in processor time; the bounds aim at 10, a busy machine's collector of garbage comes on top. */
const MAX_MILLISECONDS = 250;
/** For all of them, likewise. */
const MAX_MICROSECONDS_EACH = 200;
const COMPARED = 20_000;

/** Letters of the manglings, so that damage stays near the grammar. */
const LETTERS = 'EIJKLNPRSTXZ_0123456789abcdefijlmnoprstuvDCFGMOQUBAWYH$.';
const PIECES = [
  'S_',
  'S0_',
  'T_',
  'TL0__',
  'Dp',
  'DpT_',
  'I',
  'E',
  'J',
  'N',
  'X',
  'Ul',
  'sr',
  'cv',
  'B_',
  'B2_',
  'Z',
  'Q',
  'St',
  'L_Z',
  'fp_',
];

type Random = (n: number) => number;

function randomBelow(seed: number): Random {
  const random = seededRandom(seed);
  return (n) => Math.floor(random() * n);
}

function damaged(symbol: string, other: string, random: Random): string {
  let text = symbol;
  for (let rounds = 1 + random(3); rounds > 0; rounds--) {
    const at = 2 + random(Math.max(1, text.length - 2));
    const end = at + random(12);
    switch (random(7)) {
      case 0: // change a letter
        text = text.slice(0, at) + LETTERS[random(LETTERS.length)] + text.slice(at + 1);
        break;
      case 1: // leave out
        text = text.slice(0, at) + text.slice(end);
        break;
      case 2: // put in
        text = text.slice(0, at) + PIECES[random(PIECES.length)] + text.slice(at);
        break;
      case 3: // repeat
        text = text.slice(0, at) + text.slice(at, end).repeat(1 + random(40)) + text.slice(at);
        break;
      case 4: // cut off
        text = text.slice(0, at);
        break;
      case 5: // go on as another
        text = text.slice(0, at) + other.slice(2 + random(other.length));
        break;
      default: // take a piece from elsewhere
        text = text.slice(0, at) + text.slice(random(text.length), random(text.length)) + text.slice(at);
    }
  }
  return text;
}

describe('damaged symbols', () => {
  const cxx = fixture('cxx').map(([symbol]) => symbol);
  const all = [...cxx, ...fixture('rust').map(([symbol]) => symbol)];

  test('never throw and take a bounded time', (t) => {
    const random = randomBelow(SEED);
    let read = 0;
    let slowest = 0;
    const start = process.cpuUsage();
    for (let i = 0; i < COUNT; i++) {
      const symbol = damaged(all[random(all.length)], all[random(all.length)], random);
      const before = performance.now();
      const name = demangle(symbol);
      const milliseconds = performance.now() - before;
      assert.equal(typeof name, 'string');
      if (name !== symbol) read++;
      if (milliseconds > slowest) {
        // the clock also ran while others had the processor: what was slow must be slow again
        const again = process.cpuUsage();
        demangle(symbol);
        slowest = Math.max(slowest, Math.min(milliseconds, process.cpuUsage(again).user / 1000));
        assert.ok(slowest < MAX_MILLISECONDS, `${slowest} ms: ${symbol}`);
      }
    }
    const each = process.cpuUsage(start).user / COUNT;
    t.diagnostic(`${read} of ${COUNT} still read, slowest ${slowest.toFixed(1)} ms, ${each.toFixed(1)} µs each`);
    assert.ok(each < MAX_MICROSECONDS_EACH, `${each} µs each`);
    assert.ok(read > COUNT / 50 && read < COUNT, 'the damage is neither too little nor too much');
  });

  const llvm = llvmCxxfilt();
  test('and read as llvm-cxxfilt reads them', { skip: llvm === null && 'needs llvm-cxxfilt 19' }, (t) => {
    assert.ok(llvm !== null);
    const random = randomBelow(SEED + 1);
    const symbols = Array.from({ length: COMPARED }, () =>
      damaged(cxx[random(cxx.length)], cxx[random(cxx.length)], random).replace(/[.$].*/, ''),
    ).filter((symbol) => symbol.startsWith('_Z'));
    const names = filtered(llvm, symbols);
    let both = 0;
    let different = 0;
    symbols.forEach((symbol, i) => {
      const name = demangle(symbol);
      if (name === symbol || names[i] === symbol) return;
      both++;
      if (name !== names[i]) different++;
    });
    t.diagnostic(`${different} of ${both} names that both read differ`);
    assert.ok(both > 500);
    assert.ok(different <= both / 100, `${different} of ${both} differ`);
  });
});
