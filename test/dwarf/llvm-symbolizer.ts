/** llvm-symbolizer as the oracle: its answers about a file, from debug info alone. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { tool } from '../support/toolchains.ts';

/** The newest at hand, or null. */
export const llvmSymbolizer: string | null =
  ['llvm-symbolizer-19', 'llvm-symbolizer-18', 'llvm-symbolizer-17', 'llvm-symbolizer-16', 'llvm-symbolizer'].find(
    tool,
  ) ?? null;

/** A frame as the tool prints it; "" and 0 unknown. */
export interface OracleFrame {
  readonly FunctionName: string;
  readonly FileName: string;
  readonly Line: number;
  readonly Column: number;
  readonly StartLine: number;
}

/** Frames by address, innermost first. Functions are named as linked. */
export async function askLlvm(path: string, addresses: readonly number[]): Promise<OracleFrame[][]> {
  // Beside the file: .dwo, .dwp and supplementary files are looked for from there.
  const dir = mkdtempSync(join(dirname(path), '.oracle-'));
  try {
    const copy = join(dir, basename(path));
    writeFileSync(copy, withoutSymbols(readFileSync(path)));
    for (const beside of [`${path}.dwp`]) if (existsSync(beside)) symlinkSync(beside, `${copy}.dwp`);
    const input = addresses.map((address) => `0x${address.toString(16)}\n`).join('');
    const args = ['--no-demangle', '--output-style=JSON', `--obj=${copy}`];
    const output = await run(llvmSymbolizer!, args, input, dirname(path));
    const answers = output.trim().split('\n');
    if (answers.length !== addresses.length) {
      throw new Error(`${answers.length} answers to ${addresses.length} questions about ${path}`);
    }
    return answers.map((line) => {
      const { Symbol: frames } = JSON.parse(line) as { Symbol?: OracleFrame[] };
      const known = (frames ?? []).filter((frame) => frame.FunctionName !== '' || frame.FileName !== '');
      return known.map((frame) => ({ ...frame, StartLine: frame.StartLine ?? 0 }));
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function run(command: string, args: string[], input: string, cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.resume();
    child.on('error', reject);
    child.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')));
    child.stdin.end(input);
  });
}

const SHT_PROGBITS = 1;
const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;

/**
 * The file with its symbol tables made unrecognisable: the tool prefers their names, and answers from them where there is no
 * debug info.
 */
function withoutSymbols(bytes: Buffer): Buffer {
  return bytes[0] === 0x4d ? withoutCoffSymbols(bytes) : withoutElfSymbols(bytes);
}

/** The strings stay, which long section names are among. */
function withoutCoffSymbols(bytes: Buffer): Buffer {
  const header = bytes.readUInt32LE(0x3c) + 4;
  const [offset, count] = [bytes.readUInt32LE(header + 8), bytes.readUInt32LE(header + 12)];
  if (offset !== 0) bytes.writeUInt32LE(offset + 18 * count, header + 8);
  bytes.writeUInt32LE(0, header + 12);
  return bytes;
}

function withoutElfSymbols(bytes: Buffer): Buffer {
  const is64 = bytes[4] === 2;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = bytes[5] === 1;
  const table = is64 ? Number(view.getBigUint64(0x28, little)) : view.getUint32(0x20, little);
  const entry = view.getUint16(is64 ? 0x3a : 0x2e, little);
  const count = view.getUint16(is64 ? 0x3c : 0x30, little);
  for (let i = 0; i < count; i++) {
    const at = table + i * entry + 4;
    const type = view.getUint32(at, little);
    if (type === SHT_SYMTAB || type === SHT_DYNSYM) view.setUint32(at, SHT_PROGBITS, little);
  }
  return bytes;
}
