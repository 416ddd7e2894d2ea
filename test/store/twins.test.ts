/** Builds of one program under different IDs: how they are paired, listed, and searched for. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { builds } from '../../src/store/archived.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { resym } from '../support/cli.ts';
import { buildGo } from '../support/build.ts';
import { SERVICE_DIR } from '../support/service.ts';
import { needsGo, needsTools, toolchain } from '../support/toolchains.ts';
import { copy, GO_124, place, TWIN_FULL, TWIN_STRIPPED } from './samples.ts';

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

describe('different builds under one ID', () => {
  it('are never taken for files of one', async () => {
    const store = await DirectoryStore.open(place('store'), { create: true });
    const [a, b] = [await store.add(copy(TWIN_FULL, place('binary'))), await store.add(copy(GO_124, place('binary')))];
    const forged = [a.binary, { ...b.binary, key: a.binary.key }];
    assert.equal(builds(forged).length, 2);
    assert.equal(builds([a.binary, { ...a.binary, path: 'elsewhere' }]).length, 1);
  });
});
