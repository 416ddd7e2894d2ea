/**
 * A process that adds, removes, collects, verifies and pins in a store until it is ended or killed: carer.mjs ROOT SEED OWN,... SHARED,...
 * Says "ready", waits for a line, then prints a line for each own file that was added. Own files are removed by nobody, shared ones by
 * everybody. Runs from dist/, as users do: started often, it must start fast.
 */
import { once } from 'node:events';
import { collect } from '../../dist/store/collect.js';
import { DirectoryStore } from '../../dist/store/directory.js';

const [root = '', seedText = '1', ownText = '', sharedText = ''] = process.argv.slice(2);
const own = ownText.split(',');
const shared = sharedText.split(',');
let seed = Number(seedText);
function random(n) {
  seed = (seed * 48271) % 0x7fffffff;
  return seed % n;
}

const store = await DirectoryStore.open(root, { create: true });
process.stdout.write('ready\n');
await once(process.stdin, 'data');

const doings = [
  async () => {
    const file = own[random(own.length)];
    const { binary, outcome } = await store.add(file, { name: file.split('/').at(-1) ?? '' });
    process.stdout.write(`${JSON.stringify({ outcome, path: binary.path, key: binary.key })}\n`);
  },
  () => store.add(shared[random(shared.length)], { name: 'shared' }),
  async () => {
    const files = (await store.list()).filter(({ name }) => name === 'shared');
    if (files.length > 0) await store.remove(files[random(files.length)].path);
  },
  () => collect(store, { rules: { maxAgeMs: null, quotaBytes: null, keep: 1 + random(3) } }),
  async () => {
    for (const { binary, problem, isDamaged } of await store.verify()) {
      if (isDamaged) await store.quarantine(binary, problem).catch(unlessChanged);
    }
  },
  async () => {
    const files = await store.list({ program: 'shared' });
    if (files.length > 0) await store.setPinned(files[random(files.length)].key, random(2) === 0);
  },
];

/** Others are at work too. */
function unlessChanged(error) {
  if (error.code !== 'changed') throw error;
}

for (;;) await doings[random(doings.length)]();
