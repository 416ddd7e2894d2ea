/** Files on their way in whose process was killed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DirectoryStore } from '../../src/store/directory.ts';
import { incomingName, isAbandoned } from '../../src/store/incoming.ts';
import { place } from './samples.ts';

const INCOMING = new URL('../../src/store/incoming.ts', import.meta.url).href;

test(
  'what a killed process left is swept by the next one, what a living one writes is not',
  { skip: process.platform === 'linux' ? false : 'needs Linux' },
  async () => {
    const store = await DirectoryStore.open(place(), { create: true });
    const folder = dirname(await store.incoming());
    const program = `import('${INCOMING}').then((m) => process.stdout.write(m.incomingName()))`;
    const tsx = fileURLToPath(import.meta.resolve('tsx'));
    const { stdout } = spawnSync(process.execPath, ['--import', tsx, '-e', program], { encoding: 'utf8' });
    assert.match(stdout, /^[0-9a-f-]{36}\.[0-9a-f]{8}\.\d+\.\d+$/);
    assert.equal(isAbandoned(stdout), true);
    assert.equal(isAbandoned(incomingName()), false);
    const [uuid, space, pid, began] = incomingName().split('.');
    assert.equal(isAbandoned(`${uuid}.${space}.${pid}.${Number(began) - 1}`), true, 'a number that was given again');
    assert.equal(isAbandoned(`${uuid}.00000000.${pid}.1`), false, 'of another machine nothing is known');
    assert.equal(isAbandoned(uuid), false);
    const living = incomingName();
    const old = 'anything-old';
    for (const name of [stdout, living, uuid, old]) writeFileSync(join(folder, name), 'x');
    utimesSync(join(folder, old), 1, 1); // its ctime is young: it stays
    await store.close();
    await (await DirectoryStore.open(store.root)).incoming();
    assert.deepEqual(readdirSync(folder).sort(), [living, old, uuid].sort());
  },
);
