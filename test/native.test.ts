/**
 * What Go cannot name in its own service: C on a thread of its own, a Rust library linked in, a C++ library loaded at run time. All
 * of it stripped where it runs, unstripped in the archive; live through the proxy and saved through the command. Each C, C++ and Rust
 * frame is held against llvm-symbolizer's answer for its address, with all inlined calls; everything else must be as it was.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { askLlvm, llvmSymbolizer } from './dwarf/llvm-symbolizer.ts';
import { buildC, buildGo, cached } from './support/build.ts';
import { resym } from './support/cli.ts';
import { decodeProfile, framesOf, type DecodedProfile } from './support/decode.ts';
import { goPprof } from './support/go-pprof.ts';
import { startProgram, startServe } from './support/serve.ts';
import { needsTools, toolchains, type Toolchain } from './support/toolchains.ts';
import { assertUntouched } from './support/untouched.ts';

const exec = promisify(execFile);
const SERVICE = fileURLToPath(new URL('./fixtures/native', import.meta.url));
const go = toolchains().at(-1);
const needs = go === undefined ? 'needs go' : needsTools('gcc', 'g++', 'strip', llvmSymbolizer ?? 'llvm-symbolizer');

const root = mkdtempSync(join(tmpdir(), 'resym-native-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** A file as it is archived and as it runs. */
interface Pair {
  readonly full: string;
  readonly stripped: string;
}

async function stripped(full: string): Promise<Pair> {
  const key = createHash('sha256').update(`stripped ${full}`).digest('hex');
  const copy = await cached(key, basename(full), async (path) => {
    await exec('strip', ['-o', path, full]);
  });
  return { full, stripped: copy };
}

async function rustLibrary(): Promise<string> {
  const source = join(SERVICE, 'rust/lib.rs');
  const { stdout: version } = await exec('rustc', ['--version']);
  const key = createHash('sha256').update(version).update(readFileSync(source)).digest('hex');
  return cached(key, 'libwork.a', async (path) => {
    await exec('rustc', ['--crate-type=staticlib', '--edition=2021', '-g', '-O', '-o', path, source]);
  });
}

async function service(toolchain: Toolchain, language: 'C' | 'Rust'): Promise<Pair> {
  const base = { toolchain, dir: SERVICE, mode: 'cgo' as const };
  if (language === 'C') return stripped(await buildGo(base));
  const flags = `-O2 -g ${await rustLibrary()}`;
  return stripped(await buildGo({ ...base, tags: ['rust'], env: { CGO_LDFLAGS: flags } }));
}

async function cxxLibrary(): Promise<Pair> {
  const sources = [join(SERVICE, 'cxx/spin.cpp')];
  const flags = ['-shared', '-fPIC', '-Wl,--build-id', '-std=c++17'];
  return stripped(await buildC({ sources, flags, name: 'libspin.so', compiler: 'g++' }));
}

async function archiveOf(...files: string[]): Promise<string> {
  const dir = join(mkdtempSync(join(root, 'd-')), 'archive');
  const { code, stderr } = await resym(['store', 'add', ...files, '--store', dir]);
  assert.equal(code, 0, stderr);
  return dir;
}

async function fetchProfile(url: string): Promise<Buffer> {
  const response = await fetch(url);
  assert.equal(response.status, 200);
  return Buffer.from(await response.arrayBuffer());
}

/**
 * Holds the frames of a mapping's locations that had no name against llvm-symbolizer. `address` in the file: that of a leaf, which Go
 * states one too low where it has no name for it. Returns the linked names seen, the inlined ones too.
 */
