/**
 * How long an x86 instruction is, without knowing what it does.
 *
 *   [66 67 f0 f2 f3 segment]* [REX] opcode [ModRM [SIB] [displacement]] [immediate]
 *
 *   opcode:  one byte | 0f xx | 0f 38 xx | 0f 3a xx | c5 (VEX, 2 bytes) | c4 (VEX, 3 bytes) | 62 (EVEX) | 8f (XOP)
 *
 * As in the opcode maps of Intel's manual, volume 2, appendix A.
 */

/** No instruction is longer. */
export const MAX_INSTRUCTION_BYTES = 15;

/** What follows an opcode byte: bits. */
const MODRM = 1;
const IMM8 = 2;
/** 16 bits with prefix 66, else 32. */
const IMM_Z = 4;
const IMM16 = 8;
const BAD = 16;
/** Relative, as IMM_Z, but 32 bits in 64-bit code whatever the prefix. */
const REL_Z = 32;
/** Not in 64-bit code. */
const NOT_64 = 64;

/**
 * Runs of opcodes: first, last, what follows. Others have nothing after them.
 */
const ONE_BYTE = table([
  ...[0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38].flatMap((at): [number, number, number][] => [
    [at, at + 3, MODRM],
    [at + 4, at + 4, IMM8],
    [at + 5, at + 5, IMM_Z],
  ]),
  [0x06, 0x07, NOT_64],
  [0x0e, 0x0e, NOT_64],
  [0x16, 0x17, NOT_64],
  [0x1e, 0x1f, NOT_64],
  [0x27, 0x27, NOT_64],
  [0x2f, 0x2f, NOT_64],
  [0x37, 0x37, NOT_64],
  [0x3f, 0x3f, NOT_64],
  [0x60, 0x61, NOT_64],
  [0x62, 0x62, MODRM | NOT_64], // EVEX is seen before
  [0x63, 0x63, MODRM],
  [0x68, 0x68, IMM_Z],
  [0x69, 0x69, MODRM | IMM_Z],
  [0x6a, 0x6a, IMM8],
  [0x6b, 0x6b, MODRM | IMM8],
  [0x70, 0x7f, IMM8],
  [0x80, 0x80, MODRM | IMM8],
  [0x81, 0x81, MODRM | IMM_Z],
  [0x82, 0x82, MODRM | IMM8 | NOT_64],
  [0x83, 0x83, MODRM | IMM8],
  [0x84, 0x8f, MODRM],
  [0x9a, 0x9a, IMM_Z | IMM16 | NOT_64],
  [0xa8, 0xa8, IMM8],
  [0xa9, 0xa9, IMM_Z],
  [0xb0, 0xb7, IMM8],
  [0xb8, 0xbf, IMM_Z], // 64 bits with REX.W
  [0xc0, 0xc1, MODRM | IMM8],
  [0xc2, 0xc2, IMM16],
  [0xc4, 0xc5, MODRM | NOT_64], // VEX is seen before
  [0xc6, 0xc6, MODRM | IMM8],
  [0xc7, 0xc7, MODRM | IMM_Z],
  [0xc8, 0xc8, IMM16 | IMM8],
  [0xca, 0xca, IMM16],
  [0xcd, 0xcd, IMM8],
  [0xce, 0xce, NOT_64],
  [0xd0, 0xd3, MODRM],
  [0xd4, 0xd5, IMM8 | NOT_64],
  [0xd6, 0xd6, NOT_64],
  [0xd8, 0xdf, MODRM],
  [0xe0, 0xe7, IMM8],
  [0xe8, 0xe9, REL_Z],
  [0xea, 0xea, IMM_Z | IMM16 | NOT_64],
  [0xeb, 0xeb, IMM8],
  [0xf6, 0xf7, MODRM], // and an immediate for /0 and /1
  [0xfe, 0xff, MODRM],
]);

const TWO_BYTE = table([
  [0x00, 0x03, MODRM],
  [0x04, 0x04, BAD],
  [0x0a, 0x0a, BAD],
  [0x0c, 0x0c, BAD],
  [0x0d, 0x0d, MODRM],
  [0x0f, 0x0f, MODRM | IMM8], // 3DNow!: the opcode is behind
  [0x10, 0x23, MODRM],
  [0x24, 0x27, BAD],
  [0x28, 0x2f, MODRM],
  [0x36, 0x36, BAD],
  [0x39, 0x39, BAD],
  [0x3b, 0x3f, BAD],
  [0x40, 0x6f, MODRM],
  [0x70, 0x73, MODRM | IMM8],
  [0x74, 0x76, MODRM],
  [0x78, 0x7f, MODRM],
  [0x80, 0x8f, REL_Z],
  [0x90, 0x9f, MODRM],
  [0xa3, 0xa3, MODRM],
  [0xa4, 0xa4, MODRM | IMM8],
  [0xa5, 0xa5, MODRM],
  [0xa6, 0xa7, BAD],
  [0xab, 0xab, MODRM],
  [0xac, 0xac, MODRM | IMM8],
  [0xad, 0xb9, MODRM],
  [0xba, 0xba, MODRM | IMM8],
  [0xbb, 0xc1, MODRM],
  [0xc2, 0xc2, MODRM | IMM8],
  [0xc3, 0xc3, MODRM],
  [0xc4, 0xc6, MODRM | IMM8],
  [0xc7, 0xc7, MODRM],
  [0xd0, 0xff, MODRM],
]);

function table(runs: readonly (readonly [number, number, number])[]): Uint8Array {
  const follows = new Uint8Array(256);
  for (const [first, last, what] of runs) follows.fill(what, first, last + 1);
  return follows;
}

