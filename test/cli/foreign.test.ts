/**
 * lookup, inspect and store over programs for macOS, Windows and other processors, through the command:
 *
 *   universal files and dSYM bundles    test/fixtures/macho
 *   Go, cross-compiled                  as `go tool addr2line` says over all function entries, `go version -m`, `go tool buildid`
 *   C++, cross-compiled                 as `llvm-symbolizer --demangle` says
 *
 * `RESYM_TEST_CROSS=all` compares every Go toolchain at hand instead of the newest.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';
import { BufferSource } from '../../src/bytes/source.ts';
import { seededRandom } from '../fuzz/mutate.ts';
import { machoAnswers, machoBytes, machoFile, type MachoFile } from '../object/macho-fixtures.ts';
import { pePath } from '../object/pe-fixtures.ts';
import { buildGo, cached } from '../support/build.ts';
import { resym } from '../support/cli.ts';
import { needsTools, tool, type Toolchain, toolchains } from '../support/toolchains.ts';

const exec = promisify(execFile);
const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'resym-foreign-'));
after(() => rmSync(dir, { recursive: true, force: true }));

interface Line {
  readonly address: string;
  readonly source: string | null;
  readonly frames: readonly {
    readonly function: string;
    readonly systemName: string;
    readonly file: string;
    readonly line: number;
    readonly column: number;
    readonly startLine: number;
  }[];
}

interface Inspected {
  readonly path: string;
  readonly format: string;
  readonly arch: string;
  readonly type: string;
  readonly ids: Readonly<Record<'gnu' | 'go' | 'goDerivedGnu' | 'uuid' | 'pe', string | null>>;
  readonly go: { readonly version: string; readonly path: string; readonly settings: Record<string, string> } | null;
  readonly symbols: { readonly pclntab: { readonly functions: number } | null };
}

async function lookup(path: string, addresses: readonly bigint[], ...more: string[]): Promise<Line[]> {
  const stdin = Buffer.from(addresses.map((address) => `0x${address.toString(16)}\n`).join(''));
  const { code, stdout, stderr } = await resym(['lookup', path, '--json', ...more], { stdin });
  assert.equal(code, 0, stderr);
  const lines = stdout.toString().trimEnd().split('\n');
  assert.equal(lines.length, addresses.length);
  return lines.map((line) => JSON.parse(line) as Line);
}

async function inspect(path: string, ...more: string[]): Promise<Inspected> {
  const { code, stdout, stderr } = await resym(['inspect', path, '--json', ...more]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout.toString()) as Inspected;
}

function open(path: string) {
  return openObject(new BufferSource(readFileSync(path), path));
}

describe('universal files and bundles', () => {
  const fat = join(dir, 'app');
  const bundle = join(dir, 'app.dSYM');
  const place = (file: MachoFile, path: string): void => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, machoBytes(file));
  };
  before(() => {
    place('universal', fat);
    place('dsym-universal', join(bundle, 'Contents/Resources/DWARF/app'));
    writeFileSync(join(bundle, 'Contents/Info.plist'), '<plist/>');
  });

  it('inspect shows the default part and names the others, or the one asked for', async () => {
    const byDefault = await resym(['inspect', fat, '--json']);
    assert.equal(
      byDefault.stderr,
      `resym: ${fat}: a universal file, taken for x86_64; --arch chooses another: arm64\n`,
    );
    assert.equal((JSON.parse(byDefault.stdout.toString()) as Inspected).ids.uuid, machoFile('program-x86_64').ids.uuid);
    for (const [arch, file] of [
      ['amd64', 'program-x86_64'],
      ['x86_64', 'program-x86_64'],
      ['arm64', 'program-arm64'],
    ] as const) {
      const { ids } = await inspect(fat, '--arch', arch);
      assert.equal(ids.uuid, machoFile(file).ids.uuid, arch);
    }
    const { ids, type } = await inspect(bundle, '--arch', 'arm64');
    assert.deepEqual([ids.uuid, type], [machoFile('program-arm64').ids.uuid, 'dsym']);
  });

  it('an architecture that is not there is a usage error', async () => {
    const single = join(dir, 'single');
    place('program-arm64', single);
    for (const [path, arch, has] of [
      [fat, 'riscv64', 'it has x86_64, arm64'],
      [fat, 'arm64e', 'it has x86_64, arm64'],
      [single, 'x86_64', 'it is for arm64'],
    ] as const) {
      for (const command of ['lookup', 'inspect']) {
        const { code, stdout, stderr } = await resym([command, path, '--arch', arch]);
        assert.deepEqual([code, stdout.toString()], [2, '']);
        assert.equal(stderr, `resym: ${path} has nothing for ${arch}; ${has}\n`);
      }
    }
    assert.equal((await inspect(single, '--arch', 'aarch64')).arch, 'arm64');
  });

  for (const arch of ['x86_64', 'arm64'] as const) {
    it(`lookup names what the dSYM beside the program knows, and the bundle alone: ${arch}`, async () => {
      const answers = machoAnswers(`dsym-${arch}`).filter(({ frames }) => frames.length > 0);
      const addresses = answers.map(({ address }) => BigInt(address));
      for (const path of [fat, bundle, `${bundle}/`]) {
        const found = await lookup(path, addresses, '--arch', arch);
        answers.forEach(({ frames }, i) => {
          assert.deepEqual(
            found[i].frames.map((frame) => `${frame.systemName} ${frame.file}:${frame.line}`),
            frames.map((frame) => `${frame.FunctionName} ${frame.FileName}:${frame.Line}`),
            found[i].address,
          );
        });
      }
    });
  }

  it('store add takes both, a file for every architecture', async () => {
    const archive = join(dir, 'archive');
    const added = await resym(['store', 'add', fat, bundle, '--store', archive, '--json']);
    assert.equal(added.code, 0, added.stderr);
    const results = JSON.parse(added.stdout.toString()) as { binary: { name: string; key: string } }[];
    const uuids = [machoFile('program-x86_64').ids.uuid, machoFile('program-arm64').ids.uuid];
    assert.deepEqual(
      results.map(({ binary }) => [binary.name, binary.key]),
      [...uuids, ...uuids].map((uuid) => ['app', uuid]),
    );
    assert.ok(results.every((result) => !('others' in result)));
    const again = await resym(['store', 'add', bundle, '--store', archive]);
    assert.match(again.stdout.toString(), /app: x86_64 already there.*\n.*app: arm64 already there.*\n$/);
    for (const uuid of uuids) assert.equal((await resym(['store', 'show', uuid!, '--store', archive])).code, 0);
  });

  it('a bundle that holds nothing is no binary', async () => {
    const empty = join(dir, 'empty.dSYM');
    mkdirSync(join(empty, 'Contents/Resources/DWARF'), { recursive: true });
    const { code, stderr } = await resym(['inspect', empty]);
    assert.equal(code, 1);
    assert.match(stderr, /the bundle holds no debug info/);
  });
});

const TARGETS = ['darwin/amd64', 'darwin/arm64', 'windows/amd64', 'linux/arm64', 'linux/386'];
const AT_HAND = toolchains();
const COMPARED = process.env.RESYM_TEST_CROSS === 'all' ? AT_HAND : AT_HAND.slice(-1);

describe('Go, cross-compiled', { skip: AT_HAND.length === 0 ? 'needs go' : false }, () => {
  for (const go of COMPARED) {
    for (const target of TARGETS) {
      const [goos, goarch] = target.split('/');
      const minor = Number(go.version.split('.')[1]);
      const skip = minor < 16 && target === 'darwin/arm64' ? 'Go 1.15 cannot cross-compile for it' : false;
      it(`as go's own tools say: go ${go.version} ${target}`, { skip }, async (t) => {
        const build = { toolchain: go, dir: join(fixtures, 'go/oracle'), mode: 'exe', package: 'small' } as const;
        const path = await buildGo({ ...build, env: { GOOS: goos, GOARCH: goarch } });
        t.diagnostic(await compareEntries(go, path));

        const { format, arch, ids, go: info, symbols } = await inspect(path);
        const formats: Record<string, string> = { darwin: 'macho', windows: 'pe', linux: 'elf' };
        assert.deepEqual([format, arch], [formats[goos], goarch]);
        assert.ok(symbols.pclntab !== null && symbols.pclntab.functions > 1000);
        assert.equal(ids.go, said(go, ['tool', 'buildid', path]).trim());
        const [head, ...lines] = said(go, ['version', '-m', path]).trimEnd().split('\n');
        assert.equal(`${path}: ${info?.version}`, head);
        assert.ok(lines.includes(`\tpath\t${info?.path}`));
        for (const line of lines) {
          const setting = /^\tbuild\t([^=]+)=(.*)$/.exec(line);
          if (setting !== null) assert.equal(info?.settings[setting[1]], setting[2]);
        }
        // Go writes the formats' own IDs from 1.24 on, derived from its own; on Windows none.
        const own = { darwin: ids.uuid, windows: ids.pe, linux: ids.gnu }[goos];
        if (minor < 24 || goos === 'windows') assert.equal(own, null);
        else assert.equal(own?.slice(2, 12), ids.goDerivedGnu?.slice(2, 12));
        if (goos === 'darwin' && own && tool('llvm-dwarfdump-19') !== null) {
          const told = execFileSync('llvm-dwarfdump-19', ['--uuid', path], { encoding: 'utf8' });
          assert.equal(/^UUID: (\S+)/.exec(told)?.[1].replaceAll('-', '').toLowerCase(), own);
        }
      });
    }
  }
});

function said({ go, env }: Toolchain, args: readonly string[], input = ''): string {
  return execFileSync(go, args, { env, input, maxBuffer: 64 << 20, encoding: 'utf8' });
}

/** The linker's marks: functions to the tables, without lines. */
const MARKS = /^go[:.]|^runtime\.(?:text|etext|unreachableMethod)$/;

