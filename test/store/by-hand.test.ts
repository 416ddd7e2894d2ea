/** Directories that were filled by hand, by rsync, by other tools: what is there is what counts. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DirectoryStore, type DirectoryOptions } from '../../src/store/directory.ts';
import { examine } from '../../src/store/examine.ts';
import { needsTools } from '../support/toolchains.ts';
import { cProgram, copy, GO_124, NO_GNU_ID, place, TWIN_FULL, TWIN_STRIPPED, variant } from './samples.ts';

const GNU_124 = '42d38f693e731499471cea9620cb83b37260af18';
const ASK = fileURLToPath(new URL('./ask.ts', import.meta.url));

function emptyRoot(): string {
  const root = place();
  fs.mkdirSync(root);
  return root;
}

function open(root: string, options: DirectoryOptions = {}): Promise<DirectoryStore> {
  return DirectoryStore.open(root, { lookAgainMs: 0, ...options });
}

/** Runs ask.ts over a store in a process of its own and returns what it printed. */
function ask(command: readonly string[], root: string, file = GO_124): Record<string, unknown> {
  const node = [process.execPath, '--import', import.meta.resolve('tsx'), ASK, root, GNU_124, file];
  const [program, ...args] = [...command, ...node];
  const env = { ...process.env, NODE_TEST_CONTEXT: '' };
  const output = execFileSync(program, args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'inherit'] });
  return JSON.parse(output) as Record<string, unknown>;
}

const canMount =
  spawnSync('unshare', ['-m', 'sh', '-c', 'd=$(mktemp -d) && mount --bind "$d" "$d" && mount -o remount,bind,ro "$d"'])
    .status === 0;

const canBecomeNobody =
  process.getuid?.() === 0 &&
  spawnSync('setpriv', [
    '--reuid=65534',
    '--clear-groups',
    process.execPath,
    '--import',
    import.meta.resolve('tsx'),
    ASK,
    'probe',
  ]).status === 0;

const LAYOUTS: Record<string, (this: void, id: string) => string> = {
  'a distribution’s debug file': (id) => `.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`,
  'a distribution’s executable': (id) => `.build-id/${id.slice(0, 2)}/${id.slice(2)}`,
  'the same below another directory': (id) => `usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`,
  'a debuginfod cache': (id) => `${id}/debuginfo`,
  'a debuginfod cache, executable': (id) => `${id}/executable`,
  'pprof’s own': (id) => `${id}/api`,
  'upper case': (id) => `${id.toUpperCase()}/api`,
  'the root': () => 'api',
  'anywhere below': () => 'releases/v1.2.3 (final)/linux/api.bin',
};

for (const [what, pathOf] of Object.entries(LAYOUTS)) {
  test(`found: ${what}`, async () => {
    const root = emptyRoot();
    const path = pathOf(GNU_124);
    copy(GO_124, join(root, path));
    copy(TWIN_FULL, join(root, 'other'));
    const store = await open(root);
    const [binary, ...more] = await store.find({ gnu: GNU_124 });
    assert.equal(more.length, 0);
    assert.equal(binary?.path, path);
    assert.equal(binary.key, GNU_124);
    assert.equal(binary.sizeBytes, fs.statSync(GO_124).size);
    assert.deepEqual(await store.find({ go: binary.identity.ids.go! }), [binary]);
    const { source, release } = await store.open(binary);
    assert.equal(source.size, binary.sizeBytes);
    release();
    assert.deepEqual(
      (await store.verify()).map(({ ok }) => ok),
      [true, true],
    );
    assert.notEqual((await store.get(GNU_124))?.sha256, null, 'verify recorded the hash');
  });
}

test('a file whose path claims the ID is read alone', async () => {
  const root = emptyRoot();
  copy(GO_124, join(root, LAYOUTS['a debuginfod cache'](GNU_124)));
  for (let i = 1; i <= 10; i++) variant(join(root, `bin/variant-${i}`), i);
  let read = 0;
  const store = await open(root, {
    examine: (source) => {
      read++;
      return examine(source);
    },
  });
  assert.equal(read, 0, 'opening reads no file');
  assert.equal((await store.find({ gnu: GNU_124 })).length, 1);
  assert.equal(read, 1);
  assert.deepEqual(await store.find({ gnu: 'ab'.repeat(20) }), []);
  assert.equal(read, 11, '"not found" is said after all were read');
  assert.deepEqual(await store.find({ gnu: 'cd'.repeat(20) }), []);
  assert.equal(read, 11, 'and they are read once');
});

