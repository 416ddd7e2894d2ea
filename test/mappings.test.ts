/** Mappings that are not the main binary: libraries, the vdso, kernels, modules, files in memory, and what is no file at all. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Engine } from '../src/pipeline.ts';
import { CandidateFinder } from '../src/store/candidates.ts';
import { DirectoryStore } from '../src/store/directory.ts';
import { OpenedBinaries } from '../src/store/opened.ts';
import { resym } from './support/cli.ts';
import { uncompressed } from './support/erase.ts';
import {
  addressProfile,
  buildIdOf,
  compiled,
  framesByAddress,
  type Mapped,
  runHost,
  type Told,
  type WrittenMapping,
} from './support/mapped.ts';
import { needsTools } from './support/toolchains.ts';
import { assertUntouched } from './support/untouched.ts';

const dir = mkdtempSync(join(tmpdir(), 'resym-mappings-'));
after(() => rmSync(dir, { recursive: true }));
let places = 0;
const place = (name: string) => join(dir, `${++places}-${name}`);

/** An engine over a new archive that holds these files. */
async function archiveOf(...files: readonly string[]): Promise<Engine> {
  const store = await DirectoryStore.open(place('store'), { create: true });
  for (const file of files) await store.add(file);
  return new Engine(new CandidateFinder(store, new OpenedBinaries()));
}

/** The mappings of a process; build IDs from the files they are of. */
function withIds(maps: readonly Mapped[], files: Readonly<Record<string, string>>): WrittenMapping[] {
  return maps.map(({ start, limit, offset, name }) => {
    const file = files[name];
    return { start, limit, offset, name, buildId: file === undefined ? '' : buildIdOf(file) };
  });
}

/** Every note of the process in these mappings names its function and line, and every address of its stacks there is named. */
function assertAsTold(told: Told, named: Uint8Array, isMeant: (mapping: Mapped) => boolean, hasLines = true): void {
  const frames = framesByAddress(named);
  const meant = told.maps.filter(isMeant);
  assert.ok(meant.length > 0, 'such mappings');
  const isInside = (address: bigint) => meant.some((m) => address >= m.start && address < m.limit);
  const notes = told.notes.filter(({ address }) => isInside(address));
  assert.ok(notes.length >= 6, `${notes.length} notes`);
  const seen = notes.map(({ address }) => {
    const [innermost] = frames.get(address) ?? [];
    return `${address.toString(16)} ${innermost?.function} ${innermost?.line}`;
  });
  assert.deepEqual(
    seen,
    notes.map(({ address, function: name, line }) => `${address.toString(16)} ${name} ${hasLines ? line : 0}`),
  );
  for (const address of new Set(told.stacks.flat().filter(isInside))) {
    assert.ok(frames.has(address), `${address.toString(16)} has no name`);
  }
  for (const { address, function: name } of notes) {
    if (name !== 'folded') continue;
    assert.deepEqual(
      frames.get(address)?.map((frame) => frame.function),
      ['folded', 'middle'],
    );
  }
}

const SHARED = ['-shared', '-fPIC', '-O2', '-DWORK_RUN=library_run', '@work.c'];
const HOST = ['-DLOADS', '-O2', '-rdynamic', '@host.c', '@work.c', '-ldl'];

