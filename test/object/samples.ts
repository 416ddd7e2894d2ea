/** ELF files of every kind the machine can make: what to run, and what is missing when it cannot. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkRange, type ByteSource } from '../../src/bytes/source.ts';
import { buildGo, cached, type BuildMode } from '../support/build.ts';
import { anyGo, needsTools, toolchain } from '../support/toolchains.ts';

const exec = promisify(execFile);
const fixtures = fileURLToPath(new URL('../fixtures/elf/', import.meta.url));

export interface Sample {
  readonly name: string;
  /** Reason for `skip`, or false. */
  readonly skip: string | false;
  readonly build: () => Promise<string>;
}

/** A file read by positional reads, as in production; the descriptor is left to the end of the process. */
export function fileSource(path: string): ByteSource & { bytesRead: number } {
  const fd = openSync(path, 'r');
  const { size } = statSync(path);
  return {
    size,
    bytesRead: 0,
    read(offset, length) {
      checkRange(path, offset, length, size);
      const bytes = new Uint8Array(length);
      if (readSync(fd, bytes, 0, length, offset) !== length) throw new Error(`short read of ${path}`);
      this.bytesRead += length;
      return bytes;
    },
  };
}

/** The Go program of test/fixtures/elf/hello. */
export function goSample(
  name: string,
  mode: BuildMode,
  options: { version?: string; env?: Record<string, string>; strip?: 's-w' } = {},
): Sample {
  const { version, env = {}, strip } = options;
  const found = version === undefined ? anyGo() : toolchain(version);
  const cgo = mode !== 'exe' && mode !== 'pie';
  const missing = found === null ? `needs go ${version ?? ''}`.trim() : false;
  return {
    name: `go ${name}`,
    skip: missing || (cgo && needsTools('gcc')),
    build: () =>
      buildGo({
        toolchain: found!,
        dir: join(fixtures, 'hello'),
        mode,
        env,
        ...(cgo ? { package: 'clib' } : {}),
        ...(strip ? { strip } : {}),
      }),
  };
}

/** `source` (a fixture, or C text ending in a newline) compiled by gcc; `$out` and `$in` in commands that follow it are replaced. */
export function gccSample(name: string, source: string, flags: readonly string[], ...then: string[][]): Sample {
  const text = source.endsWith('\n') ? source : readFileSync(join(fixtures, source), 'utf8');
  const key = createHash('sha256')
    .update(JSON.stringify(['elf', text, flags, then]))
    .digest('hex');
  const language = flags.includes('assembler') ? 's' : 'c';
  return {
    name: `gcc ${name}`,
    skip: needsTools('gcc', ...new Set(then.map(([command = '']) => command))),
    build: () =>
      cached(key, 'sample', async (out) => {
        writeFileSync(`${out}.${language}`, text);
        await exec('gcc', [...flags, '-o', out, `${out}.${language}`], { maxBuffer: 1 << 26 });
        for (const [command = '', ...args] of then) {
          await exec(
            command,
            args.map((arg) => arg.replaceAll('$out', out)),
            { maxBuffer: 1 << 26 },
          );
        }
      }),
  };
}

/** A committed file of test/fixtures/elf/pointers. */
export function fixtureSample(name: string): Sample {
  return {
    name: `fixture ${name}`,
    skip: false,
    build: () => Promise.resolve(join(fixtures, 'pointers', `${name}.so`)),
  };
}

/** Another sample's file put through one command; `$in` and `$out` are replaced. */
export function derived(base: Sample, ...command: string[]): Sample {
  const [tool = '', ...args] = command;
  return {
    name: `${base.name}, ${command.filter((word) => !word.startsWith('$')).join(' ')}`,
    skip: base.skip || needsTools(tool),
    build: async () => {
      const from = await base.build();
      const key = createHash('sha256').update(JSON.stringify(command)).update(readFileSync(from)).digest('hex');
      return cached(key, 'sample', async (out) => {
        await exec(
          tool,
          args.map((arg) => arg.replaceAll('$out', out).replaceAll('$in', from)),
          { maxBuffer: 1 << 26 },
        );
      });
    },
  };
}

/** The bytes of a file without its section headers, as sstrip and some packers leave it. */
export function withoutSectionHeaders(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer);
  const is64 = copy[4] === 2;
  if (is64) view.setBigUint64(0x28, 0n);
  else view.setUint32(0x20, 0);
  copy.fill(0, is64 ? 0x3c : 0x30, is64 ? 0x40 : 0x34); // e_shnum, e_shstrndx
  return copy;
}