/**
 * `go tool addr2line` knows no inlining: its function is our outermost frame, its line that of our innermost. Wrappers, which
 * stacks leave out, it has.
 */
async function compareEntries(go: Toolchain, path: string): Promise<string> {
  const object = open(path);
  const symbols = GoSymbols.open(object)!;
  const entries = Array.from(
    { length: symbols.functionCount },
    (_, i) => BigInt(symbols.functionStart(i)) + object.bias,
  );
  const found = await lookup(path, entries);
  const input = entries.map((address) => `0x${address.toString(16)}\n`).join('');
  const theirs = said(go, ['tool', 'addr2line', path], input).trimEnd().split('\n');
  assert.equal(theirs.length, 2 * entries.length);
  const counts = { same: 0, wrapped: 0, unnamed: 0, placeless: 0 };
  found.forEach(({ address, source, frames }, i) => {
    const [name, place] = [theirs[2 * i], theirs[2 * i + 1]];
    if (frames.length === 0) {
      // Marks between the linker's sections, which are no functions and have no lines.
      assert.match(place, /^\?:0$|:(0|-\d+)$/, `${address} ${name}`);
      counts.unnamed++;
      return;
    }
    assert.equal(source, 'pclntab', address);
    const outermost = frames[frames.length - 1];
    if (withoutArguments(outermost.function) !== withoutArguments(name)) {
      const own = symbols.functionName(symbols.findFunction(Number(entries[i] - object.bias)));
      assert.equal(withoutArguments(own), withoutArguments(name), address);
      counts.wrapped++;
      return;
    }
    const { file, line } = frames[0];
    if (`${file}:${line}` === place) counts.same++;
    else {
      assert.match(name, MARKS, `${address} ${name}: ${file}:${line}, not ${place}`);
      counts.placeless++;
    }
  });
  const { same, wrapped, unnamed, placeless } = counts;
  assert.ok(entries.length > 1000 && wrapped + unnamed + placeless <= 6, JSON.stringify(counts));
  return `${entries.length} entries: ${same} with the same name and line, ${placeless} with the same name and no file, ${wrapped} wrappers left out, ${unnamed} no functions`;
}