/** Libraries as different linkers lay them out. */
const LIBRARIES: readonly { name: string; compiler: string; words: string[] }[] = [
  { name: 'libplain.so', compiler: 'gcc', words: SHARED },
  { name: 'libunsplit.so', compiler: 'gcc', words: [...SHARED, '-Wl,-z,noseparate-code'] },
  { name: 'libprelinked.so', compiler: 'gcc', words: [...SHARED, '-Wl,-Ttext-segment=0x3000000'] },
  { name: 'libhuge.so', compiler: 'gcc', words: [...SHARED, '-Wl,-z,max-page-size=0x200000'] },
  {
    name: 'libtwo.so',
    compiler: 'gcc',
    words: [...SHARED, '-DHOT=__attribute__((section(".hot,\\"awx\\",@progbits#")))', '-Wl,--no-warn-rwx-segments'],
  },
  { name: 'libpages.so', compiler: 'gcc', words: [...SHARED, '-falign-functions=4096'] },
  { name: 'liblldpages.so', compiler: 'clang-19', words: [...SHARED, '-fuse-ld=lld', '-falign-functions=4096'] },
  { name: 'liblld.so', compiler: 'clang-19', words: [...SHARED, '-fuse-ld=lld'] },
  {
    name: 'liblldprelinked.so',
    compiler: 'clang-19',
    words: [...SHARED, '-fuse-ld=lld', '-Wl,--image-base=0x7000000'],
  },
  { name: 'liblldunsplit.so', compiler: 'clang-19', words: [...SHARED, '-fuse-ld=lld', '-Wl,--no-rosegment'] },
  {
    name: 'liblldsegments.so',
    compiler: 'clang-19',
    words: [...SHARED, '-fuse-ld=lld', '-Wl,-z,separate-loadable-segments'],
  },
];

describe('libraries of a process', { skip: needsTools('gcc', 'readelf') }, () => {
  for (const { name, compiler, words } of LIBRARIES) {
    const skip = needsTools(compiler, ...(compiler === 'gcc' ? [] : ['ld.lld-19']));
    for (const splits of [false, true]) {
      it(`${name}${splits ? ', one page of it writable' : ''}`, { skip }, async () => {
        const [host, library] = [await compiled('host', 'gcc', ...HOST), await compiled(name, compiler, ...words)];
        const told = await runHost(host, ...(splits ? ['--split'] : []), library);
        const engine = await archiveOf(host, library);
        const ids = { [host]: host, [library]: library };
        const profile = addressProfile(withIds(told.maps, ids), told.stacks);
        const { body } = await engine.resymbolize(profile);
        assertUntouched(profile, body);
        assertAsTold(told, body, (m) => m.name === library);
        assertAsTold(told, body, (m) => m.name === host);
      });
    }
  }
});

/** Programs as different linkers lay them out. */
const PROGRAMS: readonly { name: string; compiler: string; words: string[] }[] = [
  { name: 'pie', compiler: 'gcc', words: ['-pie'] },
  { name: 'fixed', compiler: 'gcc', words: ['-no-pie'] },
  { name: 'static', compiler: 'gcc', words: ['-static'] },
  { name: 'static-pie', compiler: 'gcc', words: ['-static-pie'] },
  { name: 'unsplit', compiler: 'gcc', words: ['-pie', '-Wl,-z,noseparate-code'] },
  { name: 'unsplit-fixed', compiler: 'gcc', words: ['-no-pie', '-Wl,-z,noseparate-code'] },
  { name: 'lld-pie', compiler: 'clang-19', words: ['-pie', '-fuse-ld=lld'] },
  { name: 'lld-fixed', compiler: 'clang-19', words: ['-no-pie', '-fuse-ld=lld', '-Wl,--image-base=0x10000000'] },
];

describe('the program itself', { skip: needsTools('gcc', 'readelf', 'objcopy') }, () => {
  for (const { name, compiler, words } of PROGRAMS) {
    const skip = needsTools(compiler, ...(compiler === 'gcc' ? [] : ['ld.lld-19']));
    it(name, { skip }, async () => {
      const program = await compiled(name, compiler, '-O2', '@host.c', '@work.c', ...words);
      const told = await runHost(program);
      const engine = await archiveOf(program);
      const profile = addressProfile(withIds(told.maps, { [program]: program }), told.stacks);
      const { body } = await engine.resymbolize(profile);
      assertUntouched(profile, body);
      assertAsTold(told, body, (m) => m.name === program);
    });

    it(`${name}, by its debug info alone`, { skip }, async () => {
      const program = await compiled(name, compiler, '-O2', '@host.c', '@work.c', ...words);
      const told = await runHost(program);
      const engine = await archiveOf(debugInfoOf(program));
      const profile = addressProfile(withIds(told.maps, { [program]: program }), told.stacks);
      const { body } = await engine.resymbolize(profile);
      assertAsTold(told, body, (m) => m.name === program);
    });
  }
});

