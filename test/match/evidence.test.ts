import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isSameFunction, weigh, type CandidateFrames, type NamedFrames } from '../../src/match/evidence.ts';
import { judge, type Bounds } from '../../src/match/verdict.ts';

const NO_BOUNDS: Bounds = {
  addresses: 0,
  inText: 0,
  inGoText: 0,
  onGoCode: 0,
  callers: 0,
  afterCall: 0,
};
/** What either side says of an address. */
const frames = (name: string, ...lines: number[]) => ({ function: name, systemName: name, names: [name], lines });
const repeat = (n: number, pair: [NamedFrames, CandidateFrames | null]) => Array.from({ length: n }, () => pair);

describe('names of one function', () => {
  const rows: readonly [string, string, boolean][] = [
    ['main.work', 'main.work', true],
    ['main.Map[...]', 'main.Map[go.shape.string,go.shape.struct { X int }]', true],
    ['main.F[func string].func1', 'main.F[func(int) string].func1', true],
    ['runtime.memmove', 'runtime.memmove.abi0', true],
    ['main.work', 'main.work2', false],
    ['main.Map[...].func1', 'main.Map[...].func2', false],
    ['main.(*T).M', 'main.T.M', false],
    ['', 'main.work', false],
    ['std::vector::push_back', 'void std::vector<int, std::allocator<int> >::push_back(int const&) const', true],
    ['ns::f(int)', 'ns::f(long)', true],
    ['ns::f', 'ns::g(int)', false],
    ['(anonymous namespace)::f', '(anonymous namespace)::f(int) [clone .cold]', true],
    ['core::fmt::write', 'core::fmt::write::h0123456789abcdef', true],
    ['core::fmt::write', 'core::fmt::Write::write_char', false],
    ['f', 'g(int)', false],
  ];
  for (const [a, b, same] of rows) {
    it(`${a || '(none)'} ${same ? 'is' : 'is not'} ${b}`, () => {
      assert.equal(isSameFunction(a, b), same);
      assert.equal(isSameFunction(b, a), same);
    });
  }
});

describe('weighing evidence', () => {
  it('counts only addresses on which both sides speak', () => {
    const evidence = weigh([
      [frames('main.a', 3), frames('main.a', 3)],
      [frames('main.b', 4), null],
      [frames('main.c', 5), frames('main.d', 5)],
    ]);
    assert.deepEqual(evidence, {
      checked: 2,
      agreed: 1,
      sameFunction: 1,
      example: { profile: 'main.c:5', binary: 'main.d:5' },
    });
  });

  it('holds the outermost line against the outermost line', () => {
    assert.equal(weigh([[frames('main.a', 9, 3), frames('main.a', 9, 3)]]).agreed, 1);
    assert.equal(weigh([[frames('main.a', 9, 3), frames('main.a', 9, 4)]]).agreed, 0);
  });

  it('forgives the innermost line on a flattened frame, and lines one side does not know', () => {
    assert.equal(weigh([[frames('main.a', 9), frames('main.a', 9, 3)]]).agreed, 1);
    assert.equal(weigh([[frames('main.a', 8), frames('main.a', 9, 3)]]).agreed, 0);
    assert.equal(weigh([[frames('main.a', 0), frames('main.a', 9, 3)]]).agreed, 1);
    assert.equal(weigh([[frames('main.a', 7), frames('main.a', 0)]]).agreed, 1);
  });
});

describe('a function of several names', () => {
  const [inProfile] = [frames('_ZN2ns1fEi', 3)];
  it('is the same under its linked name and under an alias', () => {
    const pair = (...names: string[]): [NamedFrames, CandidateFrames] => [inProfile, { names, lines: [3] }];
    assert.equal(weigh([pair('ns::f(int)', '_ZN2ns1fEi')]).agreed, 1);
    assert.equal(weigh([pair('__GI_f', 'f', '_ZN2ns1fEi')]).agreed, 1);
    assert.equal(weigh([pair('ns::g(int)', '_ZN2ns1gEi')]).agreed, 0);
  });
});

