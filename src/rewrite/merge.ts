import type { NewFunction, NewLine } from '../profile/splice.ts';
import type { Frame, Resolution } from '../symbolize/frame.ts';
import type { Need } from './need.ts';

/** Turns frames into profile lines with one function object per function: the splice interns those by identity first. */
export class LineMaker {
  readonly #functions = new Map<string, NewFunction[]>();

  /** Innermost first, as the frames. */
  lines(frames: readonly Frame[]): NewLine[] {
    return frames.map((frame) => ({ function: this.#functionOf(frame), line: frame.line, column: frame.column }));
  }

  #functionOf({ name, systemName, file, startLine }: Frame): NewFunction {
    let sameName = this.#functions.get(name);
    if (sameName === undefined) this.#functions.set(name, (sameName = []));
    let found = sameName.find((f) => f.filename === file && f.startLine === startLine && f.systemName === systemName);
    if (found === undefined) sameName.push((found = { name, systemName, filename: file, startLine }));
    return found;
  }
}

/**
 * The per-location merge: true when the resolved frames may stand where the profile's are. What is named with a place
 * stays; what is named without one is completed only by frames that say the same name, at least as deep.
 */
export function mayReplace(need: Need, existingOutermost: string, existingDepth: number, found: Resolution): boolean {
  if (need === 'unnamed') return true;
  if (need !== 'incomplete') return false;
  const outermost = found.frames.at(-1)!;
  const isSame = outermost.name === existingOutermost || outermost.systemName === existingOutermost;
  return isSame && found.frames.length >= existingDepth && outermost.line !== 0;
}
