/** Processes that say themselves what was where, and profiles of them as a profiler without symbols writes them. */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cached } from './build.ts';
import { decodeProfile, type DecodedFrame, framesOf } from './decode.ts';
import { encodeModel } from './profile-model.ts';

const exec = promisify(execFile);
const sources = fileURLToPath(new URL('../fixtures/mappings/', import.meta.url));
const SOURCES = ['host.c', 'work.c', 'work.h', 'kernel.c', 'vmlinux.lds'];

/** Path of a program or library made of sources of fixtures/mappings: the words of the command, `@name` for a source, without -o. */
export function compiled(name: string, compiler: string, ...words: string[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([name, compiler, words]));
  for (const source of SOURCES) hash.update(readFileSync(sources + source));
  const args = words.map((word) => word.replace(/@(?=\w+\.\w+$)/, sources));
  return cached(hash.digest('hex'), name, async (path) => {
    await exec(compiler, ['-g', '-Wl,--build-id', ...args, '-o', path]);
  });
}

/** A line of /proc/self/maps. */
export interface Mapped {
  readonly start: bigint;
  readonly limit: bigint;
  readonly permissions: string;
  readonly offset: bigint;
  readonly name: string;
}

/** What host.c prints. */
export interface Told {
  readonly notes: readonly { readonly address: bigint; readonly function: string; readonly line: number }[];
  /** Innermost first. */
  readonly stacks: readonly (readonly bigint[])[];
  /** The executable ones. */
  readonly maps: readonly Mapped[];
}

export async function runHost(host: string, ...args: string[]): Promise<Told> {
  const { stdout } = await exec(host, args);
  const lines = stdout.split('\n');
  const after = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((l) => l.slice(word.length + 1));
  return {
    notes: after('note').map((line) => {
      const [address, name, number] = line.split(' ');
      return { address: BigInt(`0x${address}`), function: name, line: Number(number) };
    }),
    stacks: after('stack').map((line) => line.split(' ').map((address) => BigInt(`0x${address}`))),
    maps: after('map').flatMap((line) => {
      const found = /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ \S+ *(.*)$/.exec(line);
      if (found === null) throw new Error(`no line of maps: ${line}`);
      const [start, limit, offset] = [found[1], found[2], found[4]].map((hex) => BigInt(`0x${hex}`));
      const [permissions, name] = [found[3], found[5]];
      return permissions.includes('x') ? [{ start, limit, permissions, offset, name }] : [];
    }),
  };
}

/** A mapping of a profile to be written. */
export interface WrittenMapping {
  readonly start: bigint;
  readonly limit: bigint;
  readonly offset: bigint;
  readonly name: string;
  readonly buildId?: string;
}

/** A profile of addresses only, uncompressed, but for those that are named; every stack is one sample, innermost first. */
export function addressProfile(
  mappings: readonly WrittenMapping[],
  stacks: readonly (readonly bigint[])[],
  named: ReadonlyMap<bigint, { readonly function: string; readonly line: number }> = new Map(),
): Uint8Array {
  const strings = ['', 'cpu', 'nanoseconds'];
  const string = (text: string) => {
    const known = strings.indexOf(text);
    return known >= 0 ? known : strings.push(text) - 1;
  };
  const ids = new Map<bigint, bigint>();
  for (const address of stacks.flat()) if (!ids.has(address)) ids.set(address, BigInt(ids.size + 1));
  const functions = [...new Set([...named.values()].map((frame) => frame.function))];
  const model = {
    sampleTypes: [{ type: 1, unit: 2 }],
    samples: stacks.map((stack) => ({ locations: stack.map((a) => ids.get(a) ?? 0n), values: [1n], labels: [] })),
    mappings: mappings.map(({ start, limit, offset, name, buildId = '' }, i) => ({
      id: BigInt(i + 1),
      start,
      limit,
      offset,
      file: string(name),
      buildId: string(buildId),
      flags: [],
      unknown: [],
    })),
    locations: [...ids].map(([address, id]) => {
      const frame = named.get(address);
      return {
        id,
        mapping: BigInt(mappings.findIndex((m) => address >= m.start && (address < m.limit || m.limit === 0n)) + 1),
        address,
        lines:
          frame === undefined
            ? []
            : [{ function: BigInt(functions.indexOf(frame.function) + 1), line: BigInt(frame.line), column: 0n }],
        folded: false,
        unknown: [],
      };
    }),
    functions: functions.map((name, i) => ({
      id: BigInt(i + 1),
      name: string(name),
      systemName: string(name),
      file: 0,
      startLine: 0n,
    })),
    comments: [],
    headerStrings: [],
    timeNanos: 0n,
    durationNanos: 0n,
    period: 0n,
    periodType: null,
    unknown: [],
    stringsAt: 'end' as const,
    packed: true,
    seed: 1,
  };
  return encodeModel({ ...model, strings: strings.map((text) => new Uint8Array(Buffer.from(text))) });
}

/** The build ID of a file as readelf prints it. */
export function buildIdOf(path: string): string {
  const found = /Build ID: ([0-9a-f]+)/.exec(execFileSync('readelf', ['-n', path], { encoding: 'utf8' }));
  if (found === null) throw new Error(`${path} has no build ID`);
  return found[1];
}

/** Frames of a profile by address, innermost first; addresses without any are left out. */
export function framesByAddress(profile: Uint8Array): Map<bigint, DecodedFrame[]> {
  const decoded = decodeProfile(profile);
  const named = decoded.locations.map((location) => [location.address, framesOf(decoded, location)] as const);
  return new Map(named.filter(([, frames]) => frames.length > 0));
}