/** The debug info alone, as Debian's -dbgsym packages have it. */
function debugInfoOf(file: string): string {
  const path = place(`${basename(file)}.debug`);
  execFileSync('objcopy', ['--only-keep-debug', file, path]);
  return path;
}

describe('libraries by their debug info alone', { skip: needsTools('gcc', 'readelf', 'objcopy') }, () => {
  for (const { name, compiler, words } of LIBRARIES) {
    const skip = needsTools(compiler, ...(compiler === 'gcc' ? [] : ['ld.lld-19']));
    for (const splits of [false, true]) {
      it(`${name}${splits ? ', one page of it writable' : ''}`, { skip }, async () => {
        const [host, library] = [await compiled('host', 'gcc', ...HOST), await compiled(name, compiler, ...words)];
        const told = await runHost(host, ...(splits ? ['--split'] : []), library);
        const engine = await archiveOf(debugInfoOf(library));
        const profile = addressProfile(withIds(told.maps, { [library]: library }), told.stacks);
        const { body, report } = await engine.resymbolize(profile);
        const mappings = report.mappings.filter(({ file }) => file === library);
        if (mappings.length === 1) return assertAsTold(told, body, (m) => m.name === library);
        // It does not say which part is where: nothing named is better than something wrong.
        assert.ok(mappings.length > 1);
        assert.deepEqual([...framesByAddress(body)], []);
        for (const { reason, locations } of mappings)
          if (locations > 0) assert.match(reason, /debug info alone does not tell which part/);
      });
    }
  }
});

/** The notes of a process and of the files it was made of, with the files archived and their build IDs in the profile, or without. */
async function namedFrom(told: Told, files: readonly string[], ids: Readonly<Record<string, string>>) {
  const engine = await archiveOf(...files);
  const profile = addressProfile(withIds(told.maps, ids), told.stacks);
  const result = await engine.resymbolize(profile);
  return { ...result, profile };
}

