/**
 * Profiles that carry addresses only, from those who really make them: gperftools (CPU and heap), jemalloc, perf. A C++ program
 * and its library run stripped; the archive has them whole. Every frame that is in them gets its name, and the names are those of
 * the program's few paths.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { resym } from './support/cli.ts';
import { decodeProfile, type DecodedProfile } from './support/decode.ts';
import { messageField, numberField, textField } from './support/profile-model.ts';
import { needsTools } from './support/toolchains.ts';

const SOURCES = fileURLToPath(new URL('fixtures/producers/', import.meta.url));
const LIBRARIES = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'];

function library(name: string): string | null {
  return LIBRARIES.map((dir) => join(dir, name)).find((path) => existsSync(path)) ?? null;
}

/** Of CPU time, for those who sample it. */
const SECONDS = '0.4';

const PROFILER = library('libprofiler.so.0');
const TCMALLOC = library('libtcmalloc.so.4');
const JEMALLOC = library('libjemalloc.so.2');

/** Without frames in libraries of others: names as the symbol table has them, or readable. */
const NAMES: Record<string, RegExp> = {
  main: /^main$/,
  run: /^(_ZN3app3runEd|app::run(\(double\))?)$/,
  spin: /^(_ZN3app4spinERN4shop4CartE|app::spin(\(shop::Cart&\))?)$/,
  fill: /^(_ZN3app4fillERN4shop4CartEi|app::fill(\(shop::Cart&, int\))?)$/,
  price: /^(_ZN3app5priceIiEElT_|(long )?app::price<int>(\(int\))?)$/,
  total: /^(_ZN4shop4Cart5totalEl|shop::Cart::total(\(long\))?)$/,
  discount: /^(_ZN4shopL8discountEl|shop::discount(\(long\))?)$/,
  reserve: /^(_ZN4shop4Cart7reserveEj|shop::Cart::reserve(\(unsigned int\))?)$/,
};
/** The C library's start of a program, the standard library's templates and calls of either. */
const OTHERS = /^(_start|_ZNSt|_ZSt|_ZN9__gnu_cxx|.*std::|.*__gnu_cxx::)/;

/** Who calls whom, outermost first. */
const PATHS = new Set(
  ['main', 'run', 'spin', 'fill'].concat([
    'main>run',
    'run>spin',
    'run>fill',
    'spin>price',
    'spin>total',
    'total>discount',
    'fill>reserve',
  ]),
);

const dir = mkdtempSync(join(tmpdir(), 'resym-producers-'));
const archive = join(dir, 'archive');

interface Program {
  readonly name: string;
  /** Stripped, and its library beside it. */
  readonly path: string;
  /** With all symbols. */
  readonly whole: readonly string[];
}

function build(name: string, flags: readonly string[]): Program {
  const full = join(dir, `${name}-full`);
  const run = join(dir, `${name}-run`);
  for (const path of [full, run]) mkdirSync(path);
  const common = ['-g', '-O1', '-fno-omit-frame-pointer'];
  const lib = join(full, `libshop-${name}.so`);
  const exe = join(full, name);
  execFileSync('g++', [
    ...common,
    '-fPIC',
    '-shared',
    '-Wl,--build-id',
    `-Wl,-soname,libshop-${name}.so`,
    '-o',
    lib,
    join(SOURCES, 'shop.cc'),
  ]);
  execFileSync('g++', [
    ...common,
    ...flags,
    '-Wl,--build-id',
    '-o',
    exe,
    join(SOURCES, 'main.cc'),
    lib,
    '-Wl,-rpath,$ORIGIN',
  ]);
  for (const file of [lib, exe]) {
    const copy = join(run, file.slice(full.length + 1));
    copyFileSync(file, copy);
    execFileSync('strip', [copy]);
  }
  return { name, path: join(run, name), whole: [exe, lib] };
}