test('concurrent questions read each file once', async () => {
  const root = emptyRoot();
  for (let i = 1; i <= 10; i++) variant(join(root, `bin/variant-${i}`), i);
  let read = 0;
  const store = await open(root, {
    examine: (source) => {
      read++;
      return examine(source);
    },
  });
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      store.find({ gnu: Buffer.from(GNU_124, 'hex').fill(i, 0, 1).toString('hex') }),
    ),
  );
  assert.equal(read, 10);
  assert.equal(answers.filter((found) => found.length > 0).length, 20, 'by the derived ID, whatever the first byte');
});

test('files that come, change and go are noticed', async () => {
  const root = emptyRoot();
  const store = await open(root);
  assert.deepEqual(await store.find({ gnu: GNU_124 }), []);
  copy(GO_124, join(root, 'deep/er/api'));
  assert.equal((await store.find({ gnu: GNU_124 })).length, 1, 'came');
  fs.renameSync(join(root, 'deep/er'), join(root, 'deep/est'));
  assert.deepEqual(
    (await store.find({ gnu: GNU_124 })).map((b) => b.path),
    ['deep/est/api'],
    'moved with its directory',
  );
  fs.copyFileSync(TWIN_FULL, join(root, 'deep/est/api'));
  assert.deepEqual(await store.find({ gnu: GNU_124 }), [], 'overwritten in place');
  assert.equal((await store.list())[0].identity.go?.version.startsWith('go1.26'), true);
  fs.rmSync(join(root, 'deep'), { recursive: true });
  assert.deepEqual(await store.list(), [], 'gone');
});

test('a file that goes and comes back as it was is found again', async () => {
  const root = emptyRoot();
  const path = join(root, 'bin/api');
  copy(GO_124, path);
  copy(TWIN_FULL, join(root, 'bin/other'));
  const time = new Date(Math.floor(Date.now() / 1000) * 1000);
  fs.utimesSync(path, time, time);
  const store = await open(root, { lookAgainMs: 3600_000 });
  const [binary] = await store.find({ gnu: GNU_124 });
  fs.rmSync(path);
  assert.deepEqual(await store.find({ gnu: GNU_124 }), []);
  copy(GO_124, path);
  fs.utimesSync(path, time, time);
  await store.refresh();
  assert.deepEqual(
    (await store.find({ gnu: GNU_124 })).map((b) => [b.path, b.version]),
    [[binary.path, binary.version]],
  );
});

test('a file whose rights change is read then', { skip: !canBecomeNobody && 'needs root, to become nobody' }, () => {
  const root = emptyRoot();
  copy(GO_124, join(root, 'api'));
  for (let dir = root; dir.length > 4; dir = join(dir, '..')) fs.chmodSync(dir, 0o755);
  fs.chownSync(join(root, 'api'), 65534, 65534);
  const answer = ask(['setpriv', '--reuid=65534', '--clear-groups'], root, 'chmod');
  assert.deepEqual(answer, { before: 0, after: 1 });
});

test('a file that is being copied is taken once it is whole', async () => {
  const root = emptyRoot();
  const bytes = fs.readFileSync(GO_124);
  const store = await open(root);
  const path = join(root, 'api');
  for (const part of [0, 4, 64, 1000, bytes.length - 1]) {
    fs.writeFileSync(path, bytes.subarray(0, part));
    await store.find({ gnu: GNU_124 });
  }
  fs.writeFileSync(path, bytes);
  assert.equal((await store.find({ gnu: GNU_124 })).length, 1);
  assert.deepEqual(
    (await store.list()).map(({ problem }) => problem),
    [''],
  );
});

