import { createInterface } from 'node:readline';
import { assemble } from '../store/assembly.ts';
import { Beside } from '../store/beside.ts';
import type { Resolution } from '../symbolize/frame.ts';
import { openNamed } from './binary.ts';
import { UsageError } from './usage.ts';

export interface LookupOptions {
  readonly arch?: string;
  readonly json?: true;
}

/** Flush once this many characters wait: a million lookups must not become a million writes. */
const FLUSH_AT = 64 * 1024;

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
    if (wanted.length > 0) process.stdout.write(wanted.map(answer).join(''));
    else await answerStdin(answer);
    for (const problem of symbols.problems) process.stderr.write(`resym: ${binary}: ${problem}\n`);
    if (symbols.problems.length > 0) process.exitCode = 1;
  } finally {
    close();
  }
}

/** One address a line, answered as they come, so that resym can sit behind a pipe as addr2line does. */
async function answerStdin(answer: (address: bigint) => string): Promise<void> {
  let waiting = '';
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const text = line.trim();
    if (text === '') continue;
    const address = parseAddress(text);
    if (address === null) {
      process.stderr.write(`resym: not an address: ${JSON.stringify(text.slice(0, 80))}\n`);
      process.exitCode = 1;
      continue;
    }
    waiting += answer(address);
    if (waiting.length >= FLUSH_AT || process.stdin.readableLength === 0) {
      process.stdout.write(waiting);
      waiting = '';
    }
  }
  process.stdout.write(waiting);
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
