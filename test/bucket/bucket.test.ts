/** What is a bucket's own: what it says when it cannot be used, what is read of it and kept, an adder killed, the command line. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Blocks, BLOCK_BYTES, trim } from '../../src/bucket/blocks.ts';
import { BucketStore } from '../../src/bucket/bucket.ts';
import { connectObjects } from '../../src/bucket/connect.ts';
import { cacheOf, parseLocation } from '../../src/bucket/location.ts';
import { RemoteObjects } from '../../src/bucket/object-port.ts';
import { BucketError, type ObjectFacts } from '../../src/bucket/objects.ts';
import { S3Objects } from '../../src/bucket/s3.ts';
import { ObjectSource } from '../../src/bucket/source.ts';
import { FormatError } from '../../src/errors.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { StoreError } from '../../src/store/store.ts';
import { s3Server } from '../store/places.ts';
import { GO_124, place, TWIN_FULL, variant } from '../store/samples.ts';
import { resym } from '../support/cli.ts';
import { needsS3 } from '../support/s3-server.ts';

const KILLS = Number(process.env['RESYM_TEST_KILLS'] ?? 10);

test('places in buckets', () => {
  const parsed = (text: string): string => `${parseLocation(text).bucket}|${parseLocation(text).prefix}`;
  assert.equal(parsed('s3://builds'), 'builds|');
  assert.equal(parsed('s3://builds/'), 'builds|');
  assert.equal(parsed('s3://my.builds-1/team/a b'), 'my.builds-1|team/a b/');
  for (const odd of [
    's3://',
    's3:///x',
    's3://b/../x',
    's3://b/a//c',
    's3://b/./c',
    's3://b//c',
    's3://b/?x',
    's3://-b/x',
  ])
    assert.throws(
      () => parseLocation(odd),
      (error) => error instanceof StoreError && error.code === 'no-store',
      odd,
    );
  const at = (env: Record<string, string>): string =>
    cacheOf(parseLocation('s3://builds'), { XDG_CACHE_HOME: '/c', ...env });
  assert.match(at({}), /^\/c\/resym\/buckets\/[0-9a-f]{16}$/);
  assert.notEqual(at({}), at({ AWS_ENDPOINT_URL: 'http://other' }), 'two servers may have buckets of one name');
});

test('what cannot be used says so, and what to do', { skip: needsS3 }, async () => {
  const s3 = await s3Server();
  const env = { ...process.env, ...s3.env };
  const refused = async (place: string, own: NodeJS.ProcessEnv, code: string, message: RegExp): Promise<void> => {
    const objects = new S3Objects(parseLocation(place), own);
    const began = performance.now();
    await assert.rejects(objects.list(''), (error: unknown) => {
      assert.ok(error instanceof BucketError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /testers-secret|pass@/);
      return true;
    });
    assert.ok(performance.now() - began < 15_000);
  };
  await refused('s3://nowhere/x', env, 'ENOTDIR', /there is no bucket nowhere/);
  await refused(
    's3://archive',
    { ...env, AWS_ENDPOINT_URL: 'http://user:pass@127.0.0.1:1' },
    'ETIMEDOUT',
    /cannot be reached.*ECONNREFUSED/,
  );
});

test('the environment is what credentials and regions come from', { skip: needsS3 }, async () => {
  const s3 = await s3Server();
  const run = (env: Record<string, string>) => resym(['store', 'ls', '--store', s3.place('env')], { env });
  assert.equal((await run(s3.env)).code, 0);
  const wrong = await run({ ...s3.env, AWS_SECRET_ACCESS_KEY: 'wrong' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /refuses to .*look at the credentials/);
  const without = await run({
    ...s3.env,
    AWS_ACCESS_KEY_ID: '',
    AWS_SECRET_ACCESS_KEY: '',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  });
  assert.equal(without.code, 1);
  assert.match(without.stderr, /no credentials; set AWS_ACCESS_KEY_ID/);
  const regionless = await run({ ...s3.env, AWS_ENDPOINT_URL: '', AWS_CONFIG_FILE: '/dev/null' });
  assert.equal(regionless.code, 1);
  assert.match(regionless.stderr, /no region; set AWS_REGION/);
  const odd = await resym(['store', 'ls', '--store', 's3://'], { env: s3.env });
  assert.match(odd.stderr, /is no place for an archive: s3:\/\/BUCKET/);
});

/** An object of many blocks, and a source of it that says what was asked of the bucket. */
async function object(prefix: string): Promise<{
  bytes: Buffer;
  facts: ObjectFacts;
  open: (cache: string) => { source: ObjectSource; asked: [number, number][] };
}> {
  const s3 = await s3Server();
  const at = s3.place(prefix);
  const bytes = Buffer.alloc(9 * BLOCK_BYTES + 1234);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.imul(i, 2654435761) >>> 24;
  const objects = new RemoteObjects(await connectObjects(at));
  await objects.put('large', bytes);
  const facts = (await objects.head('large'))!;
  const open = (cache: string) => {
    const asked: [number, number][] = [];
    const counting = Object.create(objects, {
      readNow: {
        value: (name: string, etag: string, offset: number, length: number) => {
          asked.push([offset / BLOCK_BYTES, Math.ceil(length / BLOCK_BYTES)]);
          return objects.readNow(name, etag, offset, length);
        },
      },
    }) as RemoteObjects;
    return { source: new ObjectSource(counting, facts, cache), asked };
  };
  return { bytes, facts, open };
}

