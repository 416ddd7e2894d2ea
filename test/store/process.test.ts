/** Files of running processes: what is archived is what is mapped, whatever became of it on disk. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Engine } from '../../src/pipeline.ts';
import { CandidateFinder } from '../../src/store/candidates.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { OpenedBinaries } from '../../src/store/opened.ts';
import { executableMappings, parseMapping } from '../../src/store/process-maps.ts';
import { filesOfProcess, holdsCode, ProcessError } from '../../src/store/process.ts';
import type { AddResult } from '../../src/store/store.ts';
import { buildC, buildGo } from '../support/build.ts';
import { resym } from '../support/cli.ts';
import { addressProfile, buildIdOf, framesByAddress } from '../support/mapped.ts';
import { startProgram } from '../support/serve.ts';
import { anyGo, cacheDir, needsTools } from '../support/toolchains.ts';

const exec = promisify(execFile);

const NOBODY = 65534;

const dir = mkdtempSync(join(tmpdir(), 'resym-process-'));
after(() => rmSync(dir, { recursive: true }));
let places = 0;
function place(): string {
  const made = join(dir, String(++places));
  mkdirSync(made);
  return made;
}

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

const HOST = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* Loads what it is given, "memfd:" before a path from a file in memory; then runs until its input ends. */
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char path[64], *from = argv[i];
    if (strncmp(from, "memfd:", 6) == 0) {
      static char buffer[1 << 20];
      int file = open(from + 6, O_RDONLY), memory = memfd_create("libinmemory.so", 0);
      ssize_t n = read(file, buffer, sizeof buffer);
      if (n <= 0 || write(memory, buffer, n) != n) return 2;
      snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
      from = path;
    }
    if (strcmp(from, "jit") == 0) {
      if (mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) return 3;
    } else if (dlopen(from, RTLD_NOW) == NULL) {
      fprintf(stderr, "%s\\n", dlerror());
      return 1;
    }
  }
  puts("ready");
  fflush(stdout);
  getchar();
  return 0;
}
`;

const library = (value: number) => `int answer_${value}(int n) { return n * ${value} + ${value % 7}; }\n`;

/** Path of a C file with this text, the same in every run: builds are kept. */
function source(name: string, text: string): string {
  const path = join(cacheDir(), 'sources', createHash('sha256').update(text).digest('hex').slice(0, 16), name);
  mkdirSync(dirname(path), { recursive: true });
  if (!existsSync(path)) writeFileSync(path, text);
  return path;
}

const host = () => buildC({ sources: [source('host.c', HOST)], flags: ['-ldl'], name: 'mapper' });
const libraryOf = (value: number) =>
  buildC({
    sources: [source('answer.c', library(value))],
    flags: ['-shared', '-fPIC', '-Wl,--build-id'],
    name: 'lib.so',
  });

/** Starts a program; ends it with the test. */
async function started(t: TestContext, path: string, args: readonly string[], user?: number): Promise<ChildProcess> {
  const owner = user === undefined ? {} : { uid: user, gid: user };
  const child = spawn(path, args, { stdio: ['pipe', 'pipe', 'inherit'], ...owner });
  t.after(() => child.kill('SIGKILL'));
  const [text] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as unknown[];
  assert.equal(String(text), 'ready\n');
  return child;
}

interface Archived {
  readonly byMapping: ReadonlyMap<string, AddResult>;
  readonly skipped: ReadonlyMap<string, string>;
  readonly store: DirectoryStore;
}

/** Archives what a process has, as the command does, but refuses nothing. */
async function archived(pid: number): Promise<Archived> {
  const store = await DirectoryStore.open(join(place(), 'store'), { create: true });
  const byMapping = new Map<string, AddResult>();
  const skipped = new Map<string, string>();
  for await (const found of filesOfProcess(pid)) {
    if ('skipped' in found) skipped.set(found.mapped, found.skipped);
    else {
      try {
        byMapping.set(found.mapped, await store.add(found.file, { name: found.name }));
      } catch (error) {
        skipped.set(found.mapped, (error as Error).message);
      }
    }
  }
  return { byMapping, skipped, store };
}

describe('lines of /proc/N/maps', () => {
  it('are read with whatever a path holds', () => {
    const mapping = parseMapping('55d0c1f3a000-55d0c1f5e000 r-xp 00004000 fe:00 247026          /a b/c (deleted)');
    assert.deepEqual(mapping, {
      start: 0x55d0c1f3a000n,
      limit: 0x55d0c1f5e000n,
      permissions: 'r-xp',
      offset: 0x4000n,
      device: { major: 0xfe, minor: 0 },
      inode: 247026n,
      path: '/a b/c (deleted)',
    });
    assert.equal(parseMapping('7ffd-8000 ---p 0 00:00 0')?.path, '');
    assert.equal(parseMapping('7ffd-8000 r-xp 0 00:00 0  [vdso]')?.path, '[vdso]');
    // The newline of a hostile name is escaped: what looks like a line of its own is none.
    const evil = '1000-2000 r-xp 0 08:01 7   /tmp/x\\0123000-4000 r-xp 0 08:01 9 /etc/shadow';
    assert.deepEqual(
      executableMappings([evil, '', 'nonsense', '1-2 rw-p 0 08:01 9 /data']).map(({ path }) => path),
      ['/tmp/x\\0123000-4000 r-xp 0 08:01 9 /etc/shadow'],
    );
  });

  it('are bounded', () => {
    const line = '1000-2000 r-xp 0 08:01 7 /x';
    const many = (function* () {
      for (let i = 0; i < 70_000; i++) yield line;
    })();
    assert.throws(() => executableMappings(many), /more than 65536 executable mappings/);
  });
});

const isLinux = process.platform === 'linux';
const isRoot = isLinux && process.getuid?.() === 0;
const needs = isLinux ? needsTools('gcc', 'readelf') : 'needs linux';
/** Reading what was deleted takes this. */
const canFollow = isRoot ? false : 'needs root: /proc/N/map_files of a process';

describe('a running process', { skip: needs }, () => {
  it(
    'a Go service with cgo, its file replaced while it runs',
    { skip: anyGo() === null ? 'needs go' : false },
    async (t) => {
      const dirOf = fileURLToPath(new URL('../fixtures/go/httpservice', import.meta.url));
      const built = await buildGo({ toolchain: anyGo()!, dir: dirOf, mode: 'cgo' });
      const path = join(place(), 'api');
      copyFileSync(built, path);
      await startProgram(t, path);
      const pid = pidOf(path);
      const original = sha256(path);
      // A deploy: another file under the old name.
      copyFileSync(await host(), `${path}.new`);
      renameSync(`${path}.new`, path);
      const { byMapping } = await archived(pid);
      const result = byMapping.get(`${path} (deleted)`);
      assert.equal(result?.binary.sha256, original);
      assert.notEqual(result?.binary.sha256, sha256(path));
      assert.equal(result?.binary.name, 'api');
      assert.ok(result?.binary.identity.go !== null && result?.binary.identity.symbols.dwarf !== null);
      assert.ok(
        [...byMapping.keys()].some((name) => /libc\.so\.6$/.test(name)),
        [...byMapping.keys()].join(),
      );
    },
  );

  it(
    'libraries: there, deleted, replaced, rewritten under a hostile name, in memory',
    { skip: canFollow },
    async (t) => {
      const home = place();
      const files = ['there', 'gone', 'replaced', 'odd\nname'].map((name, i) => ({
        path: join(home, `lib${name}.so`),
        value: 11 + i,
      }));
      for (const { path, value } of files) copyFileSync(await libraryOf(value), path);
      const inMemory = await libraryOf(31);
      const program = join(home, 'mapper');
      copyFileSync(await host(), program);
      const child = await started(t, program, [...files.map(({ path }) => path), `memfd:${inMemory}`, 'jit']);
      const [there, gone, replaced, odd] = files;
      const originals = new Map<string, string>();
      for (const { path } of files) originals.set(path, sha256(path));
      originals.set(program, sha256(program));
      unlinkSync(gone.path);
      unlinkSync(program);
      copyFileSync(await libraryOf(99), `${replaced.path}~`);
      renameSync(`${replaced.path}~`, replaced.path);

      const { byMapping, skipped } = await archived(child.pid!);
      const hashes = (mapped: string) => byMapping.get(mapped)?.binary.sha256;
      assert.equal(hashes(there.path), originals.get(there.path));
      assert.equal(hashes(`${gone.path} (deleted)`), originals.get(gone.path));
      assert.equal(hashes(`${replaced.path} (deleted)`), originals.get(replaced.path));
      assert.equal(hashes(odd.path), originals.get(odd.path));
      assert.equal(hashes(`${program} (deleted)`), originals.get(program));
      assert.equal(hashes('/memfd:libinmemory.so (deleted)'), sha256(inMemory));
      const names = [...byMapping.values()].map(({ binary }) => binary.name);
      for (const name of ['libgone.so', 'libreplaced.so', 'mapper', 'libinmemory.so', 'linux-vdso.so.1'])
        assert.ok(names.includes(name), `${name} in ${names.join()}`);
      assert.match(skipped.get('memory')!, /^a mapping without a file: code written at run time$/);
      assert.ok(![...byMapping.keys()].some((mapped) => mapped.includes('vsyscall')));
    },
  );

  it('the program and its libraries without root', { skip: asOthers() }, async (t) => {
    const home = place();
    for (const path of [dir, home]) chmodSync(path, 0o755);
    const [kept, gone] = ['kept', 'gone'].map((name) => join(home, `lib${name}.so`));
    copyFileSync(await libraryOf(11), kept);
    copyFileSync(await libraryOf(12), gone);
    const program = join(home, 'mapper');
    copyFileSync(await host(), program);
    const child = await started(t, program, [kept, gone], NOBODY);
    const originals = [sha256(program), sha256(kept)];
    unlinkSync(gone);
    unlinkSync(program);
    copyFileSync(await libraryOf(13), gone);
    const { code, stdout, stderr } = await unprivileged(child.pid!, home);
    assert.equal(code, 1, stderr);
    const results = JSON.parse(stdout || '[]') as AddResult[];
    const stored = results.map(({ binary }) => binary.sha256);
    // The deleted program is at /proc/N/exe; the library that is still there is proven by device and inode.
    for (const original of originals) assert.ok(stored.includes(original), stderr);
    assert.ok(!stored.includes(sha256(gone)), 'what has the name now was not mapped');
    assert.match(
      stderr,
      /libgone\.so \(deleted\): it was deleted or replaced, and what is mapped may not be opened \(EPERM\): run this as root/,
    );
    assert.ok(results.some(({ binary }) => binary.name === 'linux-vdso.so.1'));
  });

  it("a file is told by the code in the process' memory", async (t) => {
    const path = join(place(), 'libcode.so');
    copyFileSync(await libraryOf(11), path);
    const child = await started(t, await host(), [path]);
    const maps = executableMappings(readFileSync(`/proc/${child.pid!}/maps`, 'latin1').split('\n'));
    const mappings = maps.filter((mapping) => mapping.path === path);
    const changed = join(place(), 'libcode.so');
    const bytes = readFileSync(path);
    bytes[Number(mappings[0].offset) + 0x40] ^= 1;
    writeFileSync(changed, bytes);
    const holds = async (file: string): Promise<boolean> => {
      const [memory, opened] = [await open(`/proc/${child.pid!}/mem`), await open(file)];
      try {
        return await holdsCode(memory, opened, mappings);
      } finally {
        await memory.close();
        await opened.close();
      }
    };
    assert.deepEqual(
      [await holds(path), await holds(await libraryOf(11)), await holds(changed), await holds('/dev/null')],
      [true, true, false, false],
    );
  });

  it('of another user is refused', { skip: asOthers() }, async (t) => {
    const child = await started(t, await host(), []);
    const { code, stdout, stderr } = await unprivileged(child.pid!, place());
    assert.equal(code, 1);
    assert.deepEqual(JSON.parse(stdout), []);
    assert.match(stderr, /may not be looked into: run this as the user it runs as, or as root/);
  });

  it('that is not there, or has nothing', async () => {
    const gone = spawn('true');
    await once(gone, 'exit');
    await assert.rejects(archived(gone.pid!), (error) => error instanceof ProcessError && error.code === 'no-process');
    const isThread = existsSync('/proc/2/comm') && readFileSync('/proc/2/comm', 'utf8') === 'kthreadd\n';
    if (isThread && isRoot) await assert.rejects(archived(2), /process 2 has no memory: .* a thread of the kernel/);
  });

  it('that ends meanwhile: what is left is not taken from whoever gets its number', async (t) => {
    const path = join(place(), 'libgone.so');
    copyFileSync(await libraryOf(11), path);
    const child = await started(t, await host(), [path]);
    unlinkSync(path);
    const seen = new Map<string, string>();
    for await (const found of filesOfProcess(child.pid!)) {
      seen.set(found.mapped, 'skipped' in found ? found.skipped : '');
      if (seen.size > 1) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    assert.match(seen.get(`${path} (deleted)`)!, /^process \d+ ended meanwhile$/);
    assert.match(seen.get('[vdso]')!, /^the memory of the process cannot be read/);
  });

  it('the vdso names its functions', { skip: process.arch === 'x64' ? false : 'needs an x64 kernel' }, async (t) => {
    const child = await started(t, await host(), []);
    const { byMapping, store } = await archived(child.pid!);
    const { binary } = byMapping.get('[vdso]')!;
    assert.equal(binary.name, 'linux-vdso.so.1');
    const image = join(store.root, binary.path);
    const line = readFileSync(`/proc/${child.pid!}/maps`, 'latin1')
      .split('\n')
      .find((l) => l.endsWith('[vdso]'))!;
    const mapping = parseMapping(line)!;
    const table = execFileSync('readelf', ['-Ws', '--dyn-syms', image], { encoding: 'utf8' });
    const value = /^ *\d+: ([0-9a-f]+) +[1-9]\d* FUNC .* __vdso_clock_gettime@/m.exec(table)![1];
    const address = mapping.start + BigInt(`0x${value}`);
    const own = { start: mapping.start, limit: mapping.limit, offset: 0n, name: '[vdso]', buildId: buildIdOf(image) };
    const profile = addressProfile([own], [[address + 4n]]);
    const { body, report } = await new Engine(new CandidateFinder(store, new OpenedBinaries())).resymbolize(profile);
    assert.equal(report.mappings[0].match, 'build-id');
    assert.match(framesByAddress(body).get(address + 4n)![0].function, /^(?:__vdso_)?clock_gettime$/);
  });
});

describe('resym store add --pid', { skip: needs }, () => {
  it('takes paths beside it, may be repeated, and has the shape of add', async (t) => {
    const extra = join(place(), 'libextra.so');
    copyFileSync(await libraryOf(41), extra);
    const children = [await started(t, await host(), [await libraryOf(11)]), await started(t, await host(), [])];
    const pids = children.flatMap(({ pid }) => ['--pid', String(pid)]);
    const { code, stdout, stderr } = await resym(['store', 'add', extra, ...pids, '--json', '--store', place()]);
    assert.equal(code, 0, stderr);
    const results = JSON.parse(stdout.toString()) as AddResult[];
    assert.deepEqual(Object.keys(results[0]), ['binary', 'outcome', 'note']);
    const names = results.map(({ binary }) => binary.name);
    assert.deepEqual(names.slice(0, 2), ['libextra.so', basename(await host())]);
    assert.ok(names.includes('lib.so'), names.join());
    assert.equal(names.filter((name) => name === 'mapper').length, 2);
    assert.ok(results.some(({ outcome }) => outcome === 'already-there'));
    assert.match(stderr, isVsyscall() ? /skipped \[vsyscall\]: / : /^/);
  });

  it('lists what has no symbols as skipped, which is no failure', async (t) => {
    const stripped = join(place(), 'bare');
    const text =
      'void _start(void) { static char c; long n; do __asm__ volatile("syscall" : "=a"(n) : "a"(0L), "D"(0L), "S"(&c), "d"(1L) : "rcx", "r11", "memory"); while (n > 0); __asm__ volatile("syscall" : : "a"(60L), "D"(0L)); }';
    if (process.arch !== 'x64') return t.skip('needs x64');
    await exec('gcc', ['-O1', '-static', '-nostdlib', '-s', source('bare.c', text), '-o', stripped]);
    const child = spawn(stripped, [], { stdio: 'pipe' });
    t.after(() => child.kill('SIGKILL'));
    const { code, stderr } = await resym(['store', 'add', '--pid', String(child.pid), '--store', place()]);
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /^skipped .*\/bare: bare is not added: it holds no symbols: no Go tables, no DWARF, no symbol table/m,
    );
  });

  it('says what is wrong', async () => {
    const archive = place();
    const nothing = await resym(['store', 'add', '--store', archive]);
    assert.deepEqual([nothing.code, nothing.stderr], [2, 'resym: give files or directories to add, or --pid\n']);
    for (const odd of ['0', '-1', 'api', '1.5', '99999999999']) {
      const { code, stderr } = await resym(['store', 'add', `--pid=${odd}`, '--store', archive]);
      assert.equal(code, 2, odd);
      assert.match(stderr, /--pid takes the number of a process/);
    }
    const none = await resym(['store', 'add', '--pid', '4194399', '--store', archive]);
    assert.deepEqual([none.code, none.stderr], [1, 'resym: --pid 4194399: there is no process 4194399\n']);
  });
});

/** Whether another user can be played here. */
function asOthers(): string | false {
  if (!isRoot) return 'needs root to play two users';
  const entry = fileURLToPath(new URL('../../dist/cli/resym.js', import.meta.url));
  for (let at = entry; at !== dirname(at); at = dirname(at)) {
    const { mode, uid } = statSync(at, { throwIfNoEntry: false }) ?? { mode: 0, uid: 0 };
    if (uid !== NOBODY && (mode & (at === entry ? 0o4 : 0o1)) === 0) return 'needs a checkout that all users can read';
  }
  return false;
}

/** `store add --pid` by a user without rights. */
async function unprivileged(pid: number, home: string): Promise<{ code: number; stdout: string; stderr: string }> {
  chmodSync(dir, 0o755);
  const archive = join(home, 'archive');
  mkdirSync(archive);
  for (const path of [home, archive]) chmodSync(path, 0o777);
  const entry = fileURLToPath(new URL('../../dist/cli/resym.js', import.meta.url));
  accessSync(entry, constants.R_OK);
  const args = [entry, 'store', 'add', '--pid', String(pid), '--json', '--store', archive];
  const child = spawn(process.execPath, args, {
    uid: NOBODY,
    gid: NOBODY,
    env: { PATH: process.env.PATH, TMPDIR: home },
    cwd: '/',
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

/** The process running a file. */
function pidOf(path: string): number {
  const found = readdirSync('/proc').find((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/exe`) === path;
    } catch {
      return false; // ended, or a thread of the kernel
    }
  });
  assert.ok(found !== undefined, `a process of ${path}`);
  return Number(found);
}

function isVsyscall(): boolean {
  return readFileSync('/proc/self/maps', 'latin1').includes('[vsyscall]');
}
