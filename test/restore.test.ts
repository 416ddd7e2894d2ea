/**
 * Profiles that the Go runtime symbolized itself lose their lines and functions; resym must restore them all: the same
 * names, files, lines, inline stacks, and start lines where that runtime writes them.
 *
 * Over every toolchain, way of building and profile; through the command, with a fresh archive (or `--binary` where the
 * profile has no build ID, that is Go up to 1.23 without cgo). Every output must also keep what it must keep, and be
 * accepted by google/pprof, `go tool pprof` of the oldest and the newest Go, and Parca's rule.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { resym } from './support/cli.ts';
import { compareProfiles, newlyNamed, type Comparison } from './support/compare.ts';
import { decodeProfile, framesOf, type DecodedProfile } from './support/decode.ts';
import { erase } from './support/erase.ts';
import { goPprof } from './support/go-pprof.ts';
import { parcaRefusal } from './support/parca-rule.ts';
import { PprofOracle } from './support/pprof.ts';
import { captureService, needsForVariant, PROFILES, VARIANTS, type Capture, type Variant } from './support/service.ts';
import { GO_VERSIONS, needsGo, toolchain, toolchains, type Toolchain } from './support/toolchains.ts';
import { assertUntouched } from './support/untouched.ts';

const FIXTURES = fileURLToPath(new URL('./fixtures/profiles', import.meta.url));
const TOOLCHAINS = toolchains();
const WRITES_ALL = { startLines: true, splitsGroups: false };
const SHOWN = 8; // of a list of differences: the first ones tell what is wrong
/** C symbols of the fixture that run on a thread Go did not start. */
const NATIVE = /^(native_burn|loop|whirl|whirl_twice)$/;

interface Totals {
  locations: number;
  frames: number;
  repeated: number;
  split: number;
}

const totals = new Map<string, Totals>();
const repeatedNames = new Set<string>();
let oracle: Promise<PprofOracle> | null = null;

after(async () => (await oracle)?.stop());

test('the comparison sees what it is there to see', () => {
  const raw = readFileSync(join(FIXTURES, 'go1.26-cpu.pb.gz'));
  const original = decodeProfile(raw);
  const same = compareProfiles(original, original, WRITES_ALL);
  assert.deepEqual(same.differences, []);
  assert.ok(same.locations > 100 && same.frames > same.locations, `${same.locations} locations, ${same.frames} frames`);
  assert.equal(compareProfiles(original, decodeProfile(erase(raw)), WRITES_ALL).differences.length, same.locations);
  for (const change of [{ name: 'x' }, { file: 'x' }, { startLine: 77777n }]) {
    const functions = new Map([...original.functions].map(([id, fn]) => [id, { ...fn, ...change }]));
    const { differences, repeated } = compareProfiles(original, { ...original, functions }, WRITES_ALL);
    assert.ok(
      differences.length >= original.functions.size - 1,
      JSON.stringify(change, (_, v: unknown) => String(v)),
    );
    if ('name' in change) assert.equal(repeated.length, 0);
  }
  const flat = original.locations.map((location) => ({ ...location, lines: location.lines.slice(-1) }));
  assert.ok(
    compareProfiles(original, { ...original, locations: flat }, WRITES_ALL).differences.length > 0,
    'inlining lost',
  );
});

for (const version of GO_VERSIONS) {
  describe(`go ${version}`, { skip: needsGo(version), concurrency: 2 }, () => {
    for (const variant of VARIANTS) {
      test(
        `${variant}: all Go locations of ${PROFILES.length} profiles`,
        { skip: needsForVariant(variant) },
        async () => {
          const go = toolchain(version);
          assert.ok(go !== null);
          await restore(go, variant);
        },
      );
    }
  });
}

test('what was restored', { skip: TOOLCHAINS.length === 0 ? 'needs go' : false }, (t) => {
  assert.ok(totals.size > 0);
  for (const [version, { locations, frames, artefacts }] of totals) {
    t.diagnostic(
      `go ${version}: ${locations} locations, ${frames} frames; ${artefacts} frames where the runtime repeats another file`,
    );
  }
  if (repeatedNames.size > 0) t.diagnostic(`functions with such frames: ${[...repeatedNames].sort().join(', ')}`);
});

