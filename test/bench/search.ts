/**
 * Searching an archive of many builds by a profile's frames: which entries pass the sieve, how long it takes, what it holds.
 *
 *   node --expose-gc --import tsx test/bench/search.ts GO_BINARY... [--entries 10000]
 *
 * The profiles are of the first binary. Archive: all of them, and round them synthetic entries, half of them other programs (the same
 * functions elsewhere), half neighbouring builds of the first (a function has grown, those after it have moved).
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { GoSymbols } from '../../src/gosym/pclntab.ts';
import type { PlacedFunction } from '../../src/match/placed-functions.ts';
import { makeSketch, nameHash, packSketch, SketchQuery } from '../../src/match/sketch.ts';
import { openObject } from '../../src/object/open.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { examine } from '../../src/store/examine.ts';
import { FACTS_SCHEMA, plainFacts } from '../../src/store/facts.ts';
import { FileSource } from '../../src/store/file.ts';
import { filePath } from '../../src/store/layout.ts';

const PASSES = 0.9;

const { positionals: paths, values } = parseArgs({
  allowPositionals: true,
  options: { entries: { type: 'string' }, 'no-lines': { type: 'boolean' } },
});
const entries = Number(values.entries ?? '10000');
let seed = 1;
/** Below `n`. */
function random(n: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * n);
}

interface Named extends PlacedFunction {
  readonly name: string;
}

interface Program {
  readonly functions: readonly Named[];
  readonly go: GoSymbols;
}

function programOf(path: string): Program {
  const object = openObject(FileSource.open(path));
  const go = GoSymbols.open(object)!;
  const began = performance.now();
  const sketch = makeSketch(object, go)!;
  const ms = (performance.now() - began).toFixed(0);
  process.stdout.write(
    `${path}: ${go.functionCount} functions, ${sketch.length} bytes in ${ms} ms, 1 in ${2 ** sketch[3]}\n`,
  );
  const { address, fileOffset } = object.segments.find((s) => s.executable)!;
  const functions = Array.from({ length: go.functionCount }, (_, i) => {
    const [name, start, end] = [go.functionName(i), go.functionStart(i), go.functionEnd(i)];
    return {
      name,
      hash: nameHash(name),
      address: start,
      start: start - address + fileOffset,
      end: end - address + fileOffset,
    };
  });
  return { functions, go };
}

/** Functions from the `at`-th on moved. */
function moved({ functions, go }: Program, at: number, by: number): Uint8Array {
  const now = functions.map((f, i) => (i < at ? f : { ...f, start: f.start + by, end: f.end + by }));
  return packSketch(now, (address) => go.frames(address)?.[0].line ?? 0)!;
}

const programs = paths.map(programOf);
const { functions: own, go: ownGo } = programs[0];
const right = moved(programs[0], 0, 0);
const end = own[own.length - 1].end;
const mainFrom = own.findIndex((f) => f.start > end - (64 << 10));

/** As a CPU profile has them: most in the runtime and libraries, some in the program's own packages. */
function profile(frames: number): SketchQuery {
  return new SketchQuery(
    Array.from({ length: frames }, (_, i) => {
      const at = i % 4 === 3 ? mainFrom + random(own.length - mainFrom) : random(own.length);
      const { name, start, end: stop, address } = own[at];
      const offset = random(stop - start);
      const line = values['no-lines'] ? 0 : (ownGo.frames(address + offset)?.[0].line ?? 0);
      return { names: [name], places: [start + offset, start + offset + 0x400000], line };
    }),
  );
}

const others: Uint8Array[] = [];
const neighbours: Uint8Array[] = [];
const VARIANTS = 50;
for (let i = 0; i < VARIANTS; i++) {
  const base = programs[i % programs.length];
  others.push(moved(base, random(base.functions.length / 4), (1 + random(512)) << 12));
  const at = i % 2 === 0 ? mainFrom + random((own.length - mainFrom) / 2) : random(own.length);
  neighbours.push(moved(programs[0], at, 32 * (1 + random(8))));
}
for (const frames of [5, 10, 20, 75]) {
  const share = (sketches: Uint8Array[]): string => {
    let passed = 0;
    let whole = 0;
    for (let n = 0; n < 20; n++) {
      const query = profile(frames);
      if (query.score(right) !== 1) throw new Error('the right one is missed');
      for (const sketch of sketches) {
        const score = query.score(sketch);
        if (score >= PASSES) passed++;
        if (score === 1) whole++;
      }
    }
    return [passed, whole].map((n) => ((n / 20 / sketches.length) * 10_000).toFixed(0)).join(' / ');
  };
  process.stdout.write(
    `${frames} frames: of 10,000 pass / score 1: ${share(others)} other programs, ${share(neighbours)} neighbours\n`,
  );
}

const root = mkdtempSync(join(tmpdir(), 'resym-bench-'));
try {
  const store = await DirectoryStore.open(root);
  const { binary } = await store.add(paths[0]);
  await store.close();
  const real = examine(FileSource.open(paths[0]));
  const lines = ['{"resymCatalog":2}'];
  for (let i = 0; i < entries; i++) {
    const hex = (i + 1).toString(16).padStart(64, '0').split('').reverse().join('');
    const gnu = hex.slice(0, 40);
    const path = filePath(gnu, hex, 'elf');
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), '');
    const mtimeMs = (await import('node:fs')).statSync(join(root, path)).mtimeMs;
    const ids = { ...real.identity.ids, gnu, go: null, goDerivedGnu: null, pclntabSha256: hex };
    const sketch = (i % 2 === 0 ? others : neighbours)[(i >> 1) % VARIANTS];
    const identity = { ...real.identity, ids };
    const { sketch: base64, ...facts } = plainFacts({
      ...{
        schema: FACTS_SCHEMA,
        name: `p${i}`,
        addedAt: '2026-01-01T00:00:00.000Z',
        sizeBytes: 0,
        mtimeMs,
        sha256: hex,
      },
      ...{ debugOnly: false, sketch, identity },
    });
    lines.push(JSON.stringify({ path, ...facts, sketch: base64 })); // the sketch last: see store/snapshot.ts
  }
  writeFileSync(join(root, '.resym/catalog.json'), `${lines.join('\n')}\n`);
  const rss = (): number => {
    globalThis.gc?.();
    globalThis.gc?.();
    return process.memoryUsage().rss / 2 ** 20;
  };
  const before = rss();
  let at = performance.now();
  const lap = (what: string): void => {
    process.stdout.write(`${what}: ${(performance.now() - at).toFixed(0)} ms\n`);
    at = performance.now();
  };
  const opened = await DirectoryStore.open(root, { lookAgainMs: 3600_000 });
  lap(`open ${entries} entries`);
  const query = profile(75);
  at = performance.now();
  const found = await opened.search(query, { limit: 24 });
  lap(`search cold, ${found.length} found, the right one at ${found.findIndex((b) => b.path === binary.path)}`);
  await opened.search(query, { limit: 24 });
  lap('search warm');
  process.stdout.write(`memory: ${(rss() - before).toFixed(0)} MB more\n`);
  await opened.close();
} finally {
  rmSync(root, { recursive: true, force: true });
}