describe('files that are gone', { skip: needsTools('gcc', 'readelf') }, () => {
  const library = () => compiled('libplain.so', 'gcc', ...SHARED);
  const host = () => compiled('host', 'gcc', ...HOST);

  it('a library that was deleted while it was mapped', async () => {
    const copy = place('libgone.so');
    copyFileSync(await library(), copy);
    const told = await runHost(await host(), '--unlink', copy);
    const mapped = `${copy} (deleted)`;
    const byId = await namedFrom(told, [await library()], { [mapped]: await library() });
    assertAsTold(told, byId.body, (m) => m.name === mapped);
    const without = await namedFrom(told, [await library()], {});
    const found = without.report.mappings.find(({ file }) => file === mapped);
    assert.match(found!.reason, /libgone\.so \(deleted\) has no build ID in the profile, and no file of that name/);
    assert.equal(without.body, without.profile);
  });

  it('a library without a build ID in the profile, found by its name though it was deleted', async () => {
    const inside = mkdtempSync(join(dir, 'gone-'));
    const copy = join(inside, 'libplain.so');
    copyFileSync(await library(), copy);
    const told = await runHost(await host(), '--unlink', copy);
    const { body, report } = await namedFrom(told, [await library()], {});
    const found = report.mappings.find(({ file }) => file === `${copy} (deleted)`);
    assert.equal(found!.match, 'evidence');
    assertAsTold(told, body, (m) => m.name === `${copy} (deleted)`, false);
    assert.match(found!.reason, /named without lines: .* is proven by its code, .* would prove the lines/);
  });

  it(
    'a library without a build ID in the profile is not named from debug info alone',
    { skip: needsTools('objcopy') },
    async () => {
      const told = await runHost(await host(), await library());
      const store = await DirectoryStore.open(place('store'), { create: true });
      await store.add(debugInfoOf(await library()), { name: 'libplain.so' });
      const profile = addressProfile(withIds(told.maps, {}), told.stacks);
      const engine = new Engine(new CandidateFinder(store, new OpenedBinaries()));
      const { body, report } = await engine.resymbolize(profile);
      assert.equal(body, profile);
      const { reason } = report.mappings.find(({ file }) => file.endsWith('/libplain.so'))!;
      assert.match(
        reason,
        /libplain\.so has the right name, but the profile has neither a build ID nor enough addresses/,
      );
    },
  );

  it('a library loaded from memory', async () => {
    const told = await runHost(await host(), '--memfd', await library());
    const mapped = told.maps.find(({ name }) => name.startsWith('/memfd:'))!.name;
    assert.equal(mapped, '/memfd:libplain.so (deleted)');
    const byId = await namedFrom(told, [await library()], { [mapped]: await library() });
    assertAsTold(told, byId.body, (m) => m.name === mapped);
    const without = await namedFrom(told, [await library()], {});
    const found = without.report.mappings.find(({ file }) => file === mapped);
    assert.match(
      found!.reason,
      /^\/memfd:libplain\.so \(deleted\) is a file that lived in memory, and the profile has no build ID/,
    );
    assert.equal(without.body, without.profile);
  });

  it('a program that runs from memory', async () => {
    const told = await runHost(await host(), '--reexec');
    const mapped = '/memfd:host (deleted)';
    const byId = await namedFrom(told, [await host()], { [mapped]: await host() });
    assertAsTold(told, byId.body, (m) => m.name === mapped);
    const without = await namedFrom(told, [await host()], {});
    assert.match(without.report.mappings[0].reason, /lived in memory/);
    assert.equal(without.body, without.profile);
    const engine = new Engine(new CandidateFinder(null, new OpenedBinaries()));
    const pinned = await engine.resymbolize(without.profile, { pinned: [await host()] });
    assertAsTold(told, pinned.body, (m) => m.name === mapped);
  });
});

/** The running kernel's own vdso and a process that has it. */
async function vdsoOf(): Promise<{ image: string; told: Told; functions: { address: bigint; names: string[] }[] }> {
  const image = place('vdso.so');
  const told = await runHost(await compiled('host', 'gcc', ...HOST), '--vdso', image);
  const mapped = told.maps.find(({ name }) => name === '[vdso]')!;
  const table = execFileSync('readelf', ['-Ws', '--dyn-syms', image], { encoding: 'utf8' });
  const byAddress = new Map<bigint, Set<string>>();
  for (const [, value, name] of table.matchAll(/^ *\d+: ([0-9a-f]+) +[1-9]\d* FUNC .* ([\w]+)(?:@@\S+)?$/gm)) {
    const address = mapped.start + BigInt(`0x${value}`);
    byAddress.set(address, (byAddress.get(address) ?? new Set()).add(name));
  }
  return {
    image,
    told,
    functions: [...byAddress].map(([address, names]) => ({ address, names: [...names] })),
  };
}

