import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { DirectoryStore } from '../../src/store/directory.ts';
import { StoreError } from '../../src/store/store.ts';
import { needsTools } from '../support/toolchains.ts';
import { cProgram, copy, GO_124, NO_GNU_ID, PIE, PIE_ALTERED, place, TWIN_FULL, variant } from './samples.ts';

const needsBinutils = needsTools('gcc', 'objcopy', 'strip', 'readelf');

function freshStore(): Promise<DirectoryStore> {
  return DirectoryStore.open(place(), { create: true, notice: (sentence) => assert.fail(sentence) });
}

/** Every file below a directory, relative. */
function filesBelow(root: string): string[] {
  return (fs.readdirSync(root, { recursive: true }) as string[])
    .filter((path) => !fs.lstatSync(join(root, path)).isDirectory())
    .sort();
}

function sha256(path: string): string {
  return createHash('sha256').update(fs.readFileSync(path)).digest('hex');
}

test('a store is made only when asked for', async () => {
  const root = place();
  await assert.rejects(DirectoryStore.open(root), (e) => e instanceof StoreError && e.code === 'no-store');
  assert.equal(fs.existsSync(root), false);
  const store = await DirectoryStore.open(root, { create: true });
  assert.deepEqual(await store.list(), []);
  assert.deepEqual(filesBelow(root), [], 'an empty store stays empty');
  await assert.rejects(DirectoryStore.open(GO_124), (e) => e instanceof StoreError && e.code === 'no-store');
});

test('another process finds the same, from the files alone and from the snapshot', async () => {
  const store = await freshStore();
  await store.add(GO_124, { name: 'api' });
  await store.add(TWIN_FULL, { name: 'worker' });
  const listed = await store.list();
  fs.rmSync(join(store.root, '.resym'), { recursive: true });
  assert.deepEqual(await (await DirectoryStore.open(store.root)).list(), listed);
  for (const path of filesBelow(store.root)) if (path.endsWith('.json')) fs.rmSync(join(store.root, path));
  const bare = await (await DirectoryStore.open(store.root)).list();
  assert.deepEqual(
    bare.map((b) => [b.key, b.path, b.identity, b.version, b.problem]),
    [...listed].sort((a, b) => (a.key < b.key ? -1 : 1)).map((b) => [b.key, b.path, b.identity, b.version, b.problem]),
  );
  assert.ok(fs.existsSync(join(store.root, '.resym/catalog.json')), 'reading files is worth a snapshot');
  let examined = 0;
  const cached = await DirectoryStore.open(store.root, {
    examine: () => assert.fail(`read again: ${++examined}`),
  });
  assert.deepEqual(await cached.list(), bare);
});

test('a file added by another process after opening is found at the next look', async () => {
  const store = await DirectoryStore.open(place(), { create: true, lookAgainMs: 50 });
  const other = await DirectoryStore.open(store.root);
  const { binary } = await other.add(GO_124);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual(await store.find({ gnu: binary.key }), [binary]);
  const lazy = await DirectoryStore.open(store.root, { lookAgainMs: 3600_000 });
  const { binary: second } = await other.add(TWIN_FULL);
  assert.deepEqual(await lazy.named(second.name), [], 'within the interval the directory is not looked at');
  assert.deepEqual(await lazy.find({ gnu: second.key }), [second], 'but where a file of that ID would lie');
  assert.deepEqual(await lazy.named(second.name), [second]);
});

test('what another process just added is found at once, by every ID that leads to its place', async () => {
  const store = await DirectoryStore.open(place(), { create: true, lookAgainMs: 3600_000 });
  const other = await DirectoryStore.open(store.root);
  const { binary } = await other.add(NO_GNU_ID);
  assert.deepEqual(await store.find({ go: binary.identity.ids.go ?? '' }), [binary], 'its Go ID');
  const id = variant(join(store.root, 'ff'.repeat(20), 'debuginfo'), 1);
  copy(join(store.root, 'ff'.repeat(20), 'debuginfo'), join(store.root, id, 'debuginfo'));
  assert.equal((await store.find({ gnu: id })).length, 1, 'in a directory of that ID');
  await other.remove(binary.key);
  assert.deepEqual(await store.find({ go: binary.identity.ids.go ?? '' }), []);
});

test('a better file under a known ID is found after the interval, though every look-up is a hit', async () => {
  const store = await DirectoryStore.open(place(), { create: true, lookAgainMs: 100 });
  const [stripped, full] = [place('stripped'), place('full')];
  const gnu = variant(stripped, 7);
  variant(full, 7, 'full');
  await store.add(stripped);
  assert.equal((await store.find({ gnu })).length, 1);
  await (await DirectoryStore.open(store.root)).add(full);
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.deepEqual(
    (await store.find({ gnu })).map(({ identity }) => identity.symbols.dwarf !== null),
    [true, false],
  );
});

