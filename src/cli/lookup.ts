import { existsSync, fstatSync } from 'node:fs';
import { assemble } from '../store/assembly.ts';
import { Beside } from '../store/beside.ts';
import { INDEX_SUFFIX } from '../store/layout.ts';
import type { Resolution } from '../symbolize/frame.ts';
import { openNamed } from './binary.ts';
import { UsageError } from './usage.ts';

export interface LookupOptions {
  readonly arch?: string;
  readonly json?: true;
}

/** Addresses answered together: some 40 MB of text. */
const MAX_BATCH = 1 << 16;
/** Longer ones are no address. */
const MAX_LINE = 1 << 10;

export async function lookup(binary: string, addresses: readonly string[], options: LookupOptions): Promise<void> {
  const wanted = addresses.map((text) => parseAddress(text) ?? refuse(text));
  const named = openNamed(binary, options.arch);
  const { symbols, close } = await assemble({ files: [named], elsewhere: new Beside(named.file) });
  try {
    const width = symbols.object.pointerSize * 2;
    const print = options.json ? jsonLine : (at: bigint, found: Resolution | null) => textLines(at, found, width);
    const answer = (address: bigint): string => {
      const at = address - symbols.object.bias;
      const usable = at >= 0n && at <= BigInt(Number.MAX_SAFE_INTEGER);
      return print(address, usable ? symbols.lookup(Number(at)) : null);
    };
    if (wanted.length > 0) process.stdout.write(answerAll(wanted, answer));
    else await answerStdin((addresses) => process.stdout.write(answerAll(addresses, answer)));
    if (!symbols.hasIndex && existsSync(named.file + INDEX_SUFFIX)) {
      process.stderr.write(
        `resym: ${binary}${INDEX_SUFFIX} is not used: it was made of other files; \`resym index\` makes it anew\n`,
      );
    }
    for (const problem of symbols.problems) process.stderr.write(`resym: ${binary}: ${problem}\n`);
    if (symbols.problems.length > 0) process.exitCode = 1;
  } finally {
    close();
  }
}

/** In ascending order the units and pages of a binary are read once each; the answers are in the order asked. */
function answerAll(addresses: readonly bigint[], answer: (address: bigint) => string): string {
  const ascending = BigUint64Array.from(addresses).sort();
  const answers = new Map<bigint, string>();
  for (const address of ascending) if (!answers.has(address)) answers.set(address, answer(address));
  return addresses.map((address) => answers.get(address)).join('');
}

/**
 * One address a line. From a pipe they are answered as they come, so that resym can sit behind one as addr2line does; of a file many
 * at once.
 */
async function answerStdin(answer: (addresses: readonly bigint[]) => void): Promise<void> {
  const isFile = fstatSync(0).isFile();
  let rest = '';
  let waiting: bigint[] = [];
  const take = (line: string): void => {
    const text = line.trim();
    if (text === '') return;
    const address = parseAddress(text);
    if (address === null) {
      process.stderr.write(`resym: not an address: ${JSON.stringify(text.slice(0, 80))}\n`);
      process.exitCode = 1;
    } else if (waiting.push(address) >= MAX_BATCH) flush();
  };
  const flush = (): void => {
    if (waiting.length > 0) answer(waiting);
    waiting = [];
  };
  for await (const chunk of process.stdin.setEncoding('latin1') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!.slice(0, MAX_LINE);
    for (const line of lines) take(line);
    if (!isFile) flush();
  }
  take(rest);
  flush();
}

/** Hex with or without 0x, as addr2line takes it. */
function parseAddress(text: string): bigint | null {
  const digits = /^(?:0[xX])?([0-9a-fA-F]{1,16})$/.exec(text)?.[1];
  return digits === undefined ? null : BigInt(`0x${digits}`);
}

function refuse(text: string): never {
  throw new UsageError(`not an address: ${JSON.stringify(text)} (hex, up to 16 digits)`);
}

function jsonLine(address: bigint, found: Resolution | null): string {
  const frames = (found?.frames ?? []).map(({ name, systemName, file, line, column, startLine }, i, all) => ({
    function: name,
    systemName,
    file,
    line,
    column,
    startLine,
    inlined: i < all.length - 1,
  }));
  return `${JSON.stringify({ address: `0x${address.toString(16)}`, source: found?.source ?? null, frames })}\n`;
}

function textLines(address: bigint, found: Resolution | null, width: number): string {
  const head = `0x${address.toString(16).padStart(width, '0')}\n`;
  if (found === null) return `${head}??\n??:0\n`;
  return head + found.frames.map(({ name, file, line }) => `${name}\n${file || '??'}:${line || '?'}\n`).join('');
}