/** The tool takes names from the symbol table, where generic functions before Go 1.21 have all their type arguments. */
function withoutArguments(name: string): string {
  const start = name.indexOf('[');
  return start < 0 ? name : name.slice(0, start) + name.slice(name.lastIndexOf(']') + 1);
}

const ADDRESSES = Number(process.env.RESYM_TEST_ADDRESSES ?? 2000);
const CLANG = ['clang++-19', 'llvm-symbolizer-19'];

interface Native {
  readonly title: string;
  readonly needs: readonly string[];
  /** Commands, run where the source is `program.cpp` and the result shall be `program`. */
  readonly make: readonly (readonly string[])[];
}

const BARE = '-ffreestanding -fno-exceptions -fno-rtti -fno-stack-protector -fno-builtin -std=c++17 -g -O2'.split(' ');

/** MinGW's compilers make main call what is in its C library. */
const NO_MAIN = ['-Dmain=start'];

function apple(arch: string, macos: string): Native {
  const compile = ['clang++-19', '-target', `${arch}-apple-macos${macos}`, ...BARE, '-c', 'program.cpp', '-o', 'p.o'];
  const version = ['-platform_version', 'macos', macos, macos];
  const link = ['ld64.lld-19', '-arch', arch, ...version, '-undefined', 'dynamic_lookup', '-o', 'program', 'p.o'];
  return {
    title: `darwin ${arch}`,
    needs: [...CLANG, 'ld64.lld-19', 'dsymutil-19'],
    make: [compile, link, ['dsymutil-19', 'program', '-o', 'program.dSYM']],
  };
}

