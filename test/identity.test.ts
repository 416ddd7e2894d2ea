/** What pprof shows of the build that a profile is of. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { recordedBinary, recordedProfile } from '../src/demo/replay.ts';
import { decodeProfile } from './support/decode.ts';
import { resym } from './support/cli.ts';
import { goPprof } from './support/go-pprof.ts';
import { googlePprofPath } from './support/google-pprof.ts';
import { freePort } from './support/serve.ts';
import { parcaRefusal } from './support/parca-rule.ts';
import { anyGo } from './support/toolchains.ts';
import { assertUntouched } from './support/untouched.ts';

const dir = mkdtempSync(join(tmpdir(), 'resym-identity-'));
after(() => rmSync(dir, { recursive: true }));
const [profile, binary, archive, out] = ['p.pb.gz', 'shop', 'archive', 'out.pb.gz'].map((name) => join(dir, name));
const go = anyGo();

before(async () => {
  writeFileSync(profile, recordedProfile('profile'));
  writeFileSync(binary, recordedBinary());
  assert.equal((await resym(['store', 'add', binary, '--store', archive])).code, 0);
});

async function symbolize(...args: string[]): Promise<Buffer> {
  const { code, stderr } = await resym(['symbolize', profile, '-o', out, '--store', archive, ...args]);
  assert.equal(code, 0, stderr);
  return readFileSync(out);
}

/** The page, once the server is up. */
async function pageAt(url: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    try {
      return await (await fetch(url)).text();
    } catch (error) {
      if (tries === 100) throw error;
      await delay(100);
    }
  }
}

const SHOWN = [
  /^resym: go1\.26\.8, module example\.com\/shop \(devel\)$/m,
  /^resym: revision [0-9a-f]{40} of 2026-\S+Z, modified$/m,
  /^resym: build ID 4eaa1361d59523fe3f8185434aa86635ff9b5828$/m,
  /^resym: 96 of 96 locations named, 5 by resym$/m,
];

describe('the build a profile is of', () => {
  it('is said in comments, once', async () => {
    const body = await symbolize();
    assertUntouched(recordedProfile('profile'), body);
    const { comments } = decodeProfile(body);
    assert.equal(comments.length, SHOWN.length);
    SHOWN.forEach((line, i) => assert.match(comments[i], line));
    assert.equal(parcaRefusal(body), null);
    const again = join(dir, 'again.pb.gz');
    const { code } = await resym(['symbolize', out, '-o', again, '--store', archive]);
    assert.equal(code, 0);
    assert.deepEqual(readFileSync(again), body);
  });

  it('is not said when nobody wants it', async () => {
    assert.deepEqual(decodeProfile(await symbolize('--no-identity')).comments, []);
  });

  it('is shown by go tool pprof', { skip: go === null ? 'needs go' : false }, async () => {
    await symbolize('--doc-url', 'https://git.example.com/{module}/tree/{revision}');
    const { stdout } = await goPprof(go!, ['-top', out]);
    for (const line of SHOWN) assert.match(stdout, line);
  });

  it('is shown by google/pprof, its page too', { skip: go === null ? 'needs go' : false }, async (t) => {
    await symbolize('--doc-url', 'https://git.example.com/{module}/tree/{revision}');
    const client = await googlePprofPath(go!);
    const { stdout: top } = await promisify(execFile)(client, ['-top', out]);
    const address = `127.0.0.1:${await freePort()}`;
    const server = spawn(client, [`-http=${address}`, '-no_browser', out], { stdio: 'ignore' });
    t.after(() => server.kill());
    const page = await pageAt(`http://${address}/top`);
    for (const line of SHOWN) {
      assert.match(top, line);
      assert.match(page.replaceAll('&#43;', '+'), new RegExp(line.source.replace(/^\^|\$$/g, '')));
    }
    assert.match(top, /^Doc: https:\/\/git\.example\.com\/example\.com\/shop\/tree\/[0-9a-f]{40}$/m);
  });

  it('moves sources, those of new and old functions alike', async () => {
    const moved = decodeProfile(await symbolize('--source-map', 'GOROOT=/usr/local/go'));
    const files = [...moved.functions.values()].map(({ file }) => file);
    assert.ok(files.includes('/usr/local/go/src/runtime/proc.go'));
    assert.ok(!files.some((file) => file.startsWith('runtime/')));
    const before = decodeProfile(recordedProfile('profile')).functions.size;
    assert.ok(files.length >= before);
  });

  it('wants sound options', async () => {
    for (const args of [
      ['--doc-url', 'https://x/{commit}'],
      ['--source-map', 'nonsense'],
    ]) {
      const { code, stderr } = await resym(['symbolize', profile, '-o', out, ...args]);
      assert.equal(code, 2);
      assert.match(stderr, new RegExp(`resym: ${args[0]}: `));
    }
  });
});