test('only what is read is fetched, once, and kept for the next process', { skip: needsS3 }, async () => {
  const { bytes, open } = await object('blocks');
  const cache = place('cache');
  const first = open(cache);
  const check = (source: ObjectSource, offset: number, length: number): void =>
    assert.deepEqual(Buffer.from(source.read(offset, length)), bytes.subarray(offset, offset + length));
  check(first.source, 5, 10);
  check(first.source, 70_000, 10);
  assert.deepEqual(first.asked, [[0, 1]]);
  check(first.source, 3 * BLOCK_BYTES - 2, 5000);
  assert.deepEqual(first.asked.slice(1), [[2, 2]]);
  check(first.source, bytes.length - 1, 1);
  check(first.source, 0, bytes.length);
  const wanted = first.asked.flatMap(([at, count]) => Array.from({ length: count }, (_, i) => at + i));
  assert.deepEqual(
    [...wanted].sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    'each block once',
  );
  first.source.close();
  const second = open(cache);
  check(second.source, 0, bytes.length);
  assert.deepEqual(second.asked, []);
  second.source.close();

  const ahead = open(place('cache'));
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) check(ahead.source, at, 100);
  assert.deepEqual(
    ahead.asked,
    [
      [0, 1],
      [1, 2],
      [3, 4],
      [7, 3],
    ],
    'who reads on is read ahead for',
  );
});

test(
  'a block that was damaged on the disk is fetched again, and one cannot be kept is no failure',
  { skip: needsS3 },
  async () => {
    const { bytes, open, facts } = await object('damage');
    const cache = place('cache');
    const first = open(cache);
    first.source.read(0, bytes.length);
    first.source.close();
    const [data] = fs.readdirSync(join(cache, 'blocks')).filter((name) => name.endsWith('.data'));
    const file = fs.openSync(join(cache, 'blocks', data), 'r+');
    fs.writeSync(file, Buffer.from([bytes[2 * BLOCK_BYTES + 7] ^ 1]), 0, 1, 2 * BLOCK_BYTES + 7);
    fs.ftruncateSync(file, 8 * BLOCK_BYTES);
    fs.closeSync(file);
    const second = open(cache);
    assert.deepEqual(Buffer.from(second.source.read(0, bytes.length)), bytes);
    assert.deepEqual(second.asked, [
      [2, 1],
      [8, 2],
    ]);

    const nowhere = place('file');
    fs.writeFileSync(nowhere, '');
    const third = open(nowhere);
    assert.deepEqual(Buffer.from(third.source.read(0, bytes.length)), bytes);
    assert.deepEqual(Buffer.from(third.source.read(100, 200)), bytes.subarray(100, 300));
    assert.deepEqual(third.asked, [[0, 10]]);

    const other = new S3Objects(parseLocation((await s3Server()).place('damage')), process.env);
    const fourth = open(place('cache'));
    await other.put(facts.name, Buffer.from('something else'));
    assert.throws(() => fourth.source.read(0, 1), FormatError);
    await other.remove(facts.name);
    assert.throws(() => fourth.source.read(0, 1), { code: 'ENOENT' });
  },
);

test('what is kept on the disk is bounded, the latest stays', () => {
  const cache = place('cache');
  const folder = join(cache, 'blocks');
  const sizes: number[] = [];
  for (let i = 0; i < 6; i++) {
    const blocks = Blocks.open(cache, `id${i}`, 4 * BLOCK_BYTES);
    blocks.put(1, new Uint8Array(BLOCK_BYTES).fill(i + 1));
    blocks.close();
    const path = join(folder, `id${i}.data`);
    fs.utimesSync(path, 1000 + i, 1000 + i);
    sizes.push(fs.statSync(path).blocks * 512);
  }
  assert.ok(
    sizes.every((size) => size < 2 * BLOCK_BYTES),
    'holes take no room',
  );
  trim(folder, sizes[4] + sizes[5], true);
  assert.deepEqual(fs.readdirSync(folder).sort(), ['id4.data', 'id4.map', 'id5.data', 'id5.map']);
});