test('what is no object file is passed over, what is a damaged one is listed', async () => {
  const root = emptyRoot();
  const put = (name: string, bytes: Uint8Array | string) => {
    copy(GO_124, join(root, name));
    fs.writeFileSync(join(root, name), bytes);
  };
  const good = fs.readFileSync(GO_124);
  put('README', 'notes\n');
  put('empty', '');
  put('short', '\x7fEL');
  put('app.class', Buffer.from('cafebabe0000003400', 'hex'));
  put('profile.pb.gz', Buffer.from('1f8b0800', 'hex'));
  put('just-magic', '\x7fELF0000');
  put('header-only', good.subarray(0, 64));
  put('cut', good.subarray(0, 300_000));
  const holes = Buffer.from(good);
  holes.fill(0xff, 32, 64); // offsets and counts of the ELF header
  put('mad-header', holes);
  put('good', good);
  const store = await open(root);
  const listed = new Map((await store.list()).map((b) => [b.path, b.problem]));
  assert.deepEqual([...listed.keys()].sort(), ['cut', 'good', 'header-only', 'just-magic', 'mad-header']);
  assert.equal(listed.get('good'), '');
  for (const path of ['header-only', 'just-magic', 'mad-header']) assert.notEqual(listed.get(path), '', path);
  assert.deepEqual(
    (await store.find({ gnu: GNU_124 })).map(({ path }) => path).filter((path) => path !== 'cut'),
    ['good'],
  );
  const results = await store.verify();
  for (const { binary, ok, problem } of results) {
    assert.equal(ok, binary.problem === '', binary.path);
    assert.equal(problem === '', ok);
  }
  assert.deepEqual(
    (await store.remove('just-magic')).map((b) => b.path),
    ['just-magic'],
    'removed by its path',
  );
  assert.equal(fs.existsSync(join(root, 'just-magic')), false);
});

test('a file of every possible length and with flipped bytes never makes the store fail', async () => {
  const root = emptyRoot();
  const good = fs.readFileSync(GO_124);
  let seed = 1;
  const random = (n: number) => (seed = (seed * 48271) % 0x7fffffff) % n;
  for (let i = 0; i < 60; i++) {
    const bytes = Buffer.from(good.subarray(0, i % 2 === 0 ? good.length : random(good.length)));
    for (let k = 0; k < 20; k++) bytes[random(Math.min(bytes.length, 4096))] = random(256);
    bytes.write('\x7fELF', 0, 'latin1');
    fs.writeFileSync(join(root, `mutant-${i}`), bytes);
  }
  copy(TWIN_FULL, join(root, 'good'));
  const defects: string[] = [];
  const store = await open(root, { notice: (sentence) => defects.push(sentence) });
  const listed = await store.list();
  assert.deepEqual(defects, []);
  assert.equal(listed.find(({ path }) => path === 'good')?.problem, '');
  await store.verify();
});

test('a defect of the parser is one file’s problem and is reported', async () => {
  const root = emptyRoot();
  copy(GO_124, join(root, 'odd'));
  copy(TWIN_FULL, join(root, 'good'));
  const notices: string[] = [];
  const size = fs.statSync(GO_124).size;
  const store = await open(root, {
    notice: (sentence) => notices.push(sentence),
    examine: (source) => {
      if (source.size === size) throw new TypeError('cannot read properties of undefined');
      return examine(source);
    },
  });
  const listed = await store.list();
  assert.deepEqual(
    listed.map(({ path, problem }) => [path, problem === '']),
    [
      ['good', true],
      ['odd', false],
    ],
  );
  assert.match(notices.join(), /defect of resym.*odd.*TypeError/s);
});

test('links: a file’s once, loops and dangling ones not at all, directories’ not followed', async () => {
  const root = emptyRoot();
  const outside = place('outside');
  copy(GO_124, join(outside, 'api'));
  copy(TWIN_FULL, join(root, 'bin/worker'));
  fs.symlinkSync(join(outside, 'api'), join(root, 'api'));
  fs.symlinkSync('bin', join(root, 'also-bin'));
  fs.symlinkSync('.', join(root, 'bin/loop'));
  fs.symlinkSync('selfie', join(root, 'selfie'));
  fs.symlinkSync('nowhere', join(root, 'dangling'));
  fs.symlinkSync('/', join(root, 'everything'));
  fs.symlinkSync('/dev/zero', join(root, 'zero'));
  const store = await open(root);
  const listed = await store.list();
  assert.deepEqual(listed.map(({ path }) => path).sort(), ['api', 'bin/worker']);
  await store.remove('api');
  assert.ok(fs.existsSync(join(outside, 'api')), 'the link was removed, not what it leads to');

  const linked = place('linked-root');
  fs.symlinkSync(root, linked);
  assert.equal((await (await open(linked)).list()).length, 1);
});

