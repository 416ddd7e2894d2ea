/** Programs with debug info of every kind the machine can make: what to run, and what is missing when it cannot. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { BufferSource } from '../../src/bytes/source.ts';
import type { SplitFiles } from '../../src/dwarf/split-units.ts';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';
import { buildGo, cached } from '../support/build.ts';
import { needsTools, tool, toolchain } from '../support/toolchains.ts';

const exec = promisify(execFile);
const sources = fileURLToPath(new URL('../fixtures/dwarf/', import.meta.url));

export interface Built {
  readonly path: string;
  /** The same code with debug info that llvm-symbolizer can read too, where it cannot read that of `path`. */
  readonly reference: string;
  /** With the tables that `path` was robbed of. */
  readonly original?: string;
}

export interface Program {
  readonly name: string;
  /** Reason for `skip`, or false. */
  readonly skip: string | false;
  readonly build: () => Promise<Built>;
}

/** The newest Clang at hand. */
export const clang =
  ['clang-19', 'clang-18', 'clang-17', 'clang-16', 'clang-15', 'clang-14', 'clang'].find(tool) ?? 'clang';
const clangxx = clang.replace('clang', 'clang++');
const lld = clang.replace('clang', '-fuse-ld=lld');
const objcopy = clang.replace('clang', 'llvm-objcopy');
const llvmDwp = clang.replace('clang', 'llvm-dwp');
/** No command here takes more than some seconds. */
const MAX_BUILD_MILLISECONDS = 120_000;

/**
 * Runs commands in a directory of their own and keeps what they make: `program`, and `reference` where there is one. A word
 * `@name` stands for a source. The directory's name is kept out of the debug info, so that it can be moved.
 */
function made(name: string, commands: readonly string[][]): Program {
  const tools = [...new Set(commands.map(([command]) => command))];
  return {
    name,
    skip: needsTools(...tools),
    build: async () => {
      const hash = createHash('sha256').update(JSON.stringify(commands));
      for (const word of commands.flat()) if (word.startsWith('@')) hash.update(readFileSync(source(word)));
      const path = await cached(hash.digest('hex'), 'program', async (to) => {
        const cwd = dirname(to);
        for (const [command, ...words] of commands) {
          const compiles = /(gcc|g\+\+|clang|clang\+\+)(-\d+)?$/.test(command);
          const args = words.map((word) => (word.startsWith('@') ? source(word) : word));
          if (compiles) args.unshift(`-fdebug-prefix-map=${cwd}=.`);
          if (command === 'rustc') args.unshift(`--remap-path-prefix=${cwd}=.`);
          try {
            await exec(command, args, { cwd, maxBuffer: 64 << 20, timeout: MAX_BUILD_MILLISECONDS });
          } catch (error) {
            throw new Error(`${command} ${args.join(' ')}\n${(error as { stderr?: string }).stderr ?? ''}`, {
              cause: error,
            });
          }
        }
      });
      const reference = join(dirname(path), 'reference');
      return { path, reference: existsSync(reference) ? reference : path };
    },
  };
}

function source(word: string): string {
  return join(sources, word.slice(1));
}

const CPP = ['@shapes.cpp', '@words.cpp'];

function cpp(name: string, compiler: string, ...flags: string[]): Program {
  return made(name, [[compiler, '-g', ...flags, ...CPP, '-o', 'program']]);
}

function matrix(): Program[] {
  const programs: Program[] = [];
  for (const compiler of ['g++', clangxx]) {
    for (const [level, version] of ['O0 2', 'O1 3', 'O2 4', 'O3 5', 'O0 5', 'Os 4', 'O2 5'].map((pair) =>
      pair.split(' '),
    )) {
      programs.push(cpp(`C++ ${compiler} -${level} DWARF ${version}`, compiler, `-gdwarf-${version}`, `-${level}`));
    }
  }
  for (const [level, version] of ['O0 2', 'O2 4', 'O3 5'].map((pair) => pair.split(' '))) {
    const flags = [`-gdwarf-${version}`, `-${level}`, '@loops.c', '-o', 'program'];
    programs.push(made(`C gcc -${level} DWARF ${version}`, [['gcc', '-fopenmp', '-g', ...flags]]));
    programs.push(made(`C ${clang} -${level} DWARF ${version}`, [[clang, '-g', ...flags]]));
  }
  return programs;
}

