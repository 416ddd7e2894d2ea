/** What an archive does wherever it lies: the same tests on a directory and on a bucket of a real S3 server. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { basename, dirname } from 'node:path';
import { describe, it } from 'node:test';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import { type SketchFrame, SketchQuery } from '../../src/match/sketch.ts';
import { openObject } from '../../src/object/open.ts';
import { collect } from '../../src/store/collect.ts';
import { FileSource } from '../../src/store/file.ts';
import { filtered } from '../../src/store/filter.ts';
import { NO_RULES } from '../../src/store/gc-rules.ts';
import { type ListFilter, type StoredBinary, StoreError, type SymbolStore } from '../../src/store/store.ts';
import { craftFat } from '../object/craft-macho.ts';
import { machoBytes, machoFile } from '../object/macho-fixtures.ts';
import { needsTools } from '../support/toolchains.ts';
import { KINDS } from './places.ts';
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
  work,
} from './samples.ts';

const needsBinutils = needsTools('gcc', 'objcopy', 'strip', 'readelf');
const DAY = 86_400_000;

function sha256(path: string): string {
  return createHash('sha256').update(fs.readFileSync(path)).digest('hex');
}

function withOneByteChanged(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  changed[changed.length - 100] ^= 0x5a;
  return changed;
}

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

async function contentOf(store: SymbolStore, uuid: string): Promise<Uint8Array[]> {
  const found = await store.find({ uuid });
  return Promise.all(
    found.map(async (binary) => {
      const { source, release } = await store.open(binary);
      const bytes = new Uint8Array(source.read(0, source.size));
      release();
      return bytes;
    }),
  );
}

function written(bytes: Uint8Array, path = place('app')): string {
  fs.writeFileSync(path, bytes);
  return path;
}

const AMD64 = 0x01000007;
const ARM64 = 0x0100000c;
const UUIDS = {
  amd64: machoFile('program-x86_64').ids.uuid!,
  arm64: machoFile('program-arm64').ids.uuid!,
};

for (const { name, skip, open } of KINDS)
  describe(`an archive in ${name}`, { skip }, () => {
    it('what is added is found by every ID, listed, and read back byte for byte', async () => {
      const shop = await open();
      const { store } = shop;
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

    it('adding again changes nothing', async () => {
      const shop = await open();
      const { store } = shop;
      const first = await store.add(GO_124);
      const files = shop.names();
      for (const name of ['one', 'two']) {
        const again = await store.add(copy(GO_124, place(name)));
        assert.equal(again.outcome, 'already-there');
        assert.deepEqual(again.binary, first.binary);
      }
      const other = await shop.again();
      assert.equal((await other.add(GO_124)).outcome, 'already-there');
      assert.deepEqual(shop.names(), files);
    });

    it('a file that another process removes right after it was added is not listed', async () => {
      const shop = await open();
      const { store } = shop;
      const { binary } = await store.add(GO_124);
      await shop.drop(`${binary.path}.json`);
      await shop.drop(binary.path);
      assert.deepEqual(await store.list(), []);
      assert.equal((await store.add(GO_124)).outcome, 'added');
      assert.equal((await store.list()).length, 1);
    });

    it('files without a GNU ID are filed under the one their Go ID gives', async () => {
      const shop = await open();
      const { store } = shop;
      const { binary } = await store.add(NO_GNU_ID);
      assert.equal(binary.identity.ids.gnu, null);
      assert.equal(binary.key, binary.identity.ids.goDerivedGnu);
      assert.ok(binary.key.startsWith('00'));
      assert.deepEqual(await store.find({ go: binary.identity.ids.go! }), [binary]);
      assert.deepEqual(await store.find({ gnu: `3c${binary.key.slice(2)}` }), [binary]);
    });

    it('a stripped build and its unstripped twin: two keys, one pclntab, the fuller first', async () => {
      const shop = await open();
      const { store } = shop;
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

    it('outcomes say what happened to the name', { skip: needsBinutils }, async () => {
      const program = await cProgram();
      const shop = await open();
      const { store } = shop;
      const outcomes: string[] = [];
      for (const kind of ['symtabOnly', 'full', 'debug', 'full'] as const)
        outcomes.push((await store.add(program[kind])).outcome);
      assert.deepEqual(outcomes, ['added', 'replaced', 'added', 'already-there']);
    });

    it(
      'files without symbols and what is no linked object are refused with advice',
      { skip: needsBinutils },
      async () => {
        const program = await cProgram();
        const shop = await open();
        const { store } = shop;
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
        await refused(work, 'not-an-object', /regular file/);
        await assert.rejects(store.add(place('missing')), { code: 'ENOENT' });
        await refused(program.stripped, 'no-symbols', /before it was stripped/);
        assert.deepEqual(await store.list(), []);
        assert.deepEqual(shop.names(), [], 'nothing is left behind');
      },
    );

    it('a damaged copy is noticed and replaced by adding again', async () => {
      const shop = await open();
      const { store } = shop;
      const { binary } = await store.add(GO_124);
      await shop.write(binary.path, shop.read(binary.path).subarray(0, 1000));
      await store.list();
      assert.deepEqual(await store.find({ gnu: binary.key }), []);
      const [broken] = await store.list();
      assert.match(broken.problem, /damaged: 1000 bytes/);
      assert.equal(broken.name, binary.name);
      assert.match((await store.verify())[0].problem, /damaged/);
      const repaired = await store.add(GO_124);
      assert.equal(repaired.outcome, 'replaced');
      assert.deepEqual(shop.read(binary.path), fs.readFileSync(GO_124));
      assert.equal((await store.find({ gnu: binary.key })).length, 1);
      assert.equal((await store.verify())[0].ok, true);
    });

    it('verify sees a single flipped bit that keeps size and time', async () => {
      const shop = await open();
      const { store } = shop;
      const { binary } = await store.add(GO_124);
      await store.add(TWIN_FULL);
      await shop.write(binary.path, withOneByteChanged(shop.read(binary.path)));
      const seen: string[] = [];
      const results = await store.verify((result) => seen.push(result.binary.path));
      assert.equal(seen.length, 2);
      assert.deepEqual(
        results.map(({ ok }) => ok),
        results.map((result) => result.binary.path !== binary.path),
      );
      assert.match(results.find(({ ok }) => !ok)!.problem, /sha256/);
    });

    it('verify sees a file that is filed under another identity', async () => {
      const shop = await open();
      const { store } = shop;
      const { binary } = await store.add(GO_124);
      const other = `.build-id/ff/${binary.path.slice('.build-id/42/'.length)}`;
      await shop.write(other, shop.read(binary.path));
      await shop.write(`${other}.json`, shop.read(`${binary.path}.json`));
      const results = await store.verify();
      assert.deepEqual(results.map((result) => Number(result.ok)).sort(), [0, 1]);
      assert.match(results.find(({ ok }) => !ok)!.problem, /its identity is 42d38f69/);
    });

    it('IDs that name nothing find nothing', async () => {
      const shop = await open();
      const { store } = shop;
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

    it('prefixes: unique ones are enough, short and ambiguous ones are errors', async () => {
      const shop = await open();
      const { store } = shop;
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
      await assert.rejects(
        store.open({ ...added[0], path: '../../../etc/passwd' }),
        /no path of this store|not in the archive/,
      );
      assert.equal((await store.list()).length, 3);
    });

    it('names are made safe to print', async () => {
      const shop = await open();
      const { store } = shop;
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
      assert.equal(shop.names().length, names.length * 2);
    });

    it('gc removes what is old, with its twin, facts, link and index, and says so', async () => {
      const shop = await open();
      const { store: old } = shop;
      const added = [];
      for (const file of [TWIN_STRIPPED, TWIN_FULL, GO_124]) added.push((await old.add(file)).binary);
      await old.keepIndex(added[1].key, 'stamp', Buffer.from('index'));
      await shop.age(added[0], 100);
      await shop.age(added[1], 95);
      const store = await shop.again();
      const rules = { ...NO_RULES, maxAgeMs: 90 * DAY };
      const before = shop.names();
      const wouldBe = await collect(store, { rules, dryRun: true });
      assert.deepEqual(shop.names(), before, 'a dry run changes nothing');
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
      const left = shop.names().filter((path) => !path.startsWith('.resym/catalog'));
      const own = added[2].path;
      assert.deepEqual(left, [own, `${own}.json`]);
    });

    it('what is used, pinned or added again while gc is at work stays', async () => {
      const shop = await open();
      const { store } = shop;
      const files = [GO_124, TWIN_FULL, NO_GNU_ID, PIE];
      const added = [];
      for (const file of files) added.push((await store.add(file, { name: 'api' })).binary);
      for (const binary of added) await shop.age(binary, 100);
      const late = await shop.again();
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

    it('pins are by build, survive a restart, and go with the build', async () => {
      const shop = await open();
      const { store } = shop;
      const { binary } = await store.add(GO_124);
      assert.deepEqual(await store.setPinned('dddddddd', true), []);
      assert.deepEqual(
        (await store.setPinned(binary.key.slice(0, 8), true)).map(({ key }) => key),
        [binary.key],
      );
      await store.setPinned(binary.key, true);
      const again = await shop.again();
      assert.deepEqual([...(await again.pins())], [binary.key]);
      const { removed } = await collect(again, { rules: { ...NO_RULES, quotaBytes: 0 } });
      assert.deepEqual(removed, []);
      await again.setPinned(binary.key, false);
      assert.equal((await again.pins()).size, 0);
      await again.setPinned(binary.key, true);
      await again.remove(binary.key);
      assert.equal((await again.pins()).size, 0);
      await shop.write(`.resym/pins/${'ab'.repeat(20)}`, Buffer.alloc(0));
      assert.deepEqual(await again.setPinned('AB'.repeat(20), false), []);
      assert.equal((await again.pins()).size, 0, 'the pin of a build that is gone can be taken away');
      await assert.rejects(again.setPinned('ab', true), { code: 'invalid-id' });
    });

    it('a damaged file goes to quarantine with its facts, and a good copy can be added', async () => {
      const shop = await open();
      const { store } = shop;
      const { binary } = await store.add(GO_124);
      const { binary: other } = await store.add(TWIN_FULL);
      await store.keepIndex(binary.key, 'stamp', Buffer.from('index'));
      await shop.write(binary.path, withOneByteChanged(shop.read(binary.path)));
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
        shop
          .names()
          .filter((name) => dirname(name) === dirname(kept.path))
          .map((name) => basename(name))
          .sort(),
        ['about.json', basename(binary.path), `${basename(binary.path)}.json`].sort(),
      );
      assert.equal(
        shop.names().filter((path) => path.startsWith(binary.path.slice(0, 30))).length,
        0,
        'no link, no facts',
      );
      assert.equal((await store.add(GO_124)).outcome, 'added');
      const fresh = await shop.again();
      assert.equal((await fresh.find({ gnu: binary.key })).length, 1);
      assert.ok((await fresh.verify()).every(({ ok }) => ok));
    });

    it('a truncated file is damaged, one that is gone is not', async () => {
      const shop = await open();
      const { store } = shop;
      const { binary } = await store.add(GO_124);
      await shop.write(binary.path, shop.read(binary.path).subarray(0, 5000));
      const late = await shop.again();
      const [bad] = await late.verify();
      assert.deepEqual([bad.ok, bad.isDamaged], [false, true]);
      await late.quarantine(bad.binary, bad.problem);
      assert.equal((await late.quarantined()).length, 1);
      await late.add(TWIN_FULL);
      const [{ path }] = await late.list();
      await shop.drop(path);
      for (const result of await late.verify()) assert.equal(result.isDamaged, false);
    });

    it('damaged facts are replaced; the file stays', async () => {
      const damages: Record<string, (facts: string) => string> = {
        'cut off': (facts) => facts.slice(0, 100),
        'of another file': (facts) => facts.replace(/"arch": "amd64"/, '"arch": "arm64"'),
        'another hash': (facts) => facts.replace(/"sha256": ".{8}/, '"sha256": "00000000'),
        'another size': (facts) => facts.replace(/"sizeBytes": \d+/, '"sizeBytes": 1'),
      };
      for (const [what, damage] of Object.entries(damages)) {
        const shop = await open();
        const { store } = shop;
        const { binary } = await store.add(NO_GNU_ID);
        const facts = `${binary.path}.json`;
        await shop.write(facts, Buffer.from(damage(shop.read(facts).toString('utf8'))));
        const late = await shop.again();
        const [bad] = await late.verify();
        assert.deepEqual([bad.ok, bad.isDamaged], [false, true], what);
        await late.quarantine(bad.binary, bad.problem);
        assert.equal((await late.quarantined()).length, 1, what);
        assert.match((await late.quarantined())[0].path, /\.elf\.json$/, what);
        for (const again of [late, await shop.again()]) {
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

    it('facts of another release are no damage', async () => {
      const shop = await open();
      const { store } = shop;
      const { binary } = await store.add(GO_124);
      const facts = `${binary.path}.json`;
      await shop.write(
        facts,
        Buffer.from(
          shop
            .read(facts)
            .toString('utf8')
            .replace(/"schema": \d+/, '"schema": 2'),
        ),
      );
      const late = await shop.again();
      assert.deepEqual(
        (await late.verify()).map(({ ok }) => ok),
        [true],
      );
    });

    it('filters: program, version, revision, the beginning of any ID', async () => {
      const shop = await open();
      const { store } = shop;
      const { binary: go } = await store.add(GO_124, { name: 'tiny' });
      const { binary: full } = await store.add(TWIN_FULL);
      const { binary: old } = await store.add(NO_GNU_ID);
      const paths = async (filter: ListFilter) => (await store.list(filter)).map(({ path }) => path);
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

    it('remove deletes all files of a build, or the one that is named', async () => {
      const shop = await open();
      const { store } = shop;
      const pie = (await store.add(PIE)).binary;
      const altered = (await store.add(PIE_ALTERED)).binary;
      const other = (await store.add(GO_124)).binary;
      assert.equal(pie.key, altered.key);
      await store.keepIndex(pie.key, 'stamp', Buffer.from('index'));
      assert.deepEqual(await store.remove(pie.sha256!), [pie]);
      assert.deepEqual(await store.find({ gnu: pie.key }), [altered]);
      assert.deepEqual(await (await shop.again()).find({ gnu: pie.key }), [altered]);
      await store.add(PIE);
      assert.equal((await store.remove(pie.key.slice(0, 8))).length, 2);
      assert.deepEqual(await store.find({ gnu: pie.key }), []);
      assert.deepEqual(await store.remove(pie.key), []);
      assert.deepEqual(await store.list(), [other]);
      const left = shop.names().filter((path) => path.includes(pie.key.slice(2)));
      assert.deepEqual(left, [], 'facts and indexes go with it');
      await assert.rejects(store.open(pie), { code: 'ENOENT' });
    });

    it('another process finds what was added, and what was removed no longer', async () => {
      const shop = await open();
      const { store } = shop;
      const other = await shop.again();
      assert.deepEqual(await other.list(), []);
      const { binary } = await store.add(NO_GNU_ID, { name: 'api' });
      assert.deepEqual(await other.find({ go: binary.identity.ids.go! }), [binary]);
      assert.deepEqual(await other.named('api'), [binary]);
      assert.deepEqual(await (await shop.again()).list(), [binary]);
      assert.equal((await other.add(NO_GNU_ID)).outcome, 'already-there');
      await other.remove(binary.key);
      assert.deepEqual(await store.list(), []);
      assert.deepEqual(await store.find({ go: binary.identity.ids.go! }), []);
      assert.equal((await store.add(NO_GNU_ID)).outcome, 'added');
      assert.equal((await other.find({ go: binary.identity.ids.go! })).length, 1);
    });

    it('parts and indexes come back byte for byte', async () => {
      const { store, again } = await open();
      const { binary } = await store.add(TWIN_FULL);
      const bytes = fs.readFileSync(TWIN_FULL);
      for (const [offset, length] of [
        [0, 1],
        [100, 300_000],
        [bytes.length - 5, 5],
        [262_143, 2],
      ] as const) {
        assert.deepEqual(
          Buffer.from(await store.part(binary, offset, length)),
          bytes.subarray(offset, offset + length),
        );
        const { source, release } = await store.open(binary);
        assert.deepEqual(Buffer.from(source.read(offset, length)), bytes.subarray(offset, offset + length));
        release();
      }
      const index = bytes.subarray(0, 700_001);
      assert.equal(await store.openIndex(binary.key, 'stamp'), null);
      await store.keepIndex(binary.key, 'stamp', index);
      const kept = await (await again()).openIndex(binary.key, 'stamp');
      assert.deepEqual(Buffer.from(kept!.source.read(0, kept!.source.size)), index);
      kept!.release();
      assert.equal(await store.openIndex(binary.key, 'other stamp'), null);
    });

    it('a search by frames finds the binary that has them, and its twin once', async () => {
      const { store } = await open();
      for (const file of [TWIN_FULL, TWIN_STRIPPED, GO_124]) await store.add(copy(file, place('binary')));
      const found = await store.search(new SketchQuery(framesOf(TWIN_FULL, 40)), { limit: 10 });
      const tables = new Set(found.map(({ identity }) => identity.ids.pclntabSha256));
      assert.equal(tables.size, 1);
      assert.ok(found.length >= 1 && found.length <= 2);
      const others = await store.search(new SketchQuery(framesOf(GO_124, 40)), { limit: 10 });
      assert.equal(others[0].identity.go?.version, 'go1.24.4');
    });

    it('a search by frames finds the same after the archive is opened again', async () => {
      const shop = await open();
      const { store } = shop;
      for (const file of [TWIN_FULL, GO_124]) await store.add(copy(file, place('binary')));
      const query = new SketchQuery(framesOf(GO_124, 40));
      const before = (await store.search(query, { limit: 1 })).map(({ key }) => key);
      await store.close();
      const again = await shop.again();
      assert.deepEqual(
        (await again.search(query, { limit: 1 })).map(({ key }) => key),
        before,
      );
    });

    it('a search by frames is bounded', async () => {
      const { store } = await open();
      await store.add(copy(GO_124, place('binary')));
      assert.deepEqual(await store.search(new SketchQuery(framesOf(GO_124, 40)), { limit: 0 }), []);
    });

    for (const [name, of] of [
      ['universal', 'program'],
      ['universal64', 'program'],
      ['dsym-universal', 'dsym'],
    ] as const) {
      it(`adds every architecture of ${name} as a file of its own`, async () => {
        const shop = await open();
        const { store } = shop;
        const file = written(machoBytes(name));
        const { binary, outcome, note, others = [] } = await store.add(file, { name: 'app' });
        assert.deepEqual([binary.identity.ids.uuid, outcome], [UUIDS.amd64, 'added']);
        assert.equal(note, `x86_64 added as ${UUIDS.amd64}`);
        assert.deepEqual(
          others.map((other) => [other.binary.identity.ids.uuid, other.outcome, other.note]),
          [[UUIDS.arm64, 'added', `arm64 added as ${UUIDS.arm64}`]],
        );
        assert.deepEqual(await contentOf(store, UUIDS.amd64), [machoBytes(`${of}-x86_64`)]);
        assert.deepEqual(await contentOf(store, UUIDS.arm64), [machoBytes(`${of}-arm64`)]);
        const listed = await store.list();
        assert.deepEqual(listed.map((one) => [one.name, one.identity.arch]).sort(), [
          ['app', 'amd64'],
          ['app', 'arm64'],
        ]);
        assert.ok((await store.verify()).every(({ ok }) => ok));

        const again = await store.add(file, { name: 'app' });
        assert.deepEqual([again.outcome, again.others?.[0].outcome], ['already-there', 'already-there']);
        assert.equal((await store.list()).length, 2);
        // Another process finds them by what lies on the disk.
        const other = await shop.again();
        assert.equal((await other.find({ uuid: UUIDS.arm64 })).length, 1);
        await store.remove(UUIDS.arm64);
        assert.equal((await store.list()).length, 1);
      });
    }

    it('adds what a universal file has of use and says what it has not', async () => {
      const { store } = await open();
      const useless = craftFat([
        { cpuType: ARM64, bytes: machoBytes('program-arm64') },
        { cpuType: 7, bytes: machoBytes('i386.o') },
      ]);
      const { note, others } = await store.add(written(useless));
      assert.match(note, /^arm64 added as [0-9a-f]{32}; i386: not added: it is not linked yet/);
      assert.deepEqual(others, []);
      const onlyUseless = written(craftFat([{ cpuType: 7, bytes: machoBytes('i386.o') }]));
      await assert.rejects(store.add(onlyUseless, { name: 'x' }), {
        code: 'no-symbols',
        message: /^x is not added: it is not linked/,
      });
    });

    it('refuses a universal file whose table lies', async () => {
      const { store } = await open();
      for (const [bytes, problem] of [
        [machoBytes('universal').subarray(0, 9000), /bytes at/],
        [craftFat([{ cpuType: ARM64, bytes: machoBytes('program-x86_64') }]), /not added/],
        [craftFat([{ cpuType: AMD64, bytes: fs.readFileSync(NO_GNU_ID) }]), /not an object file/],
      ] as const) {
        await assert.rejects(store.add(written(bytes)), (error: unknown) => {
          assert.ok(error instanceof StoreError && error.code === 'not-an-object', String(error));
          assert.match(error.message, problem);
          return true;
        });
      }
      assert.deepEqual(await store.list(), []);
    });
  });