async function assertNamed(
  before: DecodedProfile,
  afterwards: DecodedProfile,
  file: string,
  full: string,
): Promise<Set<string>> {
  const mapping = afterwards.mappings.find((m) => basename(m.file) === basename(file));
  assert.ok(mapping !== undefined, `no mapping of ${file}`);
  assert.ok(mapping.hasFilenames && mapping.hasLineNumbers, 'flags');
  const nameless = before.locations.filter(
    (location) =>
      location.mappingId === mapping.id && framesOf(before, location).every(({ function: name }) => name === ''),
  );
  const isFixed = full.endsWith('native');
  const addresses = nameless.map(
    ({ address }) => Number(isFixed ? address : address - mapping.start + mapping.offset) + 1,
  );
  const answers = await askLlvm(full, addresses);
  const names = new Set<string>();
  let unnamed = 0;
  for (const [i, { id }] of nameless.entries()) {
    const location = afterwards.locations.find((other) => other.id === id)!;
    const frames = framesOf(afterwards, location);
    if (answers[i].length === 0) {
      // No debug info: a stub of the linker, or a function the symbol table alone knows.
      assert.ok(frames.length === 1 && frames[0].line === 0);
      if (frames[0].function === '') unnamed++;
      continue;
    }
    const seen = location.lines.map(({ functionId, line }) => {
      const { name, systemName, file: path } = afterwards.functions.get(functionId)!;
      return { name, systemName, path, line: Number(line) };
    });
    // Where there is no linked name the tool gives the bare one; ours has its scopes, or what the symbol table says.
    const said = answers[i].map(({ FunctionName: bare, FileName, Line }, frame) => {
      const { name = '', systemName = '' } = seen[frame] ?? {};
      const isSame =
        systemName === bare || name.endsWith(`::${bare}`) || (name !== systemName && name.includes(`::${bare}(`));
      return { name: isSame ? name : bare, systemName: isSame ? systemName : bare, path: FileName, line: Line };
    });
    assert.deepEqual(seen, said, `0x${addresses[i].toString(16)} of ${file}`);
    for (const { function: name } of frames) names.add(name);
  }
  assert.equal(mapping.hasFunctions && mapping.hasInlineFrames, unnamed === 0, 'flags');
  assert.ok(unnamed <= nameless.length / 10, `${unnamed} of ${nameless.length} unnamed`);
  return names;
}

interface Case {
  readonly name: string;
  readonly language: 'C' | 'Rust';
  readonly skip: string | false;
  /** Readable names that must be among those found, one of them inlined. */
  readonly expected: readonly RegExp[];
}

const CASES: readonly Case[] = [
  { name: 'C on a thread of its own', language: 'C', skip: false, expected: [/^c_spin$/, /^stir_twice$/, /^stir$/] },
  {
    name: 'a Rust library linked in',
    language: 'Rust',
    skip: needsTools('rustc'),
    expected: [/(?:^|::)sorted(?:$|::)/, /\{\{closure\}\}$/, /^core::/],
  },
];

/** Names of the C++ library that must be found. */
const CXX = [
  /^image::\(anonymous namespace\)::Filter<long unsigned int>::apply$/,
  /^image::\(anonymous namespace\)::Filter<unsigned long>::run\(std::vector<.*>&\) const$/,
  /^image::\(anonymous namespace\)::Filter<long unsigned int>::run::\{lambda\}::operator\(\)$/,
  /^image::Canvas::blur\(\)$|^std::/,
];

describe('frames Go cannot name', { skip: needs }, () => {
  for (const { name, language, skip, expected } of CASES) {
    test(`${name}, and a C++ library loaded with dlopen`, { skip }, async (t: TestContext) => {
      const [program, library] = [await service(go!, language), await cxxLibrary()];
      const host = await startProgram(t, program.stripped, [library.stripped]);
      const store = await archiveOf(program.full, library.full);

      const saved = join(mkdtempSync(join(root, 'd-')), 'cpu.pb.gz');
      const before = await fetchProfile(`http://${host}/debug/pprof/profile?seconds=3`);
      writeFileSync(saved, before);
      const out = `${saved}.named`;
      const { code, stderr } = await resym(['symbolize', saved, '-o', out, '--store', store]);
      assert.equal(code, 0, stderr);
      await check(before, readFileSync(out));

      // The same through the proxy: what the target sent is not at hand then, so only names are looked at.
      const { url } = await startServe(t, ['--target', `api=http://${host}`, '--store', store]);
      const run = await goPprof(go!, ['-raw', `${url}/debug/pprof/profile?seconds=2`]);
      assert.equal(run.code, 0, run.stderr);
      for (const pattern of language === 'C' ? [/\bc_spin\b/, /\bstir_twice\b/] : [/\bfold\b|\bsorted\b/])
        assert.match(run.stdout, pattern);
      assert.match(run.stdout, /image::\(anonymous namespace\)::Filter<long unsigned int>::apply/);

      async function check(input: Buffer, output: Buffer): Promise<void> {
        assertUntouched(input, output);
        const [was, is] = [decodeProfile(input), decodeProfile(output)];
        const inProgram = await assertNamed(was, is, program.stripped, program.full);
        const inLibrary = await assertNamed(was, is, library.stripped, library.full);
        for (const pattern of expected)
          assert.ok(
            [...inProgram].some((n) => pattern.test(n)),
            `${String(pattern)} in ${[...inProgram].join(', ')}`,
          );
        for (const pattern of CXX)
          assert.ok(
            [...inLibrary].some((n) => pattern.test(n)),
            `${String(pattern)} in ${[...inLibrary].join(', ')}`,
          );
      }
    });
  }
});