describe('the verdict', () => {
  const right: [NamedFrames, CandidateFrames] = [frames('main.a', 3), frames('main.a', 3)];
  const shifted: [NamedFrames, CandidateFrames] = [frames('main.a', 3), frames('main.a', 4)];
  const wrong: [NamedFrames, CandidateFrames] = [frames('main.a', 3), frames('main.b', 3)];

  it('takes a binary whose frames agree', () => {
    assert.deepEqual(judge('api', 'build-id', weigh(repeat(5, right)), NO_BOUNDS), { accepted: true, reason: '' });
  });

  it('forgives one merged function in twenty, not one in ten', () => {
    const mostly = weigh([...repeat(19, right), wrong]);
    assert.equal(judge('api', 'build-id', mostly, NO_BOUNDS).accepted, true);
    const hardly = weigh([...repeat(9, right), wrong]);
    assert.equal(judge('api', 'build-id', hardly, NO_BOUNDS).accepted, false);
  });

  it('refuses other functions and says which', () => {
    const { accepted, reason } = judge('api', 'build-id', weigh(repeat(5, wrong)), NO_BOUNDS);
    assert.equal(accepted, false);
    assert.match(reason, /api names other functions .*0 of 5 frames agree \(profile: main\.a:3, binary: main\.b:3\)/);
    assert.match(reason, /replaced while the process ran/);
  });

  it('refuses the same functions on other lines: a neighbouring build', () => {
    const { accepted, reason } = judge('api', 'pinned', weigh(repeat(5, shifted)), NO_BOUNDS);
    assert.equal(accepted, false);
    assert.match(reason, /functions but other lines/);
  });

  it('without names asks where the addresses fall', () => {
    const none = weigh([]);
    const inside = { ...NO_BOUNDS, addresses: 10, inText: 10, inGoText: 8, onGoCode: 8 };
    assert.equal(judge('api', 'build-id', none, inside).accepted, true);
    assert.match(judge('api', 'build-id', none, { ...inside, inText: 4 }).reason, /6 of 10 addresses lie outside/);
    assert.match(judge('api', 'build-id', none, { ...inside, onGoCode: 5 }).reason, /3 of 8 addresses fall between/);
    assert.match(judge('api', 'pinned-other-id', none, inside).reason, /another build ID/);
  });

  it('without IDs and names asks whether callers follow calls', () => {
    const none = weigh([]);
    const calls = (callers: number, afterCall: number) => ({
      ...NO_BOUNDS,
      addresses: 10,
      inText: 10,
      callers,
      afterCall,
    });
    assert.equal(judge('api', 'name', none, calls(20, 20)).accepted, true);
    assert.equal(judge('api', 'name', none, calls(200, 197)).accepted, true);
    assert.match(judge('api', 'name', none, calls(20, 19)).reason, /1 of 20/);
    assert.match(judge('api', 'name', none, calls(20, 3)).reason, /17 of 20 callers' addresses follow no call/);
    assert.match(judge('api', 'name', none, calls(20, 16)).reason, /4 of 20/);
    assert.equal(judge('api', 'name', none, calls(4, 4)).accepted, true);
    assert.match(judge('api', 'name', none, calls(3, 3)).reason, /neither a build ID nor enough addresses/);
    assert.match(judge('api', 'name', none, calls(2, 1)).reason, /1 of 2 callers/);
    assert.equal(judge('api', 'pinned', none, calls(20, 16)).accepted, true);
    assert.equal(judge('api', 'pinned', none, calls(2, 0)).accepted, true);
    assert.match(judge('api', 'pinned', none, calls(20, 3)).reason, /give the binary of exactly this build/);
    assert.equal(judge('api', 'build-id', none, calls(20, 3)).accepted, true);
    assert.match(judge('api', 'name', weigh([right]), calls(0, 0)).reason, /names too few frames/);
    assert.equal(judge('api', 'name', weigh(repeat(10, right)), calls(0, 0)).accepted, true);
    assert.match(judge('api', 'name', weigh(repeat(10, right)), calls(4, 2)).reason, /2 of 4 callers/);
  });
});
