/** `resym store` gc, pin, unpin, verify --quarantine, ls with filters, add of a directory. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { resym } from '../support/cli.ts';
import { copy, GO_124, NO_GNU_ID, place, TWIN_FULL } from '../store/samples.ts';

const archive = place('archive');
const inArchive = async (...args: string[]) => {
  const { code, stdout, stderr } = await resym(['store', ...args, '--store', archive]);
  return { code, stdout: stdout.toString(), stderr: stderr.toString() };
};
const json = async (...args: string[]): Promise<unknown> => JSON.parse((await inArchive(...args, '--json')).stdout);

describe('resym store', () => {
  it('adds a directory of another tool, with names, and says what it leaves out', async () => {
    const cache = place('cache');
    copy(GO_124, join(cache, '42d38f693e731499471cea9620cb83b37260af18/executable'));
    copy(TWIN_FULL, join(cache, 'ab'.repeat(20), 'worker'));
    fs.writeFileSync(join(cache, 'cache_clean_interval_s'), '86400');
    const { code, stderr } = await inArchive('add', cache);
    assert.deepEqual([code, stderr], [0, 'skipped 1 files that are none a program is made of\n']);
    const listed = (await json('ls')) as { name: string; pinned: boolean }[];
    assert.deepEqual(
      listed.map(({ name, pinned }) => `${name} ${pinned}`),
      ['tiny false', 'worker false'],
    );
  });

  it('lists what was asked for', async () => {
    const names = async (...args: string[]) =>
      ((await json('ls', ...args)) as { name: string }[]).map(({ name }) => name);
    assert.deepEqual(await names('--program', 'worker'), ['worker']);
    assert.deepEqual(await names('--id', '42d3'), ['tiny']);
    assert.deepEqual(await names('--version', '(devel)'), ['tiny', 'worker']);
    assert.deepEqual(await names('--version', 'v9', '--program', 'worker'), []);
    assert.deepEqual(await names('--revision', 'abc'), []);
  });

  it('pins, and gc leaves it alone', async () => {
    assert.match((await inArchive('pin', '42d38f')).stdout, /^pinned 42d38f/);
    assert.match((await inArchive('ls')).stdout, /PINNED\n.* pinned\n/);
    assert.match((await inArchive('show', '42d38f')).stdout, /pinned +gc leaves it alone/);
    const dry = await inArchive('gc', '--quota', '1kB', '--dry-run');
    assert.match(dry.stdout, /would remove 8809ce5b.* worker, 1\.83 MB: .*quota/);
    assert.equal(((await json('ls')) as unknown[]).length, 2);
    const { code, stdout, stderr } = await inArchive('gc', '--quota', '1kB');
    assert.equal(code, 1, 'the quota is not met');
    assert.match(stdout, /removed 8809ce5b.*\n1\.83 MB freed; 1 files of 1\.01 MB stay/);
    assert.match(stderr, /above the quota: what stays is pinned/);
    assert.match((await inArchive('unpin', '42d38f')).stdout, /^unpinned/);
    const { removed } = (await json('gc', '--keep', '1')) as { removed: unknown[] };
    assert.deepEqual(removed, []);
    assert.equal((await inArchive('pin', 'ffffffff')).code, 1);
  });

  it('refuses rules that are none', async () => {
    for (const args of [
      ['--max-age', '90'],
      ['--keep', '0'],
      ['--keep', '1.5'],
      ['--quota', 'lots'],
      ['--quota', '-1'],
    ]) {
      const { code, stderr } = await inArchive('gc', ...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, new RegExp(`${args[0]} takes`));
    }
  });

  it('moves what is damaged to quarantine, and takes a good copy', async () => {
    await inArchive('add', NO_GNU_ID);
    const [{ path }] = (await json('ls', '--id', '42d3')) as { path: string }[];
    const file = join(archive, path);
    const { mtime, size } = fs.statSync(file);
    fs.writeFileSync(file, Buffer.alloc(size, 1));
    fs.utimesSync(file, mtime, mtime);
    const plain = await inArchive('verify');
    assert.equal(plain.code, 1);
    assert.match(plain.stdout, /damaged: its content has sha256.*\n2 checked, 1 damaged\n$/);
    const moved = await inArchive('verify', '--quarantine');
    assert.equal(moved.code, 1);
    assert.match(
      moved.stdout,
      /; moved to quarantine\n2 checked, 1 damaged\nin quarantine since .*: tiny, \.resym\/quarantine\//,
    );
    assert.equal((await inArchive('verify')).code, 0);
    assert.equal((await inArchive('add', GO_124)).code, 0);
    assert.equal(((await json('ls')) as unknown[]).length, 2);
  });
});
