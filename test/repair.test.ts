/**
 * Profiles that real clients have damaged, repaired: every Go location must come back as the runtime wrote it.
 *
 * The clients are go tool pprof, which flattens inlined calls, and google/pprof, which blanks or respells names; src/rewrite/repair.ts
 * lists what they do. RESYM_TRIALS (any number) runs them over all toolchains and ways of building.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Engine } from '../src/pipeline.ts';
import type { MappingReport } from '../src/rewrite/report.ts';
import { CandidateFinder } from '../src/store/candidates.ts';
import { OpenedBinaries } from '../src/store/opened.ts';
import { buildGo, cached } from './support/build.ts';
import { compareProfiles } from './support/compare.ts';
import { type DecodedProfile, decodeProfile, framesOf } from './support/decode.ts';
import { goPprofPath } from './support/go-pprof.ts';
import { googlePprofPath } from './support/google-pprof.ts';
import { captureService, needsForVariant, PROFILES, SERVICE_DIR, type Variant } from './support/service.ts';
import { GO_VERSIONS, needsGo, needsTools, toolchain, toolchains } from './support/toolchains.ts';
import { assertUntouched } from './support/untouched.ts';

const isThorough = process.env.RESYM_TRIALS !== undefined;
const VERSIONS = isThorough ? GO_VERSIONS : (['1.15', '1.26'] as const);
const VARIANTS: readonly Variant[] = isThorough ? ['exe', 'pie', 's-w', 'trimpath', 'cgo', 'cgo-pie'] : ['exe', 'cgo'];
const NAMES: readonly (typeof PROFILES)[number][] = isThorough ? ['cpu', 'heap', 'goroutine'] : ['cpu', 'heap'];
/** Of the locations that a client described from DWARF, which may differ from what the runtime says: lines, wrappers. */
const UNEXPLAINED = 0.02;
const SHOWN = 5;

/** What the client is asked to do. */
interface Treatment {
  readonly args: (profile: string, stripped: string) => string[];
  /** Its answer comes from the unstripped file. */
  readonly whole?: true;
  /** Then merged, whereupon functions that nothing refers to are gone, and with them their start lines. */
  readonly thenMerged?: true;
}

const TREATMENTS: Readonly<Record<string, Treatment>> = {
  'symbolized again, stripped': {
    args: (profile, stripped) => ['-symbolize=local:force', stripped, profile],
    thenMerged: true,
  },
  'symbolized again': { args: (profile) => ['-symbolize=force', profile], whole: true },
  'names only': { args: (profile) => ['-symbolize=fastlocal:force', profile], whole: true },
  'without inlined calls': { args: (profile) => ['-symbolize=none', '-noinlines', profile] },
  'merged with itself': { args: (profile) => ['-symbolize=force', profile, profile], whole: true },
};
const treatments = isThorough ? Object.keys(TREATMENTS) : Object.keys(TREATMENTS).slice(0, 2);

