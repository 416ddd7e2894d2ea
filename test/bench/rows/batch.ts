/** Row 9: a thousand saved profiles of twenty builds, on two cores. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { goToolPprof, googlePprof } from '../anchors.ts';
import { otherBuild, profileOf } from '../builds.ts';
import { Missing, once, RESYM } from '../cache.ts';
import { agreement, byAddress, checkAgreement, profileFrames } from '../frames.ts';
import { compiler, type Profiled, touch } from '../inputs.ts';
import { type Command, exec, cleanEnv, interleave } from '../measure.ts';
import { isCell, type Report, type Row, type Settings } from '../row.ts';

/** Profiles that the others' loops do; the rest is extrapolated. */
const LOOPED = 20;

interface Batch {
  readonly profiles: string;
  readonly builds: string;
  readonly count: number;
}

/** Profiles of the compiler at work on different packages, each as of some build. */
async function makeBatch(input: Profiled, builds: number, count: number): Promise<Batch> {
  const kinds = [input, input.parts[1], input.parts[2]];
  const dir = await once('batch', [input.binary, builds, count, 2], (work) => {
    mkdirSync(join(work, 'profiles'));
    const ids = Array.from({ length: builds }, (_, i) => otherBuild(input.binary, join(work, 'builds'), i).buildId);
    for (let i = 0; i < count; i++) {
      const name = `${String(i).padStart(4, '0')}.pb.gz`;
      writeFileSync(join(work, 'profiles', name), profileOf(kinds[i % kinds.length].bare, ids[i % builds], 1e9 + i));
    }
  });
  return { profiles: join(dir, 'profiles'), builds: join(dir, 'builds'), count };
}

async function batch(settings: Settings, report: Report): Promise<void> {
  const input = await compiler();
  if (input instanceof Missing) return report.note(input.reason);
  const [builds, count] = settings.quick ? [4, 60] : [20, 1000];
  const made = await makeBatch(input, builds, count);
  const store = join(settings.scratch, 'row9-store');
  const binaries = readdirSync(made.builds).map((name) => join(made.builds, name));
  const add = [RESYM, 'store', 'add', '--store', store, ...binaries];
  await exec(process.execPath, add, { env: cleanEnv(), timeout: 600_000, maxBuffer: 1 << 24 });
  const out = join(settings.scratch, 'row9-out');
  const looped = readdirSync(made.profiles).slice(0, settings.quick ? 4 : LOOPED);
  const title = `${count} profiles of ${builds} builds`;
  await touch(...binaries);
  const commands: Record<string, Command | Missing> = {};
  for (const jobs of [2, 1]) {
    commands[`resym --jobs ${jobs}`] = {
      argv: [process.execPath, RESYM, 'symbolize', '--jobs', `${jobs}`, '--store', store, made.profiles, '-o', out],
      before: () => rmSync(out, { recursive: true, force: true }),
      timeout: 600,
    };
  }
  const loops = {
    'go tool pprof, loop': await loop(goToolPprof, made, looped, settings.scratch, builds),
    'google/pprof, loop': await loop(googlePprof, made, looped, settings.scratch, builds),
  };
  const cells = await interleave({ ...commands, ...loops }, Math.min(settings.runs, 3));
  report.cells(title, cells);
  const ours = cells.get('resym --jobs 2');
  if (!isCell(ours)) return;
  const perSecond = count / ours.wall;
  const least = { case: title, side: 'at least' as const };
  report.verdict({ ...least, what: 'profiles/s', value: perSecond, unit: '/s', limit: 450 });
  for (const [name, limit] of [
    ['go tool pprof, loop', 10],
    ['google/pprof, loop', 100],
  ] as const) {
    const cell = cells.get(name);
    if (isCell(cell)) {
      const theirs = looped.length / cell.wall;
      report.say(title, name, `${theirs.toFixed(2)}/s over ${looped.length} of them`);
      report.verdict({ ...least, what: 'profiles/s', to: name, value: perSecond / theirs, limit });
    } else report.verdict({ ...least, what: 'profiles/s', to: name, value: null, limit, note: cell?.reason ?? '' });
  }
  const written = existsSync(out) ? readdirSync(out) : [];
  report.check(title, 'all written', written.length === count, `${written.length}`);
  for (const [i, part] of [input, input.parts[1], input.parts[2]].entries()) {
    const ours = profileFrames(join(out, `${String(i).padStart(4, '0')}.pb.gz`));
    const found = agreement(byAddress(ours, profileFrames(part.named)));
    // The runtime's writer gives all that has one name the first one's file.
    checkAgreement(report, title, `profile ${i}: the runtime's own frames`, found, {
      places: 0.98,
      names: 0.98,
      frames: 1,
    });
  }
}

/** One process after the other, as a shell script does it. */
async function loop(
  one: (profile: string, binary: string, output: string) => Promise<Command | Missing>,
  made: Batch,
  names: readonly string[],
  scratch: string,
  builds: number,
): Promise<Command | Missing> {
  const commands: string[] = [];
  let env: Readonly<Record<string, string>> = {};
  for (const [i, name] of names.entries()) {
    const binary = join(made.builds, `build-${String(i % builds).padStart(2, '0')}`);
    const command = await one(join(made.profiles, name), binary, join(scratch, 'row9-one.pb.gz'));
    if (command instanceof Missing) return command;
    env = command.env ?? {};
    commands.push(command.argv.map((arg) => `'${arg}'`).join(' '));
  }
  return { argv: ['sh', '-ec', commands.join('\n')], env, timeout: 600 };
}

export const rows: readonly Row[] = [{ number: 9, title: 'batch of saved profiles', run: batch }];