test('misses without end read few directories', async () => {
  const store = await DirectoryStore.open(place(), { create: true });
  await store.add(GO_124);
  const began = performance.now();
  for (let i = 0; i < 20_000; i++) await store.find({ gnu: i.toString(16).padStart(40, 'b') });
  const seconds = (performance.now() - began) / 1000;
  assert.ok(seconds < 10, `${seconds} s for 20,000 misses`); // 0.4 s on an idle machine
});

test('several files of one build: all kept, the one that knows most first', { skip: needsBinutils }, async () => {
  const program = await cProgram();
  const orders = [
    ['debug', 'full', 'symtabOnly'],
    ['full', 'debug', 'symtabOnly'],
    ['symtabOnly', 'debug', 'full'],
  ] as const;
  for (const order of orders) {
    const store = await freshStore();
    for (const kind of order) {
      const { binary } = await store.add(program[kind]);
      assert.equal(binary.key, program.gnu, 'the ID readelf prints');
    }
    const names = (await store.find({ gnu: program.gnu })).map((b) => basename(b.name).replace(/^\d+-/, ''));
    assert.deepEqual(names, ['program', 'program.debug', 'program.symtab'], order.join());
    const [best] = await store.find({ gnu: program.gnu });
    const alias = join(store.root, '.build-id', program.gnu.slice(0, 2), `${program.gnu.slice(2)}.debug`);
    assert.equal(sha256(alias), best.sha256, `${order.join()}: the link leads to the full build`);
    assert.deepEqual(await store.get(program.gnu), best);
  }
});

test('remove deletes all files of a build, or the one that is named', async () => {
  const store = await freshStore();
  const pie = (await store.add(PIE)).binary;
  const altered = (await store.add(PIE_ALTERED)).binary;
  const other = (await store.add(GO_124)).binary;
  assert.equal(pie.key, altered.key);
  const alias = join(store.root, '.build-id', pie.key.slice(0, 2), `${pie.key.slice(2)}.debug`);

  const first = fs.readlinkSync(alias);
  const named = basename(pie.path) === first ? pie : altered;
  const kept = named === pie ? altered : pie;
  assert.deepEqual(await store.remove(named.sha256!), [named]);
  assert.equal(fs.readlinkSync(alias), basename(kept.path), 'the link leads to what is left');
  assert.deepEqual(await store.find({ gnu: pie.key }), [kept]);

  await store.add(named === pie ? PIE : PIE_ALTERED);
  assert.equal((await store.remove(pie.key.slice(0, 8))).length, 2);
  assert.deepEqual(await store.find({ gnu: pie.key }), []);
  assert.equal(fs.lstatSync(alias, { throwIfNoEntry: false }), undefined);
  assert.deepEqual(await store.remove(pie.key), []);
  assert.deepEqual(await store.list(), [other]);
  assert.equal(filesBelow(join(store.root, '.build-id')).length, 3, 'file, facts, link of the other');
});

test('a source stays readable when its file is removed or replaced meanwhile', async () => {
  const store = await freshStore();
  const { binary } = await store.add(GO_124);
  const { source, release } = await store.open(binary);
  await store.remove(binary.key);
  assert.deepEqual(Buffer.from(source.read(0, source.size)), fs.readFileSync(GO_124));
  release();
  await assert.rejects(store.open(binary), { code: 'ENOENT' });
});

test('a full or failing disk leaves nothing behind', async () => {
  const store = await freshStore();
  const incoming = join(store.root, '.resym/incoming');
  await store.add(GO_124);
  fs.rmSync(incoming, { recursive: true });
  fs.writeFileSync(incoming, 'in the way');
  await assert.rejects(
    store.add(TWIN_FULL),
    (error: NodeJS.ErrnoException) => error.code === 'EEXIST' || error.code === 'ENOTDIR',
  );
  fs.rmSync(incoming);
  assert.equal((await store.list()).length, 1);
  assert.equal((await store.add(TWIN_FULL)).outcome, 'added');
});

test('abandoned copies are swept after a while, fresh ones are not', async () => {
  const store = await freshStore();
  const incoming = join(store.root, '.resym/incoming');
  fs.mkdirSync(incoming, { recursive: true });
  fs.writeFileSync(join(incoming, 'fresh'), 'x');
  await store.add(GO_124);
  assert.deepEqual(fs.readdirSync(incoming), ['fresh']);
});
