/**
 * Situations in which a binary is looked for: what profile comes in, what the archive holds, and what must come of it. Profiles are
 * those of running programs, with the identity or the names taken out where the situation says so; for systems that cannot be run
 * here they are written down over a binary and its recorded answers.
 *
 * What is expected follows from what happened, not from what resym does: the right binary is used wherever something proves it, no
 * other ever is, and a refusal says what is missing.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { VerdictKind } from '../../src/match/verdict.ts';
import type { MatchKind } from '../../src/rewrite/report.ts';
import { fixtureAnswers } from '../gosym/fixtures.ts';
import { machoAnswers, machoBytes } from '../object/macho-fixtures.ts';
import { answersOf, pePath } from '../object/pe-fixtures.ts';
import { buildGo, cached, type GoBuild } from './build.ts';
import { decodeProfile, type DecodedFrame, framesOf } from './decode.ts';
import { erase, uncompressed } from './erase.ts';
import { fieldsOf, lengthField } from './fields.ts';
import { addressProfile, buildIdOf, compiled, framesByAddress, runHost, type Told } from './mapped.ts';
import { encodeModel, type FunctionModel } from './profile-model.ts';
import { SERVICE_DIR } from './service.ts';
import { cacheDir, needsGo, needsTools, toolchain, toolchains, type Toolchain } from './toolchains.ts';
import { buildNeighbours, codeOf } from './variants.ts';
import { withBuildId } from './with-build-id.ts';

const exec = promisify(execFile);

export interface Made {
  readonly profile: Uint8Array;
  /** Files added to the archive, in order; `name` where it is not the file's own. null: there is no archive. */
  readonly archive: readonly (string | { readonly path: string; readonly name: string })[] | null;
  /** Damages the archive's own copies once they are there. */
  readonly damages?: boolean;
  readonly pinned?: readonly string[];
  /**
   * What is true: the names the profile had before they were taken out, or the path of the binary that ran, whose own answers count,
   * or recorded answers. null: nothing may be named.
   */
  readonly truth: string | ReadonlyMap<bigint, readonly DecodedFrame[]> | null;
}

export interface Situation {
  readonly name: string;
  readonly skip: string | false;
  readonly make: () => Promise<Made>;
  /** The mapping meant, by its file; the first unless told. */
  readonly mapping?: RegExp;
  readonly verdict: VerdictKind;
  readonly match: MatchKind;
  /** Of the mapping's reason; "" for none. */
  readonly reason: RegExp;
  /** Whether every location of the mapping that the truth names is named; only told where a binary is used. */
  readonly complete?: boolean;
  /** False where the right binary is found and cannot name more than the profile does. */
  readonly gains?: false;
}

/** A profile without mappings and samples. */
const EMPTY = encodeModel({
  strings: ['', 'cpu', 'nanoseconds'].map((text) => new Uint8Array(Buffer.from(text))),
  sampleTypes: [{ type: 1, unit: 2 }],
  samples: [],
  mappings: [],
  locations: [],
  functions: [],
  comments: [],
  headerStrings: [],
  timeNanos: 0n,
  durationNanos: 0n,
  period: 0n,
  periodType: null,
  unknown: [],
  stringsAt: 'end',
  packed: true,
  seed: 1,
});

/** What Bazel gives every binary it links with cgo: the GNU ID derived from the Go ID "redacted". */
const REDACTED = 'b78919aff001d8366249403a2544fba2d833084f';
const UNKNOWN_ID = '00112233445566778899aabbccddeeff00112233';
const FORGED = '5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed';

/** Gives every binary a GNU build ID, and profiles it, from 1.24 on. */
const NEW =
  toolchains()
    .filter(({ version }) => Number(version.slice(2)) >= 24)
    .at(-1) ?? null;
const OLD = toolchain('1.21');
const newCgo = NEW === null ? 'needs go 1.24 or later' : needsTools('gcc', 'readelf', 'strip', 'objcopy');
const oldGo = needsGo('1.21');
const native = process.arch !== 'x64' ? 'needs x64' : needsTools('gcc', 'readelf', 'objdump', 'objcopy');

type Options = Omit<GoBuild, 'toolchain' | 'dir'> & { readonly source?: 'own' | 'elsewhere' | 'edited' };

/** The service built one way; of one installation of Go, whose paths are in it: builds that are kept go by the release alone. */
function service(go: Toolchain | null, { source = 'own', ...options }: Options): Promise<string> {
  return buildGo({ toolchain: go!, dir: sourceOf(source), env: { RESYM_TEST_GO: go!.go }, ...options });
}