function split(): Program[] {
  const programs: Program[] = [];
  for (const compiler of ['g++', clangxx]) {
    for (const version of ['4', '5']) {
      const flags = ['-g', `-gdwarf-${version}`, '-gsplit-dwarf', '-O2'];
      const commands = [
        [compiler, ...flags, '-c', '@shapes.cpp', '-o', 'shapes.o'],
        [compiler, ...flags, '-c', '@words.cpp', '-o', 'words.o'],
        [compiler, 'shapes.o', 'words.o', '-o', 'program'],
      ];
      programs.push(made(`split ${compiler} DWARF ${version}: .dwo files`, commands));
      const pack = (packer: string) => [
        ...commands,
        [packer, '-e', 'program', '-o', 'program.dwp'],
        ['rm', 'shapes.dwo', 'words.dwo'],
      ];
      // On what GCC splits in DWARF 5 llvm-dwp 19 never ends.
      if (compiler !== 'g++' || version === '4') {
        programs.push(made(`split ${compiler} DWARF ${version}: .dwp by ${llvmDwp}`, pack(llvmDwp)));
      }
      if (version === '4') programs.push(made(`split ${compiler} DWARF 4: .dwp by dwp`, pack('dwp')));
    }
  }
  return programs;
}

function shrunk(): Program[] {
  const two = (version: string) => [
    ['g++', '-g', `-gdwarf-${version}`, '-O2', ...CPP, '-o', 'program'],
    ['g++', '-g', `-gdwarf-${version}`, '-O1', ...CPP, '-o', 'other'],
    ['cp', 'program', 'reference'],
  ];
  return [
    made('dwz, one file', [
      ['g++', '-g', '-O2', ...CPP, '-o', 'program'],
      ['dwz', 'program'],
    ]),
    made('dwz, shared file, DWARF 4', [...two('4'), ['dwz', '-m', 'common', '-M', 'common', 'program', 'other']]),
    made('dwz, shared file, DWARF 5', [...two('5'), ['dwz', '-5', '-m', 'common', '-M', 'common', 'program', 'other']]),
    made('compressed by zlib', [['g++', '-g', '-O2', '-gz=zlib', ...CPP, '-o', 'program']]),
    made('compressed as .zdebug', [
      ['g++', '-g', '-O2', ...CPP, '-o', 'reference'],
      ['objcopy', '--compress-debug-sections=zlib-gnu', 'reference', 'program'],
    ]),
    made('compressed by zstd', [
      ['g++', '-g', '-O2', ...CPP, '-o', 'reference'],
      [objcopy, '--compress-debug-sections=zstd', 'reference', 'program'],
    ]),
    made('debug info in a file of its own', [
      ['g++', '-g', '-O2', ...CPP, '-o', 'whole'],
      ['objcopy', '--only-keep-debug', 'whole', 'program'],
    ]),
    made('debug info in a file of its own, by eu-strip', [
      ['g++', '-g', '-O2', ...CPP, '-o', 'reference'],
      ['eu-strip', '-f', 'program', '-o', 'stripped', 'reference'],
      ['g++', '-g', '-O2', ...CPP, '-o', 'reference'],
    ]),
  ];
}

function linked(): Program[] {
  const sections = ['-ffunction-sections', '-Wl,--gc-sections'];
  const gc = (compiler: string, ...flags: string[]) => [
    [compiler, '-g', ...sections, ...flags, ...CPP, '-o', 'program'],
  ];
  const expressions = (mode: string) => [
    [clangxx, '-g', '-O2', ...CPP, '-o', 'reference'],
    [clangxx, '-g', '-O2', '-mllvm', `-minimize-addr-in-v5=${mode}`, ...CPP, '-o', 'program'],
  ];
  return [
    made('sections collected by ld', gc('g++', '-O1')),
    made('sections collected by gold, functions folded', gc('g++', '-O2', '-fuse-ld=gold', '-Wl,--icf=all')),
    made('sections collected by lld', gc(clangxx, '-O1', lld)),
    made('sections collected by lld, functions folded, DWARF 4', gc(clangxx, '-gdwarf-4', '-O1', lld, '-Wl,--icf=all')),
    made('sections collected by lld, functions folded, DWARF 5', gc(clangxx, '-O2', lld, '-Wl,--icf=all')),
    cpp('link-time optimised by gcc', 'g++', '-O2', '-flto'),
    cpp('link-time optimised by clang', clangxx, '-O2', '-flto', lld),
    cpp('link-time optimised by clang, thin', clangxx, '-O2', '-flto=thin', lld),
    cpp('64-bit DWARF by gcc', 'g++', '-O2', '-gdwarf64'),
    cpp('64-bit DWARF by clang', clangxx, '-O2', '-gdwarf64'),
    cpp('type units by gcc', 'g++', '-O2', '-fdebug-types-section'),
    cpp('type units by gcc, DWARF 4', 'g++', '-O2', '-gdwarf-4', '-fdebug-types-section'),
    cpp('type units by clang', clangxx, '-O2', '-fdebug-types-section'),
    cpp('line tables only', clangxx, '-O2', '-gmlt'),
    cpp('with .debug_aranges by clang', clangxx, '-O2', '-gdwarf-aranges'),
    cpp('static', 'g++', '-O2', '-static'),
    made('addresses as forms', expressions('Form')),
    made('addresses as expressions', expressions('Expressions')),
    made('addresses in range lists', expressions('Ranges')),
    made('assembly', [['gcc', '-g', '-O2', '-nostartfiles', '-static', '@copy.s', '@bare.c', '-o', 'program']]),
  ];
}

