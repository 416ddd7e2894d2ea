/** What pprof shows of the build that a profile is of. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { recordedBinary, recordedProfile } from '../src/demo/replay.ts';
import { decodeProfile } from './support/decode.ts';
import { resym } from './support/cli.ts';
import { uncompressed } from './support/erase.ts';
import { fieldsOf, lengthField, numberOf, varint } from './support/fields.ts';
import { goPprof } from './support/go-pprof.ts';
import { googlePprofPath } from './support/google-pprof.ts';
import { freePort } from './support/serve.ts';
import { parcaRefusal } from './support/parca-rule.ts';
import { anyGo } from './support/toolchains.ts';
import { assertUntouched } from './support/untouched.ts';

// Fields of a Profile.
const COMMENT = 13;
const DOC_URL = 15;

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

  it('is said by no comment beside Parca’s, nor by packed ones', async () => {
    const parcas = join(dir, 'parca.pb.gz');
    writeFileSync(parcas, withComment(recordedProfile('profile'), 'executableInfo=1;2;3'));
    const result = join(dir, 'parca-out.pb.gz');
    const { code } = await resym(['symbolize', parcas, '-o', result, '--store', archive]);
    assert.equal(code, 0);
    assert.deepEqual(decodeProfile(readFileSync(result)).comments, ['executableInfo=1;2;3']);
    const comments = fieldsOf(uncompressed(await symbolize())).filter(({ number }) => number === COMMENT);
    assert.deepEqual(
      comments.map(({ wire }) => wire),
      SHOWN.map(() => 0),
    );
  });

  it('has the URL that is asked for first, and no other', async () => {
    const template = 'https://git.example.com/{module}/tree/{revision}';
    const first = docUrl(await symbolize('--doc-url', template));
    assert.match(first, /^https:\/\/git\.example\.com\/example\.com\/shop\/tree\/[0-9a-f]{40}$/);
    const again = join(dir, 'again.pb.gz');
    await resym(['symbolize', out, '-o', again, '--store', archive, '--doc-url', 'https://other/']);
    assert.deepEqual(readFileSync(again), readFileSync(out));
    // The build has no version: (devel) is none.
    assert.equal(docUrl(await symbolize('--doc-url', 'https://x/{version}')), '');
    const env = { RESYM_DOC_URL: 'https://env/{name}', RESYM_IDENTITY: 'false' };
    const { stdout } = await resym(['symbolize', profile, '-o', '-', '--store', archive], { env });
    assert.equal(docUrl(stdout), 'https://env/shop');
    assert.deepEqual(decodeProfile(stdout).comments, []);
  });

  it('moves sources, and nothing falls apart by that', async () => {
    const plain = [...decodeProfile(await symbolize()).functions.values()];
    const rules = ['GOROOT=/usr/local/go', 'MAIN=/src/shop'].flatMap((rule) => ['--source-map', rule]);
    const body = await symbolize(...rules);
    const moved = [...decodeProfile(body).functions.values()];
    const files = new Set(moved.map(({ file }) => file));
    for (const file of ['runtime/proc.go', 'runtime/cgo/gcc_util.c']) {
      if (plain.some((each) => each.file.endsWith(file))) assert.ok(files.has(`/usr/local/go/src/${file}`), file);
    }
    assert.ok(files.has('/src/shop/main.go'));
    assert.deepEqual(
      [...files].filter((file) => /^(?:runtime|net|example\.com|\/_)\//.test(file)),
      [],
    );
    // The same functions, each whole: a file has one new name wherever it stands.
    assert.deepEqual(
      moved.map(({ id, name, systemName, startLine }) => ({ id, name, systemName, startLine })),
      plain.map(({ id, name, systemName, startLine }) => ({ id, name, systemName, startLine })),
    );
    const names = new Map<string, string>();
    plain.forEach(({ file }, i) => {
      assert.equal(names.get(file) ?? moved[i].file, moved[i].file);
      names.set(file, moved[i].file);
    });
    assert.equal(parcaRefusal(body), null);
  });

  it('reaches the threads of a batch', async () => {
    const batch = join(dir, 'batch');
    mkdirSync(batch);
    for (let i = 0; i < 16; i++) writeFileSync(join(batch, `${i}.pb.gz`), recordedProfile('profile'));
    const options = ['--doc-url', 'https://x/{name}', '--source-map', 'MAIN=/src/shop', '--jobs', '2'];
    const { code, stderr } = await resym(['symbolize', batch, '-o', join(dir, 'done'), '--store', archive, ...options]);
    assert.equal(code, 0, stderr);
    const alone = await symbolize(...options);
    for (let i = 0; i < 16; i++) assert.deepEqual(readFileSync(join(dir, 'done', `${i}.pb.gz`)), alone);
    assert.equal(docUrl(alone), 'https://x/shop');
  });

  it('wants sound options', async () => {
    for (const args of [
      ['--doc-url', 'https://x/{commit}'],
      ['--source-map', 'nonsense'],
    ]) {
      for (const command of [
        ['symbolize', profile, '-o', out],
        ['serve', '--target', 'a=http://127.0.0.1:1', '--listen', '127.0.0.1:0'],
      ]) {
        const { code, stderr } = await resym([...command, ...args]);
        assert.equal(code, 2);
        assert.match(stderr, new RegExp(`resym: ${args[0]}: `));
      }
    }
  });
});

function docUrl(body: Uint8Array): string {
  return decodeProfile(body).strings[Number(numberOf(fieldsOf(uncompressed(body)), DOC_URL))];
}

/** The profile with one more string, and a comment that is it. */
function withComment(body: Uint8Array, text: string): Uint8Array {
  const raw = uncompressed(body);
  const index = BigInt(decodeProfile(raw).strings.length);
  return Buffer.concat([raw, lengthField(6, Buffer.from(text)), varint(BigInt(COMMENT << 3)), varint(index)]);
}
