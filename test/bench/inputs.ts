/**
 * What the rows work on, made from real builds and kept in the cache:
 *
 *   compiler()     cmd/compile, and a CPU profile of it at work
 *   libjvm()       a large C++ library's DWARF, compressed and not, and its code
 *   rustProgram()  programs/gimli with debug=2
 *   bigGo(MB)      a stripped Go program of that size: big-go.ts
 *
 * and from them address lists, bare profiles and longer profiles, the same in every run.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { openObject } from '../../src/object/open.ts';
import { FileSource } from '../../src/store/file.ts';
import { randomAddresses } from '../dwarf/addresses.ts';
import { erase } from '../support/erase.ts';
import { fieldsOf, lengthField, numbersOf } from '../support/fields.ts';
import { messageField, numberField, randomBelow, textField } from '../support/profile-model.ts';
import { tool } from '../support/toolchains.ts';
import { sampledAddresses } from './sampled.ts';
import { cargoBuild, go, goBuild, googlePprof, goVersion, llvm } from './anchors.ts';
import { Missing, once } from './cache.ts';
import { exec, measure } from './measure.ts';

export interface Profiled {
  readonly binary: string;
  /** As the runtime wrote it, all frames named. */
  readonly named: string;
  /** Without functions and lines. */
  readonly bare: string;
  /** What google/pprof makes of `bare` from DWARF: a second opinion. */
  readonly google: string | Missing;
  /** The profiles it was merged of, as `named` and `bare`. */
  readonly parts: readonly { readonly named: string; readonly bare: string }[];
}

/** Packages whose compilation is profiled: together about 5,000 locations. */
const COMPILED = ['cmd/compile/internal/ssa', 'cmd/compile/internal/types2', 'net/http'];

/** cmd/compile, unstripped, about 30 MB, and a CPU profile of it compiling COMPILED, of about 5,000 locations. */
export async function compiler(): Promise<Profiled | Missing> {
  const found = go();
  if (found instanceof Missing) return found;
  const version = await goVersion(found);
  const dir = await once('compiler', [version, COMPILED], async (work) => {
    const binary = join(work, 'compile');
    await goBuild(found, ['-o', binary, 'cmd/compile'], work, { CGO_ENABLED: '0' });
    // The go command runs this in front of every tool; the compiler it gets is ours, except when asked for its version.
    const front = join(work, 'front');
    writeFileSync(
      front,
      `#!/bin/sh\ncase "$1:$2" in\n*/compile:-V=full) exec "$@" ;;\n*/compile:*) shift; exec ${binary} "$@" ;;\nesac\nexec "$@"\n`,
    );
    chmodSync(front, 0o755);
    const parts = COMPILED.map((_, i) => join(work, `cpu${i}.pb.gz`));
    const flags = COMPILED.map((name, i) => `-gcflags=${name}=-cpuprofile=${parts[i]}`);
    await goBuild(found, ['-toolexec', front, ...flags, ...COMPILED], work, { CGO_ENABLED: '0' });
    const named = join(work, 'cpu.pb.gz');
    const merge = ['tool', 'pprof', '-proto', '-symbolize=none', `-output=${named}`, ...parts];
    await exec(found.go, merge, { env: found.env });
    for (const path of [named, ...parts])
      writeFileSync(bareOf(path), gzipSync(erase(readFileSync(path), { flags: 'drop' })));
  });
  const binary = join(dir, 'compile');
  const named = join(dir, 'cpu.pb.gz');
  const parts = COMPILED.map((_, i) => join(dir, `cpu${i}.pb.gz`)).map((path) => ({ named: path, bare: bareOf(path) }));
  return { binary, named, bare: bareOf(named), google: await secondOpinion(binary, bareOf(named)), parts };
}

const bareOf = (path: string): string => path.replace(/cpu(\d*)\.pb\.gz$/, 'bare$1.pb.gz');

