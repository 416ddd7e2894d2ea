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
  leaves: 0,
  onStart: 0,
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
    ['sync.(*Mutex).Unlock', 'sync.(*RWMutex).Unlock', false],
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
      sameFile: 0,
      goChecked: 0,
      goDisagreed: 0,
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
    assert.deepEqual(judge('api', 'build-id', weigh(repeat(5, right)), NO_BOUNDS), {
      kind: 'match',
      reason: '',
      advice: '',
      lines: true,
    });
  });

  it('forgives one merged function in twenty, not one in ten', () => {
    const mostly = weigh([...repeat(19, right), wrong]);
    assert.equal(judge('api', 'build-id', mostly, NO_BOUNDS).kind, 'match');
    const hardly = weigh([...repeat(9, right), wrong]);
    assert.equal(judge('api', 'build-id', hardly, NO_BOUNDS).kind, 'mismatch');
  });

  it('refuses other functions and says which', () => {
    const { kind, reason, advice } = judge('api', 'build-id', weigh(repeat(5, wrong)), NO_BOUNDS);
    assert.equal(kind, 'mismatch');
    assert.match(reason, /api names other functions .*0 of 5 frames agree \(profile: main\.a:3, binary: main\.b:3\)/);
    assert.match(advice, /replaced while the process ran/);
  });

  it('refuses the same functions on other lines: a neighbouring build', () => {
    const { kind, reason } = judge('api', 'pinned', weigh(repeat(5, shifted)), NO_BOUNDS);
    assert.equal(kind, 'mismatch');
    assert.match(reason, /functions but other lines/);
  });

  it('without names asks where the addresses fall', () => {
    const none = weigh([]);
    const inside = { ...NO_BOUNDS, addresses: 10, inText: 10, inGoText: 8, onGoCode: 8 };
    assert.equal(judge('api', 'build-id', none, inside).kind, 'match');
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
    assert.equal(judge('api', 'name', none, calls(20, 20)).kind, 'match');
    assert.equal(judge('api', 'name', none, calls(200, 197)).kind, 'match');
    assert.match(judge('api', 'name', none, calls(20, 19)).reason, /1 of 20/);
    assert.match(judge('api', 'name', none, calls(20, 3)).reason, /17 of 20 callers' addresses follow no call/);
    assert.match(judge('api', 'name', none, calls(20, 16)).reason, /4 of 20/);
    assert.equal(judge('api', 'name', none, calls(4, 4)).kind, 'match');
    assert.match(judge('api', 'name', none, calls(3, 3)).reason, /neither a build ID nor enough addresses/);
    assert.match(judge('api', 'name', none, calls(2, 1)).reason, /1 of 2 callers/);
    assert.equal(judge('api', 'pinned', none, calls(20, 16)).kind, 'match');
    assert.equal(judge('api', 'pinned', none, calls(2, 0)).kind, 'match');
    assert.match(judge('api', 'pinned', none, calls(20, 3)).advice, /give the binary of exactly this build/);
    assert.match(judge('api', 'build-id', none, calls(20, 3)).reason, /17 of 20/);
    assert.match(judge('api', 'name', weigh([right]), calls(0, 0)).reason, /names too few frames/);
    assert.equal(judge('api', 'name', weigh(repeat(10, right)), NO_BOUNDS).kind, 'match');
    assert.match(judge('api', 'name', weigh(repeat(10, right)), calls(4, 2)).reason, /2 of 4 callers/);
    assert.match(judge('api', 'name', weigh(repeat(10, right)), calls(1, 1)).reason, /too few addresses/);
  });

  it('without an ID takes leaves where instructions begin, and believes no lines', () => {
    const leaves = (looked: number, onStart: number) => ({
      ...NO_BOUNDS,
      addresses: looked,
      inText: looked,
      leaves: looked,
      onStart,
    });
    const named = weigh(repeat(10, right));
    assert.deepEqual(judge('api', 'evidence', named, leaves(5, 5)), {
      kind: 'match',
      reason: '',
      advice: '',
      lines: false,
    });
    assert.equal(judge('api', 'evidence', named, leaves(4, 4)).kind, 'not enough evidence');
    assert.match(judge('api', 'evidence', named, leaves(5, 4)).reason, /1 of 5 addresses lie inside instructions/);
    assert.equal(judge('api', 'name', weigh([]), leaves(10, 10)).kind, 'match');
    assert.equal(judge('api', 'name', weigh([]), leaves(9, 9)).kind, 'not enough evidence');
    assert.equal(judge('api', 'build-id', weigh([]), leaves(10, 7)).lines, true);
    assert.equal(judge('api', 'build-id', weigh([]), leaves(10, 6)).kind, 'mismatch');
    assert.equal(judge('api', 'build-id', weigh([]), leaves(3, 0)).kind, 'match');
  });

  it('in Go code allows one frame in a hundred beside an ID, none without', () => {
    const go = (pair: [NamedFrames, CandidateFrames]): [NamedFrames, CandidateFrames] => [
      pair[0],
      { ...pair[1], isGo: true },
    ];
    const one = weigh([...repeat(99, go(right)), go(shifted)]);
    assert.equal(judge('api', 'build-id', one, NO_BOUNDS).kind, 'match');
    assert.equal(judge('api', 'evidence', one, NO_BOUNDS).kind, 'mismatch');
    const two = weigh([...repeat(98, go(right)), go(shifted), go(wrong)]);
    assert.equal(judge('api', 'build-id', two, NO_BOUNDS).kind, 'mismatch');
  });
});

describe('frames in Go code', () => {
  const go = (names: string[], ...lines: number[]): CandidateFrames => ({
    names: names.slice(-1),
    inlined: names.slice(0, -1),
    lines,
    isGo: true,
  });
  const said = (names: string[], ...lines: number[]): NamedFrames => ({
    function: names.at(-1)!,
    systemName: '',
    inlined: names.slice(0, -1),
    lines,
  });
  const agrees = (profile: NamedFrames, binary: CandidateFrames) => weigh([[profile, binary]]).agreed === 1;

  it('agree on every line of an inline stack', () => {
    assert.equal(agrees(said(['a', 'b'], 9, 3), go(['a', 'b'], 9, 3)), true);
    assert.equal(agrees(said(['a', 'b'], 8, 3), go(['a', 'b'], 9, 3)), false);
  });

  it('agree where a runtime cut the stack inside inlined calls', () => {
    assert.equal(agrees(said(['a', 'b'], 9, 3), go(['a', 'b', 'c'], 9, 3, 7)), true);
    assert.equal(agrees(said(['a', 'x'], 9, 3), go(['a', 'b', 'c'], 9, 3, 7)), false);
    assert.equal(agrees(said(['a'], 9), go(['a', 'b'], 9, 3)), true);
    assert.equal(agrees(said(['a'], 8), go(['a', 'b'], 9, 3)), false);
  });
});
