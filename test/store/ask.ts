/** Run by by-hand.test.ts as another user or in another mount namespace: asks a store everything and prints the answers. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../src/errors.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { StoreError } from '../../src/store/store.ts';

const [root = '', gnu = '', file = ''] = process.argv.slice(2);
if (root === 'probe') process.exit(0);

if (file === 'chmod') {
  const path = join(root, 'api');
  chmodSync(path, 0);
  const store = await DirectoryStore.open(root, { lookAgainMs: 0 });
  const before = (await store.find({ gnu })).length;
  chmodSync(path, 0o644);
  const after = (await store.find({ gnu })).length;
  process.stdout.write(JSON.stringify({ before, after }));
  process.exit(0);
}

const notices: string[] = [];
const store = await DirectoryStore.open(root, { notice: (sentence) => notices.push(sentence) });
const listed = await store.list();
const found = await store.find({ gnu: gnu });
const opened = await store.open(found[0]);
const readBytes = opened.source.read(0, opened.source.size).length;
opened.release();
const added = await store.add(file).then(
  ({ outcome }) => outcome,
  (error: unknown) => `${error instanceof StoreError ? `${error.code}: ` : ''}${messageOf(error)}`,
);
const answer = {
  listed: listed.map(({ path }) => path.replace(/^(\.build-id\/..).*/, '$1')).sort(),
  problems: listed.filter(({ problem }) => problem !== '').map(({ path, problem }) => `${path}: ${problem}`),
  found: found.map(({ name }) => name),
  readBytes,
  added,
  notices: notices.join('\n'),
};
process.stdout.write(JSON.stringify(answer));
