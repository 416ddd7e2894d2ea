/** The archive as a debuginfod server, to its real clients: gdb, debuginfod-find, elfutils' own server; and to those who ask oddly. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { buildC } from '../support/build.ts';
import { resym } from '../support/cli.ts';
import { freePort, startServe } from '../support/serve.ts';
import { needsTools } from '../support/toolchains.ts';
import { cProgram } from '../store/samples.ts';
import { ask } from './harness.ts';

const run = promisify(execFile);

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'resym-buildid-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function serving(t: TestContext, files: readonly string[]): Promise<{ url: string; dir: string }> {
  const dir = folder(t);
  const store = join(dir, 'store');
  const added = await resym(['store', 'add', ...files, '--store', store]);
  assert.equal(added.code, 0, added.stderr);
  const { url } = await startServe(t, ['--store', store]);
  return { url, dir };
}

test(
  'gdb prints the whole stack of a core whose program is stripped',
  { skip: needsTools('gdb', 'gcc', 'objcopy') },
  async (t) => {
    const dir = folder(t);
    const source = join(dir, 'crash.c');
    writeFileSync(
      source,
      '#include <stdlib.h>\n' +
        'volatile int sink;\n' +
        '__attribute__((noinline)) void fall(int depth) {\n' +
        '  if (depth == 0) abort();\n' +
        '  fall(depth - 1);\n' +
        '  sink++;\n' +
        '}\n' +
        '__attribute__((noinline)) void work(int n) { fall(n); sink++; }\n' +
        'int main(void) { work(2); return 0; }\n',
    );
    const full = await buildC({ sources: [source], flags: ['-Wl,--build-id=sha1'], name: 'crash' });
    const stripped = join(dir, 'crash');
    execFileSync('strip', ['-o', stripped, full]);
    const core = join(dir, 'core');
    await run('gdb', ['-nx', '-batch', '-ex', 'run', '-ex', `generate-core-file ${core}`, stripped]);

    const { url } = await serving(t, [full]);
    const backtrace = async (urls: string): Promise<string> => {
      const env = {
        ...process.env,
        DEBUGINFOD_URLS: urls,
        DEBUGINFOD_CACHE_PATH: join(dir, `cache-${urls.length}`),
        HOME: dir,
      };
      const commands = [`core-file ${core}`, 'backtrace'].flatMap((c) => ['-ex', c]);
      return (await run('gdb', ['-nx', '-batch', '-iex', 'set debuginfod enabled on', stripped, ...commands], { env }))
        .stdout;
    };
    const without = await backtrace('');
    assert.doesNotMatch(without, /fall/);
    const text = await backtrace(url);
    for (const frame of [
      /fall \(depth=(?:depth@entry=)?0\) at .*crash\.c:4/,
      /fall \(depth=(?:depth@entry=)?1\) at .*crash\.c:5/,
      /work \(n=(?:n@entry=)?2\) at .*crash\.c:8/,
      /main \(\) at .*crash\.c:9/,
    ])
      assert.match(text, frame);
  },
);

test('debuginfod-find gets the very files', { skip: needsTools('debuginfod-find', 'gcc', 'objcopy') }, async (t) => {
  const { full, debug, stripped, gnu } = await cProgram(['-DFOUND']);
  const find = async (url: string, what: string, cache: string): Promise<Buffer> => {
    const env = { ...process.env, DEBUGINFOD_URLS: url, DEBUGINFOD_CACHE_PATH: cache };
    const { stdout } = await run('debuginfod-find', [what, gnu], { env });
    return readFileSync(stdout.trim());
  };
  const split = await serving(t, [stripped, debug].reverse());
  assert.ok((await find(split.url, 'debuginfo', join(split.dir, 'c'))).equals(readFileSync(debug)));
  assert.ok((await find(split.url, 'executable', join(split.dir, 'c'))).equals(readFileSync(stripped)));
  const whole = await serving(t, [full]);
  assert.ok((await find(whole.url, 'debuginfo', join(whole.dir, 'c'))).equals(readFileSync(full)));
  assert.ok((await find(whole.url, 'executable', join(whole.dir, 'c'))).equals(readFileSync(full)));
  await assert.rejects(
    run('debuginfod-find', ['debuginfo', 'ab'.repeat(20)], {
      env: { ...process.env, DEBUGINFOD_URLS: whole.url, DEBUGINFOD_CACHE_PATH: join(whole.dir, 'c') },
    }),
    /No such file/,
  );
});

test(
  "elfutils' debuginfod hands on what it finds here",
  { skip: needsTools('debuginfod', 'debuginfod-find', 'gcc') },
  async (t) => {
    const { full, gnu } = await cProgram(['-DHANDED']);
    const { url, dir } = await serving(t, [full]);
    const port = await freePort();
    mkdirSync(join(dir, 'empty'));
    const env = { ...process.env, DEBUGINFOD_URLS: url, DEBUGINFOD_CACHE_PATH: join(dir, 'between') };
    const between = spawn('debuginfod', ['-p', String(port), '-d', ':memory:', '-F', join(dir, 'empty')], {
      env,
      stdio: 'ignore',
    });
    const ended = once(between, 'exit');
    t.after(async () => {
      between.kill('SIGKILL');
      await ended;
    });
    const asked = {
      ...process.env,
      DEBUGINFOD_URLS: `http://127.0.0.1:${port}`,
      DEBUGINFOD_CACHE_PATH: join(dir, 'client'),
    };
    let found = '';
    for (let tries = 0; tries < 50 && found === ''; tries++) {
      await delay(200);
      // It remembers for a while that nothing was found: each try with a cache of its own.
      asked.DEBUGINFOD_CACHE_PATH = join(dir, `client-${tries}`);
      found = await run('debuginfod-find', ['debuginfo', gnu], { env: asked }).then(
        ({ stdout }) => stdout.trim(),
        () => '',
      );
    }
    assert.ok(readFileSync(found).equals(readFileSync(full)));
  },
);

test('a section, ranges, conditions', { skip: needsTools('gcc', 'objcopy', 'readelf') }, async (t) => {
  const { stripped, debug, gnu } = await cProgram(['-DRANGES']);
  const { url } = await serving(t, [debug, stripped]);
  const path = `/buildid/${gnu}`;
  const section = async (name: string, from: string): Promise<void> => {
    const listed = execFileSync('readelf', ['-SW', from], { encoding: 'utf8' });
    const columns = listed
      .split('\n')
      .find((line) => line.includes(` ${name} `))!
      .split(/\s+/);
    const [offset, size] = columns.slice(columns.indexOf(name) + 3).map((hex) => parseInt(hex, 16));
    const { status, body } = await ask(url, `${path}/section/${name}`);
    assert.equal(status, 200, name);
    assert.ok(size > 0 && body.equals(readFileSync(from).subarray(offset, offset + size)), name);
  };
  await section('.debug_line', debug);
  await section('.text', stripped); // not in the debug file, which only says where it was
  assert.equal((await ask(url, `${path}/section/.nothing`)).status, 404);

  const whole = await ask(url, `${path}/debuginfo`);
  const bytes = readFileSync(debug);
  assert.ok(whole.body.equals(bytes));
  assert.equal(whole.headers['x-debuginfod-size'], String(bytes.length));
  assert.equal(whole.headers['x-debuginfod-file'], basename(debug));
  const get = (range: string, more: Record<string, string> = {}) =>
    ask(url, `${path}/debuginfo`, { headers: { Range: range, ...more } });
  const middle = await get('bytes=100-199');
  assert.equal(middle.status, 206);
  assert.equal(middle.headers['content-range'], `bytes 100-199/${bytes.length}`);
  assert.ok(middle.body.equals(bytes.subarray(100, 200)));
  assert.ok((await get('bytes=-7')).body.equals(bytes.subarray(-7)));
  assert.ok((await get(`bytes=${bytes.length - 3}-`)).body.equals(bytes.subarray(-3)));
  assert.ok((await get('bytes=5-999999999')).body.equals(bytes.subarray(5)));
  assert.equal((await get(`bytes=${bytes.length}-`)).status, 416);
  assert.equal((await get('bytes=9-3')).status, 200);
  assert.equal((await get('lines=1-2')).status, 200);
  assert.equal((await get('bytes=1-2', { 'If-Range': '"another"' })).status, 200);
  assert.equal((await get('bytes=1-2', { 'If-Range': whole.headers.etag! })).status, 206);
  const same = await ask(url, `${path}/debuginfo`, { headers: { 'If-None-Match': whole.headers.etag! } });
  assert.equal(same.status, 304);
  assert.equal(same.body.length, 0);
  const head = await ask(url, `${path}/executable`, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.headers['content-length'], String(readFileSync(stripped).length));
});

test('what is no build ID, or none of here, is not found', async (t) => {
  const dir = folder(t);
  const { url } = await startServe(t, ['--store', join(dir, 'store')]);
  for (const id of ['ab', 'ABCD'.repeat(5), '..%2f..%2fetc', 'ab'.repeat(65), '%00', 'a'.repeat(39), 'ab'.repeat(20)])
    for (const what of ['debuginfo', 'executable', 'section/.text', 'source/usr/src/a.c'])
      assert.equal((await ask(url, `/buildid/${id}/${what}`)).status, 404, id);
  assert.equal((await ask(url, `/buildid/${'ab'.repeat(20)}/debuginfo`, { method: 'POST', body: 'x' })).status, 405);
  assert.equal((await ask(url, '/buildid/')).status, 404);
});

test(
  'what the archive lacks comes from upstream, kind by kind; two that ask each other come to an end',
  { skip: needsTools('gcc', 'objcopy', 'strip', 'readelf'), timeout: 60_000 },
  async (t) => {
    const program = await cProgram();
    const upstream = await serving(t, [program.debug, program.stripped]);
    const dir = folder(t);
    const [portA, portB] = [await freePort(), await freePort()];
    const start = (name: string, port: number, ...urls: string[]) =>
      startServe(
        t,
        ['--store', join(dir, name), '--listen', `127.0.0.1:${port}`, ...urls.flatMap((url) => ['--debuginfod', url])],
        { XDG_CACHE_HOME: join(dir, `${name}-cache`) },
      );
    const a = await start('a', portA, `http://127.0.0.1:${portB}`);
    await start('b', portB, a.url, upstream.url);

    const got = await ask(a.url, `/buildid/${program.gnu}/debuginfo`);
    assert.equal(got.status, 200, got.text);
    assert.deepEqual(got.body, readFileSync(program.debug));
    const executable = await ask(a.url, `/buildid/${program.gnu}/executable`);
    assert.deepEqual(executable.body, readFileSync(program.stripped));
    const section = await ask(a.url, `/buildid/${program.gnu}/section/.text`);
    assert.equal(section.status, 200, section.text);

    const began = performance.now();
    const unknown = await ask(a.url, `/buildid/${'ab'.repeat(20)}/debuginfo`);
    assert.equal(unknown.status, 404);
    assert.ok(performance.now() - began < 20_000);
    const far = Array.from({ length: 8 }, (_, i) => `host-${i}`).join(', ');
    const tooFar = await ask(a.url, `/buildid/${'cd'.repeat(20)}/debuginfo`, { headers: { 'X-Forwarded-For': far } });
    assert.equal(tooFar.status, 404);
  },
);
