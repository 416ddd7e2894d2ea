/** Several processes at one store, and processes that die in the middle. Runs from dist/: `npm run build` comes first. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseFacts } from '../../src/store/facts.ts';
import { parseFilePath } from '../../src/store/layout.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { place, variant } from './samples.ts';

const ADDER = fileURLToPath(new URL('./adder.mjs', import.meta.url));

interface Added {
  readonly file: string;
  readonly outcome: string;
  readonly path: string;
  readonly problem: string;
  /** Calls into the file system so far. */
  readonly calls: number;
}

/** A started adder, waiting. */
class Adder {
  readonly added: Added[] = [];
  readonly process: ChildProcess;
  readonly ready: Promise<void>;
  readonly ended: Promise<unknown[]>;

  constructor(root: string, files: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.process = spawn(process.execPath, [ADDER, root, ...files], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    this.ended = once(this.process, 'close');
    this.process.stdin!.on('error', () => undefined); // killed before it read
    const lines = createInterface({ input: this.process.stdout! });
    this.ready = new Promise((resolve, reject) => {
      this.process.on('exit', () => reject(new Error('the adder ended before it began')));
      lines.on('line', (line) => (line === 'ready' ? resolve() : this.added.push(JSON.parse(line) as Added)));
    });
  }

  begin(): void {
    this.process.stdin!.write('go\n');
  }
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    seed = (seed * 48271) % 0x7fffffff;
    const j = seed % (i + 1);
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

function sha256(path: string): string {
  return createHash('sha256').update(fs.readFileSync(path)).digest('hex');
}

/** What lies in .build-id: files, facts and links, each checked against what its name promises. */
function contents(root: string): { files: string[]; facts: string[]; links: Map<string, string> } {
  const files: string[] = [];
  const facts: string[] = [];
  const links = new Map<string, string>();
  const top = join(root, '.build-id');
  for (const entry of fs.existsSync(top) ? (fs.readdirSync(top, { recursive: true }) as string[]) : []) {
    const path = `.build-id/${entry}`;
    const stats = fs.lstatSync(join(root, path));
    if (stats.isDirectory()) continue;
    if (stats.isSymbolicLink()) links.set(path, fs.readlinkSync(join(root, path)));
    else if (path.endsWith('.json')) {
      assert.notEqual(parseFacts(fs.readFileSync(join(root, path), 'utf8')), null, `${path} is whole`);
      facts.push(path.slice(0, -'.json'.length));
    } else {
      const own = parseFilePath(path);
      assert.ok(own, `${path} has no business here`);
      assert.ok(sha256(join(root, path)).startsWith(own.sha256Prefix), `${path} is whole`);
      files.push(path);
    }
  }
  return { files, facts, links };
}

test('two processes add the same fifty files at once', { timeout: 300_000 }, async (t) => {
  const sources: string[] = [];
  const keys = Array.from({ length: 25 }, (_, number) => {
    const stripped = place('variant');
    const full = place('variant');
    sources.push(stripped, full);
    assert.equal(variant(stripped, number + 1), variant(full, number + 1, 'full'));
    return variant(stripped, number + 1);
  });
  for (const round of [1, 2, 3]) {
    const root = place();
    // The first round in step, so that both are at the same file; then in orders of their own.
    const adders = [1, 2].map((i) => new Adder(root, round === 1 ? sources : shuffled(sources, round * 10 + i)));
    await Promise.all(adders.map(({ ready }) => ready));
    for (const adder of adders) adder.begin();
    await Promise.all(adders.map(({ ended }) => ended));

    const all = adders.flatMap(({ added }) => added);
    assert.equal(all.length, 100);
    assert.deepEqual(
      all.filter(({ problem }) => problem !== ''),
      [],
    );
    for (const file of sources) {
      const outcomes = all.filter((added) => added.file === file).map(({ outcome }) => outcome);
      assert.equal(outcomes.filter((outcome) => outcome === 'already-there').length, 1, `${file}: ${outcomes.join()}`);
    }
    const found = contents(root);
    assert.equal(found.files.length, 50);
    assert.deepEqual(found.facts.sort(), found.files.sort());
    assert.deepEqual(fs.readdirSync(join(root, '.resym/incoming')), []);

    let examined = 0;
    const store = await DirectoryStore.open(root, { examine: () => assert.fail(`read again: ${++examined}`) });
    for (const key of keys) {
      const [best, other, ...more] = await store.find({ gnu: key });
      assert.equal(more.length, 0);
      assert.ok(best?.identity.symbols.dwarf, 'the full build first');
      assert.equal(other?.identity.symbols.dwarf, null);
      assert.equal(found.links.get(`.build-id/${key.slice(0, 2)}/${key.slice(2)}.debug`), basename(best.path));
    }
    const both = all.filter(({ outcome }) => outcome !== 'already-there');
    const winners = adders.map(({ added }) => added.filter(({ outcome }) => outcome !== 'already-there').length);
    t.diagnostic(`round ${round}: ${winners.join(' + ')} of ${both.length} placed by each`);
    fs.rmSync(root, { recursive: true });
  }
});

/** After a process died: everything visible is whole, and everything it reported is visible. */
async function checkAfterDeath(root: string, adder: Adder): Promise<ReturnType<typeof contents>> {
  const found = contents(root);
  const { files, facts, links } = found;
  for (const { path } of adder.added) assert.ok(files.includes(path), `${path} was reported and is there`);
  for (const path of files) assert.ok(facts.includes(path), `${path} has its facts`);
  for (const [link, target] of links) {
    const path = link.replace(/[^/]*$/, target);
    const { key } = parseFilePath(path)!;
    const reached = files.includes(path) || !files.some((file) => parseFilePath(file)!.key === key);
    assert.ok(reached, `${link} leads nowhere though there are files`);
  }
  const store = await DirectoryStore.open(root, { notice: (sentence) => assert.fail(sentence) });
  const listed = await store.list();
  assert.deepEqual(listed.map(({ path }) => path).sort(), files.sort());
  assert.deepEqual(
    listed.filter(({ problem }) => problem !== ''),
    [],
  );
  return found;
}

/** Adding everything again makes the store what it would have been. */
async function checkHealing(root: string, sources: readonly string[]): Promise<void> {
  const store = await DirectoryStore.open(root);
  for (const source of sources) await store.add(source);
  const healed = contents(root);
  assert.equal(healed.files.length, sources.length);
  assert.equal(healed.links.size, sources.length / 2);
  for (const result of await store.verify()) assert.deepEqual([result.ok, result.problem], [true, '']);
  for (const [link, target] of healed.links) {
    const [best] = await store.find({ gnu: parseFilePath(link.replace(/[^/]*$/, target))!.key });
    assert.ok(best.identity.symbols.dwarf);
    assert.equal(target, basename(best.path), 'the link leads to the full build');
  }
}

function leftBehind(root: string): number {
  const incoming = join(root, '.resym/incoming');
  return fs.existsSync(incoming) ? fs.readdirSync(incoming).length : 0;
}

/** Pairs of one build ID, the stripped one first. */
function pairs(count: number): string[] {
  return Array.from({ length: 2 * count }, (_, i) => {
    const path = place('variant');
    variant(path, 1 + (i >> 1), i % 2 === 0 ? 'stripped' : 'full');
    return path;
  });
}

test(
  'a process that dies before any call into the file system leaves nothing or everything',
  { timeout: 600_000 },
  async (t) => {
    const sources = pairs(1);
    const whole = new Adder(place(), sources);
    await whole.ready;
    whole.begin();
    await whole.ended;
    const total = whole.added.at(-1)!.calls;
    assert.ok(total > 20, `only ${total} calls`);
    const states = new Set<string>();
    for (let call = 1; call <= total; call++) {
      const root = place();
      const adder = new Adder(root, sources, { DIE_BEFORE_CALL: String(call) });
      await adder.ready;
      adder.begin();
      const [, signal] = await adder.ended;
      assert.equal(signal, 'SIGKILL');
      const { files, facts, links } = await checkAfterDeath(root, adder);
      states.add(`${leftBehind(root)} left, ${facts.length} facts, ${links.size} links, ${files.length} files`);
      await checkHealing(root, sources);
      fs.rmSync(root, { recursive: true });
    }
    t.diagnostic(`${total} points of death, ${states.size} states: ${[...states].join('; ')}`);
    assert.ok(states.size > 6, 'they differ');
  },
);

const KILLS = 100;

test(`a process killed at any time leaves nothing or everything (${KILLS} times)`, { timeout: 600_000 }, async (t) => {
  const sources = pairs(4);
  const seen = { finished: 0, files: 0, leftBehind: 0 };
  let seed = 20261122;
  let longest = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const root = place();
    const adder = new Adder(root, shuffled(sources, kill + 1));
    await adder.ready;
    const began = performance.now();
    adder.begin();
    if (kill > 0) {
      seed = (seed * 48271) % 0x7fffffff;
      const timer = setTimeout(() => adder.process.kill('SIGKILL'), (longest * (seed % 1000)) / 1000);
      await adder.ended;
      clearTimeout(timer);
    } else {
      await adder.ended; // the first is left to finish: so long they take
    }
    const took = performance.now() - began;
    const { files } = await checkAfterDeath(root, adder);
    if (adder.added.length === sources.length) seen.finished++;
    // How long they take differs with what else the machine does: later ones are killed earlier, or later, when too many are done or not begun.
    if (kill === 0) longest = took;
    else if (adder.added.length === sources.length) longest *= 0.8;
    else if (files.length === 0) longest *= 1.1;
    seen.files += files.length;
    seen.leftBehind += leftBehind(root);
    if (kill % 10 === 0) await checkHealing(root, sources);
    fs.rmSync(root, { recursive: true });
  }
  t.diagnostic(`killed ${KILLS} times: ${JSON.stringify(seen)}`);
  assert.ok(
    seen.finished < KILLS / 2 && seen.leftBehind > 0 && seen.files > KILLS / 2,
    'most died at work, not before it',
  );
});