async function secondOpinion(binary: string, bare: string): Promise<string | Missing> {
  const command = await googlePprof(bare, binary, '');
  if (command instanceof Missing) return command;
  const dir = await once('second-opinion', [fileKey(binary), fileKey(bare)], async (work) => {
    const again = await googlePprof(bare, binary, join(work, 'google.pb.gz'));
    if (!(again instanceof Missing)) await measure(again);
  });
  return join(dir, 'google.pb.gz');
}

export interface CplusplusFiles {
  /** Debug info alone, sections compressed with zlib. */
  readonly compressed: string;
  /** The same, decompressed. */
  readonly uncompressed: string;
  /** The library itself, of the same build ID. */
  readonly code: string;
}

const JVM_PACKAGES = ['openjdk-17-dbg', 'openjdk-17-jre-headless'];

/** libjvm.so of Debian's OpenJDK 17 with its debug file: GCC, DWARF 5, 150 MB compressed. */
export async function libjvm(): Promise<CplusplusFiles | Missing> {
  const objcopy = tool('objcopy');
  if (tool('apt-get') === null || tool('dpkg') === null || objcopy === null)
    return new Missing('needs apt-get, dpkg, objcopy');
  try {
    const dir = await once('libjvm', JVM_PACKAGES, async (work) => {
      const unpacked = join(work, 'unpacked');
      mkdirSync(unpacked);
      await exec('apt-get', ['download', ...JVM_PACKAGES], { cwd: work, timeout: 300_000 });
      const { stdout } = await exec('sh', ['-c', 'ls *.deb'], { cwd: work });
      for (const file of stdout.trim().split('\n')) await exec('dpkg', ['-x', join(work, file), unpacked]);
      const code = join(unpacked, 'usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so');
      const id = openObject(FileSource.open(code)).ids.gnu ?? '';
      const debug = join(unpacked, 'usr/lib/debug/.build-id', id.slice(0, 2), `${id.slice(2)}.debug`);
      if (!existsSync(debug)) throw new Error(`the packages hold no debug info of build ID ${id}`);
      copyFileSync(code, join(work, 'libjvm.so'));
      copyFileSync(debug, join(work, 'compressed.debug'));
      await exec(objcopy, ['--decompress-debug-sections', debug, join(work, 'uncompressed.debug')]);
      await exec('sh', ['-c', 'rm -rf unpacked *.deb'], { cwd: work });
    });
    const file = (name: string): string => join(dir, name);
    return { compressed: file('compressed.debug'), uncompressed: file('uncompressed.debug'), code: file('libjvm.so') };
  } catch (error) {
    return new Missing(`openjdk-17-dbg: ${(error as Error).message.split('\n')[0]}`);
  }
}

/** The gimli program with everything rustc can describe, about 10 MB. */
export async function rustProgram(): Promise<string | Missing> {
  const dir = await cargoBuild('described');
  return dir instanceof Missing ? dir : join(dir, 'gimli-lookup');
}

/** What the cache knows a file by: made once, never written again. */
function fileKey(path: string): unknown {
  const { size, mtimeMs } = statSync(path);
  return [path, size, mtimeMs];
}

/** A list of random code addresses, one hex number a line. @param step added to each address: other addresses, same code */
export async function addressFile(file: string, count: number, step = 0): Promise<string> {
  const dir = await once('addresses', [fileKey(file), count, step], (work) => {
    const addresses = randomAddresses(openObject(FileSource.open(file)), count);
    writeFileSync(join(work, 'list'), addresses.map((address) => `0x${(address + step).toString(16)}\n`).join(''));
  });
  return join(dir, 'list');
}