async function restore(go: Toolchain, variant: Variant): Promise<void> {
  const capture = await captureService(go, variant);
  const dir = mkdtempSync(join(tmpdir(), 'resym-restore-'));
  try {
    const originals = new Map(PROFILES.map((name) => [name, readFileSync(join(capture.dir, `${name}.pb.gz`))]));
    // Erased twice: gzipped and with the flags of an address-only profile; raw and with the runtime's flags. And whole:
    // a profile that lacks nothing must not get worse, nor different.
    const inputs = join(dir, 'inputs');
    for (const kind of ['drop', 'keep', 'whole']) mkdirSync(join(inputs, kind), { recursive: true });
    for (const [name, original] of originals) {
      writeFileSync(join(inputs, 'whole', `${name}.pb.gz`), original);
      writeFileSync(join(inputs, 'drop', `${name}.pb.gz`), gzipSync(erase(original, { flags: 'drop' })));
      writeFileSync(join(inputs, 'keep', `${name}.pb`), erase(original, { flags: 'keep' }));
    }

    const archive = join(dir, 'archive');
    const added = await resym(['store', 'add', ...capture.binaries, '--store', archive]);
    assert.equal(added.code, 0, added.stderr);
    const pinned = binariesWithoutId(capture, decodeProfile(originals.get('cpu') ?? new Uint8Array(0)));
    const out = join(dir, 'out');
    const done = await resym([
      'symbolize',
      inputs,
      '--store',
      archive,
      ...pinned.flatMap((path) => ['--binary', path]),
      '-o',
      out,
    ]);
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(filesBelow(out), filesBelow(inputs), 'one output an input');

    const minor = Number(go.version.split('.')[1]);
    const habits = { startLines: minor >= 20, splitsGroups: minor < 18 };
    const total = totals.get(go.version) ?? { locations: 0, frames: 0, repeated: 0, split: 0 };
    totals.set(go.version, total);
    for (const file of filesBelow(out)) {
      const name = /(\w+)\.pb/.exec(file)?.[1] ?? '';
      const original = decodeProfile(originals.get(name as (typeof PROFILES)[number]) ?? new Uint8Array(0));
      const input = readFileSync(join(inputs, file));
      const output = readFileSync(join(out, file));
      const restored = decodeProfile(output);
      const comparison = compareProfiles(original, restored, habits);
      assertRestored(`${variant} ${file}`, comparison);
      if (file.startsWith('whole'))
        assert.equal(
          comparison.repeated.length + comparison.split.length,
          0,
          `${variant} ${file}: named frames changed`,
        );
      total.locations += comparison.locations;
      total.frames += comparison.frames;
      total.repeated += comparison.repeated.length;
      total.split += comparison.split.length;
      for (const line of comparison.repeated) repeatedNames.add(/: (\S+) /.exec(line)?.[1] ?? line);

      assertUntouched(input, output);
      assertFlags(`${variant} ${file}`, input, restored);
      if (name === 'cpu' && variant.startsWith('cgo')) assertNative(original, restored);
      await assertAccepted(`${variant} ${file}`, output, join(out, file));
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The captured binaries whose mapping has no build ID: nothing but the user can say that they belong together. */
function binariesWithoutId(capture: Capture, profile: DecodedProfile): string[] {
  return capture.binaries.filter((path) => {
    const mapping = profile.mappings.find(({ file }) => file === path);
    assert.ok(mapping !== undefined, `${path} is not mapped: ${profile.mappings.map(({ file }) => file).join(' ')}`);
    return mapping.buildId === '';
  });
}

function assertRestored(what: string, comparison: Comparison): void {
  const { differences, locations } = comparison;
  assert.equal(
    differences.length,
    0,
    `${what}: ${differences.length} of ${locations} locations differ\n  ${differences.slice(0, SHOWN).join('\n  ')}`,
  );
}

/** All flags where every used location is named, none where none is, and never fewer than before. */
function assertFlags(what: string, input: Uint8Array, restored: DecodedProfile): void {
  const before = decodeProfile(input);
  restored.mappings.forEach((mapping, i) => {
    const used = restored.locations.filter((location) => location.mappingId === mapping.id);
    const named = used.filter((location) => framesOf(restored, location).some((frame) => frame.function !== '')).length;
    const flags = [mapping.hasFunctions, mapping.hasFilenames, mapping.hasLineNumbers, mapping.hasInlineFrames];
    const label = `${what}: mapping ${mapping.file}, ${named} of ${used.length} named`;
    const old = before.mappings[i];
    if (named === 0) {
      assert.deepEqual(
        flags,
        [old.hasFunctions, old.hasFilenames, old.hasLineNumbers, old.hasInlineFrames],
        `${label}: flags changed`,
      );
    } else {
      // has_functions would hide the unnamed ones from everyone after us; any of the others keeps clients from overwriting.
      assert.ok(mapping.hasFilenames && mapping.hasLineNumbers, `${label}: ${flags.join(' ')}`);
      if (!old.hasFunctions) assert.equal(mapping.hasFunctions, named === used.length, `${label}: has_functions`);
    }
  });
}

/** C on a thread of its own: the frames Go leaves without a name. */
function assertNative(original: DecodedProfile, restored: DecodedProfile): void {
  const names = new Set([...newlyNamed(original, restored).values()].flat());
  assert.ok(
    [...names].some((name) => NATIVE.test(name)),
    `no C frame was named; new names: ${[...names].join(', ')}`,
  );
}

async function assertAccepted(what: string, output: Uint8Array, path: string): Promise<void> {
  assert.equal(parcaRefusal(output), null, `${what}: Parca`);
  oracle ??= PprofOracle.start();
  assert.equal(await (await oracle).refusal(output), null, `${what}: google/pprof`);
  for (const go of new Set([TOOLCHAINS[0], TOOLCHAINS[TOOLCHAINS.length - 1]])) {
    const { code, stdout, stderr } = await goPprof(go, ['-symbolize=none', '-raw', path]);
    assert.equal(code, 0, `${what}: go tool pprof of ${go.version}: ${stderr}`);
    assert.match(stdout, /^Locations$/m);
  }
}

/** Paths below `dir`, sorted. */
function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}