test('.build-id itself may be a link to a distribution’s', async () => {
  const root = emptyRoot();
  const debug = place('usr-lib-debug');
  copy(GO_124, join(debug, LAYOUTS['a distribution’s debug file'](GNU_124)));
  fs.symlinkSync(join(debug, '.build-id'), join(root, '.build-id'));
  assert.equal((await (await open(root)).find({ gnu: GNU_124 })).length, 1);
});

test('names that are hard to print are escaped and still open', async () => {
  const root = emptyRoot();
  const names = ['two\nlines', 'red\u001b[31m', 'with space', 'ünï', '-rf', '$(x)', 'back\\slash'];
  for (const [i, name] of names.entries()) variant(join(root, name), i + 1);
  const store = await open(root);
  const listed = await store.list();
  assert.equal(listed.length, names.length);
  for (const binary of listed) {
    assert.doesNotMatch(binary.path + binary.name, /\p{Cc}/u);
    (await store.open(binary)).release();
    assert.deepEqual(await store.get(binary.path), binary);
  }
  assert.ok(listed.some(({ path }) => path === 'two\\x0alines'));
});

test('a store copied with rsync keeps its facts, one copied without times keeps names and hashes', async () => {
  const root = place();
  const original = await open(root, { create: true });
  const added = [await original.add(GO_124, { name: 'api' }), await original.add(TWIN_FULL, { name: 'worker' })];
  await original.close();
  for (const keepTimes of [true, false]) {
    const to = place('copied');
    fs.cpSync(join(root, '.build-id'), join(to, '.build-id'), {
      recursive: true,
      preserveTimestamps: keepTimes,
      verbatimSymlinks: true,
    });
    let read = 0;
    const store = await open(to, {
      examine: (source) => {
        read++;
        return examine(source);
      },
    });
    const listed = await store.list();
    assert.equal(read, keepTimes ? 0 : 2);
    assert.deepEqual(
      listed.map(({ name, sha256, addedAt, key }) => ({ name, sha256, addedAt, key })),
      added.map(({ binary: { name, sha256, addedAt, key } }) => ({ name, sha256, addedAt, key })),
    );
    assert.deepEqual(
      (await store.verify()).map(({ ok }) => ok),
      [true, true],
    );
  }
});

test('facts and snapshots that are damaged, foreign or from the future are read past', async () => {
  const root = place();
  const original = await open(root, { create: true });
  const { binary } = await original.add(GO_124, { name: 'api' });
  const sidecar = join(root, `${binary.path}.json`);
  const snapshot = join(root, '.resym/catalog.json');
  const good = JSON.parse(fs.readFileSync(sidecar, 'utf8')) as Record<string, unknown>;
  const bad: unknown[] = [
    {},
    [],
    null,
    { ...good, schema: 2 },
    { ...good, sizeBytes: '12' },
    { ...good, sizeBytes: -1 },
    { ...good, identity: null },
    { ...good, identity: { ...(good.identity as object), symbols: 'many' } },
    { ...good, sha256: '../../etc/passwd' },
  ];
  const texts = [...bad.map((value) => JSON.stringify(value)), '', '{', '\0\0\0', fs.readFileSync(GO_124)];
  for (const text of texts) {
    fs.writeFileSync(sidecar, text);
    fs.writeFileSync(snapshot, text);
    const store = await open(root);
    assert.deepEqual(
      (await store.find({ gnu: GNU_124 })).map(({ key, identity }) => ({ key, identity })),
      [{ key: binary.key, identity: binary.identity }],
    );
  }
  fs.rmSync(sidecar);
  const line = JSON.stringify({ path: binary.path, ...good });
  for (const text of [`${line}\n`, `{"resymCatalog":1}\n${line}\n`, `{"resymCatalog":2}\n${line.slice(0, 200)}`]) {
    fs.writeFileSync(snapshot, text);
    const [found] = await (await open(root)).find({ gnu: GNU_124 });
    assert.equal(found?.sha256, null, 'not from the snapshot');
  }
  fs.writeFileSync(snapshot, `{"resymCatalog":2}\nrubbish\n${line}\n{"cut`);
  const [found] = await (await open(root)).find({ gnu: GNU_124 });
  assert.equal(found?.name, 'api', 'from the one good line of the snapshot');
});