/** Runs the program with a library in front of all others; gives the newest file it left. */
function runWith(
  program: Program,
  seconds: string,
  preload: string,
  env: (prefix: string) => Record<string, string>,
): Buffer {
  const out = mkdtempSync(join(dir, 'out-'));
  const { status, stderr } = spawnSync(program.path, [seconds], {
    env: { PATH: process.env['PATH'], LD_PRELOAD: preload, ...env(join(out, 'p')) },
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const newest = readdirSync(out).sort().at(-1);
  assert.ok(newest !== undefined, stderr);
  return readFileSync(join(out, newest));
}

/** resym symbolize on a profile; the answer decoded. */
async function symbolized(profile: Uint8Array, args: readonly string[]): Promise<DecodedProfile> {
  const { code, stdout, stderr } = await resym(['symbolize', '-', '-o', '-', ...args], { stdin: profile });
  assert.equal(code, 0, stderr);
  return decodeProfile(stdout);
}

/**
 * All frames of the program's own files are named, but for those of its library that may lack them, and the names are paths of the
 * program. Gives what was seen.
 */
function check(profile: DecodedProfile, program: Program, mayLackLibrary = false): Set<string> {
  const own = new Set(
    profile.mappings.filter(({ file }) => file.startsWith(join(dir, `${program.name}-run`))).map(({ id }) => id),
  );
  assert.equal(own.size, 2, profile.mappings.map(({ file }) => file).join('\n'));
  const libraries = new Set(profile.mappings.filter(({ file }) => file.includes('/libshop-')).map(({ id }) => id));
  const seen = new Set<string>();
  const names = new Map<bigint, string | null>();
  for (const { id, mappingId, address, lines } of profile.locations) {
    if (!own.has(mappingId)) continue;
    const name = profile.functions.get(lines.at(-1)?.functionId ?? 0n)?.name ?? '';
    if (name === '' && mayLackLibrary && libraries.has(mappingId)) continue;
    assert.notEqual(name, '', `0x${address.toString(16)} of mapping ${mappingId} has no name`);
    const known = Object.entries(NAMES).find(([, pattern]) => pattern.test(name))?.[0] ?? null;
    assert.ok(known !== null || OTHERS.test(name), `0x${address.toString(16)} is said to be ${name}`);
    names.set(id, known);
  }
  for (const { locations } of profile.samples) {
    const path = [...locations].reverse().flatMap((id) => names.get(id) ?? []);
    for (const [i, name] of path.entries()) {
      const step = i === 0 ? name : `${path[i - 1]}>${name}`;
      // A sample on a function's first instruction, whose frame does not stand yet, lacks the caller.
      const isLeaf = i === path.length - 1;
      const lacksCaller =
        isLeaf &&
        [...PATHS].some((known) => known.endsWith(`>${name}`) && PATHS.has(`${path[i - 1]}>${known.split('>')[0]}`));
      assert.ok(PATHS.has(step) || lacksCaller, `${step} in ${path.join('>')}`);
      seen.add(name);
    }
  }
  return seen;
}

/** Samples of `perf record` as a converter writes them: runtime addresses, mappings with build IDs, no names. */
function perfProfile(data: string, program: Program): Uint8Array {
  const perf = (...args: string[]): string =>
    execFileSync('perf', args, { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] });
  const ids = new Map(
    perf('buildid-list', '-i', data)
      .trim()
      .split('\n')
      .map((line) => [line.slice(line.indexOf(' ') + 1), line.slice(0, line.indexOf(' '))]),
  );
  const strings = ['', 'samples', 'count'];
  const string = (text: string): number => {
    const at = strings.indexOf(text);
    return at !== -1 ? at : strings.push(text) - 1;
  };
  const mappings: { start: bigint; limit: bigint; offset: bigint; file: string }[] = [];
  const stacks: bigint[][] = [];
  for (const line of perf('script', '-D', '-i', data).split('\n')) {
    const map = /PERF_RECORD_MMAP2 .*\[0x([0-9a-f]+)\(0x([0-9a-f]+)\) @ (?:0x)?([0-9a-f]+) .*\]: [-rwxps]+ (\S+)$/.exec(
      line,
    );
    if (map !== null) {
      const start = BigInt(`0x${map[1]}`);
      mappings.push({ start, limit: start + BigInt(`0x${map[2]}`), offset: BigInt(`0x${map[3]}`), file: map[4] });
    }
    if (line.includes('PERF_RECORD_SAMPLE(')) stacks.push([]);
    const frame = /^\.{3,}\s+\d+: ([0-9a-f]{16})$/.exec(line);
    // Above this are marks between kernel and user frames.
    if (frame !== null && !frame[1].startsWith('fffffffffffff')) stacks.at(-1)?.push(BigInt(`0x${frame[1]}`));
  }
  // Before it was the program, it was the shell's child.
  assert.ok(
    mappings.some(({ file }) => file === program.path),
    'perf saw no mapping of the program',
  );
  const locations = new Map<bigint, number>();
  const samples = stacks
    .filter((stack) => stack.length > 0)
    .map((stack) =>
      messageField(
        2,
        ...stack.map((address, i) => {
          const within = i === 0 || address === 0n ? address : address - 1n;
          if (!locations.has(within)) locations.set(within, locations.size + 1);
          return numberField(1, locations.get(within)!);
        }),
        numberField(2, 1),
      ),
    );
  const parts = [messageField(1, numberField(1, 1), numberField(2, 2)), ...samples];
  for (const [i, { start, limit, offset, file }] of mappings.entries())
    parts.push(
      messageField(
        3,
        numberField(1, i + 1),
        numberField(2, start),
        numberField(3, limit),
        numberField(4, offset),
        numberField(5, string(file)),
        numberField(6, string(ids.get(file) ?? '')),
      ),
    );
  for (const [address, id] of locations) {
    const mapping = mappings.findIndex(({ start, limit }) => start <= address && address < limit) + 1;
    parts.push(messageField(4, numberField(1, id), numberField(2, mapping), numberField(3, address)));
  }
  return gzipSync(Buffer.concat([...parts, ...strings.map((text) => textField(6, text))]));
}

/** perf may be there and not be allowed to count. */
function needsPerf(): string | false {
  const missing = needsTools('perf');
  if (missing !== false) return missing;
  const data = join(dir, 'probe.data');
  const { status } = spawnSync('perf', ['record', '-q', '-e', 'cpu-clock:u', '-o', data, 'true'], { stdio: 'ignore' });
  rmSync(data, { force: true });
  return status === 0 ? false : 'perf_event_open is forbidden';
}

const needsGcc = needsTools('g++', 'strip');
const noPerf = needsPerf();

describe('profiles of addresses only', { skip: needsGcc }, () => {
  const programs: Program[] = [];
  before(async () => {
    programs.push(build('pie', ['-pie', '-fPIE']), build('exe', ['-no-pie', '-fno-pie']));
    const { code, stderr } = await resym([
      'store',
      'add',
      ...programs.flatMap(({ whole }) => whole),
      '--store',
      archive,
    ]);
    assert.equal(code, 0, stderr);
  });
  after(() => rmSync(dir, { recursive: true }));

  const pinned = ({ whole }: Program): string[] => whole.flatMap((path) => ['--binary', path]);

  const producers: { name: string; skip: string | false; run: (program: Program) => Buffer; sees: string[] }[] = [
    {
      name: 'gperftools CPU',
      skip: PROFILER === null && 'needs libgoogle-perftools4',
      run: (program) =>
        runWith(program, SECONDS, PROFILER!, (prefix) => ({ CPUPROFILE: prefix, CPUPROFILE_FREQUENCY: '500' })),
      sees: ['main', 'run', 'spin', 'price', 'total', 'discount'],
    },
    {
      name: 'gperftools heap',
      skip: TCMALLOC === null && 'needs libgoogle-perftools4',
      run: (program) => runWith(program, '0.01', TCMALLOC!, (prefix) => ({ HEAPPROFILE: prefix })),
      sees: ['main', 'run', 'fill', 'reserve'],
    },
    {
      name: 'jemalloc heap',
      skip: JEMALLOC === null && 'needs libjemalloc2',
      run: (program) =>
        runWith(program, '0.01', JEMALLOC!, (prefix) => ({
          MALLOC_CONF: `prof:true,prof_final:true,lg_prof_sample:12,prof_prefix:${prefix}`,
        })),
      sees: ['main', 'run', 'fill', 'reserve'],
    },
  ];
  for (const { name, skip, run, sees } of producers) {
    for (const [i, kind] of ['PIE', 'at a fixed address'].entries()) {
      test(`${name}, ${kind}, with the binaries named`, { skip }, async () => {
        const program = programs[i];
        const seen = check(await symbolized(run(program), pinned(program)), program);
        // A CPU profile may have caught the program while it allocated, too.
        for (const name of sees) assert.ok(seen.has(name), `${name} is not among ${[...seen].join(', ')}`);
      });
    }
    // Lists of mappings carry no build IDs: the archive is asked by name, and the code must prove to be the right one.
    // Of the library a profile may have too few callers to prove it by.
    test(`${name}, out of the archive`, { skip }, async () => {
      const seen = check(await symbolized(run(programs[0]), ['--store', archive]), programs[0], true);
      assert.ok(seen.has('main') && seen.has('run'));
    });
  }

  for (const [i, kind] of ['PIE', 'at a fixed address'].entries()) {
    test(`perf, ${kind}, out of the archive`, { skip: noPerf }, async () => {
      const program = programs[i];
      const data = join(dir, `perf-${i}.data`);
      execFileSync(
        'perf',
        ['record', '-q', '-e', 'cpu-clock:u', '-F', '500', '-g', '-o', data, program.path, SECONDS],
        {
          stdio: 'ignore',
        },
      );
      const profile = perfProfile(data, program);
      writeFileSync(join(dir, `perf-${i}.pb.gz`), profile);
      const seen = check(await symbolized(profile, ['--store', archive]), program);
      for (const name of ['main', 'run', 'spin', 'price', 'total', 'discount']) assert.ok(seen.has(name), name);
    });
  }
});
