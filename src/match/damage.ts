/**
 * The evidence check for profiles that a client has damaged: what still speaks for the binary when names are wrong.
 *
 * A client that symbolizes a profile again with the right file gets the place of an address right more often than its function: it
 * asks the line table for the one and the nearest symbol for the other. A frame that differs from the candidate's is excused, and then
 * counts as agreed, where it is one of the forms seen (google/pprof and go tool pprof 1.15 to 1.26 over Go 1.15 to 1.26):
 *
 * | the profile has                                         | the binary has                            | whose work                  |
 * |---------------------------------------------------------|-------------------------------------------|-----------------------------|
 * | one frame, another function on the innermost file:line  | runtime.newobject malloc.go:1714          | go tool pprof: nearest      |
 * | x_cgo_munmap malloc.go:1714                             |                                           | symbol of any kind          |
 * | work.(*item).MarshalText library.go:30                  | work.item.MarshalText library.go:30       | compiler's wrappers, shown  |
 * | more frames than the binary, the innermost ones equal   | those the runtime shows                   | google/pprof, from DWARF    |
 *
 * All other damage (inlined calls flattened, start lines gone, `.abi0`, `./` before files, names without a place) agrees by weigh's own
 * rules. In a neighbouring build the lines after a change differ, and the frames with them: it gets no excuse.
 */
import { type CandidateFrames, canonical, type Evidence, type NamedFrames, weigh } from './evidence.ts';

export interface DamagedEvidence extends Evidence {
  /** Of the agreed ones, those whose difference is damage. */
  readonly excused: number;
}

type Pair = readonly [NamedFrames, CandidateFrames | null];

/**
 * As `weigh`, with damage excused.
 *
 * @param isShifted the candidate was asked where a client looks by mistake (`clientShift`); between Go's functions and after them that
 * client finds the one before, which says nothing
 */
export function weighDamaged(pairs: Iterable<Pair>, isShifted = false): DamagedEvidence {
  let excused = 0;
  const forgiving = function* (): Generator<Pair> {
    for (const [stated, candidate] of pairs) {
      const pair: Pair = [withoutImpossible(stated), candidate];
      if (isShifted && (candidate?.isGo !== true || candidate.lines.length === 0)) continue;
      if (candidate === null || weigh([pair]).agreed === 1 || !isDamaged(stated, candidate)) {
        yield pair;
        continue;
      }
      excused++;
      yield [asStatedBy(candidate), candidate];
    }
  };
  const evidence = weigh(forgiving());
  return { ...evidence, excused };
}

/** Go's own line tables say -1 where they have none, and go tool pprof writes that down. */
function withoutImpossible(stated: NamedFrames): NamedFrames {
  if (stated.lines.every((line) => line >= 0)) return stated;
  return { ...stated, lines: stated.lines.map((line) => Math.max(0, line)) };
}

function isDamaged(stated: NamedFrames, candidate: CandidateFrames): boolean {
  // Elsewhere than in Go code symbolizers differ over lines, so that one line is no proof.
  if (candidate.isGo !== true) return false;
  const [theirs, ours] = [stated.lines, candidate.lines];
  if (theirs.length === 1) {
    const isSameFile = stated.file !== undefined && stated.file !== '' && stated.file === candidate.file;
    return isSameFile && theirs[0] > 0 && theirs[0] === ours[0];
  }
  if (theirs.length <= ours.length) return false;
  const names = [...(candidate.inlined ?? []), candidate.names[0]];
  const statedNames = [...(stated.inlined ?? []), stated.function];
  return ours.every((line, i) => line === theirs[i] && canonical(statedNames[i]) === canonical(names[i]));
}

function asStatedBy({ names, inlined, lines, file }: CandidateFrames): NamedFrames {
  const [name] = names;
  return { function: name, systemName: name, lines, ...(inlined && { inlined }), ...(file !== undefined && { file }) };
}