const shared = ['-O1', '-g', '-shared', '-fPIC'];

export const plugin = goSample('plugin', 'plugin');

export const goSamples: readonly Sample[] = [
  goSample('exe', 'exe'),
  goSample('exe -s -w', 'exe', { strip: 's-w' }),
  goSample('pie', 'pie'),
  goSample('cgo', 'cgo'),
  goSample('cgo-pie', 'cgo-pie'),
  goSample('c-shared', 'c-shared'),
  plugin,
  ...['1.15', '1.19', '1.21', '1.24'].flatMap((version) => [
    goSample(`${version} exe`, 'exe', { version }),
    goSample(`${version} pie`, 'pie', { version }),
  ]),
  ...[
    '386',
    'arm',
    'arm64',
    'mips',
    'mipsle',
    'mips64',
    'mips64le',
    'ppc64',
    'ppc64le',
    's390x',
    'riscv64',
    'loong64',
  ].map((arch) => goSample(`${arch} exe`, 'exe', { env: { GOOS: 'linux', GOARCH: arch } })),
  goSample('arm64 pie', 'pie', { env: { GOOS: 'linux', GOARCH: 'arm64' } }),
];

/** test/fixtures/elf/pointers.c: linked in all ways, 64 and 32 bit. */
export const pointerSamples: readonly Sample[] = [
  gccSample('shared', 'pointers.c', shared),
  gccSample('pie', 'pointers.c', ['-O1', '-g', '-fPIE', '-pie']),
  gccSample('exec', 'pointers.c', ['-O1', '-g', '-no-pie', '-fno-pie']),
  gccSample('static', 'pointers.c', ['-O1', '-g', '-static', '-fno-pie', '-no-pie']),
  gccSample('static pie', 'pointers.c', ['-O1', '-g', '-static-pie', '-fPIE']),
  gccSample('relr', 'pointers.c', ['-O1', '-g', '-fPIE', '-pie', '-Wl,-z,pack-relative-relocs']),
  gccSample('32-bit shared', 'pointers.c', ['-m32', '-nostdlib', ...shared]),
  gccSample('32-bit shared relr', 'pointers.c', ['-m32', '-nostdlib', ...shared, '-Wl,-z,pack-relative-relocs']),
  gccSample('gold', 'pointers.c', ['-fuse-ld=gold', ...shared]),
  gccSample('sysv hash', 'pointers.c', [...shared, '-Wl,--hash-style=sysv']),
];

export const fixtureSamples: readonly Sample[] = [
  ...['arm', 'arm64', 'arm64-zeroed', 'arm64be', 'mips', 'ppc64', 'ppc64le', 'ppc64le-relr', 'riscv64', 's390x'],
].map(fixtureSample);

const object = gccSample('object', 'pointers.c', ['-O1', '-g', '-c']);

export const otherSamples: readonly Sample[] = [
  object,
  gccSample('32-bit object', 'pointers.c', ['-m32', '-O1', '-g', '-c']),
  ...[pointerSamples[0], pointerSamples[1], goSamples[0]].flatMap((base) => [
    derived(base, 'strip', '-o', '$out', '$in'),
    derived(base, 'objcopy', '--only-keep-debug', '$in', '$out'),
  ]),
  derived(goSample('1.19 exe', 'exe', { version: '1.19' }), 'llvm-strip', '-o', '$out', '$in'),
  gccSample('kernel-like', 'int data = 1;\nint f(int v) { return v + data; }\nint _start(void) { return f(1); }\n', [
    ...['-O0', '-g', '-nostdlib', '-static', '-no-pie', '-fno-pie', '-mcmodel=kernel'],
    '-Wl,-Ttext-segment=0xffffffff81000000',
  ]),
];

export const compressedSamples: readonly Sample[] = [
  ...['zlib', 'zlib-gnu', 'zstd'].map((method) =>
    derived(pointerSamples[0], 'objcopy', `--compress-debug-sections=${method}`, '$in', '$out'),
  ),
  derived(pointerSamples[6], 'objcopy', '--compress-debug-sections=zlib', '$in', '$out'),
  goSample('1.15 exe', 'exe', { version: '1.15' }),
  goSample('exe', 'exe'),
  goSample('ppc64 exe', 'exe', { env: { GOOS: 'linux', GOARCH: 'ppc64' } }),
];
