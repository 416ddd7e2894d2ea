/** Debug info that was read for a profile gets its index, off the path, and the engine then uses it. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openBuild } from '../../src/store/archived.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { OpenedBinaries } from '../../src/store/opened.ts';
import { IndexMaker } from '../../src/workers/index-maker.ts';
import type { IndexMade } from '../../src/workers/index-thread.ts';
import { buildC } from '../support/build.ts';
import { needsTools } from '../support/toolchains.ts';
import { FakeEngine, result } from '../serve/harness.ts';

const work = mkdtempSync(join(tmpdir(), 'resym-indexes-'));
after(() => rmSync(work, { recursive: true, force: true }));
const FILE = new URL('thread.mjs', import.meta.url);
const LOOPS = fileURLToPath(new URL('../fixtures/dwarf/loops.c', import.meta.url));

async function archive(name: string): Promise<DirectoryStore> {
  const store = await DirectoryStore.open(join(work, name), { create: true });
  await store.add(await buildC({ sources: [LOOPS], flags: ['-g', '-O2', '-lm'], name: 'loops' }));
  return store;
}

/** An engine that says of every profile that these builds had no index, and what is made thereupon. */
function maker(archive: string, unindexed: readonly string[]) {
  const made: [string, IndexMade][] = [];
  const engine = new FakeEngine();
  engine.answer = (body) => result({ body, unindexed });
  const indexes = new IndexMaker(engine, {
    archives: [archive],
    onMade: (key, one) => made.push([key, one]),
    file: FILE,
  });
  const ask = () => indexes.resymbolize(new Uint8Array(1));
  const settled = async (count: number): Promise<void> => {
    for (let n = 0; n < 300 && made.length < count; n++) await sleep(100);
  };
  return { indexes, made, ask, settled };
}

test(
  'an index is made once, in a thread, and a binary that is open takes it up',
  { skip: needsTools('gcc') },
  async () => {
    const store = await archive('once');
    const [binary] = await store.list();
    const opened = new OpenedBinaries(4, 0);
    const lease = () => opened.lease(binary.path, binary.name, () => openBuild(store, [binary]));
    const before = await lease();
    const { symbols } = before.binary;
    const addresses = [...symbols.object.functionSymbols().start].map((start) => start + 1);
    const live = addresses.map((address) => symbols.lookup(address));
    assert.equal(symbols.hasIndex, false);

    const { indexes, made, ask, settled } = maker(store.root, [binary.key]);
    await Promise.all([ask(), ask(), ask()]);
    await settled(1);
    await ask();
    await sleep(300);
    assert.deepEqual(made, [[binary.key, { sizeBytes: made[0][1].sizeBytes, problem: '' }]]);
    assert.ok(made[0][1].sizeBytes > 100);

    const now = await lease();
    assert.equal(now.binary.symbols, symbols);
    assert.deepEqual([symbols.problems, symbols.hasIndex], [[], true]);
    assert.deepEqual(
      addresses.map((address) => symbols.lookup(address)),
      live,
    );
    before.release();
    now.release();
    opened.clear();
    await indexes.close();
  },
);

test(
  'an archive that is gone, and a key that is none, are told and disturb nobody',
  { skip: needsTools('gcc') },
  async () => {
    const gone = join(work, 'gone');
    const missing = maker(gone, ['abcd']);
    await missing.ask();
    await missing.settled(1);
    assert.match(missing.made[0][1].problem, /is no directory/);
    await missing.indexes.close();

    const store = await archive('other');
    cpSync(store.root, join(work, 'copy'), { recursive: true });
    const other = maker(join(work, 'copy'), ['0123456789abcdef']);
    await other.ask();
    await other.settled(1);
    assert.deepEqual(other.made[0][1], { sizeBytes: 0, problem: '' });
    await other.indexes.close();
  },
);