describe('the vdso', { skip: process.arch !== 'x64' ? 'needs an x64 kernel' : needsTools('gcc', 'readelf') }, () => {
  it("is named from the archive, or a file at hand, by the running kernel's own image", async () => {
    const { image, told, functions } = await vdsoOf();
    assert.ok(functions.some(({ names }) => names.includes('__vdso_clock_gettime')));
    const stacks = functions.map(({ address }) => [address]);
    const archive = place('store');
    const added = await resym(['store', 'add', image, '--store', archive]);
    assert.equal(added.code, 0, added.stderr);
    const assertNamed = (body: Uint8Array) => {
      const frames = framesByAddress(body);
      for (const { address, names } of functions)
        assert.ok(names.includes(frames.get(address)?.[0].function ?? ''), names.join());
    };
    const [profile, out] = [place('vdso.pb'), place('named.pb')];
    writeFileSync(profile, addressProfile(withIds(told.maps, { '[vdso]': image }), stacks));
    const archived = await resym(['symbolize', profile, '-o', out, '--store', archive]);
    assert.equal(archived.code, 0, archived.stderr);
    assertNamed(readFileSync(out));

    const noIds = addressProfile(withIds(told.maps, {}), stacks);
    writeFileSync(profile, noIds);
    const explained = await resym(['explain', profile, '--store', archive, '--json']);
    assert.match(
      explained.stdout.toString(),
      /\[vdso\] is code the kernel lends to every process, and the profile has no build ID/,
    );
    await resym(['symbolize', profile, '-o', out, '--store', archive]);
    assert.deepEqual(Buffer.from(uncompressed(readFileSync(out))), Buffer.from(noIds));
    const pinned = await resym(['symbolize', profile, '-o', out, '--binary', image]);
    assert.equal(pinned.code, 0, pinned.stderr);
    assertNamed(readFileSync(out));
  });
});

const KERNEL = [
  '-O2',
  '-ffreestanding',
  '-fno-pic',
  '-fcf-protection=none',
  '-mcmodel=kernel',
  '-mno-red-zone',
  '-fno-asynchronous-unwind-tables',
];
const needsX64 =
  process.arch === 'x64' ? needsTools('gcc', 'ld', 'nm', 'readelf', 'objcopy', 'llvm-symbolizer-19') : 'needs x64';

function vmlinux(): Promise<string> {
  const script = fileURLToPath(new URL('fixtures/mappings/vmlinux.lds', import.meta.url));
  const linking = [
    '-nostdlib',
    '-static',
    `-Wl,-T,${script}`,
    '-Wl,-z,max-page-size=0x200000',
    '-Wl,--no-warn-rwx-segments',
  ];
  return compiled('vmlinux', 'gcc', ...KERNEL, ...linking, '@kernel.c');
}

/** Symbols as nm lists them. */
function symbolsOf(file: string): Map<string, bigint> {
  const lines = execFileSync('nm', [file], { encoding: 'utf8' }).matchAll(/^([0-9a-f]+) \w (\S+)$/gm);
  return new Map([...lines].map(([, address, name]) => [name, BigInt(`0x${address}`)]));
}

/** What llvm-symbolizer says of link-time addresses: "function line < function line". */
function llvm(file: string, addresses: readonly bigint[]): string[] {
  const input = addresses.map((address) => `0x${address.toString(16)}\n`).join('');
  const args = ['--no-demangle', '--output-style=JSON', `--obj=${file}`];
  const lines = execFileSync('llvm-symbolizer-19', args, { input, encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    const { Symbol: frames } = JSON.parse(line) as { Symbol: { FunctionName: string; Line: number }[] };
    // Padding has a line but no function.
    return frames
      .filter((frame) => frame.FunctionName !== '')
      .map((frame) => `${frame.FunctionName} ${frame.Line}`)
      .join(' < ');
  });
}