const dir = mkdtempSync(join(tmpdir(), 'resym-repair-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const engine = new Engine(new CandidateFinder(null, new OpenedBinaries()));

interface Client {
  readonly name: string;
  readonly path: () => Promise<string>;
  /** Whether it reads the places of Go code from DWARF, where that is. */
  readonly readsDwarf: boolean;
}

/** pprof is a program of its own in Go 1.15 to 1.24; later ones build it first. */
const CLIENTS: readonly Client[] = (isThorough ? ['1.15', '1.21', '1.26', '1.24'] : ['1.15', '1.24']).flatMap(
  (version) => {
    const found = toolchain(version);
    if (found === null) return [];
    // Only the old one falls back to DWARF's lines: it cannot read the tables of Go 1.18 and later.
    return [{ name: `go tool pprof of ${version}`, path: () => goPprofPath(found), readsDwarf: version === '1.15' }];
  },
);
const newest = toolchains().at(-1);
const GOOGLE: readonly Client[] =
  newest === undefined || Number(newest.version.split('.')[1]) < 23
    ? []
    : [{ name: 'google/pprof', path: () => googlePprofPath(newest), readsDwarf: true }];

/** The profile as the client writes it. */
async function through(client: Client, args: readonly string[]): Promise<Buffer> {
  const home = mkdtempSync(join(dir, 'home-'));
  const out = join(home, 'out.pb.gz');
  const env = { PATH: process.env.PATH ?? '', HOME: home, PPROF_TMPDIR: home };
  await promisify(execFile)(await client.path(), ['-proto', `-output=${out}`, ...args], { env, timeout: 60_000 });
  return readFileSync(out);
}

/** Merged with itself by the client, which looks nothing up this time. */
async function merged(client: Client, profile: Buffer): Promise<Buffer> {
  const path = join(mkdtempSync(join(dir, 'once-')), 'once.pb.gz');
  writeFileSync(path, profile);
  return through(client, ['-symbolize=none', path, path]);
}

/** A copy of the binary without symbols and DWARF. */
function strippedCopy(binary: string): Promise<string> {
  return cached(
    Buffer.from(`${basename(dirname(binary))}5712`)
      .toString('hex')
      .slice(-32),
    basename(binary),
    async (path) => {
      await promisify(execFile)('strip', ['-o', path, binary]);
    },
  );
}

/** Both with their locations in one order: clients number them anew, and merge what they see as one. */
function byAddress(original: DecodedProfile, changed: DecodedProfile): [DecodedProfile, DecodedProfile] {
  const at = new Map(changed.locations.map((location) => [location.address, location]));
  const kept = original.locations.filter(({ address }) => at.has(address));
  const locations = kept.map(({ address }) => at.get(address)!);
  return [
    { ...original, locations: kept },
    { ...changed, locations },
  ];
}

/** Frames by address, with the linked names: what must not change where nothing is repaired. */
function stacks(profile: DecodedProfile): Map<bigint, string> {
  return new Map(
    profile.locations.map((location) => [
      location.address,
      JSON.stringify([
        framesOf(profile, location),
        location.lines.map((l) => profile.functions.get(l.functionId)?.systemName),
      ]),
    ]),
  );
}

function mappingOf(report: { readonly mappings: readonly MappingReport[] }, binary: string): MappingReport {
  const found = report.mappings.find(({ file }) => basename(file) === basename(binary));
  assert.ok(found !== undefined);
  return found;
}

for (const version of VERSIONS) {
  const minor = Number(version.split('.')[1]);
  const habits = { startLines: minor >= 20, splitsGroups: minor < 18 };
  describe(`go ${version}`, { skip: needsGo(version) || needsTools('strip'), concurrency: 2 }, () => {
    for (const variant of VARIANTS) {
      const skip = needsForVariant(variant);
      for (const client of [...CLIENTS, ...GOOGLE]) {
        it(`${variant}, through ${client.name}`, { skip }, async () => {
          const go = toolchain(version)!;
          const { dir: profiles, binaries } = await captureService(go, variant);
          const [binary] = binaries;
          const stripped = await strippedCopy(binary);
          for (const name of NAMES) {
            const path = join(profiles, `${name}.pb.gz`);
            const original = decodeProfile(readFileSync(path));
            for (const treatment of treatments) {
              const { args, whole, thenMerged } = TREATMENTS[treatment];
              const once = await through(client, args(path, stripped));
              const damaged = thenMerged === true ? await merged(client, once) : once;
              const { body, report } = await engine.resymbolize(damaged, { repair: true, pinned: [binary] });
              const label = `${name}, ${treatment}`;
              assert.equal(mappingOf(report, binary).verdict, 'match', `${label}: ${mappingOf(report, binary).reason}`);
              assertUntouched(damaged, Buffer.from(body));
              const [before, after] = byAddress(original, decodeProfile(body));
              const { locations, differences } = compareProfiles(before, after, habits);
              assert.ok(locations > 0, label);
              const allowed = whole === true && client.readsDwarf ? UNEXPLAINED * locations : 0;
              assert.ok(
                differences.length <= allowed,
                `${label}: ${differences.length} of ${locations} differ\n  ${differences.slice(0, SHOWN).join('\n  ')}`,
              );
              assertLinkedNames(before, after, differences.length, label);
              const again = await engine.resymbolize(body, { repair: true, pinned: [binary] });
              assert.deepEqual(mappingOf(again.report, binary).repaired, {}, `${label}: repaired once is repaired`);
            }
          }
        });
      }

      it(`${variant}: what is whole stays as it is`, { skip }, async () => {
        const { dir: profiles, binaries } = await captureService(toolchain(version)!, variant);
        for (const name of PROFILES) {
          const raw = readFileSync(join(profiles, `${name}.pb.gz`));
          const plain = await engine.resymbolize(raw, { pinned: binaries });
          const { body, report } = await engine.resymbolize(raw, { repair: true, pinned: binaries });
          for (const { repaired } of report.mappings) assert.deepEqual(repaired, {}, name);
          assert.deepEqual(stacks(decodeProfile(body)), stacks(decodeProfile(plain.body)), name);
        }
      });
    }
  });
}

/** All but as many as differ in other ways. */
function assertLinkedNames(before: DecodedProfile, after: DecodedProfile, allowed: number, label: string): void {
  const names = (profile: DecodedProfile, i: number) =>
    profile.locations[i].lines.map(({ functionId }) => profile.functions.get(functionId)?.systemName ?? '');
  const wrong = before.locations.filter((_, i) => {
    const [expected, found] = [names(before, i), names(after, i)];
    return expected.some((name, depth) => name !== '' && name !== found[depth]);
  });
  assert.ok(wrong.length <= allowed, `${label}: ${wrong.length} locations have other linked names`);
}

describe('repair', { skip: needsGo('1.24') || needsTools('gcc', 'strip') }, () => {
  const go = toolchain('1.24')!;
  const [client] = CLIENTS.slice(-1);

  /** The CPU profile of a cgo program, through go tool pprof as it is run by default. */
  async function flattened(): Promise<{ damaged: Buffer; binary: string }> {
    const { dir: profiles, binaries } = await captureService(go, 'cgo');
    return { damaged: await through(client, [join(profiles, 'cpu.pb.gz')]), binary: binaries[0] };
  }

  it('is never done unasked', async () => {
    const { damaged, binary } = await flattened();
    const { body, report } = await engine.resymbolize(damaged, { pinned: [binary] });
    assert.deepEqual(mappingOf(report, binary).repaired, {});
    assert.deepEqual(stacks(decodeProfile(body)), stacks(decodeProfile(damaged)));
  });

  it('says what it did', async () => {
    const { damaged, binary } = await flattened();
    const { report } = await engine.resymbolize(damaged, { pinned: [binary], repair: true });
    const { repaired, locations, verdict } = mappingOf(report, binary);
    assert.equal(verdict, 'match');
    assert.ok(repaired['inlined calls'] > 10, JSON.stringify(repaired));
    assert.ok(repaired['start lines'] > locations / 2, JSON.stringify(repaired));
  });

  it('knows names of other addresses', async () => {
    const { dir: profiles, binaries } = await captureService(go, 'cgo');
    const [binary] = binaries;
    const args = ['-symbolize=local:force', await strippedCopy(binary), join(profiles, 'heap.pb.gz')];
    const damaged = await through(client, args);
    const refused = await engine.resymbolize(damaged, { pinned: [binary] });
    assert.equal(
      mappingOf(refused.report, binary).binary,
      null,
      'without repair these frames speak against the binary',
    );
    const { report } = await engine.resymbolize(damaged, { pinned: [binary], repair: true });
    const { repaired, locations } = mappingOf(report, binary);
    assert.ok(repaired['names of other addresses'] > locations * 0.9, JSON.stringify(repaired));
  });

  it('refuses the neighbouring build', async () => {
    const { dir: profiles, binaries } = await captureService(go, 'trimpath');
    const place = join(dir, 'neighbour', 'service');
    cpSync(SERVICE_DIR, place, { recursive: true });
    const source = join(place, 'work', 'library.go');
    const changed = readFileSync(source, 'utf8').replace(
      '\tvar out bytes.Buffer\n',
      '$&\tfmt.Fprintln(io.Discard, n)\n',
    );
    assert.notEqual(changed, readFileSync(source, 'utf8'));
    writeFileSync(source, changed);
    const neighbour = await buildGo({ toolchain: go, dir: place, mode: 'exe', trimpath: true });
    for (const name of ['cpu', 'heap'] as const) {
      const damaged = await through(client, ['-symbolize=force', join(profiles, `${name}.pb.gz`)]);
      const { body, report } = await engine.resymbolize(damaged, { pinned: [neighbour], repair: true });
      assert.equal(mappingOf(report, neighbour).binary, null, name);
      assert.ok(damaged.equals(Buffer.from(body)), name);
      const right = await engine.resymbolize(damaged, { pinned: [binaries[0]], repair: true });
      assert.equal(mappingOf(right.report, binaries[0]).verdict, 'match', name);
    }
  });
});
