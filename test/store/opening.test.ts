/** A large store opens fast and answers fast; figures are printed. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DirectoryStore } from '../../src/store/directory.ts';
import { FACTS_SCHEMA, formatFacts } from '../../src/store/facts.ts';
import { aliasPath, filePath } from '../../src/store/layout.ts';
import { place } from './samples.ts';

const FILES = 20_000;

/** The aim is two seconds on a machine left alone; processor time is what a busy one leaves comparable. */
const MAX_CPU_SECONDS = 4;

function hash(algorithm: string, number: number): string {
  return createHash(algorithm).update(`binary ${number}`).digest('hex');
}

/** Files of no content worth the name, with the facts of a real one: nothing but the facts is read. */
function synthesize(root: string): void {
  for (let byte = 0; byte < 256; byte++) {
    fs.mkdirSync(join(root, '.build-id', byte.toString(16).padStart(2, '0')), { recursive: true });
  }
  const old = new Date(Date.now() - 3600_000);
  for (let number = 0; number < FILES; number++) {
    const [key, sha256] = [hash('sha1', number), hash('sha256', number)];
    const path = filePath(key, sha256, 'elf');
    fs.writeFileSync(join(root, path), 'x');
    fs.utimesSync(join(root, path), old, old);
    fs.symlinkSync(path.split('/').at(-1)!, join(root, aliasPath(key)));
    const { size: sizeBytes, mtimeMs } = fs.statSync(join(root, path));
    const facts = formatFacts({
      schema: FACTS_SCHEMA,
      name: `service-${number}`,
      addedAt: new Date(1.76e12 + number).toISOString(),
      sizeBytes,
      mtimeMs,
      sha256,
      debugOnly: false,
      sketch: null,
      identity: {
        format: 'elf',
        arch: 'amd64',
        type: 'exec',
        ids: {
          gnu: key,
          go: `${sha256.slice(0, 20)}/${sha256.slice(20, 40)}/${sha256.slice(40, 60)}/${key.slice(0, 20)}`,
          goDerivedGnu: `00${key.slice(2)}`,
          uuid: null,
          pe: null,
          pclntabSha256: sha256,
        },
        splitUnits: null,
        goText: '0x401000',
        text: { address: '0x401000', size: 4096 },
        go: {
          version: 'go1.26.1',
          path: `example.com/services/service-${number}`,
          main: { path: `example.com/services/service-${number}`, version: '(devel)' },
          settings: {
            '-buildmode': 'exe',
            '-compiler': 'gc',
            '-trimpath': 'true',
            CGO_ENABLED: '1',
            GOARCH: 'amd64',
            GOOS: 'linux',
            GOAMD64: 'v1',
            'vcs.revision': key,
            'vcs.time': '2026-11-22T00:00:00Z',
            'vcs.modified': 'false',
          },
        },
        symbols: {
          pclntab: { version: '1.20', functions: 20_000 },
          dwarf: { versions: [5], units: 300 },
          symtab: null,
        },
        problems: [],
      },
    });
    fs.writeFileSync(join(root, `${path}.json`), facts);
  }
  for (let byte = 0; byte < 256; byte++) {
    fs.utimesSync(join(root, '.build-id', byte.toString(16).padStart(2, '0')), old, old);
  }
}

async function timed<T>(work: () => Promise<T>): Promise<[T, wallMs: number, cpuMs: number]> {
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  return [result, performance.now() - began, (user + system) / 1000];
}

test(`a store of ${FILES} files`, { timeout: 300_000 }, async (t) => {
  const root = place();
  synthesize(root);
  const figures = (what: string, wall: number, cpu: number) =>
    t.diagnostic(`${what}: ${wall.toFixed(1)} ms, ${cpu.toFixed(1)} ms of processor time`);
  const examine = () => assert.fail('a file was read');

  for (const what of [
    'opened from facts beside the files',
    'opened with the snapshot',
    'opened with the snapshot again',
  ]) {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    const [store, wall, cpu] = await timed(() => DirectoryStore.open(root, { examine }));
    clearInterval(timer);
    figures(what, wall, cpu);
    assert.ok(cpu < MAX_CPU_SECONDS * 1000, `${what}: ${cpu} ms`);
    assert.ok(ticks > 10, 'other work had its turn meanwhile');
    assert.equal(fs.existsSync(join(root, '.resym/catalog.json')), true);

    const [found, findWall, findCpu] = await timed(() => store.find({ gnu: hash('sha1', 777) }));
    figures('found one', findWall, findCpu);
    assert.deepEqual(
      found.map(({ name }) => name),
      ['service-777'],
    );
    const [refreshed, lookWall, lookCpu] = await timed(() => store.refresh());
    figures('looked for changes', lookWall, lookCpu);
    assert.equal(refreshed, undefined);
    assert.ok(lookCpu < 500, `a look costs a stat a directory: ${lookCpu} ms`);
    const [missing, missWall, missCpu] = await timed(() => store.find({ gnu: 'ab'.repeat(20) }));
    figures('found none', missWall, missCpu);
    assert.deepEqual(missing, []);
    assert.equal((await store.list()).length, FILES);
  }
});
