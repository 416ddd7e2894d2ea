import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { recordedBinary, recordedProfile } from '../../src/demo/replay.ts';
import { resym } from '../support/cli.ts';
import { erase } from '../support/erase.ts';
import { assertUntouched } from '../support/untouched.ts';
import { gunzipSync } from 'node:zlib';

const dir = mkdtempSync(join(tmpdir(), 'resym-cli-'));
const binary = join(dir, 'shop');
const profile = join(dir, 'profile.pb.gz');
const archive = join(dir, 'archive');

before(() => {
  writeFileSync(binary, recordedBinary());
  writeFileSync(profile, recordedProfile('profile'));
});
after(() => rmSync(dir, { recursive: true }));

const json = (text: Buffer): unknown => JSON.parse(text.toString());

describe('resym lookup', () => {
  it('prints what addr2line -afi prints', async () => {
    const { code, stdout } = await resym(['lookup', binary, '4e2a32', '0x1']);
    assert.equal(code, 0);
    assert.equal(
      stdout.toString(),
      [
        '0x00000000004e2a32',
        'main.discount',
        'example.com/shop/main.go:28',
        'main.lineTotal',
        'example.com/shop/main.go:29',
        'main.itemTotal',
        'example.com/shop/main.go:30',
        'main.(*order).total',
        'example.com/shop/main.go:36',
        '0x0000000000000001',
        '??',
        '??:0',
        '',
      ].join('\n'),
    );
  });

  it('--json is one value a line, addresses from stdin', async () => {
    const { code, stdout } = await resym(['lookup', binary, '--json'], { stdin: Buffer.from('0x4e2a32\n\n1\n') });
    assert.equal(code, 0);
    const [found, none] = stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(Object.keys(found), ['address', 'source', 'frames']);
    assert.equal(found['address'], '0x4e2a32');
    assert.equal(found['source'], 'pclntab');
    const frames = found['frames'] as Record<string, unknown>[];
    assert.deepEqual(frames[0], {
      function: 'main.discount',
      systemName: 'main.discount',
      file: 'example.com/shop/main.go',
      line: 28,
      column: 0,
      startLine: 28,
      inlined: true,
    });
    assert.deepEqual(
      frames.map((frame) => frame['inlined']),
      [true, true, true, false],
    );
    assert.deepEqual(none, { address: '0x1', source: null, frames: [] });
  });

  it('refuses what is no address, and a file that is none', async () => {
    assert.equal((await resym(['lookup', binary, 'xyz'])).code, 2);
    const missing = await resym(['lookup', join(dir, 'nothing'), '1']);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /nothing/);
    const text = await resym(['lookup', profile, '1']);
    assert.equal(text.code, 1);
    assert.match(text.stderr, /gzip/);
  });
});

describe('resym inspect', () => {
  it('--json has exactly the promised shape', async () => {
    const { code, stdout } = await resym(['inspect', binary, '--json']);
    assert.equal(code, 0);
    const value = json(stdout) as Record<string, Record<string, unknown>>;
    assert.deepEqual(Object.keys(value), ['path', 'format', 'arch', 'type', 'sizeBytes', 'ids', 'go', 'symbols']);
    assert.deepEqual(Object.keys(value['ids']), ['gnu', 'go', 'goDerivedGnu', 'uuid', 'pe', 'pclntabSha256']);
    assert.deepEqual(Object.keys(value['go']), ['version', 'path', 'main', 'settings']);
    assert.deepEqual(Object.keys(value['symbols']), ['pclntab', 'dwarf', 'symtab']);
    assert.equal(value['format'], 'elf');
    assert.equal(value['ids']['gnu'], '4eaa1361d59523fe3f8185434aa86635ff9b5828');
    assert.equal(value['ids']['uuid'], null);
    assert.equal((value['symbols']['pclntab'] as Record<string, unknown>)['functions'], 2508);
  });
});

describe('resym store', () => {
  it('adds, lists, shows, verifies and removes', async () => {
    const options = ['--store', archive];
    const added = await resym(['store', 'add', binary, ...options]);
    assert.equal(added.code, 0, added.stderr);
    assert.equal((await resym(['store', 'add', binary, ...options])).code, 0);
    const list = json((await resym(['store', 'ls', '--json', ...options])).stdout) as Record<string, unknown>[];
    assert.equal(list.length, 1);
    assert.equal(list[0]['name'], 'shop');
    assert.match((await resym(['store', 'show', '4eaa', ...options])).stdout.toString(), /go1\.26/);
    assert.equal((await resym(['store', 'show', 'ffff', ...options])).code, 1);
    assert.match((await resym(['store', 'verify', ...options])).stdout.toString(), /1 checked, 0 damaged/);
    assert.equal((await resym(['store', 'rm', '4eaa1361', ...options])).code, 0);
    assert.deepEqual(json((await resym(['store', 'ls', '--json', ...options])).stdout), []);
  });

  it('refuses what can serve nothing, and goes on', async () => {
    const text = join(dir, 'notes.txt');
    writeFileSync(text, 'hello');
    const { code, stderr } = await resym(['store', 'add', text, binary, '--store', archive]);
    assert.equal(code, 1);
    assert.match(stderr, /notes\.txt/);
    assert.equal((json((await resym(['store', 'ls', '--json', '--store', archive])).stdout) as unknown[]).length, 1);
  });
});

