/** Symbol indexes: made once, used by whoever opens the very files they were made of, gone with them. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openObject } from '../../src/object/open.ts';
import { openBuild } from '../../src/store/archived.ts';
import { assemble } from '../../src/store/assembly.ts';
import { Beside, openFile } from '../../src/store/beside.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { indexBuild } from '../../src/store/indexing.ts';
import { buildC, buildGo } from '../support/build.ts';
import { resym } from '../support/cli.ts';
import { SERVICE_DIR } from '../support/service.ts';
import { needsGo, needsTools, toolchain } from '../support/toolchains.ts';
import { copy, place } from './samples.ts';

const LOOPS = fileURLToPath(new URL('../fixtures/dwarf/loops.c', import.meta.url));
const build = () => buildC({ sources: [LOOPS], flags: ['-g', '-O2', '-lm'], name: 'loops' });
const needs = needsTools('gcc');

/** A copy that may be written beside and changed. */
async function ownCopy(): Promise<string> {
  return copy(await build(), join(place('binary'), 'loops'));
}

async function usesIndex(path: string): Promise<boolean> {
  const { symbols, close } = await assemble({ files: [openFile(path)], elsewhere: new Beside(path) });
  close();
  return symbols.hasIndex;
}

describe('the index beside a binary', { skip: needs }, () => {
  it('is made by `resym index` and changes no answer', async () => {
    const path = await ownCopy();
    const address = addressesOf(path);
    const before = await resym(['lookup', path, '--json', ...address]);
    assert.equal(await usesIndex(path), false);
    const made = await resym(['index', path]);
    assert.deepEqual([made.code, made.stderr], [0, '']);
    assert.match(made.stdout.toString(), /loops\.symidx: \d+\.\d MB\n$/);
    assert.equal(await usesIndex(path), true);
    const after = await resym(['lookup', path, '--json', ...address]);
    assert.deepEqual([after.code, after.stderr], [0, '']);
    assert.equal(after.stdout.toString(), before.stdout.toString());
    assert.match(after.stdout.toString(), /"source":"dwarf"/);
  });

  it('is not used, and said so, once the binary is another', async () => {
    const path = await ownCopy();
    await resym(['index', path]);
    appendFileSync(path, 'x');
    assert.equal(await usesIndex(path), false);
    const { code, stderr } = await resym(['lookup', path, '0x1000']);
    assert.equal(code, 0);
    assert.match(stderr, /loops\.symidx is not used: it was made of other files; `resym index` makes it anew/);
  });

  it('that is damaged is a problem that is told, and no answer is missing', async () => {
    const path = await ownCopy();
    const address = addressesOf(path);
    const before = await resym(['lookup', path, ...address]);
    await resym(['index', path]);
    const bytes = readFileSync(`${path}.symidx`);
    bytes[bytes.length >> 1] ^= 1;
    writeFileSync(`${path}.symidx`, bytes);
    const after = await resym(['lookup', path, ...address]);
    assert.equal(after.stdout.toString(), before.stdout.toString());
    assert.match(after.stderr, /symbol index/);
  });
});

describe('the indexes of an archive', { skip: needs || needsGo('1.26') }, () => {
  const filesIn = (root: string): string[] => {
    const dir = join(root, '.resym/index');
    return existsSync(dir) ? readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((f) => /idx/.test(f)) : [];
  };

  it('are made once, used, and removed with their binary', async () => {
    const store = await DirectoryStore.open(place('store'), { create: true });
    const { binary } = await store.add(await build());
    assert.equal((await indexBuild(store, [binary])).outcome, 'made');
    assert.equal((await indexBuild(store, [binary])).outcome, 'there');
    assert.equal(filesIn(store.root).length, 1);
    const { symbols, close } = await assemble(await openBuild(store, [binary]));
    assert.equal(symbols.hasIndex, true);
    close();
    await store.remove(binary.key);
    assert.deepEqual(filesIn(store.root), []);
    await store.close();
  });

  it('are made of all that need one by `resym index`', async () => {
    const dir = place('store');
    const go = { toolchain: toolchain('1.26')!, dir: SERVICE_DIR };
    const files = [await build(), await buildGo({ ...go, mode: 'exe' }), await buildGo({ ...go, mode: 'cgo' })];
    await resym(['store', 'add', ...files, '--store', dir]);
    const { code, stdout, stderr } = await resym(['index', '--store', dir]);
    assert.deepEqual([code, stderr], [0, '']);
    const lines = stdout.toString().trim().split('\n');
    assert.equal(lines.length, 2, `pure Go needs none: ${lines.join('; ')}`);
    assert.equal(filesIn(dir).length, 2);
    const again = await resym(['index', '--store', dir]);
    assert.deepEqual([again.code, again.stdout.toString()], [0, '']);
  });
});

/** Of functions in the symbol table, in hex. */
function addressesOf(path: string): string[] {
  const { source, release } = openFile(path);
  try {
    const { start } = openObject(source).functionSymbols();
    return [...start].slice(0, 40).map((at) => (at + 1).toString(16));
  } finally {
    release();
  }
}
