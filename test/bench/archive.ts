/**
 * An archive of many builds: start, look-ups, listing, memory, each in a process of its own.
 *
 *   node --import tsx test/bench/archive.ts GO_BINARY [--entries 20000] [--keep DIR] [--threads 4]
 *
 * The files are small ELF files with build IDs of their own; what is recorded of them is what is recorded of the Go binary, sketch and
 * all, since that is what a start reads.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { DirectoryStore } from '../../src/store/directory.ts';
import { examine } from '../../src/store/examine.ts';
import { FACTS_SCHEMA, formatFacts } from '../../src/store/facts.ts';
import { FileSource } from '../../src/store/file.ts';
import { pageOf } from '../../src/store/filter.ts';
import { FACTS_SUFFIX, filePath, SNAPSHOT_FILE } from '../../src/store/layout.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    entries: { type: 'string', default: '20000' },
    keep: { type: 'string' },
    threads: { type: 'string', default: '4' },
    measure: { type: 'string' },
  },
});

function keyOf(i: number): string {
  // Spread over the folders, as hashes are.
  return (
    Buffer.from(
      Array.from(
        { length: 20 },
        (_, at) => (Math.imul(i + 1, 2654435761) >>> ((at % 4) * 8)) ^ ((at * 31 + (i >> 8)) & 255),
      ),
    )
      .toString('hex')
      .slice(0, 32) + i.toString(16).padStart(8, '0')
  );
}

/** A header, a build ID and nothing else: what the store reads of it is on record. */
function smallElf(key: string): Buffer {
  const elf = Buffer.alloc(512);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  elf.writeUInt16LE(2, 16);
  elf.writeUInt16LE(62, 18);
  elf.writeUInt32LE(1, 20);
  elf.set(Buffer.from(key, 'hex'), 128);
  return elf;
}

function make(root: string, binary: string, entries: number): void {
  const { identity, sketch } = examine(FileSource.open(binary));
  for (let i = 0; i < entries; i++) {
    const key = keyOf(i);
    const sha256 = key.padEnd(64, '0');
    const path = join(root, filePath(key, sha256, 'elf'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, smallElf(key));
    const { size: sizeBytes, mtimeMs } = statSync(path);
    const ids = { ...identity.ids, gnu: key, go: null, goDerivedGnu: null, pclntabSha256: sha256 };
    const about = {
      schema: FACTS_SCHEMA,
      name: `program${i % 200}`,
      addedAt: new Date(1.7e12 + i * 1e5).toISOString(),
    } as const;
    const facts = { ...about, sizeBytes, mtimeMs, sha256, debugOnly: false, sketch, identity: { ...identity, ids } };
    writeFileSync(path + FACTS_SUFFIX, formatFacts(facts));
  }
}

const say = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(48)} ${value}\n`);
const ms = (from: number): string => `${(performance.now() - from).toFixed(0)} ms`;
const rss = (): string => `${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MB`;

async function latencies(count: number, act: (i: number) => Promise<unknown>): Promise<string> {
  const took: number[] = [];
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    await act(i);
    took.push(performance.now() - began);
  }
  took.sort((a, b) => a - b);
  const at = (share: number): string => took[Math.floor(took.length * share)].toFixed(3);
  return `median ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(0.99999)} ms`;
}

async function measure(what: string, root: string, entries: number): Promise<void> {
  if (what === 'cold') rmSync(join(root, SNAPSHOT_FILE), { force: true });
  const before = rss();
  let began = performance.now();
  const store = await DirectoryStore.open(root);
  say(`open, ${what === 'cold' ? 'no snapshot' : 'with the snapshot'}`, `${ms(began)}; RSS ${before} -> ${rss()}`);
  if (what === 'cold') {
    await store.close();
    return say('the snapshot', `${(statSync(join(root, SNAPSHOT_FILE)).size / 1e6).toFixed(1)} MB`);
  }
  say('find, known', await latencies(5000, (i) => store.find({ gnu: keyOf((i * 7919) % entries) })));
  say('find, unknown', await latencies(5000, (i) => store.find({ gnu: i.toString(16).padStart(40, 'e') })));
  began = performance.now();
  const list = await store.list();
  say(`list, ${list.length} entries`, ms(began));
  began = performance.now();
  say('list of one program', `${(await store.list({ program: 'program7' })).length} entries, ${ms(began)}`);
  began = performance.now();
  let pages = 0;
  for (let after: string | null = ''; after !== null; pages++) after = pageOf(list, { after, limit: 100 }).next;
  say(`${pages} pages of 100`, ms(began));
  say('get by prefix', await latencies(50, (i) => store.get(keyOf(i * 13).slice(0, 34))));
  say('RSS at the end', rss());
}

async function inThreads(root: string, threads: number): Promise<void> {
  const before = rss();
  const began = performance.now();
  const workers = Array.from(
    { length: threads },
    () =>
      new Worker(
        new URL(
          `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads';
    const { DirectoryStore } = await import(${JSON.stringify(new URL('../../dist/store/directory.js', import.meta.url).href)});
    globalThis.store = await DirectoryStore.open(${JSON.stringify(root)});
    parentPort.postMessage('open');
    setInterval(() => 0, 1000);
  `)}`,
        ),
      ),
  );
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
  say(`${threads} threads of one process open it`, `${ms(began)}; RSS ${before} -> ${rss()}`);
  await Promise.all(workers.map((worker) => worker.terminate()));
}

const entries = Number(values.entries);
if (values.measure !== undefined) {
  if (values.measure === 'threads') await inThreads(values.keep!, Number(values.threads));
  else await measure(values.measure, values.keep!, entries);
} else {
  const root = values.keep ?? mkdtempSync(join(tmpdir(), 'resym-bench-'));
  try {
    if (!existsSync(root) || readdirSync(root).length === 0) {
      const began = performance.now();
      make(root, positionals[0], entries);
      say(`make ${entries} entries`, ms(began));
    }
    for (const what of ['cold', 'warm', 'threads']) {
      const args = ['--import', 'tsx', fileURLToPath(import.meta.url), '--measure', what, '--keep', root];
      execFileSync(process.execPath, [...args, '--entries', `${entries}`, '--threads', values.threads], {
        stdio: 'inherit',
      });
    }
  } finally {
    if (values.keep === undefined) rmSync(root, { recursive: true, force: true });
  }
}
