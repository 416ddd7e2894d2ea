/** Five processes that add, remove, collect, verify and pin in one store, all of them killed at any time. Runs from dist/. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DirectoryStore } from '../../src/store/directory.ts';
import { parseFacts } from '../../src/store/facts.ts';
import { parseFilePath } from '../../src/store/layout.ts';
import { needsTools } from '../support/toolchains.ts';
import { cProgram, place } from './samples.ts';

const CARER = fileURLToPath(new URL('./carer.mjs', import.meta.url));
const PROCESSES = 5;
/** RESYM_TEST_KILLS=200 for more. */
const KILLS = Number(process.env['RESYM_TEST_KILLS'] ?? '20');
const LONGEST_MS = 1000;

interface Reported {
  readonly path: string;
  readonly key: string;
}

/** Small programs of build IDs of their own. */
function variants(full: string, gnu: string, count: number, prefix: string): string[] {
  const bytes = fs.readFileSync(full);
  const at = bytes.indexOf(Buffer.from(gnu, 'hex'));
  const folder = place('variants');
  fs.mkdirSync(folder);
  return Array.from({ length: count }, (_, i) => {
    const path = join(folder, `${prefix}${i}`);
    bytes.set(createHash('sha1').update(path).digest(), at);
    fs.writeFileSync(path, bytes);
    return path;
  });
}

class Carer {
  readonly reported: Reported[] = [];
  readonly #process;
  readonly ready: Promise<unknown>;
  readonly ended: Promise<unknown[]>;
  #errors = '';

  constructor(args: readonly string[]) {
    const node = [CARER, ...args];
    const env = { ...process.env, NODE_TEST_CONTEXT: '' };
    this.#process = spawn(process.execPath, node, { stdio: ['pipe', 'pipe', 'pipe'], env });
    this.ended = once(this.#process, 'close');
    this.#process.stdin.on('error', () => undefined); // killed before it read
    this.#process.stderr.on('data', (text: Buffer) => (this.#errors += text.toString()));
    const lines = createInterface({ input: this.#process.stdout });
    this.ready = once(lines, 'line');
    void this.ready.then(() => lines.on('line', (line) => this.reported.push(JSON.parse(line) as Reported)));
  }

  begin(): void {
    this.#process.stdin.write('go\n');
  }

  async killAfter(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#process.kill('SIGKILL');
    const [, signal] = await this.ended;
    assert.equal(signal, 'SIGKILL', `it ended by itself: ${this.#errors}`);
  }
}

async function check(root: string, reported: readonly Reported[]): Promise<{ files: number; litter: number }> {
  const top = join(root, '.build-id');
  let files = 0;
  for (const entry of fs.readdirSync(top, { recursive: true }) as string[]) {
    const own = parseFilePath(`.build-id/${entry}`);
    if (own === null) continue;
    files++;
    const sha256 = createHash('sha256')
      .update(fs.readFileSync(join(top, entry)))
      .digest('hex');
    assert.ok(sha256.startsWith(own.sha256Prefix), `${entry} is whole`);
    assert.notEqual(parseFacts(fs.readFileSync(join(top, `${entry}.json`), 'utf8')), null, `${entry} has its facts`);
  }
  const store = await DirectoryStore.open(root, { notice: (sentence) => assert.fail(sentence) });
  const listed = await store.list();
  assert.equal(listed.length, files);
  for (const { path, problem } of listed) assert.equal(problem, '', path);
  for (const { path, key } of reported) {
    assert.ok(
      listed.some((binary) => binary.path === path),
      `${path} was reported and is there`,
    );
    assert.equal((await store.find({ gnu: key })).length, 1);
  }
  assert.deepEqual(
    (await store.verify()).filter(({ ok }) => !ok),
    [],
  );
  assert.deepEqual(await store.quarantined(), [], 'nobody took a good file for a damaged one');
  const old = { abandonedMs: -1000, quarantinedMs: -1000 };
  const litter = (await store.sweep(old)).length;
  assert.deepEqual(fs.readdirSync(join(root, '.resym/incoming')), []);
  assert.deepEqual(await store.sweep(old), []);
  for (const entry of fs.readdirSync(top, { recursive: true }) as string[]) {
    if (entry.endsWith('.debug')) assert.ok(fs.existsSync(join(top, entry)), `${entry} leads somewhere`);
  }
  await store.close();
  return { files, litter };
}

const title = `five processes care for one store and are killed (${KILLS} kills)`;

test(title, { skip: needsTools('gcc', 'objcopy', 'strip', 'readelf'), timeout: 1_800_000 }, async (t) => {
  const { full, gnu } = await cProgram();
  const shared = variants(full, gnu, 6, 'shared');
  const root = place();
  const reported = new Map<string, Reported>();
  const seen = { files: 0, litter: 0, rounds: 0 };
  let seed = 20261123;
  const owns = Array.from({ length: PROCESSES }, (_, i) => variants(full, gnu, 20, `own${i}-`));
  for (let kills = 0; kills < KILLS; kills += PROCESSES) {
    const carers = owns.map((own, i) => new Carer([root, `${seed + i * 7919}`, own.join(','), shared.join(',')]));
    await Promise.all(carers.map(({ ready }) => ready));
    for (const carer of carers) carer.begin();
    await Promise.all(
      carers.map((carer) => {
        seed = (seed * 48271) % 0x7fffffff;
        return carer.killAfter(seed % LONGEST_MS);
      }),
    );
    for (const carer of carers) for (const one of carer.reported) reported.set(one.path, one);
    const { files, litter } = await check(root, [...reported.values()]);
    seen.files = files;
    seen.litter += litter;
    seen.rounds++;
  }
  t.diagnostic(`${JSON.stringify(seen)}, ${reported.size} files reported`);
  assert.ok(reported.size > 0, 'they did something before they died');
});