function windows(arch: string, emulation: string): Native {
  const compile = [
    'clang++-19',
    '-target',
    `${arch}-w64-mingw32`,
    ...BARE,
    ...NO_MAIN,
    '-c',
    'program.cpp',
    '-o',
    'p.o',
  ];
  const link = ['ld.lld-19', '-m', emulation, '-shared', '-e', 'start', '--build-id', '-o', 'program', 'p.o'];
  return { title: `windows ${arch}, clang`, needs: [...CLANG, 'ld.lld-19', 'llvm-readobj-19'], make: [compile, link] };
}

const MINGW = 'x86_64-w64-mingw32-g++';
const NATIVE: readonly Native[] = [
  apple('x86_64', '11.0'),
  apple('arm64', '14.0'),
  windows('x86_64', 'i386pep'),
  windows('aarch64', 'arm64pe'),
  {
    title: 'windows x86_64, gcc',
    needs: [MINGW, 'llvm-symbolizer-19', 'llvm-readobj-19'],
    // GCC for Windows appends .exe to names without an extension.
    make: [
      [MINGW, ...BARE, ...NO_MAIN, '-nostdlib', '-shared', '-Wl,-e,start,--build-id', 'program.cpp', '-o', 'p.dll'],
      ['mv', 'p.dll', 'program'],
    ],
  },
];

