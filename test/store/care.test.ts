/** Pins, gc, verify with quarantine, sweeping and filters, on a directory of real binaries. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { collect } from '../../src/store/collect.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { filtered, MAX_PAGE, pageOf } from '../../src/store/filter.ts';
import { NO_RULES } from '../../src/store/gc-rules.ts';
import type { StoredBinary } from '../../src/store/store.ts';
import { copy, GO_124, NO_GNU_ID, PIE, place, TWIN_FULL, TWIN_STRIPPED } from './samples.ts';

const DAY = 86_400_000;

function freshStore(): Promise<DirectoryStore> {
  return DirectoryStore.open(place(), { create: true, lookAgainMs: 0 });
}

/** As if a file had been added, and not used since, so many days ago. */
function age(root: string, { path }: StoredBinary, days: number): void {
  const facts = join(root, `${path}.json`);
  const at = new Date(Date.now() - days * DAY);
  const text = fs.readFileSync(facts, 'utf8').replace(/"addedAt": "[^"]*"/, `"addedAt": "${at.toISOString()}"`);
  fs.writeFileSync(facts, text);
  fs.utimesSync(facts, at, at);
  fs.rmSync(join(root, '.resym/catalog.json'), { force: true });
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

test('gc removes what is old, with its twin, facts, link and index, and says so', async () => {
  const old = await freshStore();
  const added = [];
  for (const file of [TWIN_STRIPPED, TWIN_FULL, GO_124]) added.push((await old.add(file)).binary);
  await old.keepIndex(added[1].key, 'stamp', Buffer.from('index'));
  age(old.root, added[0], 100);
  age(old.root, added[1], 95);
  const store = await DirectoryStore.open(old.root);
  const rules = { ...NO_RULES, maxAgeMs: 90 * DAY };
  const before = filesBelow(store.root);
  const wouldBe = await collect(store, { rules, dryRun: true });
  assert.deepEqual(filesBelow(store.root), before, 'a dry run changes nothing');
  const told: string[] = [];
  const done = await collect(store, { rules, onRemoved: ({ binary }) => told.push(binary.path) });
  assert.deepEqual(done.removed, wouldBe.removed);
  assert.deepEqual(
    done.removed.map(({ binary }) => binary.path),
    told,
  );
  assert.deepEqual(told.sort(), [added[0].path, added[1].path].sort());
  assert.equal(done.freedBytes, added[0].sizeBytes + added[1].sizeBytes);
  assert.deepEqual(
    (await store.list()).map(({ path }) => path),
    [added[2].path],
  );
  const left = filesBelow(store.root).filter((path) => !path.startsWith('.resym/catalog'));
  const own = added[2].path;
  assert.deepEqual(left, [own.replace(/\.[0-9a-f]{16}\.elf$/, '.debug'), own, `${own}.json`].sort());
});

test('what is used, pinned or added again while gc is at work stays', async () => {
  const store = await freshStore();
  const files = [GO_124, TWIN_FULL, NO_GNU_ID, PIE];
  const added = [];
  for (const file of files) added.push((await store.add(file, { name: 'api' })).binary);
  for (const binary of added) age(store.root, binary, 100);
  const late = await DirectoryStore.open(store.root);
  await late.used(added[0]);
  await late.setPinned(added[1].key.slice(0, 12), true);
  const rules = { ...NO_RULES, maxAgeMs: 90 * DAY };
  const { removed } = await collect(late, {
    rules,
    onRemoved: () => undefined,
    dryRun: true,
  });
  assert.deepEqual(removed.map(({ binary }) => binary.key).sort(), [added[2].key, added[3].key].sort());
  // Chosen by one, and added again by another before it is removed.
  const pins = late.pins.bind(late);
  let asked = 0;
  late.pins = async () => {
    if (asked++ === 1) await store.add(files[2]);
    return pins();
  };
  const done = await collect(late, { rules });
  assert.deepEqual(
    done.removed.map(({ binary }) => binary.key),
    [added[3].key],
  );
  assert.equal(done.kept, 3);
});

test('pins are by build, survive a restart, and go with the build', async () => {
  const store = await freshStore();
  const { binary } = await store.add(GO_124);
  assert.deepEqual(await store.setPinned('dddddddd', true), []);
  assert.deepEqual(
    (await store.setPinned(binary.key.slice(0, 8), true)).map(({ key }) => key),
    [binary.key],
  );
  await store.setPinned(binary.key, true);
  const again = await DirectoryStore.open(store.root);
  assert.deepEqual([...(await again.pins())], [binary.key]);
  const { removed } = await collect(again, { rules: { ...NO_RULES, quotaBytes: 0 } });
  assert.deepEqual(removed, []);
  await again.setPinned(binary.key, false);
  assert.equal((await again.pins()).size, 0);
  await again.setPinned(binary.key, true);
  await again.remove(binary.key);
  assert.equal((await again.pins()).size, 0);
  fs.mkdirSync(join(store.root, '.resym/pins'), { recursive: true });
  fs.writeFileSync(join(store.root, '.resym/pins', 'ab'.repeat(20)), '');
  assert.deepEqual(await again.setPinned('AB'.repeat(20), false), []);
  assert.equal((await again.pins()).size, 0, 'the pin of a build that is gone can be taken away');
  await assert.rejects(again.setPinned('ab', true), { code: 'invalid-id' });
});

test('a damaged file goes to quarantine with its facts, and a good copy can be added', async () => {
  const store = await freshStore();
  const { binary } = await store.add(GO_124);
  const { binary: other } = await store.add(TWIN_FULL);
  await store.keepIndex(binary.key, 'stamp', Buffer.from('index'));
  overwriteOneByte(join(store.root, binary.path));
  const [bad, ...more] = (await store.verify()).filter(({ ok }) => !ok);
  assert.deepEqual([bad.binary.path, bad.isDamaged, more.length], [binary.path, true, 0]);
  assert.match(bad.problem, /damaged: its content has sha256/);
  await store.quarantine(bad.binary, bad.problem);
  assert.deepEqual(await store.find({ gnu: binary.key }), []);
  assert.deepEqual(
    (await store.list()).map(({ path }) => path),
    [other.path],
  );
  const [kept, ...rest] = await store.quarantined();
  assert.equal(rest.length, 0);
  assert.deepEqual(
    [kept.name, kept.key, kept.problem, kept.sizeBytes],
    [binary.name, binary.key, bad.problem, binary.sizeBytes],
  );
  assert.deepEqual(
    fs.readdirSync(join(store.root, kept.path, '..')).sort(),
    ['about.json', basename(binary.path), `${basename(binary.path)}.json`].sort(),
  );
  assert.equal(
    filesBelow(store.root).filter((path) => path.startsWith(binary.path.slice(0, 30))).length,
    0,
    'no link, no facts',
  );
  assert.equal((await store.add(GO_124)).outcome, 'added');
  const fresh = await DirectoryStore.open(store.root);
  assert.equal((await fresh.find({ gnu: binary.key })).length, 1);
  assert.ok((await fresh.verify()).every(({ ok }) => ok));
});

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

test('a truncated file is damaged, one that is gone is not', async () => {
  const store = await freshStore();
  const { binary } = await store.add(GO_124);
  fs.truncateSync(join(store.root, binary.path), 5000);
  const late = await DirectoryStore.open(store.root);
  const [bad] = await late.verify();
  assert.deepEqual([bad.ok, bad.isDamaged], [false, true]);
  await late.quarantine(bad.binary, bad.problem);
  assert.equal((await late.quarantined()).length, 1);
  await late.add(TWIN_FULL);
  const [{ path }] = await late.list();
  fs.rmSync(join(store.root, path));
  for (const result of await late.verify()) assert.equal(result.isDamaged, false);
});

test('damaged facts are replaced; the file stays', async () => {
  const damages: Record<string, (facts: string) => string> = {
    'cut off': (facts) => facts.slice(0, 100),
    'of another file': (facts) => facts.replace(/"arch": "amd64"/, '"arch": "arm64"'),
    'another hash': (facts) => facts.replace(/"sha256": ".{8}/, '"sha256": "00000000'),
    'another size': (facts) => facts.replace(/"sizeBytes": \d+/, '"sizeBytes": 1'),
  };
  for (const [what, damage] of Object.entries(damages)) {
    const store = await freshStore();
    const { binary } = await store.add(NO_GNU_ID);
    const facts = join(store.root, `${binary.path}.json`);
    fs.writeFileSync(facts, damage(fs.readFileSync(facts, 'utf8')));
    const late = await DirectoryStore.open(store.root);
    const [bad] = await late.verify();
    assert.deepEqual([bad.ok, bad.isDamaged], [false, true], what);
    await late.quarantine(bad.binary, bad.problem);
    assert.equal((await late.quarantined()).length, 1, what);
    assert.match((await late.quarantined())[0].path, /\.elf\.json$/, what);
    for (const again of [late, await DirectoryStore.open(store.root)]) {
      assert.deepEqual(
        (await again.verify()).map(({ ok, problem }) => [ok, problem]),
        [[true, '']],
        what,
      );
      const [found] = await again.find({ go: binary.identity.ids.go ?? '' });
      assert.deepEqual(found.identity, binary.identity, what);
    }
  }
});

test('facts of another release are no damage', async () => {
  const store = await freshStore();
  const { binary } = await store.add(GO_124);
  const facts = join(store.root, `${binary.path}.json`);
  fs.writeFileSync(facts, fs.readFileSync(facts, 'utf8').replace(/"schema": \d+/, '"schema": 2'));
  const late = await DirectoryStore.open(store.root);
  assert.deepEqual(
    (await late.verify()).map(({ ok }) => ok),
    [true],
  );
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

test('filters: program, version, revision, the beginning of any ID', async () => {
  const store = await freshStore();
  const { binary: go } = await store.add(GO_124, { name: 'tiny' });
  const { binary: full } = await store.add(TWIN_FULL);
  const { binary: old } = await store.add(NO_GNU_ID);
  const paths = async (filter: Parameters<DirectoryStore['list']>[0]) =>
    (await store.list(filter)).map(({ path }) => path);
  assert.deepEqual(await paths({ program: 'tiny' }), [go.path]);
  assert.deepEqual(await paths({ program: '/usr/bin/tiny' }), [go.path]);
  assert.deepEqual(await paths({ program: 'tin' }), []);
  assert.deepEqual(await paths({ id: full.key.slice(0, 6).toUpperCase() }), [full.path]);
  assert.deepEqual(await paths({ id: old.identity.ids.go?.slice(0, 10) ?? '' }), [old.path]);
  assert.deepEqual(await paths({ id: full.sha256?.slice(0, 10) ?? '' }), [full.path]);
  assert.equal((await paths({ program: '', id: '', version: '', revision: '' })).length, 3);
  const versions = (await store.list()).map((binary, i) => {
    const main = { path: 'example.com/tiny', version: `v1.2.${i}` };
    const go = { version: 'go1.26', path: 'example.com/tiny', main, settings: { 'vcs.revision': `${i}abcdef` } };
    return { ...binary, identity: { ...binary.identity, go } };
  });
  assert.deepEqual(filtered(versions, { version: 'v1.2.1' }), [versions[1]]);
  assert.deepEqual(filtered(versions, { version: '1.2.1' }), [versions[1]]);
  assert.deepEqual(filtered(versions, { version: 'v1.2' }), []);
  assert.deepEqual(filtered(versions, { revision: '2ABC' }), [versions[2]]);
  assert.deepEqual(filtered(versions, { revision: '2abc', version: 'v1.2.1' }), []);
  const c = { ...versions[0], identity: { ...versions[0].identity, go: null } };
  assert.deepEqual(filtered([c], { version: 'v1' }), []);
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
