/** Universal files and dSYM bundles: every architecture by its own UUID, a program completed by the debug info beside it. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { openObject } from '../../src/object/open.ts';
import { assemble, type BinaryFiles } from '../../src/store/assembly.ts';
import { builds, openBuild } from '../../src/store/archived.ts';
import { Beside, openFile } from '../../src/store/beside.ts';
import { CandidateFinder } from '../../src/store/candidates.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { architecturesOf, binaryFile, openLocal, openWithUuid } from '../../src/store/local.ts';
import { OpenedBinaries } from '../../src/store/opened.ts';
import { machoAnswers, machoBytes, type MachoFile, machoFile } from '../object/macho-fixtures.ts';
import { NO_GNU_ID, place } from './samples.ts';

const UUIDS = {
  amd64: machoFile('program-x86_64').ids.uuid!,
  arm64: machoFile('program-arm64').ids.uuid!,
};

function written(bytes: Uint8Array, path = place('app')): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

/** X.dSYM with this file in it. */
function bundle(contents: MachoFile, path = place('app.dSYM'), name = 'app'): string {
  written(machoBytes(contents), join(path, 'Contents/Resources/DWARF', name));
  writeFileSync(join(path, 'Contents/Info.plist'), '<?xml version="1.0" encoding="UTF-8"?>');
  return path;
}

it('takes a universal file that lies in the directory for its default architecture', async () => {
  const store = await DirectoryStore.open(place(), { create: true, lookAgainMs: 0 });
  written(machoBytes('universal'), join(store.root, 'put/here/app'));
  const [found] = await store.find({ uuid: UUIDS.amd64 });
  assert.equal(found.path, 'put/here/app');
  const { source, release } = await store.open(found);
  assert.equal(openObject(source).ids.uuid, UUIDS.amd64);
  release();
});

/** What a SymbolMap says of every address of the code, compared with llvm-symbolizer's answers. */
async function assertComplete(files: BinaryFiles, arch: 'x86_64' | 'arm64'): Promise<void> {
  const { symbols, close } = await assemble(files);
  try {
    assert.equal(symbols.object.debugOnly, false, 'the code lies in the program');
    let [named, inlined] = [0, 0];
    for (const { address, frames } of machoAnswers(`dsym-${arch}`)) {
      if (frames.length === 0 || frames[0].FileName === '') continue;
      const found = symbols.lookup(address - Number(symbols.object.bias));
      const said = found?.frames.map((f) => `${f.systemName} ${f.file}:${f.line}:${f.column} from ${f.startLine}`);
      const expected = frames.map((f) => `${f.FunctionName} ${f.FileName}:${f.Line}:${f.Column} from ${f.StartLine}`);
      assert.deepEqual(said, expected, `at 0x${address.toString(16)}`);
      named++;
      if (frames.length > 1) inlined++;
    }
    assert.ok(named > 150 && inlined > 30, `${named} named, ${inlined} inlined`);
    assert.deepEqual(symbols.problems, []);
  } finally {
    close();
  }
}

describe('a program and its dSYM', () => {
  for (const arch of ['x86_64', 'arm64'] as const) {
    const uuid = machoFile(`program-${arch}`).ids.uuid!;
    it(`side by side: ${arch}`, async () => {
      for (const debug of [`dsym-${arch}`, 'dsym-universal'] as const) {
        const app = written(machoBytes(`stripped-${arch}`));
        assert.equal((await assembled(app)).hasDwarf, false);
        bundle(debug, `${app}.dSYM`, app.split('/').at(-1));
        await assertComplete({ files: [openFile(app)], elsewhere: new Beside(app, '/nowhere') }, arch);
        // Under another name, as in a bundle for an application.
        const other = written(machoBytes(`stripped-${arch}`), place('renamed'));
        bundle(debug, `${other}.dSYM`, 'AsItWasBuilt');
        await assertComplete({ files: [openFile(other)], elsewhere: new Beside(other, '/nowhere') }, arch);
      }
    });

    it(`in the archive, in either order: ${arch}`, async () => {
      const app = written(machoBytes(`stripped-${arch}`));
      const inside = binaryFile(bundle(`dsym-${arch}`));
      const fat = written(machoBytes('dsym-universal'));
      for (const order of [
        [app, inside],
        [inside, app],
        [app, fat],
      ]) {
        const store = await DirectoryStore.open(place(), { create: true });
        for (const file of order) await store.add(file, { name: 'app' });
        const [build, ...others] = builds(await store.find({ uuid }));
        assert.deepEqual([build.length, others], [2, []]);
        await assertComplete(await openBuild(store, build), arch);
      }
    });
  }

  it('inside an application whose dSYM lies beside it', async () => {
    const folder = place('Applications');
    const app = written(machoBytes('stripped-arm64'), join(folder, 'Work.app/Contents/MacOS/Work'));
    bundle('dsym-x86_64', join(folder, 'Work.app/Contents/MacOS/Work.dSYM'), 'Work');
    bundle('dsym-universal', join(folder, 'Work.app.dSYM'), 'Work');
    await assertComplete({ files: [openFile(app)], elsewhere: new Beside(app, '/nowhere') }, 'arm64');
  });

  it('of another build is left alone', async () => {
    const app = written(machoBytes('stripped-x86_64'));
    bundle('dsym-arm64', `${app}.dSYM`, app.split('/').at(-1));
    assert.equal((await assembled(app)).hasDwarf, false);
  });

  async function assembled(app: string): Promise<{ hasDwarf: boolean }> {
    const { symbols, close } = await assemble({ files: [openFile(app)], elsewhere: new Beside(app, '/nowhere') });
    const { hasDwarf } = symbols;
    close();
    return { hasDwarf };
  }
});