test(
  `an adder killed at any time leaves nothing or everything (${KILLS} times)`,
  { skip: needsS3, timeout: 300_000 },
  async () => {
    const s3 = await s3Server();
    const at = s3.place('kills');
    const env = { ...process.env, ...s3.env };
    const files = Array.from({ length: KILLS }, (_, i) => {
      const file = place(`killed-${i}`);
      return { file, key: variant(file, 7000 + i, 'full') };
    });
    const cli = ['dist/cli/resym.js', 'store', 'add', '--store', at];
    const whole = performance.now();
    execFileSync(process.execPath, [...cli, GO_124], { env });
    const wholeMs = performance.now() - whole;
    for (const [i, { file }] of files.entries()) {
      const child = spawn(process.execPath, [...cli, file], { env, stdio: 'ignore' });
      await delay(wholeMs * (0.3 + (0.9 * i) / KILLS));
      child.kill('SIGKILL');
    }
    const store = await BucketStore.open(at, { cache: place('cache'), lookAgainMs: 0 });
    const there = await store.list();
    assert.deepEqual(
      there.filter(({ problem }) => problem !== ''),
      [],
    );
    for (const { ok, problem } of await store.verify()) assert.ok(ok, problem);
    for (const { file, key } of files) {
      const before = await store.find({ gnu: key });
      assert.equal((await store.add(file)).outcome, before.length > 0 ? 'already-there' : 'added');
    }
    assert.equal((await store.list()).length, KILLS + 1);
    assert.ok((await store.verify()).every(({ ok }) => ok));
    assert.deepEqual(await store.sweep({ abandonedMs: -60_000 }), [], 'and what was left was used');
  },
);

test(
  'a new process starts from what was kept, here or in the bucket, and asks for nothing twice',
  { skip: needsS3 },
  async () => {
    const s3 = await s3Server();
    const at = s3.place('many');
    const store = await BucketStore.open(at, { cache: place('cache') });
    const { binary } = await store.add(TWIN_FULL);
    const facts = fs.readFileSync(join(s3.directory, 'many', `${binary.path}.json`));
    const objects = new S3Objects(parseLocation(at), process.env);
    const count = 250;
    for (let i = 0; i < count; i++) {
      const key = `${i.toString(16).padStart(4, '0')}${binary.key.slice(4)}`;
      const path = `.build-id/${key.slice(0, 2)}/${key.slice(2)}.${binary.sha256!.slice(0, 16)}.elf`;
      await objects.put(path, Buffer.alloc(0));
      await objects.put(`${path}.json`, facts);
    }
    await objects.put('.resym/changed', Buffer.from('by hand'));
    const writer = await BucketStore.open(at, { cache: place('cache') });
    assert.equal((await writer.list()).length, count + 1);
    await writer.close();
    assert.ok((await objects.head('.resym/catalog.json')) !== null);

    const counted = new RemoteObjects(await connectObjects(at));
    assert.ok(counted);
    const cache = place('cache');
    const anew = await BucketStore.open(at, { cache });
    const listed = await anew.list();
    assert.equal(listed.length, count + 1);
    assert.ok(fs.existsSync(join(cache, '.resym/catalog.json')), 'it was fetched whole');
    assert.equal(listed.filter(({ problem }) => problem.startsWith('damaged')).length, count, 'empty files are none');
  },
);

test('a directory copied into a bucket is an archive there', { skip: needsS3 }, async () => {
  const s3 = await s3Server();
  const root = place('directory');
  const directory = await DirectoryStore.open(root, { create: true });
  const added = [];
  for (const file of [GO_124, TWIN_FULL]) added.push((await directory.add(file)).binary);
  await directory.close();
  const objects = new S3Objects(parseLocation(s3.place('copied')), process.env);
  for (const name of fs.readdirSync(root, { recursive: true }) as string[]) {
    if (fs.lstatSync(join(root, name)).isFile()) await objects.put(name, fs.readFileSync(join(root, name)));
  }
  await objects.put('notes.txt', Buffer.from('somebody else’s'));
  const store = await BucketStore.open(s3.place('copied'), { cache: place('cache') });
  for (const { key, identity, name, sha256 } of added) {
    const [found] = await store.find({ gnu: key });
    assert.deepEqual([found.identity, found.name, found.sha256], [identity, name, sha256]);
  }
  assert.equal((await store.list()).length, 2);
  assert.ok((await store.verify()).every(({ ok }) => ok));
  await store.sweep({ abandonedMs: -60_000 });
  assert.ok((await objects.head('notes.txt')) !== null);
});
