import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { weighDamaged } from '../../src/match/damage.ts';
import { type CandidateFrames, type NamedFrames, weigh } from '../../src/match/evidence.ts';

const stated = (name: string, file: string, ...lines: number[]): NamedFrames => ({
  function: name,
  systemName: name,
  file,
  lines,
});
const inBinary = (name: string, file: string, ...lines: number[]): CandidateFrames => ({
  names: [name],
  file,
  lines,
  isGo: true,
});
const verdictOf = (pair: [NamedFrames, CandidateFrames | null], isShifted = false) => {
  const { checked, agreed, excused } = weighDamaged([pair], isShifted);
  return { checked, agreed, excused };
};
const BETWEEN: CandidateFrames = { names: ['(between functions)'], lines: [], isGo: true };

describe('weighing damaged frames', () => {
  const NEW = inBinary('runtime.newobject', 'malloc.go', 1714);
  const excused: Record<string, [NamedFrames, CandidateFrames]> = {
    'the nearest symbol on the right place': [stated('x_cgo_munmap', 'malloc.go', 1714), NEW],
    'the nearest symbol on the innermost place': [
      stated('main.other', 'malloc.go', 1714),
      { ...inBinary('main.step', 'malloc.go', 1714, 34), inlined: ['runtime.newobject'] },
    ],
    'a wrapper around the right frames': [
      { ...stated('main.(*T).Area', 'shapes.go', 73, 1), inlined: ['main.T.Area'] },
      inBinary('main.T.Area', 'shapes.go', 73),
    ],
  };
  for (const [what, pair] of Object.entries(excused)) {
    it(`excuses ${what}`, () => {
      assert.equal(weigh([pair]).agreed, 0);
      assert.deepEqual(verdictOf(pair), { checked: 1, agreed: 1, excused: 1 });
    });
  }

  const wrong: Record<string, [NamedFrames, CandidateFrames]> = {
    'another function on another line': [stated('main.other', 'malloc.go', 1715), NEW],
    'another function on the same line of another file': [stated('main.other', 'main.go', 1714), NEW],
    'another function without a place': [stated('main.other', '', 0), NEW],
    'the right function on another line': [stated('runtime.newobject', 'malloc.go', 1700), NEW],
    'C on the same line': [stated('memcpy', 'x.S', 7), { ...inBinary('memset', 'x.S', 7), isGo: false }],
    'a wrapper around another method': [
      { ...stated('main.(*T).Area', 'shapes.go', 73, 1), inlined: ['main.(*U).Area'] },
      inBinary('main.(*V).Area', 'shapes.go', 73),
    ],
    'a frame between functions': [stated('main.other', '', -1), BETWEEN],
  };
  for (const [what, pair] of Object.entries(wrong)) {
    it(`does not excuse ${what}`, () => assert.deepEqual(verdictOf(pair), { checked: 1, agreed: 0, excused: 0 }));
  }

  it('counts the rest as ever', () => {
    const same = stated('runtime.newobject', 'malloc.go', 1714);
    const { excused, ...evidence } = weighDamaged([
      [same, NEW],
      [same, null],
    ]);
    assert.deepEqual(evidence, weigh([[same, NEW]]));
    assert.equal(excused, 0);
  });
  it('takes a line of -1 for none', () => {
    assert.deepEqual(verdictOf([stated('runtime.newobject', '', -1), NEW]), { checked: 1, agreed: 1, excused: 0 });
  });
  it('expects nothing of what is no Go function when addresses are shifted', () => {
    const nothing = { checked: 0, agreed: 0, excused: 0 };
    assert.deepEqual(verdictOf([stated('main.other', '', -1), BETWEEN], true), nothing);
    assert.deepEqual(verdictOf([stated('main.main', 'main.go', 3), { ...NEW, isGo: false }], true), nothing);
    assert.deepEqual(verdictOf([stated('main.main', 'main.go', 3), null], true), nothing);
    assert.deepEqual(verdictOf([stated('main.main', 'main.go', 3), NEW], true), { ...nothing, checked: 1 });
  });
});