/** A bare profile of a program: `count` addresses, one a sample, the mapping with its build ID. */
export async function sampledProfile(binary: string, count: number): Promise<string> {
  const dir = await once('sampled-profile', [fileKey(binary), count, 2], (work) => {
    const object = openObject(FileSource.open(binary));
    const distinct = sampledAddresses(object, count);
    const text = object.segments.find(({ executable }) => executable)!;
    // A position independent program is mapped somewhere else than where it is linked.
    const shift = object.type === 'dyn' ? 0x55d0_0000_0000 : 0;
    const start = text.address - (text.address % 4096);
    const profile = [
      messageField(1, numberField(1, 1), numberField(2, 2)),
      ...distinct.map((_, i) => messageField(2, lengthField(1, varintBytes(i + 1)), lengthField(2, varintBytes(1)))),
      messageField(
        3,
        numberField(1, 1),
        numberField(2, start + shift),
        numberField(3, text.address + text.size + shift),
        numberField(4, text.fileOffset - (text.address - start)),
        numberField(5, 3),
        numberField(6, 4),
      ),
      ...distinct.map((address, i) =>
        messageField(4, numberField(1, i + 1), numberField(2, 1), numberField(3, address + shift)),
      ),
      ...['', 'samples', 'count', binary, object.ids.gnu ?? ''].map((string) => textField(6, string)),
    ];
    writeFileSync(join(work, 'profile.pb.gz'), gzipSync(Buffer.concat(profile)));
  });
  return join(dir, 'profile.pb.gz');
}

function varintBytes(value: number): Uint8Array {
  return numberField(1, value, true).subarray(1);
}

const SAMPLE = 2;
const STRING = 6;
const TIME = 9;

/**
 * The profile with its samples repeated until it has `bytes` uncompressed: each repetition of a stack with values and labels of its own,
 * as a profile of a labelled service has. Uncompressed; without time_nanos, so that copies may differ by one appended.
 */
export async function longerProfile(path: string, bytes: number): Promise<string> {
  const dir = await once('longer-profile', [fileKey(path), bytes, 3], (work) => {
    const fields = fieldsOf(gunzipSync(readFileSync(path))).filter(({ number }) => number !== TIME);
    const strings = fields.filter(({ number }) => number === STRING).length;
    const samples = fields.filter(({ number }) => number === SAMPLE).map(({ body }) => fieldsOf(body));
    const parts = fields.map((field) => field.bytes);
    let size = parts.reduce((sum, part) => sum + part.length, 0);
    const labels = ['request', 'tenant', ...Array.from({ length: 200 }, (_, i) => `tenant-${(i * 7919) % 1000}`)];
    const table = labels.map((label) => textField(STRING, label));
    size += table.reduce((sum, part) => sum + part.length, 0);
    const random = randomBelow(5);
    while (size < bytes) {
      const sample = samples[random(samples.length)];
      const values = numbersOf(sample, 2).map(() => numberField(1, 1 + random(50_000_000), true).subarray(1));
      const part = messageField(
        SAMPLE,
        ...sample.filter(({ number }) => number === 1).map((field) => field.bytes),
        lengthField(2, Buffer.concat(values)),
        messageField(3, numberField(1, strings), numberField(3, 1 + random(1 << 30))),
        messageField(3, numberField(1, strings + 1), numberField(2, strings + 2 + random(200))),
      );
      parts.push(part);
      size += part.length;
    }
    writeFileSync(join(work, 'profile.pb'), Buffer.concat([...parts, ...table]));
  });
  return join(dir, 'profile.pb');
}

/** Warms the page cache: the first to read a file would pay for all. */
export async function touch(...paths: readonly string[]): Promise<void> {
  for (const path of paths) await exec('sh', ['-c', 'cat -- "$1" > /dev/null', 'sh', path]);
}

/** A GSYM file made from debug info with llvm-gsymutil. */
export async function gsym(file: string): Promise<string | Missing> {
  const path = llvm('llvm-gsymutil');
  if (path instanceof Missing) return path;
  const dir = await once('gsym', fileKey(file), async (work) => {
    const args = [`--convert=${file}`, '--num-threads=1', `--out-file=${join(work, 'file.gsym')}`];
    await exec(path, args, { maxBuffer: 64 << 20 });
  });
  return join(dir, 'file.gsym');
}