/** Length of the instruction at `at`; 0 when there is none, or it is cut off by the end of `code`. */
export function instructionLength(code: Uint8Array, at: number, is64: boolean): number {
  const end = Math.min(code.length, at + MAX_INSTRUCTION_BYTES);
  let pos = at;
  let has66 = false;
  let has67 = false;
  for (; pos < end; pos++) {
    const byte = code[pos];
    if (byte === 0x66) has66 = true;
    else if (byte === 0x67) has67 = true;
    else if (!isOtherPrefix(byte)) break;
  }
  let hasRexW = false;
  if (is64 && pos < end && (code[pos] & 0xf0) === 0x40) {
    hasRexW = (code[pos] & 8) !== 0;
    pos++;
  }
  if (pos >= end) return 0;
  const opcode = code[pos];
  let follows: number;
  let immediate = 0;
  const vector = vectorPrefixBytes(code, pos, end, is64);
  if (vector < 0) return 0;
  if (vector > 0) {
    const told = vectorFollows(code, pos, vector);
    if (told < 0) return 0;
    follows = told;
    pos += vector + 1;
    if (follows & IMM_Z) immediate += 4; // XOP map 10
  } else if (opcode !== 0x0f) {
    follows = ONE_BYTE[opcode];
    pos++;
    if (is64 && follows & NOT_64) return 0;
    if (opcode >= 0xb8 && opcode <= 0xbf && hasRexW) immediate += 4;
    if (opcode >= 0xa0 && opcode <= 0xa3) immediate += is64 !== has67 ? (is64 ? 8 : 2) : 4;
    if ((opcode === 0xf6 || opcode === 0xf7) && pos < end && (code[pos] & 0x30) === 0) {
      follows |= opcode === 0xf6 ? IMM8 : IMM_Z;
    }
  } else {
    if (++pos >= end) return 0;
    const second = code[pos++];
    if (second === 0x38 || second === 0x3a) {
      if (pos++ >= end) return 0;
      follows = second === 0x38 ? MODRM : MODRM | IMM8;
    } else {
      follows = TWO_BYTE[second];
      // SSE4a: extrq, insertq with two immediates.
      if (second === 0x78 && (has66 || isRepne(code, at, pos))) immediate += 2;
    }
  }
  if (follows & BAD) return 0;
  if (follows & MODRM) {
    const size = modrmBytes(code, pos, end, has67 && !is64);
    if (size === 0) return 0;
    pos += size;
  }
  if (follows & IMM8) immediate += 1;
  if (follows & IMM16) immediate += 2;
  if (vector === 0 && follows & IMM_Z) immediate += has66 && !hasRexW ? 2 : 4;
  if (follows & REL_Z) immediate += has66 && !is64 ? 2 : 4;
  pos += immediate;
  return pos <= end ? pos - at : 0;
}

function isOtherPrefix(byte: number): boolean {
  switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0xf0:
    case 0xf2:
    case 0xf3:
      return true;
    default:
      return false;
  }
}

function isRepne(code: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (code[i] === 0xf2) return true;
  return false;
}

/** Bytes of a VEX, EVEX or XOP prefix, before the opcode; 0 for none, -1 for one cut off. In 32-bit code ModRM tells LES, LDS and BOUND apart. */
function vectorPrefixBytes(code: Uint8Array, pos: number, end: number, is64: boolean): number {
  const next = pos + 1 < end ? code[pos + 1] : 0;
  const isVector = is64 || next >= 0xc0;
  let bytes = 0;
  switch (code[pos]) {
    case 0xc5:
      if (isVector) bytes = 2;
      break;
    case 0xc4:
      if (isVector) bytes = 3;
      break;
    case 0x62:
      if (isVector) bytes = 4;
      break;
    case 0x8f:
      if ((next & 0x1f) >= 8) bytes = 3;
      break;
  }
  return pos + bytes < end ? bytes : -1;
}

/** What follows the opcode behind a vector prefix; -1 for none there is. */
function vectorFollows(code: Uint8Array, pos: number, prefix: number): number {
  const opcode = code[pos + prefix];
  if (prefix === 2) return vectorMap(1, opcode);
  if (code[pos] === 0x62) return vectorMap(code[pos + 1] & 7, opcode);
  return vectorMap(code[pos + 1] & 0x1f, opcode);
}

function vectorMap(map: number, opcode: number): number {
  switch (map) {
    case 1:
      if (opcode === 0x77) return 0; // vzeroupper
      return TWO_BYTE[opcode] & IMM8 ? MODRM | IMM8 : MODRM;
    case 2:
    case 5: // AVX512-FP16
    case 6:
    case 9:
      return MODRM;
    case 3:
    case 8:
      return MODRM | IMM8;
    case 10:
      return MODRM | IMM_Z;
    default:
      return -1;
  }
}

/** Bytes of ModRM, SIB and displacement; 0 when they are cut off. */
function modrmBytes(code: Uint8Array, pos: number, end: number, is16: boolean): number {
  if (pos >= end) return 0;
  const modrm = code[pos];
  const mode = modrm >> 6;
  const register = modrm & 7;
  if (mode === 3) return 1;
  if (is16) return 1 + (mode === 0 ? (register === 6 ? 2 : 0) : mode);
  const hasSib = register === 4;
  if (hasSib && pos + 1 >= end) return 0;
  const isBase5 = hasSib ? (code[pos + 1] & 7) === 5 : register === 5;
  const displacement = mode === 1 ? 1 : mode === 2 || isBase5 ? 4 : 0;
  return 1 + (hasSib ? 1 : 0) + displacement;
}
