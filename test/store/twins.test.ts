/** Builds of one program under different IDs: how they are paired, listed, and searched for. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SketchQuery, type SketchFrame } from '../../src/match/sketch.ts';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { openObject } from '../../src/object/open.ts';
import { builds } from '../../src/store/archived.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { FileSource } from '../../src/store/file.ts';
import { resym } from '../support/cli.ts';
import { buildGo } from '../support/build.ts';
import { SERVICE_DIR } from '../support/service.ts';
import { needsGo, needsTools, toolchain } from '../support/toolchains.ts';
import { copy, GO_124, place, TWIN_FULL, TWIN_STRIPPED } from './samples.ts';

/** Frames at function entries, spread over the program, as a profile of it would name them. */
function framesOf(path: string, count: number): SketchFrame[] {
  const source = FileSource.open(path);
  try {
    const object = openObject(source);
    const go = GoSymbols.open(object)!;
    const [text] = object.segments.filter(({ executable }) => executable);
    const step = Math.floor(go.functionCount / count);
    return Array.from({ length: count }, (_, n) => {
      const start = go.functionStart(n * step);
      return { names: [go.functionName(n * step)], places: [start - text.address + text.fileOffset] };
    });
  } finally {
    source.close();
  }
}

const needs = needsGo('1.26') || needsTools('gcc');

describe('twins in the archive', { skip: needs }, () => {
  const go = toolchain('1.26')!;
  // Kept builds may come from another installation, whose paths are in the tables.
  const env = { RESYM_TEST_GO: go.go };
  const plain = () => buildGo({ toolchain: go, dir: SERVICE_DIR, mode: 'cgo', env });
  const small = () => buildGo({ toolchain: go, dir: SERVICE_DIR, mode: 'cgo', strip: 's-w', env });

  it('are paired when they are added, in either order, and say what each can serve', async () => {
    for (const isPlainFirst of [true, false]) {
      const store = await DirectoryStore.open(place('store'), { create: true });
      const files = isPlainFirst ? [await plain(), await small()] : [await small(), await plain()];
      const first = await store.add(files[0]);
      assert.doesNotMatch(first.note, /twin/);
      const second = await store.add(files[1]);
      assert.notEqual(first.binary.key, second.binary.key);
      const from = isPlainFirst ? 'that one' : 'this one';
      assert.match(
        second.note,
        new RegExp(`twin of service ${first.binary.key.slice(0, 16)}: Go frames from both, C frames from ${from}`),
      );
    }
  });

  it('are listed with each other', async () => {
    const archive = place('store');
    const { code, stderr } = await resym(['store', 'add', await plain(), await small(), '--store', archive]);
    assert.equal(code, 0, stderr);
    const [one, other] = await (await DirectoryStore.open(archive)).list();
    const shown = await resym(['store', 'show', one.key, '--store', archive]);
    assert.match(shown.stdout.toString(), new RegExp(`twin.*${other.key}`));
  });

  it('are not of another program', async () => {
    const store = await DirectoryStore.open(place('store'), { create: true });
    const [full, stripped] = [
      await store.add(copy(TWIN_FULL, place('binary'))),
      await store.add(copy(TWIN_STRIPPED, place('binary'))),
    ];
    assert.equal(full.binary.identity.ids.pclntabSha256, stripped.binary.identity.ids.pclntabSha256);
    const other = await store.add(copy(GO_124, place('binary')));
    assert.doesNotMatch(other.note, /twin/);
  });
});

describe('a search by frames', () => {
  it('finds the binary that has them, and its twin once', async () => {
    const store = await DirectoryStore.open(place('store'), { create: true });
    for (const file of [TWIN_FULL, TWIN_STRIPPED, GO_124]) await store.add(copy(file, place('binary')));
    const found = await store.search(new SketchQuery(framesOf(TWIN_FULL, 40)), { limit: 10 });
    const tables = new Set(found.map(({ identity }) => identity.ids.pclntabSha256));
    assert.equal(tables.size, 1);
    assert.ok(found.length >= 1 && found.length <= 2);
    const others = await store.search(new SketchQuery(framesOf(GO_124, 40)), { limit: 10 });
    assert.equal(others[0].identity.go?.version, 'go1.24.4');
  });

  it('finds the same after the archive is opened again', async () => {
    const root = place('store');
    const store = await DirectoryStore.open(root, { create: true });
    for (const file of [TWIN_FULL, GO_124]) await store.add(copy(file, place('binary')));
    const query = new SketchQuery(framesOf(GO_124, 40));
    const before = (await store.search(query, { limit: 1 })).map(({ key }) => key);
    await store.close();
    const again = await DirectoryStore.open(root);
    assert.deepEqual(
      (await again.search(query, { limit: 1 })).map(({ key }) => key),
      before,
    );
  });

  it('is bounded', async () => {
    const store = await DirectoryStore.open(place('store'), { create: true });
    await store.add(copy(GO_124, place('binary')));
    assert.deepEqual(await store.search(new SketchQuery(framesOf(GO_124, 40)), { limit: 0 }), []);
  });
});

describe('different builds under one ID', () => {
  it('are never taken for files of one', async () => {
    const store = await DirectoryStore.open(place('store'), { create: true });
    const [a, b] = [await store.add(copy(TWIN_FULL, place('binary'))), await store.add(copy(GO_124, place('binary')))];
    const forged = [a.binary, { ...b.binary, key: a.binary.key }];
    assert.equal(builds(forged).length, 2);
    assert.equal(builds([a.binary, { ...a.binary, path: 'elsewhere' }]).length, 1);
  });
});
