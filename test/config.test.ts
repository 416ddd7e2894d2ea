import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ConfigError, loadConfig } from '../src/config.ts';

const dir = mkdtempSync(join(tmpdir(), 'resym-config-'));
after(() => rmSync(dir, { recursive: true }));

function file(text: string): string {
  const path = join(dir, 'resym.yaml');
  writeFileSync(path, text);
  return path;
}

describe('configuration', () => {
  it('has defaults for everything', () => {
    const config = loadConfig({}, { XDG_DATA_HOME: '/data' });
    assert.deepEqual(config.listen, { host: '127.0.0.1', port: 7070 });
    assert.equal(config.storeDir, '/data/resym');
    assert.equal(config.targets.size, 0);
    assert.equal(config.defaultTarget, null);
    assert.equal(config.budgetMs, 2000);
  });

  it('takes the flag before the environment, the environment before the file', () => {
    const config = file('listen: 127.0.0.1:1\nstore: /from/file\n');
    const env = { RESYM_LISTEN: '127.0.0.1:2', RESYM_CONFIG: config };
    assert.equal(loadConfig({}, { RESYM_CONFIG: config }).listen.port, 1);
    assert.equal(loadConfig({}, env).listen.port, 2);
    assert.equal(loadConfig({ listen: '[::1]:3' }, env).listen.port, 3);
    assert.equal(loadConfig({ listen: '[::1]:3' }, env).listen.host, '::1');
    assert.equal(loadConfig({}, env).storeDir, '/from/file');
    assert.equal(loadConfig({}, { ...env, RESYM_STORE: '/from/env' }).storeDir, '/from/env');
    assert.equal(loadConfig({ store: '/from/flag' }, { ...env, RESYM_STORE: '/from/env' }).storeDir, '/from/flag');
  });

  it('makes the only target the default one', () => {
    const config = loadConfig({ target: ['api=10.0.0.7:6060'] }, {});
    assert.equal(config.targets.get('api')!.url, 'http://10.0.0.7:6060');
    assert.equal(config.defaultTarget, 'api');
    assert.equal(loadConfig({ target: ['a=http://h:1', 'b=http://h:2'] }, {}).defaultTarget, null);
  });

  const refused: readonly [string, () => unknown, RegExp][] = [
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
    ['a port that is none', () => loadConfig({ listen: 'localhost:99999' }, {}), /host:port/],
  ];
  for (const [what, load, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(load, (error) => error instanceof ConfigError && message.test(error.message));
    });
  }
});
