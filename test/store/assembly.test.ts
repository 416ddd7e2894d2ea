/** One build in several files, as the tools of distributions and compilers leave them: all together answer as the whole file does. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ObjectFile } from '../../src/object/object.ts';
import { openObject } from '../../src/object/open.ts';
import { assemble, type BinaryFiles } from '../../src/store/assembly.ts';
import { builds, openBuild } from '../../src/store/archived.ts';
import { Beside, openFile } from '../../src/store/beside.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import type { Frame } from '../../src/symbolize/frame.ts';
import type { SymbolMap } from '../../src/symbolize/symbol-map.ts';
import { needsTools } from '../support/toolchains.ts';

const sources = fileURLToPath(new URL('../fixtures/dwarf/', import.meta.url));
const CPP = ['shapes.cpp', 'words.cpp'].map((name) => join(sources, name));

let dir = '';
before(() => (dir = mkdtempSync(join(tmpdir(), 'resym-assembly-'))));
after(() => rmSync(dir, { recursive: true, force: true }));

function run(cwd: string, command: string, ...args: string[]): void {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 });
}

/** A directory with `program`, built with these flags. */
function built(name: string, ...flags: string[]): string {
  const cwd = join(dir, name);
  mkdirSync(cwd);
  run(cwd, 'g++', '-g', '-O2', '-Wl,--build-id', ...flags, ...CPP, '-o', 'program');
  return cwd;
}

/** Every few bytes of the code. */
function* addresses(object: ObjectFile): Generator<number> {
  const text = object.section('.text')!;
  for (let at = text.address; at < text.address + text.size; at += 29) yield at;
}

function answers(symbols: SymbolMap): (readonly Frame[] | undefined)[] {
  return [...addresses(symbols.object)].map((at) => symbols.lookup(at)?.frames);
}

async function ask(files: BinaryFiles): Promise<{ found: ReturnType<typeof answers>; problems: readonly string[] }> {
  const { symbols, close } = await assemble(files);
  const result = { found: answers(symbols), problems: symbols.problems };
  close();
  return result;
}

/** What the one whole file says. */
async function whole(path: string): Promise<ReturnType<typeof answers>> {
  const { found, problems } = await ask({ files: [openFile(path)], elsewhere: new Beside(path, '/nowhere') });
  assert.deepEqual(problems, []);
  assert.ok(found.some((frames) => frames !== undefined && frames.length > 2 && frames[0].file !== ''));
  return found;
}

const atHome = (path: string, root = '/nowhere') => ask({ files: [openFile(path)], elsewhere: new Beside(path, root) });

/** Adds files to a new archive in this order and opens what is found for the program's build ID. */
async function archived(program: string, ...files: string[]): ReturnType<typeof ask> {
  const store = await DirectoryStore.open(mkdtempSync(join(dir, 'archive-')));
  const { gnu } = openObject(openFile(program).source).ids;
  for (const file of files) await store.add(file);
  const found = builds(await store.find({ gnu: gnu! }));
  assert.equal(found.length, 1);
  const result = await ask(await openBuild(store, found[0]));
  await store.close();
  return result;
}

function separate(cwd: string): void {
  run(cwd, 'objcopy', '--only-keep-debug', 'program', 'program.debug');
  run(cwd, 'objcopy', '--strip-all', '--add-gnu-debuglink=program.debug', 'program', 'stripped');
}

