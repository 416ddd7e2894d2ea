import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { loadConfig } from '../src/config.ts';
import { ConfigError, type Flags, type Output } from '../src/flags.ts';
import { Target } from '../src/source/target.ts';

const dir = mkdtempSync(join(tmpdir(), 'resym-config-'));
after(() => rmSync(dir, { recursive: true }));

function file(text: string): string {
  const path = join(dir, 'resym.yaml');
  writeFileSync(path, text);
  return path;
}

async function outputOf(flags: Flags, env: NodeJS.ProcessEnv): Promise<Output> {
  const { identity, docUrl, sourceMap } = await loadConfig(flags, env);
  return { identity, docUrl, sourceMap };
}

describe('configuration', () => {
  it('has defaults for everything', async () => {
    const config = await loadConfig({}, { XDG_DATA_HOME: '/data' });
    assert.deepEqual(config.listen, { host: '127.0.0.1', port: 7070 });
    assert.equal(config.archive, '/data/resym');
    assert.equal(config.targets.size, 0);
    assert.equal(config.defaultTarget, null);
    assert.equal(config.budgetMs, 2000);
    assert.ok(config.workers >= 1 && config.workers <= 4);
  });

  it('takes the flag before the environment, the environment before the file', async () => {
    const config = file('listen: 127.0.0.1:1\nstore: /from/file\n');
    const env = { RESYM_LISTEN: '127.0.0.1:2', RESYM_CONFIG: config };
    assert.equal((await loadConfig({}, { RESYM_CONFIG: config })).listen.port, 1);
    assert.equal((await loadConfig({}, env)).listen.port, 2);
    assert.equal((await loadConfig({ listen: '[::1]:3' }, env)).listen.port, 3);
    assert.equal((await loadConfig({ listen: '[::1]:3' }, env)).listen.host, '::1');
    assert.equal((await loadConfig({}, env)).archive, '/from/file');
    assert.equal((await loadConfig({}, { ...env, RESYM_STORE: '/from/env' })).archive, '/from/env');
    assert.equal(
      (await loadConfig({ store: '/from/flag' }, { ...env, RESYM_STORE: '/from/env' })).archive,
      '/from/flag',
    );
    const workers = { RESYM_CONFIG: file('workers: 3\n') };
    assert.equal((await loadConfig({}, workers)).workers, 3);
    assert.equal((await loadConfig({}, { ...workers, RESYM_WORKERS: '0' })).workers, 0);
    assert.equal((await loadConfig({ workers: '2' }, { ...workers, RESYM_WORKERS: '0' })).workers, 2);
  });

  it('makes the only target the default one', async () => {
    const config = await loadConfig({ target: ['api=10.0.0.7:6060'] }, {});
    assert.equal(config.targets.get('api')!.url, 'http://10.0.0.7:6060');
    assert.equal(config.defaultTarget, 'api');
    assert.equal((await loadConfig({ target: ['a=http://h:1', 'b=http://h:2'] }, {})).defaultTarget, null);
  });

  it('says what is written beside the names: for all, and for one target', async () => {
    assert.deepEqual(await outputOf({}, {}), { identity: true, docUrl: '', sourceMap: [] });
    const config = file(
      [
        'identity: false',
        'docUrl: https://all/{module}',
        'sourceMap: [GOROOT=/go, /home/ci/=/src/]',
        'targets:',
        '  a: { url: http://h:1, identity: true, docUrl: "", sourceMap: [MAIN=/a] }',
        '  b: { url: http://h:2 }',
      ].join('\n'),
    );
    const { targets, ...loaded } = await loadConfig({ config }, {});
    assert.deepEqual(
      { identity: loaded.identity, docUrl: loaded.docUrl, sourceMap: loaded.sourceMap },
      {
        identity: false,
        docUrl: 'https://all/{module}',
        sourceMap: [
          { from: 'GOROOT', to: '/go' },
          { from: '/home/ci', to: '/src' },
        ],
      },
    );
    const a = new Target('a', targets.get('a')!).output;
    assert.deepEqual(a, { identity: true, docUrl: '', sourceMap: [{ from: 'MAIN', to: '/a' }] });
    assert.deepEqual(new Target('b', targets.get('b')!).output, {});

    const env = {
      RESYM_CONFIG: config,
      RESYM_IDENTITY: 'true',
      RESYM_DOC_URL: 'https://env/',
      RESYM_SOURCE_MAP: 'a=b,c=d',
    };
    const ab = [
      { from: 'a', to: 'b' },
      { from: 'c', to: 'd' },
    ];
    assert.deepEqual(await outputOf({}, env), { identity: true, docUrl: 'https://env/', sourceMap: ab });
    // The command line gives true for what was not said.
    const flags = { identity: false, docUrl: 'https://flag/', sourceMap: ['e=f'] };
    assert.deepEqual(await outputOf(flags, env), {
      identity: false,
      docUrl: 'https://flag/',
      sourceMap: [{ from: 'e', to: 'f' }],
    });
    assert.equal((await outputOf({ identity: true }, { RESYM_CONFIG: config })).identity, false);
  });

  const refused: readonly [string, () => Promise<unknown>, RegExp][] = [
    ['a file that is not there', () => loadConfig({ config: join(dir, 'none') }, {}), /cannot read .*none/],
    ['broken YAML, by line', () => loadConfig({ config: file('a: 1\nb: [\n') }, {}), /resym\.yaml:\d+: /],
    ['an unknown key', () => loadConfig({ config: file('listn: x\n') }, {}), /listn/],
    [
      'a wrong type, by line and path',
      () => loadConfig({ config: file('targets:\n  api:\n    url: 7\n') }, {}),
      /resym\.yaml:3: targets\.api\.url: /,
    ],
    ['a default target that is none', () => loadConfig({ config: file('defaultTarget: x\n') }, {}), /is no target/],
    ['a target without a URL', () => loadConfig({ target: ['api'] }, {}), /NAME=URL/],
    ['a name that would not fit a path', () => loadConfig({ target: ['a/b=http://h'] }, {}), /NAME=URL/],
    [
      'an unknown placeholder, by line and path',
      () => loadConfig({ config: file('listen: h:1\ndocUrl: https://x/{commit}\n') }, {}),
      /resym\.yaml:2: docUrl: \{commit\} stands for nothing/,
    ],
    [
      'a rule of a target that is none, by line and path',
      () =>
        loadConfig({ config: file('targets:\n  a:\n    url: http://h\n    sourceMap:\n      - a=b\n      - c\n') }, {}),
      /resym\.yaml:6: targets\.a\.sourceMap\.1: a source map is FROM=TO, not "c"/,
    ],
    ['a URL from the command line', () => loadConfig({ docUrl: 'x' }, {}), /^--doc-url: "x" is no http/],
    ['a URL from the environment', () => loadConfig({}, { RESYM_DOC_URL: 'x' }), /^RESYM_DOC_URL: /],
    ['a rule from the command line', () => loadConfig({ sourceMap: ['x'] }, {}), /^--source-map: /],
    ['a rule from the environment', () => loadConfig({}, { RESYM_SOURCE_MAP: 'x' }), /^RESYM_SOURCE_MAP: /],
    ['neither yes nor no', () => loadConfig({}, { RESYM_IDENTITY: 'off' }), /^RESYM_IDENTITY wants true or false/],
    ['workers of the command line', () => loadConfig({ workers: 'all' }, {}), /^--workers wants 0 to 256, not "all"/],
    ['workers of the environment', () => loadConfig({}, { RESYM_WORKERS: '257' }), /^RESYM_WORKERS wants 0 to 256/],
    ['workers of the file', () => loadConfig({ config: file('workers: -1\n') }, {}), /resym\.yaml:1: workers: /],
    ['a port that is none', () => loadConfig({ listen: 'localhost:99999' }, {}), /host:port/],
  ];
  for (const [what, load, message] of refused) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(load(), (error) => error instanceof ConfigError && message.test(error.message));
    });
  }
});
