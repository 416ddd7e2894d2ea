/**
 * Is there a call right before this address? A caller's address in a stack is where its call returns to, so in the code it was
 * sampled from every one of them follows a call; in another build's code about one in ten does. That tells builds apart where
 * a profile has neither IDs nor names.
 */
import { FormatError } from '../errors.ts';
import type { ObjectFile } from '../object/object.ts';

/** The longest indirect call of x86 without prefixes: ff, ModRM, SIB, four bytes. */
const X86_BYTES = 7;

/** True for architectures whose calls are known here. */
export function knowsCalls(arch: string): boolean {
  return arch === 'amd64' || arch === '386' || arch === 'arm64';
}

/**
 * `address` is a caller's as profiles state it: the return address, or one byte (an instruction on arm64) before it. False
 * outside the file's bytes.
 */
export function isAfterCall(object: ObjectFile, address: number): boolean {
  if (object.arch === 'arm64') {
    // No bit operators: Apple's programs begin at 4 GiB.
    return endsArm64Call(object, Math.ceil(address / 4) * 4) || endsArm64Call(object, address + 4);
  }
  return endsX86Call(object, address + 1) || endsX86Call(object, address);
}

/**
 *     e8 rel32                        call
 *     ff /2 [SIB] [disp8 | disp32]    call through a register or memory
 */
function endsX86Call(object: ObjectFile, end: number): boolean {
  const code = bytesBefore(object, end, X86_BYTES);
  if (code === null) return false;
  const before = (n: number): number => code[X86_BYTES - n];
  if (before(5) === 0xe8) return true;
  for (const length of [2, 3, 4, 6, 7]) {
    if (before(length) === 0xff && indirectLength(before(length - 1), before(length - 2)) === length) return true;
  }
  return false;
}

/** Bytes of `ff /2` with this ModRM and SIB; 0 when it is another instruction. */
function indirectLength(modrm: number, sib: number): number {
  if ((modrm & 0x38) !== 0x10) return 0;
  const [mode, register] = [modrm >> 6, modrm & 7];
  if (mode === 3) return 2;
  const withSib = register === 4 ? 3 : 2;
  if (mode === 1) return withSib + 1;
  if (mode === 2) return withSib + 4;
  const isDisplaced = register === 5 || (register === 4 && (sib & 7) === 5);
  return withSib + (isDisplaced ? 4 : 0);
}

/** BL, BLR and its authenticated forms. */
function endsArm64Call(object: ObjectFile, end: number): boolean {
  const code = bytesBefore(object, end, 4);
  if (code === null) return false;
  const word = new DataView(code.buffer, code.byteOffset, 4).getUint32(0, true);
  return word >>> 26 === 0x25 || (word & 0xfefff000) >>> 0 === 0xd63f0000;
}

function bytesBefore(object: ObjectFile, end: number, length: number): Uint8Array | null {
  try {
    return end < length ? null : object.readAddress(end - length, length);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return null;
  }
}
