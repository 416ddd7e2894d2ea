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
import { compareProfiles, newlyNamed } from './support/compare.ts';
import { decodeProfile, framesOf, type DecodedMapping, type DecodedProfile } from './support/decode.ts';
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

const KINDS = ['drop', 'keep', 'whole'] as const;
type Kind = (typeof KINDS)[number];

/** A profile that went through resym. */
interface Restored {
  readonly label: string;
  readonly kind: Kind;
  /** As the runtime wrote it. */
  readonly original: DecodedProfile;
  /** What resym was given, and what it gave. */
  readonly input: Buffer;
  readonly output: Buffer;
  /** Of the output. */
  readonly path: string;
}

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
  for (const [version, { locations, frames, repeated, split }] of totals) {
    t.diagnostic(
      `go ${version}: ${locations} locations, ${frames} frames; the runtime repeats a file in ${repeated} frames, splits ${split} groups`,
    );
  }
  if (repeatedNames.size > 0) t.diagnostic(`functions with a repeated file: ${[...repeatedNames].sort().join(', ')}`);
});

async function restore(go: Toolchain, variant: Variant): Promise<void> {
  const capture = await captureService(go, variant);
  const dir = mkdtempSync(join(tmpdir(), 'resym-restore-'));
  try {
    const originals = new Map(PROFILES.map((name) => [name, readFileSync(join(capture.dir, `${name}.pb.gz`))]));
    // Erased twice: gzipped and with the flags of an address-only profile; raw and with the runtime's flags. And whole:
    // a profile that lacks nothing must not get worse, nor different.
    const inputs = join(dir, 'inputs');
    for (const kind of KINDS) mkdirSync(join(inputs, kind), { recursive: true });
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

    for (const file of filesBelow(out)) {
      const [kind, name] = file.split(/[/.]/) as [Kind, (typeof PROFILES)[number]];
      const profile: Restored = {
        label: `${variant} ${file}`,
        kind,
        original: decodeProfile(originals.get(name) ?? new Uint8Array(0)),
        path: join(out, file),
        input: readFileSync(join(inputs, file)),
        output: readFileSync(join(out, file)),
      };
      compare(go, profile);
      assertUntouched(profile.input, profile.output);
      assertFlags(profile);
      if (name === 'cpu' && variant.startsWith('cgo')) assertNative(profile);
      if (!profile.input.equals(profile.output)) await assertAccepted(profile);
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

function compare(go: Toolchain, { label, kind, original, output }: Restored): void {
  const minor = Number(go.version.split('.')[1]);
  const habits = { startLines: minor >= 20, splitsGroups: minor < 18 };
  const { locations, frames, differences, repeated, split } = compareProfiles(original, decodeProfile(output), habits);
  const shown = differences.slice(0, SHOWN).join('\n  ');
  assert.equal(differences.length, 0, `${label}: ${differences.length} of ${locations} locations differ\n  ${shown}`);
  if (kind === 'whole') assert.deepEqual([...repeated, ...split], [], `${label}: named frames changed`);

  const total = totals.get(go.version) ?? { locations: 0, frames: 0, repeated: 0, split: 0 };
  totals.set(go.version, total);
  total.locations += locations;
  total.frames += frames;
  total.repeated += repeated.length;
  total.split += split.length;
  for (const line of repeated) repeatedNames.add(/: (\S+) /.exec(line)?.[1] ?? line);
}

/** Where names were found: all flags if they are all there, all but has_functions if not. Elsewhere: as they were. */
function assertFlags({ label, input, output }: Restored): void {
  const before = decodeProfile(input);
  const after = decodeProfile(output);
  after.mappings.forEach((mapping, i) => {
    const used = after.locations.filter((location) => location.mappingId === mapping.id);
    const named = namedIn(after, mapping.id);
    const what = `${label}: ${mapping.file}, ${named} of ${used.length} named`;
    if (named === namedIn(before, mapping.id)) {
      assert.deepEqual(flagsOf(mapping), flagsOf(before.mappings[i]), what);
      return;
    }
    // has_functions would hide the unnamed ones from everyone after us; any of the others keeps clients from overwriting.
    assert.ok(mapping.hasFilenames && mapping.hasLineNumbers, `${what}: ${flagsOf(mapping).join(' ')}`);
    if (!before.mappings[i].hasFunctions)
      assert.equal(mapping.hasFunctions, named === used.length, `${what}: has_functions`);
  });
}

function namedIn(profile: DecodedProfile, mappingId: bigint): number {
  const used = profile.locations.filter((location) => location.mappingId === mappingId);
  return used.filter((location) => framesOf(profile, location).some((frame) => frame.function !== '')).length;
}

function flagsOf(mapping: DecodedMapping): boolean[] {
  return [mapping.hasFunctions, mapping.hasFilenames, mapping.hasLineNumbers, mapping.hasInlineFrames];
}

/** C on a thread of its own: the frames Go leaves without a name. */
function assertNative({ label, original, output }: Restored): void {
  const names = [...newlyNamed(original, decodeProfile(output)).values()].flat();
  assert.ok(
    names.some((name) => NATIVE.test(name)),
    `${label}: no C frame was named; new names: ${names.join(', ')}`,
  );
}

async function assertAccepted({ label, kind, output, path }: Restored): Promise<void> {
  assert.equal(parcaRefusal(output), null, `${label}: Parca`);
  oracle ??= PprofOracle.start();
  assert.equal(await (await oracle).refusal(output), null, `${label}: google/pprof`);
  if (kind === 'keep') return; // differs from "drop" in flags only
  for (const go of new Set([TOOLCHAINS[0], TOOLCHAINS[TOOLCHAINS.length - 1]])) {
    const { code, stdout, stderr } = await goPprof(go, ['-symbolize=none', '-raw', path]);
    assert.equal(code, 0, `${label}: go tool pprof of ${go.version}: ${stderr}`);
    assert.match(stdout, /^Locations$/m);
  }
}

/** Paths below `dir`, with forward slashes, sorted. */
function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}