test(
  'hand-placed files stay as they are when better ones are added',
  { skip: needsTools('gcc', 'objcopy', 'strip', 'readelf') },
  async () => {
    const program = await cProgram();
    const root = emptyRoot();
    const placed = join(root, LAYOUTS['a distribution’s debug file'](program.gnu));
    copy(program.symtabOnly, placed);
    const before = fs.readFileSync(placed);
    const store = await open(root);
    await store.refresh();
    const { binary } = await store.add(program.full);
    assert.deepEqual(fs.readFileSync(placed), before);
    assert.equal(fs.lstatSync(placed).isSymbolicLink(), false);
    assert.deepEqual((await store.find({ gnu: program.gnu })).map(({ path }) => path)[0], binary.path);
    assert.equal((await store.add(program.symtabOnly)).outcome, 'already-there');
    assert.equal((await store.remove(program.gnu)).length, 2);
    assert.deepEqual(await store.list(), []);
  },
);

test('a binary that vanishes between find and open, and a root that vanishes', async () => {
  const root = emptyRoot();
  copy(GO_124, join(root, 'api'));
  copy(NO_GNU_ID, join(root, 'old'));
  const store = await open(root);
  const [binary] = await store.find({ gnu: GNU_124 });
  fs.rmSync(join(root, 'api'));
  await assert.rejects(store.open(binary), { code: 'ENOENT' });
  assert.deepEqual(await store.find({ gnu: GNU_124 }), []);
  const [old] = await store.list();
  fs.copyFileSync(TWIN_STRIPPED, join(root, 'old'));
  await assert.rejects(store.open(old), /changed since it was listed/);
  fs.rmSync(root, { recursive: true });
  await assert.rejects(store.find({ gnu: GNU_124 }), { code: 'ENOENT' });
  await assert.rejects(store.list(), { code: 'ENOENT' });
});

test('a read-only file system serves all questions', { skip: !canMount && 'needs the right to mount' }, async () => {
  const root = place();
  const store = await open(root, { create: true });
  await store.add(GO_124, { name: 'api' });
  copy(TWIN_FULL, join(root, 'by/hand'));
  await store.close();
  fs.rmSync(join(root, '.resym'), { recursive: true, force: true });
  const script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
  const answer = ask(['unshare', '-m', 'sh', '-c', script, root], root, TWIN_STRIPPED);
  assert.deepEqual(answer.listed, ['.build-id/42', 'by/hand']);
  assert.deepEqual(answer.found, ['api']);
  assert.equal(answer.readBytes, fs.statSync(GO_124).size);
  assert.match(String(answer.added), /^read-only: .*EROFS/);
  assert.match(String(answer.notices), /cannot be kept/);
});

test(
  'files and directories that may not be read are said and passed over',
  { skip: !canBecomeNobody && 'needs root, to become nobody' },
  () => {
    const root = emptyRoot();
    copy(GO_124, join(root, 'api'));
    copy(TWIN_FULL, join(root, 'secret'));
    copy(NO_GNU_ID, join(root, 'private/old'));
    fs.chmodSync(join(root, 'secret'), 0o600);
    fs.chmodSync(join(root, 'private'), 0o700);
    for (let dir = root; dir.length > 4; dir = join(dir, '..')) fs.chmodSync(dir, 0o755);
    const answer = ask(['setpriv', '--reuid=65534', '--clear-groups'], root);
    assert.deepEqual(answer.listed, ['api', 'secret']);
    assert.deepEqual(answer.found, ['api']);
    assert.match(String(answer.problems), /secret: cannot be read: EACCES/);
    assert.match(String(answer.notices), /EACCES.*private/);
    assert.match(String(answer.added), /already-there|EACCES/);
    fs.chmodSync(join(root, 'secret'), 0o644);
    const later = ask(['setpriv', '--reuid=65534', '--clear-groups'], root);
    assert.equal(String(later.problems), '', 'readable again: read again');
  },
);
