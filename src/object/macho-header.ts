/**
 * Mach-O: the header and the load commands behind it, which say where everything else is.
 *
 *   +0  u32 magic       fe ed fa ce 32-bit, fe ed fa cf 64-bit; in the file's byte order
 *   +4  u32 cputype     7 x86, 12 arm, 18 ppc; | 01000000 64-bit
 *   +8  u32 cpusubtype
 *   +12 u32 filetype    1 object, 2 program, 6 library, 8 bundle, 10 dSYM
 *   +16 u32 ncmds
 *   +20 u32 sizeofcmds  bytes of all commands
 *   +24 u32 flags
 *   +28 u32 reserved    64-bit only; commands follow
 *
 *   command         u32 cmd, u32 cmdsize (of the whole command), then by cmd:
 *   LC_SEGMENT      char segname[16]; word vmaddr, vmsize, fileoff, filesize; u32 maxprot, initprot, nsects, flags;
 *   LC_SEGMENT_64     and nsects sections: char sectname[16], segname[16]; word addr, size;
 *                     u32 offset, align (log 2), reloff, nreloc, flags, reserved1, reserved2; 64-bit: u32 reserved3
 *   LC_SYMTAB       u32 symoff, nsyms, stroff, strsize
 *   LC_UUID         u8 uuid[16]
 *   LC_DYLD_INFO    u32 rebase_off, rebase_size, then the same pairs for bind, weak_bind, lazy_bind, export
 *   LC_FUNCTION_STARTS, LC_DYLD_CHAINED_FIXUPS    u32 dataoff, datasize
 *
 * Names are cut at 16 bytes and then have no NUL: `__debug_str_offs`. A word is 4 or 8 bytes. Offsets are bytes from the
 * magic, also inside a universal file.
 *
 * Example, a program for Apple silicon: cf fa ed fe | 0c 00 00 01 | 00 00 00 00 | 02 00 00 00 | 0e 00 00 00 (14 commands) ...
 */
import { Buffer } from 'node:buffer';
import { Cursor } from '../bytes/cursor.ts';
import type { ByteSource } from '../bytes/source.ts';
import { FormatError, LimitError } from '../errors.ts';
import * as macho from './macho-constants.ts';

/** Commands are read in one piece. Programs with hundreds of libraries have some 50 KiB, kernel collections some 100. */
export const MAX_COMMAND_BYTES = 1 << 22;

const NAME_BYTES = 16;

/** A range of the file. */
export interface DataRange {
  readonly offset: number;
  readonly size: number;
}

export interface MachSection {
  readonly name: string;
  readonly segmentName: string;
  readonly address: bigint;
  readonly size: number;
  readonly offset: number;
  readonly flags: number;
}

/** Sizes and offsets above 2^53 - 1 are given as 2^53 - 1, which is outside any file all the same. */
export interface MachSegment {
  readonly name: string;
  readonly address: bigint;
  readonly size: number;
  readonly fileOffset: number;
  readonly fileSize: number;
  /** VM_PROT_*. */
  readonly maxProtection: number;
  readonly protection: number;
  readonly sections: readonly MachSection[];
}

export interface MachSymtab {
  readonly symbols: number;
  readonly count: number;
  readonly strings: number;
  readonly stringsSize: number;
}

export interface MachHeader {
  readonly is64: boolean;
  readonly littleEndian: boolean;
  readonly cpuType: number;
  readonly cpuSubtype: number;
  readonly fileType: number;
  readonly flags: number;
  /** In the order of their commands: rebase opcodes and chained fixups number them so. */
  readonly segments: readonly MachSegment[];
  /** Undefined when the file has no such command; of several the first. */
  readonly symtab: MachSymtab | undefined;
  /** 32 hex digits. */
  readonly uuid: string | undefined;
  readonly rebase: DataRange | undefined;
  readonly chainedFixups: DataRange | undefined;
  readonly functionStarts: DataRange | undefined;
}

