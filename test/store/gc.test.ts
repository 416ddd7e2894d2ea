/** What gc chooses: properties over made-up archives, and the odd cases by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BLANK_IDENTITY } from '../../src/store/facts.ts';
import { chooseRemovals, type GcRules } from '../../src/store/gc.ts';
import { NO_RULES, parseAge, parseSize } from '../../src/store/gc-rules.ts';
import { filePath } from '../../src/store/layout.ts';
import type { StoredBinary } from '../../src/store/store.ts';

const DAY = 86_400_000;
const NOW = Date.parse('2026-11-23T00:00:00Z');

interface Made {
  /** Files of one number share a key. */
  readonly key: number;
  readonly name?: string;
  readonly ageDays?: number;
  readonly sizeBytes?: number;
  /** Files of one number have the same Go tables; 0: none. */
  readonly code?: number;
  readonly commit?: string | undefined;
  readonly dwarf?: boolean;
  readonly byHand?: boolean;
}

let contents = 0;

function keyOf(key: number): string {
  return key.toString(16).padStart(40, 'a');
}

function made({
  key,
  name = 'api',
  ageDays = 0,
  sizeBytes = 1,
  code = 0,
  commit,
  dwarf = true,
  byHand,
}: Made): StoredBinary {
  const sha256 = (++contents).toString(16).padStart(16, '0').padEnd(64, '0');
  const go = {
    version: 'go1.26',
    path: name,
    main: null,
    settings: commit === undefined ? {} : { 'vcs.revision': commit },
  };
  const symbols = { pclntab: null, dwarf: dwarf ? { versions: [5], units: 1 } : null, symtab: null };
  const ids = { ...BLANK_IDENTITY.ids, gnu: keyOf(key), pclntabSha256: code === 0 ? null : `${code}` };
  return {
    key: keyOf(key),
    path: byHand ? `releases/${contents}` : filePath(keyOf(key), sha256, 'elf'),
    name,
    sizeBytes,
    sha256,
    addedAt: new Date(NOW - ageDays * DAY).toISOString(),
    identity: { ...BLANK_IDENTITY, ids, go, symbols },
    debugOnly: false,
    problem: '',
    version: '',
  };
}

function choose(
  files: readonly StoredBinary[],
  rules: Partial<GcRules>,
  { pins = [] as number[], uses = new Map<string, string>() } = {},
) {
  const choice = chooseRemovals(files, { pins: new Set(pins.map(keyOf)), uses, now: NOW }, { ...NO_RULES, ...rules });
  const gone = new Set(choice.removals.flatMap((removal) => removal.files));
  return { ...choice, gone, kept: files.filter((file) => !gone.has(file)) };
}

const anyFile = fc.record({
  key: fc.nat(12),
  name: fc.constantFrom('api', 'worker', 'cron'),
  ageDays: fc.nat(200),
  sizeBytes: fc.nat(1000),
  code: fc.nat(4),
  commit: fc.constantFrom(undefined, 'c1', 'c2'),
  dwarf: fc.boolean(),
});
const anyArchive = fc.array(anyFile, { maxLength: 40 }).map((all) => all.map(made));
const anyRules = fc.record({
  maxAgeMs: fc.option(fc.nat(200).map((days) => days * DAY)),
  keep: fc.option(fc.integer({ min: 1, max: 5 })),
  quotaBytes: fc.option(fc.nat(20_000)),
});
const anyPins = fc.array(fc.nat(12), { maxLength: 4 });

test('pinned builds never go, files of a key stay or go together, and twins of a commit', () => {
  fc.assert(
    fc.property(anyArchive, anyRules, anyPins, (files, rules, pins) => {
      const { gone, kept, keptBytes } = choose(files, rules, { pins });
      for (const file of gone) assert.ok(!pins.some((pin) => keyOf(pin) === file.key), 'pinned');
      for (const a of gone) {
        for (const b of kept) {
          assert.notEqual(a.key, b.key);
          const isTwin =
            a.identity.ids.pclntabSha256 !== null && a.identity.ids.pclntabSha256 === b.identity.ids.pclntabSha256;
          if (!isTwin) continue;
          assert.notDeepEqual(a.identity.go?.settings, b.identity.go?.settings, 'twins of a commit');
        }
      }
      assert.equal(
        keptBytes,
        kept.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      );
    }),
    { numRuns: 500 },
  );
});

test('a quota is met, or all that is not pinned is gone; nothing goes that need not', () => {
  fc.assert(
    fc.property(anyArchive, fc.nat(20_000), anyPins, (files, quotaBytes, pins) => {
      const { removals, kept, keptBytes, overQuotaBytes } = choose(files, { quotaBytes }, { pins });
      assert.equal(overQuotaBytes, Math.max(0, keptBytes - quotaBytes));
      if (keptBytes > quotaBytes) {
        // What is left is pinned, or kept by something pinned: the same without the pins goes whole.
        const free = choose(kept, { quotaBytes });
        assert.ok(pins.length > 0 && free.keptBytes <= quotaBytes);
      }
      const last = Math.max(
        0,
        ...removals.map(({ files: of }) => Math.max(...of.map(({ addedAt }) => Date.parse(addedAt)))),
      );
      const smallest = removals.find(({ files: of }) => of.some(({ addedAt }) => Date.parse(addedAt) === last));
      if (smallest !== undefined) {
        const bytes = smallest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
        if (removals.length === 1)
          assert.ok(keptBytes + bytes > quotaBytes, 'without the last one the quota is not met');
      }
    }),
    { numRuns: 500 },
  );
});

