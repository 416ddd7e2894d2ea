import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { scanForBinaries } from '../../src/store/scan.ts';
import { needsTools } from '../support/toolchains.ts';
import { copy, GO_124, NO_GNU_ID, place, TWIN_FULL } from './samples.ts';

async function scanned(root: string): Promise<Map<string, string | null>> {
  const found = new Map<string, string | null>();
  for await (const { path, skipped } of scanForBinaries(root)) {
    assert.ok(!found.has(path), `${path} twice`);
    found.set(relative(root, path), skipped);
  }
  return found;
}

test('every file is either a candidate or skipped with its reason', async () => {
  const root = place('tree');
  copy(GO_124, join(root, 'bin/api'));
  copy(TWIN_FULL, join(root, 'bin/deep/er/worker'));
  copy(NO_GNU_ID, join(root, '.hidden/old'));
  fs.writeFileSync(join(root, 'README.md'), '# notes\n');
  fs.writeFileSync(join(root, 'run.sh'), '#!/bin/sh\n');
  fs.writeFileSync(join(root, 'empty'), '');
  fs.writeFileSync(join(root, 'archive.tar.gz'), Buffer.from('1f8b0800000000000003', 'hex'));
  fs.writeFileSync(join(root, 'App.class'), Buffer.from('cafebabe000000340000', 'hex'));
  fs.writeFileSync(join(root, 'cut'), fs.readFileSync(GO_124).subarray(0, 40));
  fs.symlinkSync('bin/api', join(root, 'link'));
  fs.symlinkSync('..', join(root, 'bin/up'));
  const found = await scanned(root);
  const candidates = [...found].filter(([, skipped]) => skipped === null).map(([path]) => path);
  assert.deepEqual(candidates, ['.hidden/old', 'bin/api', 'bin/deep/er/worker']);
  const reasons: Record<string, RegExp> = {
    'README.md': /not an object file.*text/,
    'run.sh': /script/,
    empty: /empty/,
    'archive.tar.gz': /gzip/,
    'App.class': /Java/,
    cut: /truncated/,
    link: /symbolic link/,
    'bin/up': /symbolic link/,
  };
  for (const [path, reason] of Object.entries(reasons)) assert.match(found.get(path) ?? 'a candidate', reason, path);
  assert.equal(found.size, 3 + Object.keys(reasons).length);
});

test('objects that are not linked and core dumps are skipped', { skip: needsTools('gcc') }, async () => {
  const root = place('tree');
  fs.mkdirSync(root);
  fs.writeFileSync(join(root, 'f.c'), 'int f(int x) { return x; }\n');
  execFileSync('gcc', ['-g', '-c', '-o', join(root, 'f.o'), join(root, 'f.c')]);
  execFileSync('gcc', ['-shared', '-fPIC', '-o', join(root, 'f.so'), join(root, 'f.c')]);
  const core = fs.readFileSync(join(root, 'f.so'));
  core.writeUInt16LE(4, 16); // e_type = ET_CORE
  fs.writeFileSync(join(root, 'core.123'), core);
  const found = await scanned(root);
  assert.match(found.get('f.o')!, /not linked/);
  assert.match(found.get('core.123')!, /core dump/);
  assert.equal(found.get('f.so'), null);
});

test('fifos are not waited for, missing directories are errors', { skip: needsTools('mkfifo') }, async () => {
  const root = place('tree');
  fs.mkdirSync(root);
  spawnSync('mkfifo', [join(root, 'fifo')]);
  assert.match((await scanned(root)).get('fifo')!, /regular file/);
  await assert.rejects(scanned(place('missing')), { code: 'ENOENT' });
});