/** Reads the header and the commands. Throws FormatError when they are damaged or cut short. What they point to may still be. */
export function readMachHeader(source: ByteSource): MachHeader {
  const start = source.read(0, Math.min(source.size, 4));
  const magic = start.length < 4 ? 0 : new DataView(start.buffer, start.byteOffset, 4).getUint32(0);
  const littleEndian = magic === macho.MH_CIGAM || magic === macho.MH_CIGAM_64;
  const is64 = magic === macho.MH_MAGIC_64 || magic === macho.MH_CIGAM_64;
  if (!littleEndian && !is64 && magic !== macho.MH_MAGIC)
    throw new FormatError('Mach-O header', 0, 'not a Mach-O file');
  const headerSize = is64 ? 32 : 28;
  if (source.size < headerSize) {
    throw new FormatError('Mach-O header', source.size, `truncated: ${headerSize} bytes expected`);
  }
  const cursor = new Cursor(source.read(0, headerSize), littleEndian, 'Mach-O header').seek(4);
  const [cpuType, cpuSubtype, fileType, commandCount, commandBytes, flags] = Array.from({ length: 6 }, () =>
    cursor.u32(),
  );
  if (headerSize + commandBytes > source.size) {
    throw new FormatError(
      'Mach-O header',
      20,
      `${commandBytes} bytes of load commands in a file of ${source.size} bytes: truncated or damaged`,
    );
  }
  if (commandBytes > MAX_COMMAND_BYTES) {
    throw new LimitError(`${commandBytes} bytes of load commands; the limit is ${MAX_COMMAND_BYTES}`);
  }
  const commands = new Cursor(source.read(headerSize, commandBytes), littleEndian, 'load commands');
  return { is64, littleEndian, cpuType, cpuSubtype, fileType, flags, ...readCommands(commands, commandCount) };
}

type Commands = Pick<MachHeader, 'segments' | 'symtab' | 'uuid' | 'rebase' | 'chainedFixups' | 'functionStarts'>;

function readCommands(cursor: Cursor, count: number): Commands {
  const segments: MachSegment[] = [];
  let symtab: MachSymtab | undefined;
  let uuid: string | undefined;
  let rebase: DataRange | undefined;
  let chainedFixups: DataRange | undefined;
  let functionStarts: DataRange | undefined;
  for (let i = 0; i < count; i++) {
    const at = cursor.offset;
    const kind = cursor.u32();
    const size = cursor.u32();
    if (size < 8 || size % 4 !== 0) throw cursor.seek(at).error(`load command ${i} of ${size} bytes`);
    const command = cursor.sub(at, size).seek(8);
    switch (kind) {
      case macho.LC_SEGMENT:
      case macho.LC_SEGMENT_64:
        segments.push(readSegment(command, kind === macho.LC_SEGMENT_64));
        break;
      case macho.LC_SYMTAB: {
        const [symbols, symbolCount, strings, stringsSize] = [
          command.u32(),
          command.u32(),
          command.u32(),
          command.u32(),
        ];
        symtab ??= { symbols, count: symbolCount, strings, stringsSize };
        break;
      }
      case macho.LC_UUID:
        uuid ??= Buffer.from(command.take(16)).toString('hex');
        break;
      case macho.LC_DYLD_INFO:
      case macho.LC_DYLD_INFO_ONLY:
        rebase ??= readRange(command);
        break;
      case macho.LC_DYLD_CHAINED_FIXUPS:
        chainedFixups ??= readRange(command);
        break;
      case macho.LC_FUNCTION_STARTS:
        functionStarts ??= readRange(command);
        break;
    }
    cursor.seek(at + size);
  }
  return { segments, symtab, uuid, rebase, chainedFixups, functionStarts };
}

function readRange(command: Cursor): DataRange {
  return { offset: command.u32(), size: command.u32() };
}

function readSegment(command: Cursor, is64: boolean): MachSegment {
  const name = fixedName(command);
  const address = wordn(command, is64);
  const size = clampedWord(command, is64);
  const fileOffset = clampedWord(command, is64);
  const fileSize = clampedWord(command, is64);
  const maxProtection = command.u32();
  const protection = command.u32();
  const count = command.u32();
  command.skip(4); // flags
  const needed = count * (is64 ? 80 : 68);
  if (needed > command.remaining)
    throw command.error(`segment ${name} with ${count} sections in ${command.remaining} bytes`);
  const sections = Array.from({ length: count }, () => readSection(command, is64));
  return { name, address, size, fileOffset, fileSize, maxProtection, protection, sections };
}

function readSection(command: Cursor, is64: boolean): MachSection {
  const name = fixedName(command);
  const segmentName = fixedName(command);
  const address = wordn(command, is64);
  const size = clampedWord(command, is64);
  const offset = command.u32();
  command.skip(12); // align, reloff, nreloc
  const flags = command.u32();
  command.skip(is64 ? 12 : 8);
  return { name, segmentName, address, size, offset, flags };
}

/** Up to 16 bytes: a NUL ends it, the field's end does too. */
function fixedName(command: Cursor): string {
  const bytes = command.take(NAME_BYTES);
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end < 0 ? NAME_BYTES : end)).toString('utf8');
}

function wordn(cursor: Cursor, is64: boolean): bigint {
  return is64 ? cursor.u64n() : BigInt(cursor.u32());
}

/** One absurd size must not cost the whole file: it is refused where that range is read. */
function clampedWord(cursor: Cursor, is64: boolean): number {
  const value = wordn(cursor, is64);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}