describe('the kernel', { skip: needsX64 }, () => {
  const TOP = 0xffffffffffffffffn;
  const LINKED = 0xffffffff81000000n;
  const rows: readonly {
    name: string;
    file: string;
    slide: bigint;
    mapping: (slide: bigint, stext: bigint) => Omit<Mapped, 'name' | 'permissions'>;
  }[] = [
    {
      name: 'as perf maps it',
      file: '[kernel.kallsyms]_text',
      slide: 0n,
      mapping: () => ({ start: LINKED, limit: TOP, offset: LINKED }),
    },
    {
      name: 'moved by KASLR, as perf maps it',
      file: '[kernel.kallsyms]_text',
      slide: 0x1c000000n,
      mapping: (slide) => ({ start: LINKED + slide, limit: TOP, offset: LINKED + slide }),
    },
    {
      name: 'moved by KASLR, at no offset',
      file: '[kernel.kallsyms]_text',
      slide: 0x2200000n,
      mapping: (slide) => ({ start: LINKED + slide, limit: 0xffffffffc0000000n, offset: 0n }),
    },
    {
      name: 'from _stext',
      file: '[kernel.kallsyms]_stext',
      slide: 0x3000000n,
      mapping: (slide, stext) => ({ start: stext + slide, limit: TOP, offset: 0n }),
    },
    {
      name: 'from 0, addresses relative to _text',
      file: '[kernel.kallsyms]_text',
      slide: -LINKED,
      mapping: () => ({ start: 0n, limit: 0x1000000n, offset: 0n }),
    },
    {
      name: 'by the name of its file',
      file: '/usr/lib/debug/boot/vmlinux-6.1.0',
      slide: 0x1c000000n,
      mapping: (slide) => ({ start: LINKED + slide, limit: TOP, offset: 0n }),
    },
    {
      name: 'of a guest',
      file: '[guest.kernel.kallsyms.4711]_text',
      slide: 0x1c000000n,
      mapping: (slide) => ({ start: LINKED + slide, limit: TOP, offset: LINKED + slide }),
    },
    {
      name: 'as eBPF profilers call it',
      file: '[kernel]',
      slide: 0x1c000000n,
      mapping: (slide) => ({ start: LINKED + slide, limit: TOP, offset: 0n }),
    },
  ];
  for (const isDebugOnly of [false, true]) {
    for (const { name, file, slide, mapping } of rows) {
      it(`${name}${isDebugOnly ? ', by its debug info alone' : ''}`, async () => {
        const kernel = await vmlinux();
        const symbols = symbolsOf(kernel);
        const range = mapping(slide, symbols.get('_stext')!);
        const linked: bigint[] = [];
        for (const [first, last] of [
          ['do_mix', 'do_syscall'],
          ['do_syscall', '_etext'],
        ]) {
          const [from, to] = [symbols.get(first)!, symbols.get(last)!];
          linked.push(...instructionsOf(kernel).filter((at, i) => i % 3 === 0 && at >= from && at < to));
        }
        const inProfile = linked.map((address) => BigInt.asUintN(64, address + slide));
        const leaves = inProfile.map((address) => [address]);
        const profile = addressProfile([{ ...range, name: file, buildId: buildIdOf(kernel) }], leaves);
        const engine = await archiveOf(isDebugOnly ? debugInfoOf(kernel) : kernel);
        const { body, report } = await engine.resymbolize(profile);
        const frames = framesByAddress(body);
        const seen = inProfile.map((address) =>
          (frames.get(address) ?? []).map((f) => `${f.function} ${f.line}`).join(' < '),
        );
        assert.deepEqual(seen, llvm(kernel, linked), report.mappings[0].reason);
      });
    }
  }

  it('without a build ID is asked for by name', async () => {
    const kernel = await vmlinux();
    const symbols = symbolsOf(kernel);
    const at = symbols.get('do_syscall')! + 4n;
    const profile = addressProfile(
      [{ start: LINKED, limit: TOP, offset: LINKED, name: '[kernel.kallsyms]_text' }],
      [[at]],
    );
    const { body, report } = await (await archiveOf(kernel)).resymbolize(profile);
    assert.equal(body, profile);
    assert.match(report.mappings[0].reason, /is the kernel, and the profile has no build ID for it; give the vmlinux/);
    const engine = new Engine(new CandidateFinder(null, new OpenedBinaries()));
    const pinned = await engine.resymbolize(profile, { pinned: [kernel] });
    assert.equal(framesByAddress(pinned.body).get(at)?.at(-1)?.function, 'do_syscall');
  });
});