describe('resym symbolize', () => {
  const withArchive = ['--store', archive];
  before(async () => {
    await resym(['store', 'add', binary, ...withArchive]);
  });

  it('names a file, with a report', async () => {
    const [out, report] = [join(dir, 'out.pb.gz'), join(dir, 'report.json')];
    const { code, stderr } = await resym(['symbolize', profile, '-o', out, '--report', report, ...withArchive]);
    assert.equal(code, 0, stderr);
    assertUntouched(gunzipSync(readFileSync(profile)), gunzipSync(readFileSync(out)));
    const { profiles } = json(readFileSync(report)) as { profiles: Record<string, unknown>[] };
    assert.equal(profiles.length, 1);
    const { mappings, ...entry } = profiles[0];
    assert.deepEqual(entry, {
      input: profile,
      output: out,
      status: 'enriched',
      error: null,
      locations: { total: 96, namedBefore: 91, namedAfter: 96 },
      weighedBy: { type: 'cpu', unit: 'nanoseconds', total: 5100000000 },
    });
    const main = (mappings as Record<string, unknown>[])[0];
    assert.deepEqual(main, {
      id: '1',
      file: '/srv/shop/shop',
      buildId: '4eaa1361d59523fe3f8185434aa86635ff9b5828',
      binary: 'shop',
      match: 'build-id',
      verdict: 'match',
      checked: 91,
      agreed: 91,
      locations: 96,
      namedBefore: 91,
      namedAfter: 96,
      reason: '',
      weight: { flat: 5100000000, cumulative: 5100000000 },
      tried: [{ binary: 'shop', foundBy: 'build-id', verdict: 'match', checked: 91, agreed: 91, reason: '' }],
      unresolved: [],
      repaired: {},
    });
  });

  it('goes from stdin to stdout', async () => {
    const { code, stdout } = await resym(['symbolize', '-', ...withArchive], { stdin: readFileSync(profile) });
    assert.equal(code, 0);
    assertUntouched(gunzipSync(readFileSync(profile)), gunzipSync(stdout));
  });

  it('mirrors a tree, on several threads, and a bad file does not stop the rest', async () => {
    const [tree, out] = [join(dir, 'tree'), join(dir, 'mirrored')];
    mkdirSync(join(tree, 'a', 'b'), { recursive: true });
    for (let i = 0; i < 20; i++) writeFileSync(join(tree, 'a', 'b', `${i}.pb.gz`), readFileSync(profile));
    writeFileSync(join(tree, 'broken.pb.gz'), readFileSync(profile).subarray(0, 1000));
    const { code, stderr } = await resym(['symbolize', tree, '-o', out, '--jobs', '2', ...withArchive]);
    assert.equal(code, 1);
    assert.match(stderr, /broken\.pb\.gz: /);
    assert.equal(readdirSync(join(out, 'a', 'b')).length, 20);
    assert.deepEqual(readdirSync(out), ['a']);
    const globbed = join(dir, 'globbed');
    const matched = await resym(['symbolize', `${tree}/**/1*.pb.gz`, '-o', globbed, ...withArchive]);
    assert.equal(matched.code, 0, matched.stderr);
    assert.equal(readdirSync(join(globbed, 'a', 'b')).length, 11);
  });

  it('pins a binary without any archive', async () => {
    const out = join(dir, 'pinned.pb.gz');
    const bare = join(dir, 'bare.pb.gz');
    writeFileSync(bare, erase(recordedProfile('profile'), { flags: 'drop' }));
    const env = { XDG_DATA_HOME: join(dir, 'empty') };
    const { code, stderr } = await resym(['symbolize', bare, '-o', out, '--binary', binary], { env });
    assert.equal(code, 0);
    assert.match(stderr, /enriched, 96 of 96 locations named \(0 before\)/);
  });

  const wrong: readonly (readonly [string, readonly string[]])[] = [
    ['two profiles and one file', ['symbolize', profile, profile, '-o', '-']],
    ['no profile', ['symbolize']],
    ['an unknown option', ['symbolize', profile, '--nonsense']],
    ['a number of jobs that is none', ['symbolize', profile, '--jobs', '0', '-o', 'x']],
    ['an archive that is not there', ['symbolize', profile, '-o', join(dir, 'x'), '--store', join(dir, 'nowhere')]],
    ['a glob that matches nothing', ['symbolize', join(dir, '*.nothing'), '-o', dir]],
    ['a binary that is not there', ['symbolize', profile, '-o', join(dir, 'x'), '--binary', join(dir, 'nowhere')]],
  ];
  for (const [what, args] of wrong) {
    it(`calls ${what} wrong usage`, async () => {
      const { code, stderr, stdout } = await resym(args);
      assert.equal(code, 2);
      assert.notEqual(stderr, '');
      assert.equal(stdout.length, 0);
    });
  }
});

describe('resym', () => {
  it('has a version, help for every command, and exit code 2 for nonsense', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    assert.equal((await resym(['--version'])).stdout.toString().trim(), version);
    for (const command of ['serve', 'symbolize', 'explain', 'lookup', 'inspect', 'store', 'demo']) {
      const { code, stdout } = await resym([command, '--help']);
      assert.equal(code, 0);
      assert.match(stdout.toString(), /Usage: resym/);
    }
    assert.equal((await resym(['frobnicate'])).code, 2);
  });

  it('demo runs on Node alone', async () => {
    const { code, stdout, stderr } = await resym(['demo', '--once', '--port', '0'], { env: { PATH: '' } });
    assert.equal(code, 0, stderr);
    assert.match(stdout.toString(), /profile +91 of 96 -> 96 of 96/);
    assert.match(stdout.toString(), /bare addresses +0 of 96 -> 96 of 96/);
  });
});