test('no rules, nothing goes; and what one rule removes it removes again', () => {
  fc.assert(
    fc.property(anyArchive, anyRules, anyPins, (files, rules, pins) => {
      assert.equal(choose(files, {}, { pins }).gone.size, 0);
      const { kept } = choose(files, rules, { pins });
      if (rules.keep === null) assert.equal(choose(kept, rules, { pins }).gone.size, 0, 'the second time nothing goes');
    }),
    { numRuns: 300 },
  );
});

test('the newest builds of each program stay', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ name: fc.constantFrom('api', 'worker'), ageDays: fc.nat(1000) }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      (all, keep) => {
        const files = all.map((file, key) => made({ ...file, key }));
        const { kept } = choose(files, { keep });
        for (const name of ['api', 'worker']) {
          const of = files.filter((file) => file.name === name).sort((a, b) => (a.addedAt > b.addedAt ? -1 : 1));
          const stay = kept.filter((file) => file.name === name);
          assert.equal(stay.length, Math.min(keep, of.length));
          for (const file of of.slice(0, keep)) assert.ok(stay.some(({ addedAt }) => addedAt === file.addedAt));
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('a build that is used is not old', () => {
  const files = [made({ key: 1, ageDays: 100 }), made({ key: 2, ageDays: 100 })];
  const uses = new Map([[keyOf(1), new Date(NOW - DAY).toISOString()]]);
  const { gone, removals } = choose(files, { maxAgeMs: 90 * DAY }, { uses });
  assert.deepEqual([...gone], [files[1]]);
  assert.match(removals[0].reason, /neither added nor used for 100 days/);
  assert.deepEqual([...choose(files, { keep: 1 }, { uses }).gone], [files[1]]);
  assert.deepEqual([...choose(files, { quotaBytes: 1 }, { uses }).gone], [files[1]]);
});

test('a twin under another key, and a build’s files, count as one', () => {
  const files = [
    made({ key: 1, ageDays: 9, code: 1, commit: 'a', dwarf: false }),
    made({ key: 2, ageDays: 8, code: 1, commit: 'a', name: 'api.unstripped' }),
    made({ key: 3, ageDays: 5, code: 2, commit: 'b', dwarf: false }),
    made({ key: 4, ageDays: 5, code: 2, commit: 'b', name: 'api.unstripped' }),
  ];
  assert.deepEqual([...choose(files, { keep: 1 }).gone], files.slice(0, 2));
  assert.equal(choose(files, { keep: 2 }).gone.size, 0);
  assert.deepEqual([...choose(files, { keep: 1 }, { pins: [2] }).gone], []);
});

test('releases of unchanged code are builds of their own', () => {
  const files = Array.from({ length: 20 }, (_, i) => made({ key: i + 1, ageDays: i, code: 1, commit: `c${i}` }));
  assert.equal(choose(files, { keep: 5 }).kept.length, 5);
  assert.equal(choose(files, { maxAgeMs: 9.5 * DAY }).kept.length, 10);
});

test('without a commit, what the linker was told tells releases apart, but not what it left out', () => {
  const flags = ['-X main.v=1', '-X main.v=2', '-s -w -X main.v=2', '-w=0 -X main.v=2'];
  const files = flags.map((ldflags, i) => {
    const file = made({ key: i + 1, ageDays: 10 - i, code: 1 });
    const go = { version: 'go1.26', path: 'api', main: null, settings: { '-ldflags': ldflags } };
    return { ...file, identity: { ...file.identity, go } };
  });
  assert.deepEqual([...choose(files, { keep: 1 }).gone], [files[0]]);
});

test('the debug info of another commit’s twin stays while a build needs it', () => {
  const old = made({ key: 1, ageDays: 100, code: 1, commit: 'a' });
  const young = made({ key: 2, ageDays: 1, code: 1, commit: 'b', dwarf: false });
  assert.equal(choose([old, young], { maxAgeMs: 90 * DAY }).gone.size, 0);
  assert.equal(choose([old, young], { keep: 1 }).gone.size, 0);
  assert.deepEqual([...choose([old, young], { quotaBytes: 1 }).gone], [young], 'what needs it goes first');
  assert.equal(choose([old, young], { quotaBytes: 0 }, { pins: [2] }).gone.size, 0);
  const helped = [old, young, made({ key: 3, ageDays: 0, code: 1, commit: 'c' })];
  assert.deepEqual([...choose(helped, { maxAgeMs: 90 * DAY }).gone], [old], 'there is a newer one');
});

test('files put there by hand are left alone and counted', () => {
  const files = [made({ key: 1, ageDays: 999, sizeBytes: 50, byHand: true }), made({ key: 2, sizeBytes: 10 })];
  const { gone, keptBytes, overQuotaBytes } = choose(files, { maxAgeMs: DAY, quotaBytes: 20 });
  assert.deepEqual([...gone], [files[1]]);
  assert.deepEqual([keptBytes, overQuotaBytes], [50, 30]);
});

test('ages and sizes as people write them', () => {
  const ages = { '90d': 90 * DAY, '12h': DAY / 2, '2w': 14 * DAY, '1.5d': 1.5 * DAY, '30m': 1_800_000, '10s': 10_000 };
  for (const [text, ms] of Object.entries(ages)) assert.equal(parseAge(text), ms, text);
  for (const text of ['', '90', 'd', '-1d', '0d', '1y', '1e9d', 'NaNd', '9'.repeat(400) + 'd'])
    assert.equal(parseAge(text), null, text);
  const sizes = {
    '200GB': 200e9,
    '1.5TiB': 1.5 * 1024 ** 4,
    '5000000': 5e6,
    '10k': 10240,
    '3 MiB': 3 << 20,
    '0': 0,
    '7b': 7,
  };
  for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseSize(text), bytes, text);
  for (const text of ['', 'GB', '-1', '1XB', '1e3', '99999999TB']) assert.equal(parseSize(text), null, text);
});