describe('C++, cross-compiled', () => {
  for (const { title, needs, make } of NATIVE) {
    it(`as llvm-symbolizer --demangle says: ${title}`, { skip: needsTools(...needs) }, async (t) => {
      const source = readFileSync(join(fixtures, 'macho/program.cpp'));
      const key = createHash('sha256').update(JSON.stringify(make)).update(source).digest('hex');
      const program = await cached(key, 'program', async (path) => {
        const cwd = dirname(path);
        writeFileSync(join(cwd, 'program.cpp'), source);
        for (const [command, ...args] of make) await exec(command, args, { cwd });
      });
      const object = open(program);
      const random = seededRandom(11);
      const code = object.sections.filter((section) => section.executable && section.size > 0);
      const [{ address: start, size }] = code.sort((a, b) => b.size - a.size);
      const addresses = Array.from(
        { length: ADDRESSES },
        () => BigInt(start + Math.floor(random() * size)) + object.bias,
      );
      const input = addresses.map((address) => `0x${address.toString(16)}\n`).join('');
      const args = ['--demangle', '--inlines', '--output-style=JSON', `--obj=${program}`];
      const told = execFileSync('llvm-symbolizer-19', args, { input, maxBuffer: 1 << 28, encoding: 'utf8' });
      const theirs = told
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { Symbol?: Told[] }).Symbol ?? []);
      let [inlined, methods] = [0, 0];
      (await lookup(program, addresses)).forEach(({ address, frames }, i) => {
        const expected = theirs[i].filter((frame) => frame.FunctionName !== '').map(toText);
        if (frames.length === 0 && isPadding(object, addresses[i])) return;
        // The linker's tables between the functions, under one of their names.
        if (
          theirs[i].length === 1 &&
          theirs[i][0].FileName === '' &&
          /^_+[CD]TOR_LIST__$/.test(theirs[i][0].FunctionName)
        )
          return;
        const ours = frames.map((f) => `${f.function} ${f.file}:${f.line}:${f.column}`);
        // GCC leaves out linkage names in anonymous namespaces: llvm-symbolizer then has the bare name, we its scopes.
        const bare = ours.map((frame, n) => (isScoped(frame, expected[n]) ? expected[n] : frame));
        assert.deepEqual(bare, expected, address);
        if (ours.length > 1) inlined++;
        if (ours.some((frame) => frame.startsWith('work::'))) methods++;
      });
      t.diagnostic(`${ADDRESSES} addresses, ${inlined} in inlined code, ${methods} in C++ functions`);
      assert.ok(inlined > ADDRESSES / 20 && methods > ADDRESSES / 10, `${inlined} inlined, ${methods} methods`);

      const { ids, format } = await inspect(program);
      if (format === 'macho') {
        const uuid = execFileSync('llvm-dwarfdump-19', ['--uuid', program], { encoding: 'utf8' });
        assert.equal(ids.uuid, /^UUID: (\S+)/.exec(uuid)?.[1].replaceAll('-', '').toLowerCase());
      } else assert.equal(ids.pe, guidOf(program));
    });
  }

  it('inspect gives GUID and age', { skip: needsTools('llvm-readobj-19') }, async () => {
    for (const name of ['parts64.dll', 'parts32.dll', 'partsarm64.dll', 'partsmsvc.dll']) {
      const { ids, format } = await inspect(pePath(name));
      assert.deepEqual([format, ids.pe], ['pe', guidOf(pePath(name))], name);
    }
  });
});

/** Right before a function: what llvm-symbolizer takes for the one before it, since COFF symbols have no sizes. */
function isPadding(object: ObjectFile, address: bigint): boolean {
  const at = Number(address - object.bias);
  return object.symbols().some((symbol) => symbol.address > at && symbol.address < at + 16);
}

function isScoped(frame: string, bare: string | undefined): boolean {
  return bare !== undefined && frame.includes('(anonymous namespace)::') && frame.endsWith(`::${bare}`);
}

interface Told {
  readonly FunctionName: string;
  readonly FileName: string;
  readonly Line: number;
  readonly Column: number;
}

function toText({ FunctionName, FileName, Line, Column }: Told): string {
  // What COFF makes of a weak function: its symbol is an alias of one that is called so.
  const name = FunctionName.replace(/^\.weak\.(\w+?)(?:\.default)?\.\w+$/, '$1');
  return `${name} ${FileName}:${Line}:${Column}`;
}

/** GUID and age, as symbol servers write them. */
function guidOf(path: string): string {
  const told = execFileSync('llvm-readobj-19', ['--coff-debug-directory', path], { encoding: 'utf8' });
  const guid = /PDBGUID: \{?([0-9A-F-]+)\}?/i.exec(told)?.[1].replaceAll('-', '').toLowerCase();
  const age = Number(/PDBAge: (\d+)/.exec(told)?.[1]);
  assert.ok(guid?.length === 32, told);
  return `${guid}${age.toString(16)}`;
}
