/**
 * Does an instruction begin at an address? Where a profile was sampled, one does; in another build's code in about one of three
 * places by chance. Code need not be read from a function's start: x86 decoded from anywhere falls into step within a few instructions.
 */
import { isParseError } from '../errors.ts';
import type { ObjectFile } from '../object/object.ts';
import { instructionLength } from './x86-length.ts';

/** Decoding begins at each of so many places, so many bytes before the address. */
const ENTRIES = 16;
const RUN_UP = 96;
/** Behind the address, so that what begins before it can be decoded. */
const BEHIND = 16;
/** Share of the entries that must agree. */
const AGREEMENT = 0.75;

/** null where that cannot be told: no code there, no x86, or bytes that are no instructions. */
export function isInstructionStart(object: ObjectFile, address: number): boolean | null {
  const is64 = object.arch === 'amd64';
  if ((!is64 && object.arch !== '386') || object.debugOnly || object.type === 'rel') return null;
  const code = codeAround(object, address);
  if (code === null) return null;
  let [hits, misses] = [0, 0];
  for (let entry = 0; entry < ENTRIES; entry++) {
    let pos = entry;
    let isLost = false;
    while (pos < RUN_UP) {
      const length = instructionLength(code, pos, is64);
      if (length === 0) {
        isLost = true;
        break;
      }
      pos += length;
    }
    if (isLost) continue;
    if (pos === RUN_UP) hits++;
    else misses++;
  }
  const told = hits + misses;
  if (told === 0) return null;
  if (instructionLength(code, RUN_UP, is64) === 0) return false;
  return hits >= told * AGREEMENT;
}

/** Bytes from RUN_UP before the address to BEHIND after it; null where the file has none. */
function codeAround(object: ObjectFile, address: number): Uint8Array | null {
  try {
    return object.readAddress(address - RUN_UP, RUN_UP + BEHIND);
  } catch (error) {
    if (!isParseError(error)) throw error;
    return null;
  }
}
