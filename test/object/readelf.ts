/** What binutils' readelf says of a file, as values to compare with. */
import { execFileSync } from 'node:child_process';

export interface ReadelfSection {
  readonly index: number;
  readonly name: string;
  readonly type: string;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly flags: string;
}

export interface ReadelfSymbol {
  readonly value: bigint;
  readonly size: number;
  readonly type: string;
  readonly binding: string;
  /** "UND", "ABS", "COM" or a section number. */
  readonly section: string;
  readonly name: string;
}

export function readelf(path: string, ...flags: string[]): string {
  return execFileSync('readelf', ['-W', ...flags, path], {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

export function readelfHeader(path: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [, name, value] of readelf(path, '-h').matchAll(/^ {2}(\S[^:]*):\s+(.*)$/gm)) {
    fields.set(name ?? '', (value ?? '').trim());
  }
  return fields;
}

/** `LOAD` segments: offset, address, file size, memory size, flags ("R E"), alignment. */
export function readelfLoads(path: string): [number, bigint, number, number, string, number][] {
  const line = /^ {2}LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+) (0x\w+) ([RWE ]{3}) (0x\w+|0)$/gm;
  return [...readelf(path, '-l').matchAll(line)].map(([, offset, address, fileSize, size, flags, align]) => [
    Number(offset),
    BigInt(address ?? 0),
    Number(fileSize),
    Number(size),
    flags ?? '',
    Number(align),
  ]);
}

export function readelfSections(path: string): ReadelfSection[] {
  const line =
    /^ {2}\[ *(\d+)\] (.*?) +([A-Z][\w<>: ]*?) +([0-9a-f]{8,16}) ([0-9a-f]+) ([0-9a-f]+) \w\w +(\w*) +\d+ +\d+ +\d+$/gm;
  return [...readelf(path, '-S').matchAll(line)].map(([, index, name, type, address, offset, size, flags]) => ({
    index: Number(index),
    name: name ?? '',
    type: type ?? '',
    address: BigInt(`0x${address}`),
    offset: parseInt(offset ?? '', 16),
    size: parseInt(size ?? '', 16),
    flags: flags ?? '',
  }));
}

/** readelf 2.40 drops bytes of characters outside ASCII ("·" in Go's names): names are compared without these. */
export function asciiName(name: string): string {
  return name.replace(/[^ -~]/gu, '');
}

/** The tables by name (".symtab", ".dynsym"), or "" for one found without section headers. */
export function readelfSymbols(path: string, ...flags: string[]): Map<string, ReadelfSymbol[]> {
  const tables = new Map<string, ReadelfSymbol[]>();
  let symbols: ReadelfSymbol[] = [];
  for (const line of readelf(path, ...(flags.length > 0 ? flags : ['-s'])).split('\n')) {
    const title = /^Symbol table (?:'(.*)' contains|for image contains)/.exec(line);
    if (title) tables.set(title[1] ?? '', (symbols = []));
    const row = /^ *\d+: ([0-9a-f]+) +(\d+|0x[0-9a-f]+) (\S+) +(\S+) +\S+ (?:\[.*\] )? *(\w+)(?: (.*))?$/.exec(line);
    if (!row) continue;
    symbols.push({
      value: BigInt(`0x${row[1]}`),
      size: Number(row[2]),
      type: row[3] ?? '',
      binding: row[4] ?? '',
      section: row[5] ?? '',
      name: asciiName((row[6] ?? '').replace(/@.*$/, '')),
    });
  }
  return tables;
}

/** A section's bytes, inflated, from readelf's hex dump. */
export function readelfBytes(path: string, section: number): Buffer {
  const rows = [...readelf(path, '-z', '-x', String(section)).matchAll(/^ {2}0x[0-9a-f]+ ((?:[0-9a-f]+ ){1,4})/gm)];
  return Buffer.from(rows.map(([, hex = '']) => hex.replaceAll(' ', '')).join(''), 'hex');
}

export interface ReadelfRelocation {
  readonly address: bigint;
  readonly type: string;
  /** Symbol value plus addend, or addend; undefined where readelf prints none (REL). */
  readonly value: bigint | undefined;
  /** The symbol's name, "" without one. */
  readonly symbol: string;
}

/** All REL and RELA relocations, and those of RELR with the type "RELR". */
export function readelfRelocations(path: string): ReadelfRelocation[] {
  const relocations: ReadelfRelocation[] = [];
  let relr = false;
  for (const line of readelf(path, '-r').split('\n')) {
    if (line.startsWith('Relocation section')) relr = line.includes('.relr');
    const packed = relr ? /^([0-9a-f]{8,16})$/.exec(line.trim()) : null;
    if (packed) relocations.push({ address: BigInt(`0x${packed[1]}`), type: 'RELR', value: undefined, symbol: '' });
    const row = /^([0-9a-f]{8,16}) +[0-9a-f]{8,16} (R_\w+)(?: +(.*))?$/.exec(line);
    if (!row) continue;
    const [, address, type, rest = ''] = row;
    const plain = /^([0-9a-f]+)$/.exec(rest.trim());
    const named = /^([0-9a-f]+) +(\S+?)(?:@\S+)?(?: ([+-]) ([0-9a-f]+))?$/.exec(rest.trim());
    let value: bigint | undefined;
    if (named?.[4] !== undefined)
      value = BigInt(`0x${named[1]}`) + BigInt(`0x${named[4]}`) * (named[3] === '-' ? -1n : 1n);
    else if (plain && named === null) value = BigInt(`0x${plain[1]}`);
    relocations.push({ address: BigInt(`0x${address}`), type: type ?? '', value, symbol: asciiName(named?.[2] ?? '') });
  }
  return relocations;
}
