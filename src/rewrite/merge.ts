import type { NewLine } from '../profile/splice.ts';
import type { Frame, Resolution } from '../symbolize/frame.ts';
import type { Need } from './need.ts';

/** Resolved frames as profile lines, innermost first. */
export function toLines(frames: readonly Frame[]): NewLine[] {
  return frames.map(({ name, systemName, file, line, column, startLine }) => ({
    function: { name, systemName, filename: file, startLine },
    line,
    column,
  }));
}

/**
 * The per-location merge: true when the resolved frames may stand where the profile's are. What is named with a place
 * stays; what is named without one is completed only by frames that say the same name, at least as deep.
 */
export function mayReplace(need: Need, existingOutermost: string, existingDepth: number, found: Resolution): boolean {
  if (need === 'unnamed') return true;
  if (need !== 'incomplete') return false;
  const outermost = found.frames.at(-1)!;
  return outermost.name === existingOutermost && found.frames.length >= existingDepth && outermost.line !== 0;
}