describe('debug info in a file of its own', { skip: needsTools('g++', 'objcopy') }, () => {
  it('is found by build ID in the archive, whichever is added first', async () => {
    const cwd = built('by-id');
    separate(cwd);
    const expected = await whole(join(cwd, 'program'));
    const [debug, stripped] = [join(cwd, 'program.debug'), join(cwd, 'stripped')];
    assert.deepEqual(await archived(stripped, debug, stripped), { found: expected, problems: [] });
    // A dynamically linked file keeps its dynamic symbols, so that it may come first.
    assert.deepEqual(await archived(stripped, stripped, debug), { found: expected, problems: [] });
    assert.deepEqual(await archived(stripped, debug), { found: expected, problems: [] });
  });

  it('is found on this machine by build ID, and by a debug link whose CRC is right', async () => {
    const cwd = built('by-link');
    separate(cwd);
    const expected = await whole(join(cwd, 'program'));
    const stripped = join(cwd, 'stripped');
    const id = openObject(openFile(stripped).source).ids.gnu!;
    const root = join(cwd, 'root');
    const byId = join(root, '.build-id', id.slice(0, 2), `${id.slice(2)}.debug`);
    mkdirSync(dirname(byId), { recursive: true });
    assert.deepEqual(await atHome(stripped, root), { found: expected, problems: [] });
    copyFileSync(join(cwd, 'program.debug'), byId);
    rmSync(join(cwd, 'program.debug'));
    assert.deepEqual(await atHome(stripped, root), { found: expected, problems: [] });
    // Nothing is known without it, and a file with the right name and another CRC is not taken.
    writeFileSync(join(cwd, 'program.debug'), Buffer.concat([readFileSync(byId), Buffer.alloc(1)]));
    const bare = await atHome(stripped);
    assert.ok(
      bare.found.filter((frames) => frames !== undefined).every((frames) => frames.every(({ line }) => line === 0)),
    );
  });

  it('refers to what dwz made several files share', { skip: needsTools('dwz') }, async () => {
    const cwd = built('dwz');
    copyFileSync(join(cwd, 'program'), join(cwd, 'whole'));
    run(cwd, 'g++', '-g', '-O1', '-Wl,--build-id', ...CPP, '-o', 'other');
    run(cwd, 'dwz', '-m', 'common.debug', '-M', 'common.debug', 'program', 'other');
    assert.ok(existsSync(join(cwd, 'common.debug')));
    const expected = await whole(join(cwd, 'whole'));
    const [program, common] = [join(cwd, 'program'), join(cwd, 'common.debug')];
    assert.deepEqual(await atHome(program), { found: expected, problems: [] });
    assert.deepEqual(await archived(program, program, common), { found: expected, problems: [] });
    const { problems } = await archived(program, program);
    assert.match(problems.join(), /supplementary debug info is missing: common\.debug/);
  });
});

describe('split debug info', () => {
  // GNU's dwp knows DWARF 4 alone, and llvm-dwp does not end on what GCC splits in version 5.
  for (const [version, compiler, packer] of [
    ['4', 'g++', 'dwp'],
    ['5', 'clang++-19', 'llvm-dwp-19'],
  ]) {
    const skip = needsTools(compiler, packer);
    it(`of DWARF ${version}: .dwo files on this machine, a .dwp there and in the archive`, { skip }, async () => {
      const cwd = join(dir, `split-${version}`);
      mkdirSync(cwd);
      const flags = ['-g', `-gdwarf-${version}`, '-O2', '-Wl,--build-id'];
      run(cwd, compiler, ...flags, ...CPP, '-o', 'whole');
      for (const source of CPP) run(cwd, compiler, ...flags, '-gsplit-dwarf', '-c', source);
      run(cwd, compiler, ...flags, '-gsplit-dwarf', 'shapes.o', 'words.o', '-o', 'program');
      const program = join(cwd, 'program');
      const expected = await whole(join(cwd, 'whole'));
      const byUnit = await atHome(program);
      assert.deepEqual(byUnit, { found: expected, problems: [] });
      run(cwd, packer, '-e', 'program', '-o', 'program.dwp');
      for (const name of ['shapes.dwo', 'words.dwo']) rmSync(join(cwd, name));
      assert.deepEqual(await atHome(program), { found: expected, problems: [] });
      assert.deepEqual(await archived(program, program, `${program}.dwp`), { found: expected, problems: [] });
      const without = await archived(program, program);
      assert.match(without.problems.join(), /split debug info is missing: .*shapes\.dwo/);
      assert.ok(without.found.some((frames) => frames !== undefined && frames[0].name.startsWith('plane::')));
    });
  }
});

describe('mini debug info', { skip: needsTools('g++', 'objcopy', 'xz') }, () => {
  it('names what the dynamic symbols do not', async () => {
    const cwd = built('mini', '-static-libstdc++');
    run(cwd, 'objcopy', '--only-keep-debug', '--strip-debug', 'program', 'mini');
    run(cwd, 'xz', '--keep', '--check=crc32', 'mini');
    run(cwd, 'objcopy', '--strip-all', 'program', 'stripped');
    run(cwd, 'objcopy', '--add-section', '.gnu_debugdata=mini.xz', 'stripped');
    const { found, problems } = await atHome(join(cwd, 'stripped'));
    assert.deepEqual(problems, []);
    const names = new Set(found.map((frames) => frames?.[0].name));
    assert.ok(names.has('plane::run(int)') || names.has('count_words(int)'), [...names].slice(0, 5).join());
    const xz = readFileSync(join(cwd, 'mini.xz'));
    for (const [i, broken] of [xz.subarray(0, xz.length >> 1), Buffer.alloc(100, 7), Buffer.alloc(0)].entries()) {
      writeFileSync(join(cwd, `broken-${i}`), broken);
      run(cwd, 'objcopy', '--strip-all', 'program', 'stripped');
      run(cwd, 'objcopy', '--add-section', `.gnu_debugdata=broken-${i}`, 'stripped');
      const damaged = await atHome(join(cwd, 'stripped'));
      if (broken.length > 0) assert.match(damaged.problems.join(), /\.gnu_debugdata/);
    }
  });
});
