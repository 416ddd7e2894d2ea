import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { DirectoryStore } from '../../src/store/directory.ts';
import { type StoredBinary, StoreError } from '../../src/store/store.ts';
import { needsTools } from '../support/toolchains.ts';
import {
  cProgram,
  copy,
  GO_124,
  NO_GNU_ID,
  PIE,
  PIE_ALTERED,
  place,
  TWIN_FULL,
  TWIN_STRIPPED,
  variant,
} from './samples.ts';

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

test('what is added is found by every ID, listed, and read back byte for byte', async () => {
  const store = await freshStore();
  const { binary, outcome, note } = await store.add(GO_124, { name: 'api' });
  assert.equal(outcome, 'added');
  assert.match(note, /^added as 42d38f69/);
  assert.equal(binary.name, 'api');
  assert.equal(binary.sha256, sha256(GO_124));
  assert.equal(binary.sizeBytes, fs.statSync(GO_124).size);
  assert.ok(Math.abs(Date.parse(binary.addedAt) - Date.now()) < 60_000);
  assert.equal(binary.problem, '');
  const { gnu, go, goDerivedGnu, pclntabSha256 } = binary.identity.ids;
  assert.equal(binary.key, gnu);
  assert.match(binary.path, new RegExp(`^\\.build-id/${gnu!.slice(0, 2)}/${gnu!.slice(2)}\\.`));
  for (const query of [
    { gnu: gnu! },
    { gnu: gnu!.toUpperCase() },
    { go: go! },
    { gnu: `ff${gnu!.slice(2)}` }, // another release's first byte over the same Go ID
    { pclntabSha256: pclntabSha256! },
  ]) {
    assert.deepEqual(await store.find(query), [binary], JSON.stringify(query));
  }
  assert.deepEqual(await store.find({ gnu: 'ab'.repeat(20) }), []);
  for (const id of [
    gnu!,
    gnu!.slice(0, 4),
    go!,
    go!.slice(0, 9),
    goDerivedGnu!,
    binary.sha256.slice(0, 12),
    binary.path,
  ]) {
    assert.deepEqual(await store.get(id), binary, id);
  }
  assert.deepEqual(await store.list(), [binary]);
  const { source, release } = await store.open(binary);
  assert.deepEqual(Buffer.from(source.read(0, source.size)), fs.readFileSync(GO_124));
  release();
  release();
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

test('adding again changes nothing', async () => {
  const store = await freshStore();
  const first = await store.add(GO_124);
  const files = filesBelow(store.root);
  const timed = files.filter((path) => !path.endsWith('.elf.json')); // its time says that somebody had a use for it
  const before = timed.map((path) => fs.lstatSync(join(store.root, path)).mtimeMs);
  for (const name of ['one', 'two']) {
    const again = await store.add(copy(GO_124, place(name)));
    assert.equal(again.outcome, 'already-there');
    assert.deepEqual(again.binary, first.binary);
  }
  const other = await DirectoryStore.open(store.root);
  assert.equal((await other.add(GO_124)).outcome, 'already-there');
  assert.deepEqual(filesBelow(store.root), files);
  assert.deepEqual(
    timed.map((path) => fs.lstatSync(join(store.root, path)).mtimeMs),
    before,
  );
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

test('a file that another process removes right after it was added is not listed', async () => {
  const store = await freshStore();
  const { binary } = await store.add(GO_124);
  fs.rmSync(join(store.root, binary.path));
  fs.rmSync(join(store.root, `${binary.path}.json`));
  assert.deepEqual(await store.list(), []);
  assert.equal((await store.add(GO_124)).outcome, 'added');
  assert.equal((await store.list()).length, 1);
});

test('misses without end read few directories', async () => {
  const store = await DirectoryStore.open(place(), { create: true });
  await store.add(GO_124);
  const began = performance.now();
  for (let i = 0; i < 20_000; i++) await store.find({ gnu: i.toString(16).padStart(40, 'b') });
  const seconds = (performance.now() - began) / 1000;
  assert.ok(seconds < 10, `${seconds} s for 20,000 misses`); // 0.4 s on an idle machine
});

test('files without a GNU ID are filed under the one their Go ID gives', async () => {
  const store = await freshStore();
  const { binary } = await store.add(NO_GNU_ID);
  assert.equal(binary.identity.ids.gnu, null);
  assert.equal(binary.key, binary.identity.ids.goDerivedGnu);
  assert.ok(binary.key.startsWith('00'));
  assert.deepEqual(await store.find({ go: binary.identity.ids.go! }), [binary]);
  assert.deepEqual(await store.find({ gnu: `3c${binary.key.slice(2)}` }), [binary]);
});

test('a stripped build and its unstripped twin: two keys, one pclntab, the fuller first', async () => {
  const store = await freshStore();
  const stripped = (await store.add(TWIN_STRIPPED)).binary;
  const full = (await store.add(TWIN_FULL)).binary;
  assert.notEqual(stripped.key, full.key);
  const { pclntabSha256 } = stripped.identity.ids;
  assert.deepEqual(await store.find({ pclntabSha256: pclntabSha256! }), [full, stripped]);
  assert.deepEqual(
    await store.find({ gnu: stripped.key, pclntabSha256: pclntabSha256! }),
    [stripped, full],
    'the very ID comes before its twin',
  );
  await assert.rejects(store.get(pclntabSha256!), (e) => {
    assert.ok(e instanceof StoreError && e.code === 'ambiguous-id');
    assert.match(e.message, new RegExp(`${full.key}`));
    assert.match(e.message, new RegExp(`${stripped.key}`));
    return true;
  });
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

test('outcomes say what happened to the name', { skip: needsBinutils }, async () => {
  const program = await cProgram();
  const store = await freshStore();
  const outcomes: string[] = [];
  for (const kind of ['symtabOnly', 'full', 'debug', 'full'] as const)
    outcomes.push((await store.add(program[kind])).outcome);
  assert.deepEqual(outcomes, ['added', 'replaced', 'added', 'already-there']);
});

test(
  'files without symbols and what is no linked object are refused with advice',
  { skip: needsBinutils },
  async () => {
    const program = await cProgram();
    const store = await freshStore();
    const refused = async (path: string, code: StoreError['code'], message: RegExp) => {
      await assert.rejects(store.add(path), (error) => {
        assert.ok(error instanceof StoreError, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      });
    };
    const relocatable = place('program.o');
    const source = place('o.c');
    fs.writeFileSync(source, 'int f(int x) { return x; }\n');
    execFileSync('gcc', ['-g', '-c', '-o', relocatable, source]);
    const text = place('notes.txt');
    fs.writeFileSync(text, 'not a program\n');
    const empty = place('empty');
    fs.writeFileSync(empty, '');
    await refused(relocatable, 'no-symbols', /not linked/);
    await refused(text, 'not-an-object', /text/);
    await refused(empty, 'not-an-object', /empty/);
    await refused(store.root, 'not-an-object', /regular file/);
    await assert.rejects(store.add(place('missing')), { code: 'ENOENT' });
    await refused(program.stripped, 'no-symbols', /before it was stripped/);
    assert.deepEqual(await store.list(), []);
    assert.deepEqual(filesBelow(store.root), [], 'nothing is left behind');
  },
);

test('a damaged copy is noticed and replaced by adding again', async () => {
  const store = await freshStore();
  const { binary } = await store.add(GO_124);
  const stored = join(store.root, binary.path);
  fs.truncateSync(stored, 1000);
  assert.deepEqual(await store.find({ gnu: binary.key }), []);
  const [broken] = await store.list();
  assert.match(broken.problem, /damaged: 1000 bytes/);
  assert.equal(broken.name, binary.name);
  assert.match((await store.verify())[0].problem, /damaged/);
  const repaired = await store.add(GO_124);
  assert.equal(repaired.outcome, 'replaced');
  assert.equal(sha256(stored), binary.sha256);
  assert.equal((await store.find({ gnu: binary.key })).length, 1);
  assert.equal((await store.verify())[0].ok, true);
});

test('verify sees a single flipped bit that keeps size and time', async () => {
  const store = await freshStore();
  const { binary } = await store.add(GO_124);
  await store.add(TWIN_FULL);
  const stored = join(store.root, binary.path);
  const { atime, mtime } = fs.statSync(stored);
  const bytes = fs.readFileSync(stored);
  bytes[bytes.length >> 1] ^= 1;
  fs.writeFileSync(stored, bytes);
  fs.utimesSync(stored, atime, mtime);
  const seen: string[] = [];
  const results = await store.verify((result) => seen.push(result.binary.path));
  assert.equal(seen.length, 2);
  assert.deepEqual(
    results.map(({ ok }) => ok),
    results.map((result) => result.binary.path !== binary.path),
  );
  assert.match(results.find(({ ok }) => !ok)!.problem, /sha256/);
});

test('verify sees a file that is filed under another identity', async () => {
  const store = await freshStore();
  const { binary } = await store.add(GO_124);
  const other = `.build-id/ff/${binary.path.slice('.build-id/42/'.length)}`;
  copy(join(store.root, binary.path), join(store.root, other));
  const results = await store.verify();
  assert.deepEqual(results.map((result) => Number(result.ok)).sort(), [0, 1]);
  assert.match(results.find(({ ok }) => !ok)!.problem, /its identity is 42d38f69/);
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

test('IDs that name nothing find nothing', async () => {
  const store = await freshStore();
  const shared = 'b78919aff001d8366249403a2544fba2d833084f'; // every binary of Bazel's rules_go, Go 1.24
  const bytes = fs.readFileSync(GO_124);
  const own = Buffer.from('42d38f693e731499471cea9620cb83b37260af18', 'hex');
  Buffer.from(shared, 'hex').copy(bytes, bytes.indexOf(own));
  const path = place('redacted');
  fs.writeFileSync(path, bytes);
  const { binary } = await store.add(path);
  assert.notEqual(binary.key, shared);
  assert.equal(binary.key, binary.identity.ids.goDerivedGnu);
  for (const gnu of [
    shared,
    `49${shared.slice(2)}`,
    '0'.repeat(40),
    '',
    'ab',
    'zz'.repeat(20),
    '../../etc/passwd',
    '\0'.repeat(8),
  ]) {
    assert.deepEqual(await store.find({ gnu }), [], JSON.stringify(gnu));
  }
  for (const go of ['redacted', '', '/', '///']) assert.deepEqual(await store.find({ go }), [], go);
  assert.deepEqual(await store.find({}), []);
});

test('prefixes: unique ones are enough, short and ambiguous ones are errors', async () => {
  const store = await freshStore();
  const paths = [0x12345601, 0x12345602, 0xabcdef00].map((number) => {
    const path = place(`variant-${number.toString(16)}`);
    variant(path, number);
    return path;
  });
  const added: StoredBinary[] = [];
  for (const path of paths) added.push((await store.add(path)).binary);
  assert.deepEqual(await store.get('abcd'), added[2]);
  assert.deepEqual(await store.get('ABCDEF'), added[2]);
  assert.deepEqual(await store.get('12345602'), added[1]);
  assert.equal(await store.get('ffff'), null);
  for (const operation of [(id: string) => store.get(id), (id: string) => store.remove(id)]) {
    await assert.rejects(operation('abc'), (e) => e instanceof StoreError && e.code === 'invalid-id');
    await assert.rejects(operation(''), (e) => e instanceof StoreError && e.code === 'invalid-id');
    await assert.rejects(operation('123456'), (e) => {
      assert.ok(e instanceof StoreError && e.code === 'ambiguous-id');
      assert.match(e.message, /fits 2 binaries/);
      assert.ok(e.message.includes(added[0].key) && e.message.includes(added[1].key), e.message);
      assert.ok(!e.message.includes(added[2].key));
      return true;
    });
  }
  for (const hostile of ['../../../etc/passwd', '/etc/passwd', '%2e%2e/passwd', 'a'.repeat(5000), '....']) {
    assert.equal(await store.get(hostile), null, hostile);
    assert.deepEqual(await store.remove(hostile), []);
  }
  await assert.rejects(store.open({ ...added[0], path: '../../../etc/passwd' }), StoreError);
  assert.equal((await store.list()).length, 3);
});

test('names are made safe to print', async () => {
  const store = await freshStore();
  const names: [given: string, kept: string][] = [
    ['api\n\u001b[31mred', 'api\\x0a\\x1b[31mred'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\Users\\x\\api.exe', 'api.exe'],
    ['..', 'unnamed'],
    ['', 'unnamed'],
    ['evil\u202egpj.exe', 'evil\\u{202e}gpj.exe'],
    ['ünïcode 名', 'ünïcode 名'],
    ['x'.repeat(5000), 'x'.repeat(200)],
  ];
  for (const [i, [given, kept]] of names.entries()) {
    const path = place('named');
    variant(path, i + 1);
    assert.equal((await store.add(path, { name: given })).binary.name, kept);
  }
  assert.equal(filesBelow(store.root).length, names.length * 3);
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
