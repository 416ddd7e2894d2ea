/** Pins, gc, verify with quarantine, sweeping and filters, on a directory of real binaries. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { DirectoryStore } from '../../src/store/directory.ts';
import { MAX_PAGE, pageOf } from '../../src/store/filter.ts';
import type { StoredBinary } from '../../src/store/store.ts';
import { copy, GO_124, place, TWIN_FULL } from './samples.ts';

function freshStore(): Promise<DirectoryStore> {
  return DirectoryStore.open(place(), { create: true, lookAgainMs: 0 });
}

function overwriteOneByte(path: string): void {
  const { mtime } = fs.statSync(path);
  const file = fs.openSync(path, 'r+');
  fs.writeSync(file, Buffer.from([0x5a]), 0, 1, fs.statSync(path).size - 100);
  fs.closeSync(file);
  fs.utimesSync(path, mtime, mtime); // as a disk damages it
}

function filesBelow(root: string): string[] {
  return (fs.readdirSync(root, { recursive: true }) as string[])
    .filter((path) => !fs.statSync(join(root, path), { throwIfNoEntry: false })?.isDirectory())
    .sort();
}

test('quarantine takes nothing that is not damaged: a good copy that took its place, what was put there by hand, what is gone', async () => {
  const store = await freshStore();
  const { binary } = await store.add(GO_124);
  const good = fs.readFileSync(join(store.root, binary.path));
  overwriteOneByte(join(store.root, binary.path));
  const [bad] = await store.verify();
  assert.equal(bad.ok, false);
  fs.writeFileSync(join(store.root, binary.path), good);
  await assert.rejects(store.quarantine(bad.binary, bad.problem), { code: 'changed' });
  assert.equal((await store.find({ gnu: binary.key })).length, 1);
  copy(TWIN_FULL, join(store.root, 'releases/api'));
  fs.truncateSync(join(store.root, 'releases/api'), 1000);
  const hand = (await store.verify()).find(({ ok }) => !ok);
  assert.equal(hand?.binary.path, 'releases/api');
  await assert.rejects(store.quarantine(hand.binary, hand.problem), { code: 'changed' });
  await store.remove(binary.key);
  await assert.rejects(store.quarantine(bad.binary, bad.problem), { code: 'changed' });
  assert.deepEqual(await store.quarantined(), []);
});

test('sweeping removes what was abandoned, and nothing else', async () => {
  const store = await freshStore();
  const { binary } = await store.add(GO_124);
  await store.keepIndex(binary.key, 'stamp', Buffer.from('index'));
  await store.close();
  const kept = filesBelow(store.root);
  const gone = 'cd'.repeat(19);
  const own = `.build-id/cd/${gone}.${'0'.repeat(16)}.elf`;
  const litter: Record<string, string> = {
    '.resym/incoming/1b9d6bcd': 'half a file',
    [`${own}.json`]: '{}',
    [`.resym/index/cd/${gone}.01234567.symidx`]: 'index',
    [`.resym/index/42/${binary.key.slice(2)}.01234567.symidx.12.part`]: 'half an index',
    '.resym/catalog.json.0f0f': 'half a snapshot',
    '.resym/quarantine/0f0f/about.json': '{}',
  };
  for (const [path, text] of Object.entries(litter)) {
    fs.mkdirSync(join(store.root, path, '..'), { recursive: true });
    fs.writeFileSync(join(store.root, path), text);
  }
  const link = `.build-id/cd/${gone}.debug`;
  fs.symlinkSync(basename(own), join(store.root, link));
  const by = [`.build-id/cd/${'12'.repeat(19)}.debug`, '.build-id/cd/notes.json', '.build-id/cd/README'];
  for (const path of by) fs.writeFileSync(join(store.root, path), 'by hand');
  assert.deepEqual(await store.sweep(), [], 'too young, all of it');
  const old = { abandonedMs: -1000, quarantinedMs: -1000 };
  const said = (await store.sweep({ ...old, dryRun: true })).map(({ path }) => path).sort();
  const swept = (await store.sweep(old)).map(({ path }) => path).sort();
  assert.deepEqual(swept, said);
  assert.deepEqual(swept, [...Object.keys(litter), link].map((path) => path.replace('/about.json', '')).sort());
  assert.deepEqual(filesBelow(store.root), [...kept, ...by].sort());
  assert.deepEqual(await store.sweep(old), []);
});

test('pages: all of a list, each once, whatever comes and goes between them', () => {
  const list = Array.from({ length: 2500 }, (_, i) => {
    const number = String(i >> 1).padStart(6, '0'); // two files a key
    return { name: `p${number[5]}`, key: number, path: `${i}` } as StoredBinary;
  }).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const seen: string[] = [];
  let after: string | null = '';
  while (after !== null) {
    const page: ReturnType<typeof pageOf> = pageOf(list, { after, limit: 7 });
    seen.push(...page.binaries.map(({ path }) => path));
    after = page.next;
  }
  assert.deepEqual(
    seen,
    list.map(({ path }) => path),
  );
  assert.equal(pageOf(list).binaries.length, MAX_PAGE);
  assert.equal(pageOf(list, { limit: 0 }).binaries.length, 1);
  assert.deepEqual(pageOf([]), { binaries: [], next: null });
  const first = pageOf(list, { limit: 9 });
  const without = list.filter((_, i) => i !== 8);
  const second = pageOf(without, { after: first.next ?? '', limit: 9 });
  assert.ok(
    second.binaries.some(({ path }) => path === list[9].path),
    'nothing is passed over',
  );
  for (const after of ['x', '[]', Buffer.from('[1,2,3]').toString('base64url'), '%%%']) {
    assert.throws(() => pageOf(list, { after }), { code: 'invalid-id' });
  }
});