/** Where the disassembler sees an instruction begin. */
function instructionsOf(path: string): bigint[] {
  const text = execFileSync('objdump', ['-d', '--no-show-raw-insn', path], { encoding: 'latin1' });
  return [...text.matchAll(/^ *([0-9a-f]+):\t/gm)].map(([, address]) => BigInt(`0x${address}`));
}

/** A kernel module: relocatable, with a build ID; its code in several sections, in this order. */
async function moduleOf(name: string, ...order: string[]): Promise<string> {
  const object = await compiled('module.o', 'gcc', ...KERNEL, '-DSECOND_SECTION', '-c', '@kernel.c');
  const [script, path] = [place('module.lds'), place(name)];
  writeFileSync(script, `SECTIONS { ${order.map((section) => `${section} 0 : { *(${section}) }`).join(' ')} }`);
  execFileSync('ld', ['-r', '--build-id=sha1', '-T', script, object, '-o', path]);
  return path;
}

describe('a kernel module', { skip: needsX64 }, () => {
  const START = 0xffffffffc0a11000n;
  const profileOf = (file: string, name: string, offsets: readonly bigint[]) =>
    addressProfile(
      [{ start: START, limit: START + 0x5000n, offset: 0n, name, buildId: buildIdOf(file) }],
      [offsets.map((offset) => START + offset)],
    );

  for (const name of ['[my_module]', '/lib/modules/6.1.0-27-amd64/extra/my-module.ko.xz']) {
    it(`${name}: names from the symbol table`, async () => {
      const file = await moduleOf('my-module.ko', '.text', '.text.unlikely', '.init.text');
      const { do_mix: mix, do_syscall: call } = Object.fromEntries(symbolsOf(file));
      assert.ok(mix !== call);
      const archive = place('store');
      const added = await resym(['store', 'add', file, '--store', archive]);
      assert.equal(added.code, 0, added.stderr);
      const [profile, out] = [place('module.pb'), place('named.pb')];
      const beyond = 0x1000n;
      writeFileSync(profile, profileOf(file, name, [mix + 9n, call + 9n, beyond]));
      const { code, stderr } = await resym(['symbolize', profile, '-o', out, '--store', archive]);
      assert.equal(code, 0, stderr);
      const frames = framesByAddress(readFileSync(out));
      const seen = [mix + 9n, call + 9n, beyond].map((offset) => frames.get(START + offset)?.map((f) => f.function));
      assert.deepEqual(seen, [['do_mix'], ['do_syscall'], undefined]);
    });
  }

  it('whose .text is not what it begins with is not named at all', async () => {
    const file = await moduleOf('late.ko', '.text.unlikely', '.text', '.init.text');
    const profile = profileOf(file, '[late]', [9n, 0x40n]);
    const { body, report } = await (await archiveOf(file)).resymbolize(profile);
    assert.match(report.mappings[0].reason, /begins with \.text\.unlikely, not \.text/);
    assert.equal(body, profile);
  });

  it('may have its code for starting up before .text, which is loaded elsewhere', async () => {
    const file = await moduleOf('starts.ko', '.init.text', '.text', '.text.unlikely');
    const profile = profileOf(file, '[starts]', [symbolsOf(file).get('do_syscall')! + 9n]);
    const { body } = await (await archiveOf(file)).resymbolize(profile);
    assert.deepEqual(
      [...framesByAddress(body).values()].map(([frame]) => frame.function),
      ['do_syscall'],
    );
  });

  it('is not taken for a program', async () => {
    const file = await moduleOf('my-module.ko', '.text', '.text.unlikely', '.init.text');
    const main = { start: 0x400000n, limit: 0x500000n, offset: 0n, name: '/bin/app' };
    const profile = addressProfile([main], [[0x400009n, 0x400054n]]);
    const engine = new Engine(new CandidateFinder(null, new OpenedBinaries()));
    const { body, report } = await engine.resymbolize(profile, { pinned: [file] });
    assert.equal(body, profile);
    assert.match(report.mappings[0].reason, /this is no mapping of a kernel module/);
  });

  it('without a build ID is asked for by its file', async () => {
    const file = await moduleOf('my-module.ko', '.text', '.text.unlikely', '.init.text');
    const at = START + symbolsOf(file).get('do_syscall')! + 9n;
    const profile = addressProfile(
      [{ start: START, limit: START + 0x5000n, offset: 0n, name: '[my_module]' }],
      [[at], [at, at + 1n, at + 2n, at + 3n]],
    );
    const { body, report } = await (await archiveOf(file)).resymbolize(profile);
    assert.equal(body, profile);
    assert.match(report.mappings[0].reason, /\[my_module\] is a kernel module, .* give its \.ko file with --binary/);
    const path = join(mkdtempSync(join(dir, 'module-')), 'my-module.ko');
    copyFileSync(file, path);
    const engine = new Engine(new CandidateFinder(null, new OpenedBinaries()));
    const pinned = await engine.resymbolize(profile, { pinned: [path] });
    assert.equal(framesByAddress(pinned.body).get(at)?.[0].function, 'do_syscall');
  });
});

