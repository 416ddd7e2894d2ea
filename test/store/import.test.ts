/** Directories of other tools: every file gets its right name. perf's and debuginfod's are made by them, the others as documented. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { createServer } from 'node:net';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { DirectoryStore } from '../../src/store/directory.ts';
import { scanForBinaries } from '../../src/store/scan.ts';
import { needsTools } from '../support/toolchains.ts';
import { cProgram, copy, GO_124, place } from './samples.ts';

const GNU_124 = '42d38f693e731499471cea9620cb83b37260af18';

async function namesIn(root: string): Promise<Record<string, string>> {
  const names: Record<string, string> = {};
  for await (const { path, skipped, name } of scanForBinaries(root)) {
    if (skipped === null) names[relative(root, path)] = name;
  }
  return names;
}

test('names in the layouts of other tools', { skip: needsTools('gcc', 'objcopy', 'strip', 'readelf') }, async () => {
  const { full, debug, gnu } = await cProgram();
  const linked = copy(full, place('linked'));
  const debugFile = copy(debug, join(place('debug'), 'svc.debug'));
  execFileSync('objcopy', ['--strip-debug', `--add-gnu-debuglink=${debugFile}`, linked]);
  const [ab, rest] = [gnu.slice(0, 2), gnu.slice(2)];
  // Path -> file, name.
  const layouts: Record<string, readonly [string, string]> = {
    [`debuginfod/${gnu}/debuginfo`]: [debug, gnu],
    [`debuginfod/${gnu}/executable`]: [linked, 'svc'],
    [`debuginfod/${GNU_124}/executable`]: [GO_124, 'tiny'],
    [`sentry/${ab}/${rest}/debuginfo`]: [debug, 'svc-from-meta'],
    [`sentry/${GNU_124.slice(0, 2)}/${GNU_124.slice(2)}/executable`]: [GO_124, 'tiny'],
    [`ssqp/api/elf-buildid-${GNU_124}/api`]: [GO_124, 'api'],
    [`ssqp/_.debug/elf-buildid-sym-${gnu}/_.debug`]: [debug, gnu],
    [`pprof/${GNU_124}/api`]: [GO_124, 'api'],
    [`home/.debug/usr/bin/svc/${gnu}/elf`]: [full, 'svc'],
    [`home/.debug/opt/old/${gnu}`]: [full, 'old'],
    [`home/.debug/[vdso]/${gnu}/vdso`]: [full, 'vdso'],
    [`usr/lib/debug/.build-id/${ab}/${rest}.debug`]: [debug, gnu],
    [`usr/lib/debug/usr/bin/svc.debug`]: [debug, 'svc'],
    [`dist/api.debug`]: [debug, 'api.debug'],
    [`dist/feed/executable`]: [GO_124, 'executable'],
    [`dist/decade`]: [GO_124, 'decade'],
  };
  const root = place('layouts');
  for (const [path, [file]] of Object.entries(layouts)) copy(file, join(root, path));
  fs.writeFileSync(join(root, `sentry/${ab}/${rest}/meta`), '{"name":"svc-from-meta","arch":"x86_64"}');
  fs.writeFileSync(join(root, `sentry/${GNU_124.slice(0, 2)}/${GNU_124.slice(2)}/meta`), '{"name":');
  fs.writeFileSync(join(root, `home/.debug/usr/bin/svc/${gnu}/kallsyms`), 'ffffffff81000000 T _text\n');
  fs.writeFileSync(join(root, `debuginfod/${gnu}/source##main.c`), 'int main() {}\n');
  fs.writeFileSync(join(root, `debuginfod/${gnu}/section-.debug_str`), 'main\0');
  const expected = Object.fromEntries(Object.entries(layouts).map(([path, [, name]]) => [path, name]));
  assert.deepEqual(await namesIn(root), Object.fromEntries(Object.entries(expected).sort()));
});

const perfAndCompiler = needsTools('perf', 'gcc', 'objcopy', 'strip', 'readelf');

test('a cache that perf made', { skip: perfAndCompiler }, async () => {
  const { full, gnu } = await cProgram();
  const program = copy(full, join(place('bin'), 'svc'));
  const cache = place('perf');
  execFileSync('perf', ['--buildid-dir', cache, 'buildid-cache', '--add', program], { stdio: 'ignore' });
  assert.deepEqual(await namesIn(cache), { [`${relative('/', program)}/${gnu}/elf`]: 'svc' });
  const store = await DirectoryStore.open(place(), { create: true });
  for await (const { path, skipped, name } of scanForBinaries(cache))
    if (skipped === null) await store.add(path, { name });
  assert.deepEqual(
    (await store.find({ gnu })).map(({ name }) => name),
    ['svc'],
  );
});

const debuginfodTools = needsTools('debuginfod', 'debuginfod-find', 'gcc', 'objcopy', 'strip', 'readelf');

test('a cache that debuginfod’s client made', { skip: debuginfodTools, timeout: 60_000 }, async () => {
  const { full, gnu } = await cProgram();
  const served = place('served');
  copy(full, join(served, 'svc'));
  const home = place('home');
  fs.mkdirSync(home);
  const port = await freePort();
  const server = spawn('debuginfod', ['-F', '-d', ':memory:', '-p', `${port}`, '-t', '1', served], {
    stdio: 'ignore',
    env: { ...process.env, HOME: home, DEBUGINFOD_URLS: '' },
  });
  const cache = place('cache');
  const env = { ...process.env, DEBUGINFOD_URLS: `http://127.0.0.1:${port}`, DEBUGINFOD_CACHE_PATH: cache };
  const ask = (...args: string[]): boolean => {
    try {
      execFileSync('debuginfod-find', args, { env, stdio: 'ignore' });
      return true;
    } catch {
      return false; // it is not there: exit code 1
    }
  };
  try {
    const until = Date.now() + 30_000;
    while (!ask('debuginfo', gnu)) {
      assert.ok(Date.now() < until, 'debuginfod never served the file');
      fs.rmSync(cache, { recursive: true, force: true }); // else "not found" is remembered
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    ask('executable', gnu);
    ask('section', gnu, '.debug_info');
    ask('debuginfo', '00112233445566778899aabbccddeeff00112233');
  } finally {
    server.kill();
  }
  assert.deepEqual(await namesIn(cache), { [`${gnu}/debuginfo`]: gnu, [`${gnu}/executable`]: gnu });
});

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