/** The service's sources where they are, in another directory, or edited there: a C function and one of Go grew. */
function sourceOf(source: 'own' | 'elsewhere' | 'edited'): string {
  if (source === 'own') return SERVICE_DIR;
  const hash = createHash('sha256').update(source);
  for (const file of ['native/native.c', 'work/capture.go', 'main.go'])
    hash.update(readFileSync(join(SERVICE_DIR, file)));
  const parent = join(cacheDir(), 'sources', hash.digest('hex').slice(0, 16));
  const dir = join(parent, 'service');
  if (existsSync(dir)) return dir;
  mkdirSync(join(parent, '..'), { recursive: true });
  const work = mkdtempSync(`${parent}-`);
  cpSync(SERVICE_DIR, join(work, 'service'), { recursive: true });
  if (source === 'edited') {
    edit(
      join(work, 'service/native/native.c'),
      /(native_burn\(uint64_t rounds\) \{\n)/,
      '$1  for (uint64_t i = 1; i < rounds % 7; i++) rounds += rounds / (i + 3) ^ i;\n',
    );
    edit(
      join(work, 'service/work/capture.go'),
      /\nfunc /,
      '\n//go:noinline\nfunc grown(n uint64) uint64 {\n\tfor i := uint64(1); i < n%9; i++ {\n\t\tn += n/(i+2) ^ i\n\t}\n\treturn n\n}\n\nvar _ = grown(5)\n\nfunc ',
    );
  }
  try {
    renameSync(work, parent);
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    if (!existsSync(dir)) throw error; // else another process was first
  }
  return dir;
}

function edit(path: string, what: RegExp, by: string): void {
  const before = readFileSync(path, 'utf8');
  const edited = before.replace(what, by);
  if (edited === before) throw new Error(`${path}: nothing to edit`);
  writeFileSync(path, edited);
}

/** The CPU profile a build of the service takes of itself, uncompressed. Taken once per build. */
async function profileOf(binary: string): Promise<Uint8Array> {
  const key = createHash('sha256').update(`situations ${binary}`).digest('hex');
  const last = await cached(key, 'threadcreate.pb.gz', async (path) => {
    await exec(binary, [dirname(path)], { timeout: 60_000 });
  });
  return uncompressed(readFileSync(join(dirname(last), 'cpu.pb.gz')));
}

/** A file made from another by a tool, once: `command` gets both paths. */
function derived(
  from: string,
  name: string,
  command: string,
  args: (from: string, to: string) => string[],
): Promise<string> {
  const key = createHash('sha256')
    .update(JSON.stringify([from, name, command, args('a', 'b')]))
    .digest('hex');
  return cached(key, name, async (to) => {
    await exec(command, args(from, to));
  });
}

const stripped = (file: string) => derived(file, basename(file), 'strip', (from, to) => ['-o', to, from]);
const debugInfo = (file: string) =>
  derived(file, basename(file), 'objcopy', (from, to) => ['--only-keep-debug', from, to]);
/** A file kept under another name, for what goes by names. */
const renamed = (file: string, name: string) => derived(file, name, 'cp', (from, to) => [from, to]);

const LOCATION = 4;
const LOCATION_LINE = 4;

/** Every second location without its names: what a profile is when a client lost some. */
function halfBlanked(raw: Uint8Array): Uint8Array {
  let location = 0;
  const parts = fieldsOf(raw).map((field) => {
    if (field.number !== LOCATION || location++ % 2 === 0) return field.bytes;
    const rest = fieldsOf(field.body).filter(({ number }) => number !== LOCATION_LINE);
    return lengthField(LOCATION, Buffer.concat(rest.map(({ bytes }) => bytes)));
  });
  return new Uint8Array(Buffer.concat(parts));
}

/** What the runtime said. */
function framesIn(raw: Uint8Array): Map<bigint, DecodedFrame[]> {
  const named = [...framesByAddress(raw)];
  return new Map(named.filter(([, frames]) => frames.some((frame) => frame.function !== '')));
}

/** Stacks of a library in link-time addresses, innermost first: leaves and callers as they come. */
function stacksOver(
  path: string,
  howMany: number,
  depth: number,
): { stacks: bigint[][]; start: bigint; limit: bigint; offset: bigint } {
  const code = codeOf(path);
  const page = code.address - (code.address % 4096);
  const start = 0x7f3210000000n;
  const run = (address: number) => start + BigInt(address - page);
  const every = (list: readonly number[], i: number) => list[(i * 7919) % list.length];
  const stacks = Array.from({ length: howMany }, (_, i) => [
    run(every(code.instructions, i)),
    ...Array.from({ length: depth }, (_, k) => run(every(code.afterCalls, i * depth + k) - 1)),
  ]);
  const length = Math.ceil((code.address + code.size) / 4096) * 4096 - page;
  return { stacks, start, limit: start + BigInt(length), offset: BigInt(code.offset - (code.offset % 4096)) };
}

/** Two builds of a C library, the second after an edit; both are called libwork.so. */
async function libraries(): Promise<{ right: string; wrong: string }> {
  const key = createHash('sha256').update('situations libraries 1').digest('hex');
  const first = await cached(key, 'libwork.so', async (path) => {
    const other = join(dirname(path), 'other');
    mkdirSync(other);
    await buildNeighbours(6, 'several', path, join(other, 'libwork.so'));
  });
  return { right: first, wrong: join(dirname(first), 'other', 'libwork.so') };
}

/** A library's code under other function names: the same bytes, called otherwise. */
async function renamedFunctions(path: string): Promise<string> {
  const key = createHash('sha256').update(`situations functions ${path}`).digest('hex');
  const folder = await cached(key, 'libwork.so', async (to) => {
    const text = readFileSync(`${path}.c`, 'utf8').replaceAll('work_', 'toil_');
    writeFileSync(`${to}.c`, text);
    await exec('gcc', ['-g', '-O2', '-shared', '-fPIC', '-Wl,--build-id', `${to}.c`, '-o', to]);
  });
  return folder;
}

async function libraryProfile(
  howMany: number,
  depth: number,
  buildId = '',
): Promise<{ profile: Uint8Array; right: string; wrong: string }> {
  const { right, wrong } = await libraries();
  const { stacks, ...mapping } = stacksOver(right, howMany, depth);
  return { profile: addressProfile([{ ...mapping, name: '/opt/app/libwork.so', buildId }], stacks), right, wrong };
}

interface Recorded {
  readonly address: bigint;
  readonly frames: readonly DecodedFrame[];
  readonly isNamed: boolean;
}

/** A profile over recorded answers in one mapping; those marked carry their names. */
function recordedProfile(
  mapping: { readonly start: bigint; readonly limit: bigint; readonly file: string; readonly buildId?: string },
  all: readonly Recorded[],
): Uint8Array {
  const strings = ['', 'cpu', 'nanoseconds'];
  const index = new Map(strings.map((text, i) => [text, i]));
  const string = (text: string): number => {
    const known = index.get(text);
    if (known !== undefined) return known;
    index.set(text, strings.length);
    return strings.push(text) - 1;
  };
  const functions = new Map<string, FunctionModel>();
  const functionId = ({ function: name, file, startLine }: DecodedFrame): bigint => {
    const key = JSON.stringify([name, file, startLine]);
    const id = functions.get(key)?.id ?? BigInt(functions.size + 1);
    functions.set(key, {
      id,
      name: string(name),
      systemName: string(name),
      file: string(file),
      startLine: BigInt(startLine),
    });
    return id;
  };
  const model = {
    sampleTypes: [{ type: 1, unit: 2 }],
    samples: all.map((_, i) => ({ locations: [BigInt(i + 1)], values: [1n], labels: [] })),
    mappings: [
      {
        id: 1n,
        start: mapping.start,
        limit: mapping.limit,
        offset: 0n,
        file: string(mapping.file),
        buildId: string(mapping.buildId ?? ''),
        flags: [],
        unknown: [],
      },
    ],
    locations: all.map(({ address, frames, isNamed }, i) => ({
      id: BigInt(i + 1),
      mapping: 1n,
      address,
      lines: isNamed ? frames.map((f) => ({ function: functionId(f), line: BigInt(f.line), column: 0n })) : [],
      folded: false,
      unknown: [],
    })),
    functions: [...functions.values()],
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

const BIN = fileURLToPath(new URL('../fixtures/go/bin/', import.meta.url));

/** A Go program for a system that cannot be run here: every second address named by its recorded answers. */
function recordedGo(
  binary: string,
  slide: bigint,
  mapping: { readonly start: bigint; readonly limit: bigint; readonly file: string; readonly buildId?: string },
): { profile: Uint8Array; truth: Map<bigint, DecodedFrame[]> } {
  // Up to Go 1.20 stacks leave out the wrappers that the answers have.
  const answers = fixtureAnswers(binary).filter(
    ({ frames }) => frames.length > 0 && frames.every(({ file }) => file !== '<autogenerated>'),
  );
  const some = answers.filter((_, i) => i % 7 === 0);
  const all = some.map(({ address, frames }, i) => ({
    address: BigInt(address) + slide,
    frames: frames.map((frame) => ({ ...frame })),
    isNamed: i % 2 === 0,
  }));
  return {
    profile: recordedProfile(mapping, all),
    truth: new Map(all.map(({ address, frames }) => [address, frames])),
  };
}

/** A file of test/fixtures/macho, unpacked. */
function macho(name: 'dsym-arm64' | 'program-arm64'): Promise<string> {
  const bytes = machoBytes(name);
  const key = createHash('sha256').update(name).update(bytes).digest('hex');
  return cached(key, 'program', (path) => Promise.resolve(writeFileSync(path, bytes)));
}

/** A build of the newest Go with C code and a GNU build ID, and the profile it took. */
const cgo = () => service(NEW, { mode: 'cgo' });
const neighbour = () => service(NEW, { mode: 'cgo', source: 'edited' });
const elsewhere = () => service(NEW, { mode: 'cgo', source: 'elsewhere' });
const withoutSymbols = () => service(NEW, { mode: 'cgo', strip: 's-w' });
/** What Go 1.21 links alone has no GNU build ID, and the profile none at all. */
const plainOld = () => service(OLD, { mode: 'exe' });
const neighbourOld = () => service(OLD, { mode: 'exe', source: 'edited' });

/** A real profile of the cgo build under an ID. */
async function ofCgo(
  buildId: string | null,
  archive: readonly (() => Promise<string>)[],
  more: Partial<Made> = {},
): Promise<Made> {
  const right = await cgo();
  const raw = await profileOf(right);
  const profile = buildId === null ? raw : withBuildId(raw, 0, buildId);
  return { profile, archive: await Promise.all(archive.map((file) => file())), truth: right, ...more };
}

/** A profile of a build without C, half of whose names were lost. */
async function ofGo(
  build: () => Promise<string>,
  archive: readonly (() => Promise<string>)[],
  buildId: string | null = null,
): Promise<Made> {
  const raw = await profileOf(await build());
  const half = halfBlanked(raw);
  const profile = buildId === null ? half : withBuildId(half, 0, buildId);
  return { profile, archive: await Promise.all(archive.map((file) => file())), truth: framesIn(raw) };
}

/** A process of fixtures/mappings with one library, and what it told. */
async function ofHost(...args: string[]): Promise<{ told: Told; host: string; library: string }> {
  const host = await compiled('host', 'gcc', '-DLOADS', '-O2', '-rdynamic', '@host.c', '@work.c', '-ldl');
  const library = await compiled('libplain.so', 'gcc', '-shared', '-fPIC', '-O2', '-DWORK_RUN=library_run', '@work.c');
  return { told: await runHost(host, ...args, library), host, library };
}

/** Of a process' profile the addresses in mappings of this name, IDs from the files they are of. */
async function hostSituation(withIds: boolean, archive: 'library' | 'nothing', ...args: string[]): Promise<Made> {
  const { told, host, library } = await ofHost(...args);
  const id = (name: string) => (withIds && (name === library || name === host) ? buildIdOf(name) : '');
  const maps = told.maps.map(({ start, limit, offset, name }) => ({ start, limit, offset, name, buildId: id(name) }));
  const notes = told.notes.map(
    ({ address, function: name, line }) => [address, [{ function: name, file: '', line, startLine: 0 }]] as const,
  );
  // The innermost frame is what the program says itself; outer ones only repeat it.
  const inlined = new Set(told.notes.filter(({ function: name }) => name === 'folded').map(({ address }) => address));
  return {
    profile: addressProfile(maps, told.stacks),
    archive: archive === 'library' ? [library] : [],
    truth: new Map(notes.filter(([address]) => !inlined.has(address))),
  };
}

/** A mapping that is no file of a program. */
function oddMapping(name: string): Made {
  const start = 0x7ffd10000000n;
  const mapping = { start, limit: start + 0x4000n, offset: 0n, name };
  const stacks = Array.from({ length: 12 }, (_, i) => [start + BigInt(64 * i + 16)]);
  return { profile: addressProfile([mapping], stacks), archive: [], truth: null };
}

async function goIdOf(path: string): Promise<string> {
  const { stdout } = await exec(NEW!.go, ['tool', 'buildid', path], { env: NEW!.env });
  return stdout.trim();
}

/** Two programs linked under one ID. */
const forged = (source: 'own' | 'edited') => service(NEW, { mode: 'exe', source, ldflags: ['-B', `0x${FORGED}`] });

/** Of C frames that a stub of the linker or assembly may be among. */
const NOTHING_LEFT = /^$|belongs to no function: the linker's stubs/;
const DISAGREES =
  /(?:names other functions than the profile|has the profile's functions but other lines): \d+ of \d+ frames agree/;

export const SITUATIONS: readonly Situation[] = [
  // The ID is right.
  {
    name: 'the ID is right',
    skip: newCgo,
    make: () => ofCgo(null, [cgo]),
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
    complete: true,
  },
  {
    name: 'the ID is right, in upper case',
    skip: newCgo,
    make: async () => ofCgo(buildIdOf(await cgo()).toUpperCase(), [cgo]),
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
    complete: true,
  },
  {
    name: 'the ID is right, a neighbour is there too',
    skip: newCgo,
    make: () => ofCgo(null, [neighbour, cgo]),
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
    complete: true,
  },
  {
    name: "the ID is Go's own text",
    skip: newCgo,
    make: async () => ofCgo(await goIdOf(await cgo()), [neighbour, cgo]),
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
    complete: true,
  },
  {
    name: "the ID is Go's own text in hex, as Parca's agent writes it",
    skip: newCgo,
    make: async () => ofCgo(Buffer.from(await goIdOf(await cgo())).toString('hex'), [neighbour, cgo]),
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
    complete: true,
  },
  {
    name: 'a position-independent program with C',
    skip: newCgo,
    make: async () => {
      const right = await service(NEW, { mode: 'cgo-pie' });
      return { profile: await profileOf(right), archive: [right], truth: right };
    },
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
    complete: true,
  },
  {
    name: 'linked with -s -w, nothing but Go',
    skip: newCgo,
    make: () => {
      const bare = () => service(NEW, { mode: 'exe', strip: 's-w' });
      return ofGo(bare, [bare]);
    },
    verdict: 'match',
    match: 'build-id',
    reason: /^$/,
    complete: true,
  },

  // Other files of the build.
  {
    name: 'the archive has what strip left of it',
    skip: newCgo,
    make: () => ofCgo(null, [async () => stripped(await cgo())]),
    gains: false,
    verdict: 'match',
    match: 'build-id',
    reason: /holds no symbols; add its unstripped build/,
  },
  {
    name: 'the archive has its debug info alone',
    skip: newCgo,
    make: () => ofCgo(null, [async () => debugInfo(await cgo())]),
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
    complete: true,
  },
  {
    name: 'the archive has its debug info beside what strip left',
    skip: newCgo,
    make: () => ofCgo(null, [async () => debugInfo(await cgo()), async () => stripped(await cgo())]),
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
    complete: true,
  },

  // Twins.
  {
    name: 'the ID of a twin linked with -s -w, both in the archive',
    skip: newCgo,
    make: async () => {
      const [right, bare] = [await cgo(), await withoutSymbols()];
      return { profile: await profileOf(bare), archive: [bare, right], truth: right };
    },
    verdict: 'twin',
    match: 'twin',
    reason: NOTHING_LEFT,
    complete: true,
  },
  {
    name: 'the ID of a twin linked with -s -w that is not in the archive',
    skip: newCgo,
    make: async () => ({
      profile: await profileOf(await withoutSymbols()),
      archive: [await cgo()],
      truth: await cgo(),
    }),
    verdict: 'not found',
    match: 'none',
    reason: /is not in the archive, but \S+ there \(\w+\) has all \d+ frames .*add the file that runs as well/,
  },
  {
    name: 'the ID of a twin linked with -s -w, which is all there is',
    skip: newCgo,
    make: async () => {
      const bare = await withoutSymbols();
      return { profile: await profileOf(bare), archive: [bare], truth: await cgo() };
    },
    gains: false,
    verdict: 'match',
    match: 'build-id',
    reason: /holds no symbols; add its unstripped build/,
  },

  {
    name: 'the ID of a full build, its twin linked with -s -w is all there is',
    skip: newCgo,
    make: () => ofCgo(null, [withoutSymbols]),
    verdict: 'not found',
    match: 'none',
    reason: /is not in the archive, but \S+ there \(\w+\) has all \d+ frames .*add the file that runs as well/,
  },

  // No ID.
  {
    name: 'no ID (Go 1.21 without C), found by its frames',
    skip: oldGo,
    make: () => ofGo(plainOld, [plainOld]),
    verdict: 'match',
    match: 'evidence',
    reason: /^$/,
    complete: true,
  },
  {
    name: 'no ID, found by its frames under another name',
    skip: oldGo,
    make: async () => ({ ...(await ofGo(plainOld, [])), archive: [{ path: await plainOld(), name: 'api-v2' }] }),
    verdict: 'match',
    match: 'evidence',
    reason: /^$/,
    complete: true,
  },
  {
    name: 'no ID, a neighbour beside the right one',
    skip: oldGo,
    make: () => ofGo(plainOld, [neighbourOld, plainOld]),
    verdict: 'match',
    match: 'evidence',
    reason: /^$/,
    complete: true,
  },
  {
    name: 'no ID, the archive has only a neighbour',
    skip: oldGo,
    make: () => ofGo(plainOld, [neighbourOld]),
    verdict: 'mismatch',
    match: 'none',
    reason: DISAGREES,
  },
  {
    name: 'no ID, the archive has only an unrelated program',
    skip: oldGo || newCgo,
    make: () => ofGo(plainOld, [async () => renamed((await libraries()).right, 'other')]),
    verdict: 'not found',
    match: 'none',
    reason: /has no build ID in the profile, and no file of that name in the archive; add it, or name it/,
  },
  {
    name: 'no ID, position-independent',
    skip: oldGo,
    make: () => {
      const pie = () => service(OLD, { mode: 'pie' });
      return ofGo(pie, [pie, plainOld]);
    },
    verdict: 'match',
    match: 'evidence',
    reason: /^$/,
    complete: true,
  },
  {
    name: 'no ID, built with C: its Go frames and its code prove it',
    skip: newCgo,
    make: () => ofCgo('', [cgo]),
    verdict: 'match',
    match: 'evidence',
    reason: /./,
  },
  {
    name: 'no ID, the right build and its twin linked with -s -w',
    skip: newCgo,
    make: () => ofCgo('', [withoutSymbols, cgo]),
    verdict: 'match',
    match: 'evidence',
    reason: /./,
  },

  // An ID that names nothing.
  {
    name: "Bazel's one GNU ID for all, the right one is there",
    skip: newCgo,
    make: () => ofCgo(REDACTED, [neighbour, cgo]),
    verdict: 'match',
    match: 'evidence',
    reason: /./,
  },
  {
    name: "Bazel's one GNU ID for all, only a neighbour is there",
    skip: newCgo,
    make: () => ofCgo(REDACTED, [neighbour]),
    verdict: 'mismatch',
    match: 'none',
    reason: DISAGREES,
  },
  {
    name: 'the Go ID "redacted", the right one is there',
    skip: oldGo,
    make: () => ofGo(plainOld, [neighbourOld, plainOld], 'redacted'),
    verdict: 'match',
    match: 'evidence',
    reason: /^$/,
    complete: true,
  },
  {
    name: 'the Go ID "redacted", nothing is there',
    skip: oldGo,
    make: () => ofGo(plainOld, [], 'redacted'),
    verdict: 'not found',
    match: 'none',
    reason: /a build ID that many binaries share \(redacted\), and no file in the archive has the profile's frames/,
  },
  {
    name: 'one forged ID for two programs, both there',
    skip: newCgo,
    make: () => ofGo(() => forged('own'), [() => forged('edited'), () => forged('own')]),
    verdict: 'match',
    match: 'build-id',
    reason: /^$/,
    complete: true,
  },
  {
    name: 'one forged ID for two programs, only the other one there',
    skip: newCgo,
    make: () => ofGo(() => forged('own'), [() => forged('edited')]),
    verdict: 'mismatch',
    match: 'none',
    reason: DISAGREES,
  },

  // A stale ID: the file was replaced in place while the program ran.
  {
    name: 'the ID of the file that took its place, both there',
    skip: newCgo,
    make: async () => ofCgo(buildIdOf(await neighbour()), [neighbour, cgo]),
    verdict: 'match',
    match: 'evidence',
    reason: /./,
  },
  {
    name: 'the ID of the file that took its place, only that one there',
    skip: newCgo,
    make: async () => ofCgo(buildIdOf(await neighbour()), [neighbour]),
    verdict: 'mismatch',
    match: 'none',
    reason: /frames agree.*the file was replaced while the process ran, or the build ID is shared/,
  },

  // Other builds.
  {
    name: 'another version is all there is',
    skip: newCgo,
    make: () => ofCgo(null, [neighbour]),
    verdict: 'not found',
    match: 'none',
    reason: /\(build ID \w+\) is not in the archive; add its unstripped build/,
  },
  {
    name: 'the same version built elsewhere, without -trimpath',
    skip: newCgo,
    make: () => ofCgo(null, [elsewhere]),
    verdict: 'not found',
    match: 'none',
    reason: /is not in the archive, but \S+ there \(\w+\) has all \d+ frames/,
  },
  {
    name: 'the same version built elsewhere, no ID',
    skip: newCgo,
    make: () => ofCgo('', [elsewhere]),
    verdict: 'match',
    match: 'evidence',
    reason: /./,
  },
  {
    name: 'the same version built elsewhere, with -trimpath',
    skip: newCgo,
    make: async () => {
      const [own, other] = [
        await service(NEW, { mode: 'exe', trimpath: true }),
        await service(NEW, { mode: 'exe', trimpath: true, source: 'elsewhere' }),
      ];
      return ofGo(() => Promise.resolve(own), [() => Promise.resolve(other)]);
    },
    verdict: 'match',
    match: 'build-id',
    reason: /^$/,
    complete: true,
  },
  {
    name: 'built with -trimpath, no ID, a build with paths beside it',
    skip: oldGo,
    make: () => {
      const trimmed = () => service(OLD, { mode: 'exe', trimpath: true });
      return ofGo(trimmed, [plainOld, trimmed]);
    },
    verdict: 'match',
    match: 'evidence',
    reason: /^$/,
    complete: true,
  },

  // The archive.
  {
    name: 'the archive is empty',
    skip: newCgo,
    make: () => ofCgo(null, []),
    verdict: 'not found',
    match: 'none',
    reason: /\(build ID \w+\) is not in the archive; add its unstripped build with: resym store add/,
  },
  {
    name: 'there is no archive',
    skip: newCgo,
    make: () => ofCgo(null, [], { archive: null }),
    verdict: 'not found',
    match: 'none',
    reason: /no archive to search/,
  },
  {
    name: "the archive's file is damaged",
    skip: newCgo,
    make: () => ofCgo(null, [cgo], { damages: true }),
    verdict: 'not found',
    match: 'none',
    reason: /damaged|cannot be read|changed/,
  },

  // Named by the user.
  {
    name: 'the user names the right one',
    skip: newCgo,
    make: async () => ofCgo(null, [], { pinned: [await cgo()] }),
    verdict: 'match',
    match: 'pinned',
    reason: NOTHING_LEFT,
    complete: true,
  },
  {
    name: 'the user names the right one, the ID is of another',
    skip: newCgo,
    make: async () => ofCgo(buildIdOf(await neighbour()), [neighbour], { pinned: [await cgo()] }),
    verdict: 'match',
    match: 'pinned',
    reason: /./,
  },
  {
    name: 'the user names a neighbour',
    skip: newCgo,
    make: async () => ofCgo(null, [], { pinned: [await neighbour()] }),
    verdict: 'mismatch',
    match: 'none',
    reason: DISAGREES,
  },
  {
    name: 'the user names an unrelated program',
    skip: newCgo || native,
    make: async () => ofCgo('', [], { pinned: [(await libraries()).right] }),
    verdict: 'mismatch',
    match: 'none',
    reason: /frames agree|outside the code|cannot be laid over/,
  },
  {
    name: 'the user names a neighbour, the archive has the right one',
    skip: newCgo,
    make: async () => ofCgo(null, [cgo], { pinned: [await neighbour()] }),
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
    complete: true,
  },

  // Nothing but addresses.
  {
    name: 'addresses only, with the ID',
    skip: newCgo,
    make: async () => ofCgo(null, [neighbour, cgo], { profile: erase(await profileOf(await cgo())) }),
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
    complete: true,
  },
  {
    name: 'addresses only, without ID, found by name and proven by its code',
    skip: newCgo,
    make: async () => ofCgo(null, [cgo], { profile: withBuildId(erase(await profileOf(await cgo())), 0, '') }),
    verdict: 'match',
    match: 'evidence',
    reason: /named without lines.*proven by its code/,
  },
  {
    name: 'addresses only, a library without ID, found by name',
    skip: native,
    make: async () => {
      const { profile, right } = await libraryProfile(30, 6);
      return { profile, archive: [right], truth: right };
    },
    verdict: 'match',
    match: 'evidence',
    reason: /named without lines.*proven by its code|belongs to no function: the linker's stubs/,
  },
  {
    name: 'addresses only, a library of the right name but another build',
    skip: native,
    make: async () => {
      const { profile, right, wrong } = await libraryProfile(30, 6);
      return { profile, archive: [wrong], truth: right };
    },
    verdict: 'mismatch',
    match: 'none',
    reason: /follow no call in the code|inside instructions|outside the code/,
  },
  {
    name: 'addresses only, two builds of the name have the same code and other names',
    skip: native,
    make: async () => {
      const { profile, right } = await libraryProfile(30, 6);
      return { profile, archive: [right, await renamedFunctions(right)], truth: right };
    },
    verdict: 'not enough evidence',
    match: 'none',
    reason: /^2 builds of libwork\.so fit this mapping, and they do not give the same names; name the right one/,
  },
  {
    name: 'addresses only, too few to prove anything by',
    skip: native,
    make: async () => {
      const { profile, right } = await libraryProfile(1, 1);
      return { profile, archive: [right], truth: right };
    },
    verdict: 'not enough evidence',
    match: 'none',
    reason: /has the right name, but the profile has neither a build ID nor enough addresses to prove it by; name it/,
  },
  {
    name: 'addresses only, a library whose ID is not in the archive',
    skip: native,
    make: async () => {
      const { profile, right } = await libraryProfile(30, 6, UNKNOWN_ID);
      return { profile, archive: [right], truth: right };
    },
    verdict: 'not found',
    match: 'none',
    reason: /\(build ID 0011\w+\) is not in the archive; add its unstripped build/,
  },

  // Mappings of a process.
  {
    name: 'a library with its ID',
    skip: native,
    mapping: /libplain\.so$/,
    make: () => hostSituation(true, 'library'),
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
  },
  {
    name: 'two mappings of one file',
    skip: native,
    mapping: /libplain\.so$/,
    make: () => hostSituation(true, 'library', '--split'),
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
  },
  {
    name: 'a library without ID',
    skip: native,
    mapping: /libplain\.so$/,
    make: () => hostSituation(false, 'library'),
    verdict: 'match',
    match: 'evidence',
    reason: /named without lines.*proven by its code/,
  },
  {
    name: 'a library without ID that is not in the archive',
    skip: native,
    mapping: /libplain\.so$/,
    make: () => hostSituation(false, 'nothing'),
    verdict: 'not found',
    match: 'none',
    reason: /has no build ID in the profile, and no file of that name in the archive/,
  },
  {
    name: 'a library from memory, without ID',
    skip: native,
    mapping: /^\/memfd:/,
    make: () => hostSituation(false, 'library', '--memfd'),
    verdict: 'not found',
    match: 'none',
    reason: /a file that lived in memory, and the profile has no build ID/,
  },
  {
    name: 'the vdso without ID',
    skip: false,
    make: () => Promise.resolve(oddMapping('[vdso]')),
    verdict: 'not found',
    match: 'none',
    reason: /code the kernel lends to every process, and the profile has no build ID for it; /,
  },
  {
    name: 'the kernel without ID',
    skip: false,
    make: () => Promise.resolve(oddMapping('[kernel.kallsyms]_text')),
    verdict: 'not found',
    match: 'none',
    reason: /is the kernel, and the profile has no build ID for it; give the vmlinux/,
  },
  {
    name: 'code of a JIT compiler',
    skip: false,
    make: () => Promise.resolve(oddMapping('//anon')),
    verdict: 'not found',
    match: 'none',
    reason: /memory without a file: code a JIT compiler wrote at run time/,
  },
  {
    name: 'a mapping without a name',
    skip: false,
    make: () => Promise.resolve(oddMapping('')),
    verdict: 'not found',
    match: 'none',
    reason: /neither a file name nor a build ID in the profile; name its file with --binary/,
  },

  // Other systems.
  {
    name: 'macOS, with its UUID',
    skip: false,
    make: async () => {
      const slide = 0x4e3c000n;
      const all = machoAnswers('dsym-arm64')
        .filter(({ address, frames }) => frames.length > 0 && address % 4 === 0)
        .map(({ address, frames }) => ({
          address: BigInt(address) + slide,
          frames: frames.map((f) => ({
            function: f.FunctionName,
            file: f.FileName,
            line: f.Line,
            startLine: f.StartLine,
          })),
          isNamed: false,
        }));
      const start = 0x100000000n + slide;
      const mapping = {
        start,
        limit: start + 0x4000n,
        file: '/Applications/program',
        buildId: '4C4C44B9-5555-3144-A1D4-FEF4AFE7F669',
      };
      return {
        profile: recordedProfile(mapping, all),
        archive: [await macho('dsym-arm64'), await macho('program-arm64')],
        truth: await macho('dsym-arm64'),
      };
    },
    verdict: 'match',
    match: 'build-id',
    reason: /^$/,
    complete: true,
  },
  {
    name: 'macOS, a Go program without ID, found by its frames',
    skip: false,
    make: () => {
      const start = 0x104e3c000n;
      const made = recordedGo('tiny-go1.23-darwin-arm64', start - 0x100000000n, {
        start,
        limit: start + 0x88000n,
        file: '/Users/me/svc/api',
      });
      return Promise.resolve({ ...made, archive: [join(BIN, 'tiny-go1.23-darwin-arm64')] });
    },
    verdict: 'match',
    match: 'evidence',
    reason: /^$/,
    complete: true,
  },
  {
    name: 'Windows, a Go program whose ID is its path and time',
    skip: false,
    make: () => {
      const start = 0x7ff6a0000000n;
      const file = 'C:\\svc\\api.exe';
      const made = recordedGo('tiny-go1.21-windows-amd64', start - 0x400000n, {
        start,
        limit: start + 0x130000n,
        file,
        buildId: `${file}2026-01-31 12:00:00.1234567 +0100 CET`,
      });
      return Promise.resolve({ ...made, archive: [join(BIN, 'tiny-go1.21-windows-amd64')] });
    },
    verdict: 'match',
    match: 'evidence',
    reason: /^$/,
    complete: true,
  },
  {
    name: 'Windows, a DLL by its GUID and age',
    skip: false,
    make: () => {
      const [linked, start] = [0x3b83e0000n, 0x7ffa20000000n];
      const all = answersOf('parts64.dll')
        .filter(({ frames }) => frames.length > 0)
        .map(({ start: address, frames }) => ({
          address: BigInt(address) - linked + start,
          frames: frames.map(({ name, file, line }) => ({ function: name, file, line, startLine: 0 })),
          isNamed: false,
        }));
      const mapping = {
        start,
        limit: start + 0x20000n,
        file: 'C:\\svc\\parts64.dll',
        buildId: '0B0A752BC54C6E6FED0C135AA81115C01',
      };
      return Promise.resolve({
        profile: recordedProfile(mapping, all),
        archive: [pePath('parts64.dll')],
        truth: new Map(all.map(({ address, frames }) => [address, frames])),
      });
    },
    verdict: 'match',
    match: 'build-id',
    reason: NOTHING_LEFT,
    complete: true,
  },

  // Nothing to do.
  {
    name: 'everything has its name already',
    skip: oldGo,
    make: async () => ({
      profile: await profileOf(await plainOld()),
      archive: [await neighbourOld()],
      truth: framesIn(await profileOf(await plainOld())),
    }),
    verdict: 'not needed',
    match: 'none',
    reason: /^$/,
  },
];

/** A profile in which there is nothing to match. */
export const EMPTY_PROFILE: Uint8Array = EMPTY;

/** Locations by address: what is written there, innermost first; those without a name are left out. */
export function writtenFrames(body: Uint8Array): Map<bigint, readonly DecodedFrame[]> {
  const profile = decodeProfile(body);
  const all = profile.locations.map((location) => [location.address, framesOf(profile, location)] as const);
  return new Map(all.filter(([, frames]) => frames.some((frame) => frame.function !== '')));
}