describe('memory without a file', () => {
  const rows: readonly [name: string, reason: RegExp][] = [
    ['[anon]', /^\[anon\] is memory without a file: code a JIT compiler wrote/],
    ['//anon', /^\/\/anon is memory without a file/],
    ['[anon:v8]', /^\[anon:v8\] is memory without a file/],
    ['[anon_shmem:jit]', /^\[anon_shmem:jit\] is memory without a file/],
    ['[heap]', /^\[heap\] is memory without a file/],
    ['[stack]', /^\[stack\] is memory without a file/],
    ['[stack:4711]', /^\[stack:4711\] is memory without a file/],
    ['anon_inode:[perf_event]', /is memory without a file/],
    ['/dev/zero (deleted)', /is memory without a file/],
    ['/anon_hugepage (deleted)', /is memory without a file/],
    ['[vsyscall]', /^\[vsyscall\] is code the kernel lends to every process; there is no file of it$/],
    ['/dev/dri/card0', /^\/dev\/dri\/card0 is a device's memory, there is no file of it$/],
    ['', /neither a file name nor a build ID in the profile/],
    [
      '/opt/app/libx.so',
      /^\/opt\/app\/libx\.so has no build ID in the profile, and no file of that name in the archive/,
    ],
  ];
  for (const [name, reason] of rows) {
    it(`${name || 'no name'}: says why, and changes nothing`, async () => {
      const mapping = { start: 0x7f0000001000n, limit: 0x7f0000009000n, offset: 0n, name };
      const known = new Map([[0x7f0000003000n, { function: 'jitted', line: 3 }]]);
      const profile = addressProfile([mapping], [[0x7f0000002000n, 0x7f0000003000n]], known);
      const engine = await archiveOf();
      const { body, report, status } = await engine.resymbolize(profile);
      assert.equal(body, profile);
      assert.equal(status, 'unchanged');
      assert.match(report.mappings[0].reason, reason);
      assert.equal(report.mappings[0].binary, null);
    });
  }

  it('never takes a file that happens to be called like it', async () => {
    const engine = new Engine(new CandidateFinder(null, new OpenedBinaries()));
    const path = join(mkdtempSync(join(dir, 'names-')), '[heap]');
    copyFileSync(process.execPath, path);
    const main = { start: 0x400000n, limit: 0x401000n, offset: 0n, name: '/bin/app' };
    const heap = { start: 0x7f0000001000n, limit: 0x7f0000009000n, offset: 0n, name: '[heap]' };
    const profile = addressProfile([main, heap], [[0x7f0000002000n]]);
    const { body } = await engine.resymbolize(profile, { pinned: [path] });
    assert.equal(body, profile);
  });
});