function machines(): Program[] {
  const triples = [
    's390x-linux-gnu',
    'mips-linux-gnu',
    'powerpc64-linux-gnu',
    'powerpc-linux-gnu',
    'i386-linux-gnu',
    'arm-linux-gnueabi',
    'aarch64-linux-gnu',
    'riscv64-linux-gnu',
  ];
  return triples.flatMap((triple) =>
    ['4', '5'].map((version) => {
      const flags = [`--target=${triple}`, '-nostdlib', '-static', '-Wl,-e,table', '-O2', '-g', `-gdwarf-${version}`];
      return made(`${triple} DWARF ${version}`, [[clang, ...flags, lld, '@bare.c', '-o', 'program']]);
    }),
  );
}

function windows(): Program[] {
  const [gcc, gxx, gcc32] = ['x86_64-w64-mingw32-gcc', 'x86_64-w64-mingw32-g++', 'i686-w64-mingw32-gcc'];
  const bare = ['-nostdlib', '-Wl,-e,table', '@bare.c', '-o', 'program.exe'];
  // Compilers for Windows add the ending whether asked to or not.
  const named = (name: string) => ['mv', `${name}.exe`, name];
  const compiled = (triple: string, ...flags: string[]) =>
    made(`Windows: ${clang} for ${triple} ${flags.join(' ')}`, [
      [clang, '-target', `${triple}-w64-mingw32`, '-g', ...flags, lld, ...bare],
      named('program'),
    ]);
  return [
    ...['-O0 -gdwarf-5', '-O2 -gdwarf-5', '-O2 -gdwarf-4', '-O3 -gdwarf-3'].flatMap((flags) =>
      [gcc, gcc32].map((compiler) =>
        made(`Windows: ${compiler} ${flags}`, [
          [compiler, ...flags.split(' '), '@loops.c', '-o', 'program.exe'],
          named('program'),
        ]),
      ),
    ),
    ...['-O0', '-O2', '-O2 -ffunction-sections -Wl,--gc-sections'].map((flags) =>
      made(`Windows: ${gxx} ${flags}`, [
        [gxx, '-g', ...flags.split(' '), ...CPP, '-o', 'program.exe'],
        named('program'),
      ]),
    ),
    made('Windows: debug info in a file of its own', [
      [gcc, '-g', '-O2', '@loops.c', '-o', 'reference.exe'],
      named('reference'),
      ['x86_64-w64-mingw32-objcopy', '--only-keep-debug', 'reference', 'program'],
    ]),
    compiled('x86_64', '-O2'),
    compiled('x86_64', '-O0', '-gdwarf-4'),
    compiled('i686', '-O2', '-gdwarf-4'),
    compiled('aarch64', '-O2'),
    compiled('armv7', '-O2'),
    ...['1.15', '1.21', '1.26'].flatMap((version) => ['amd64', '386'].map((arch) => windowsGo(version, arch))),
  ];
}

/** Go compresses; what llvm-symbolizer can read is the same program not compressed. */
function windowsGo(version: string, arch: string): Program {
  const found = toolchain(version);
  const dir = fileURLToPath(new URL('../fixtures/go/oracle', import.meta.url));
  const build = async (): Promise<Built> => {
    const common = {
      toolchain: found!,
      dir,
      package: 'small',
      mode: 'exe',
      env: { GOOS: 'windows', GOARCH: arch },
    } as const;
    return {
      path: await buildGo(common),
      reference: await buildGo({ ...common, ldflags: ['-compressdwarf=false'] }),
    };
  };
  return { name: `Windows: Go ${version} ${arch}`, skip: found === null && `needs go ${version}`, build };
}