describe('a path on this machine', () => {
  it('of a bundle is that of the file in it', () => {
    const own = bundle('dsym-arm64', place('app.dSYM'), 'other');
    assert.equal(binaryFile(own), join(own, 'Contents/Resources/DWARF/other'));
    assert.equal(binaryFile(`${own}/`), join(own, 'Contents/Resources/DWARF/other'));
    bundle('dsym-x86_64', own, 'second');
    assert.throws(() => binaryFile(own), /several files, name one: other, second/);
    const named = place('x.dSYM');
    bundle('dsym-x86_64', named, 'aaa');
    bundle('dsym-arm64', named, named.split('/').at(-1)!.replace('.dSYM', ''));
    assert.equal(openObject(openLocal(named).source).arch, 'arm64');
    const nothing = place('empty.dSYM');
    mkdirSync(join(nothing, 'Contents/Resources/DWARF'), { recursive: true });
    assert.throws(() => binaryFile(nothing), /holds no debug info/);
    mkdirSync(join(nothing, 'plain'));
    assert.throws(() => openLocal(join(nothing, 'plain')), /not a regular file/);
    assert.throws(() => openLocal(join(nothing, 'absent')), { code: 'ENOENT' });
  });

  it('of a universal file stands for one part of it', () => {
    const file = written(machoBytes('universal64'));
    assert.deepEqual(architecturesOf(file), ['x86_64', 'arm64']);
    assert.deepEqual(architecturesOf(NO_GNU_ID), [undefined]);
    assert.deepEqual(architecturesOf('/does/not/exist'), [undefined]);
    const part = openLocal(file);
    assert.deepEqual([part.slice?.appleArch, part.slices.length], ['x86_64', 2]);
    part.release();
    const arm = openWithUuid(file, UUIDS.arm64)!;
    assert.equal(openObject(arm.source).ids.uuid, UUIDS.arm64);
    arm.release();
    assert.equal(openWithUuid(file, '0'.repeat(32)), null);
  });

  it('pinned, is tried with each of its parts, the one of that UUID first', async () => {
    const file = written(machoBytes('universal'));
    const finder = new CandidateFinder(null, new OpenedBinaries());
    const mapping = { index: 0, filename: '/x/app', buildId: '' } as Parameters<CandidateFinder['pinned']>[0];
    const found = await finder.pinned(mapping, [file]);
    assert.deepEqual(
      found.map(({ name, foundBy }) => [name, foundBy]),
      [
        [`${file} (x86_64)`, 'name'],
        [`${file} (arm64)`, 'name'],
      ],
    );
    const known = await finder.pinned({ ...mapping, buildId: UUIDS.arm64.toUpperCase() }, [file]);
    assert.deepEqual(
      known.map(({ name, foundBy }) => [name, foundBy]),
      [
        [`${file} (arm64)`, 'pinned'],
        [`${file} (x86_64)`, 'pinned-other-id'],
      ],
    );
    const lease = await known[0].lease();
    assert.equal(lease.binary.symbols.object.arch, 'arm64');
    lease.release();
    const bundled = await finder.pinned({ ...mapping, buildId: UUIDS.arm64 }, [bundle('dsym-universal')]);
    assert.equal(bundled[0].foundBy, 'pinned');
  });
});