function rust(): Program[] {
  const builds: [string, string[]][] = [
    ['debug', []],
    ['release', ['-O']],
    ['link-time optimised', ['-C', 'opt-level=3', '-C', 'lto=fat', '-C', 'codegen-units=1']],
    ['split', ['-O', '-C', 'split-debuginfo=unpacked']],
    ['packed', ['-O', '-C', 'split-debuginfo=packed']],
  ];
  return builds.map(([name, flags]) => made(`Rust ${name}`, [['rustc', '-g', ...flags, '@main.rs', '-o', 'program']]));
}

function go(): Program[] {
  const versions = ['1.15', '1.19', '1.24', '1.26'];
  return versions.flatMap((version) =>
    (['exe', 'cgo'] as const).map((mode): Program => {
      const found = toolchain(version);
      const from =
        mode === 'cgo'
          ? { dir: join(sources, 'cgo') }
          : { dir: fileURLToPath(new URL('../fixtures/go/oracle', import.meta.url)), package: 'small' };
      const build = async (): Promise<Built> => {
        const path = await buildGo({ toolchain: found!, ...from, mode });
        const key = createHash('sha256').update(`without pclntab ${path}`).digest('hex');
        const without = await cached(key, basename(path), async (to) => {
          await exec('objcopy', ['--remove-section', '.gopclntab', path, to]);
          // .zdebug sections of old versions, which llvm-symbolizer does not read any more.
          await exec('objcopy', ['--decompress-debug-sections', path, join(dirname(to), 'reference')]);
        });
        return { path: without, reference: join(dirname(without), 'reference'), original: path };
      };
      const missing = found === null ? `needs go ${version}` : needsTools('gcc', 'objcopy');
      return { name: `Go ${version} ${mode}, without its pclntab`, skip: missing, build };
    }),
  );
}

/** Libraries of the distribution whose separate debug info a package may have installed, by build ID. */
const LIBRARIES: readonly [soname: string, debugPackage: string][] = [
  ['libc.so.6', 'libc6-dbg'],
  ['libm.so.6', 'libc6-dbg'],
];
const LIBRARY_DIRS = ['/lib/x86_64-linux-gnu', '/lib/aarch64-linux-gnu', '/lib64'];

function installed(): Program[] {
  const libraries = LIBRARIES.map(([soname, debugPackage]): Program => {
    const path = debugFileOf(soname);
    const skip = path === null && `needs ${debugPackage}`;
    return {
      name: `distribution ${soname}, debug info of ${debugPackage}`,
      skip,
      build: () => Promise.resolve({ path: path!, reference: path! }),
    };
  });
  // Larger ones, unpacked by hand.
  const more = (process.env.RESYM_TEST_DEBUG_FILES ?? '').split(':').filter(Boolean);
  const files = more.map((path) => ({
    name: `debug file ${basename(path)}`,
    skip: existsSync(path) ? (false as const) : `needs ${path}`,
    build: () => Promise.resolve({ path, reference: path }),
  }));
  return [...libraries, ...files];
}

function debugFileOf(soname: string): string | null {
  for (const dir of LIBRARY_DIRS) {
    const path = join(dir, soname);
    if (!existsSync(path)) continue;
    const id = openFile(path).ids.gnu ?? '';
    const debug = `/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`;
    if (id !== '' && existsSync(debug)) return debug;
  }
  return null;
}

export function programs(): Program[] {
  return [
    ...matrix(),
    ...split(),
    ...shrunk(),
    ...linked(),
    ...machines(),
    ...windows(),
    ...rust(),
    ...go(),
    ...installed(),
  ];
}

export function openFile(path: string): ObjectFile {
  return openObject(new BufferSource(readFileSync(path), basename(path)));
}

/** The files beside a program, found by name in its directory. */
export function filesBeside(path: string): SplitFiles {
  const open = (name: string): ObjectFile | null => {
    const beside = join(dirname(path), basename(name));
    return existsSync(beside) ? openFile(beside) : null;
  };
  return { dwp: open(`${path}.dwp`), dwo: open, supplementary: open };
}
