/** Rows 1 and 2: a cold `resym symbolize` of a profile of a Go program, against both pprofs. */
import { join } from 'node:path';
import { decodeProfile } from '../../support/decode.ts';
import { readFileSync, statSync } from 'node:fs';
import { goToolPprof, googlePprof } from '../anchors.ts';
import { bigGo, SIZES } from '../big-go.ts';
import { Missing, RESYM } from '../cache.ts';
import { agreement, byAddress, checkAgreement, checkGoFrames, lineCount, profileFrames } from '../frames.ts';
import { compiler, sampledProfile, touch } from '../inputs.ts';
import { type Command, interleave, NODE_FLOOR } from '../measure.ts';
import { isCell, type Report, type Row, type Settings } from '../row.ts';

const RESYM_NAME = 'resym --binary';
const GOOGLE = 'google/pprof + llvm-symbolizer';
const GO_TOOL = 'go tool pprof';

export function symbolizeCommand(profile: string, output: string, ...from: readonly string[]): Command {
  return { argv: [process.execPath, RESYM, 'symbolize', profile, ...from, '-o', output] };
}

async function cpuProfile(settings: Settings, report: Report): Promise<void> {
  const input = await compiler();
  if (input instanceof Missing) return report.note(input.reason);
  const { binary, bare, named } = input;
  const output = (name: string): string => join(settings.scratch, `row1-${name}.pb.gz`);
  const truth = decodeProfile(readFileSync(named));
  const title = `${truth.locations.length} locations, ${megabytes(binary)} MB`;
  const store = join(settings.scratch, 'row1-store');
  await interleave({ add: { argv: [process.execPath, RESYM, 'store', 'add', binary, '--store', store] } }, 1);
  await touch(binary, bare);
  const cells = await interleave(
    {
      'node floor': NODE_FLOOR,
      [RESYM_NAME]: symbolizeCommand(bare, output('resym'), '--binary', binary),
      'resym --store': symbolizeCommand(bare, output('store'), '--store', store),
      [GOOGLE]: await googlePprof(bare, binary, output('google')),
      [GO_TOOL]: await goToolPprof(bare, binary, output('go')),
    },
    settings.runs,
  );
  report.cells(title, cells);
  report.ratio(title, 'wall', cells, RESYM_NAME, GOOGLE, 0.2);
  report.ratio(title, 'rss', cells, RESYM_NAME, GOOGLE, 0.5);
  report.ratio(title, 'wall', cells, RESYM_NAME, GO_TOOL, 1, ['node floor', null]);
  report.ratio(title, 'wall', cells, 'resym --store', GOOGLE, null);

  for (const name of ['resym', 'store']) {
    const ours = profileFrames(output(name));
    checkGoFrames(report, title, name, ours, input);
    if (isCell(cells.get(GOOGLE)) && name === 'resym') {
      const found = agreement(byAddress(ours, profileFrames(output('google'))));
      // It shows the wrappers that the runtime leaves out.
      checkAgreement(report, title, `as ${GOOGLE}`, found, { places: 0.99, names: 0.99, frames: 0.99 });
    }
  }
  if (isCell(cells.get(GO_TOOL))) {
    const theirs = lineCount(decodeProfile(readFileSync(output('go'))));
    report.note(`${GO_TOOL} gives ${theirs} lines for ${lineCount(truth)}: no inlined calls`);
  }
}

async function bigBinary(settings: Settings, report: Report): Promise<void> {
  const size = settings.quick ? SIZES[0] : SIZES[SIZES.length - 1];
  const binary = await bigGo(size);
  if (binary instanceof Missing) return report.note(binary.reason);
  for (const count of [1000, 10_000]) {
    const profile = await sampledProfile(binary, count);
    const output = (name: string): string => join(settings.scratch, `row2-${name}.pb.gz`);
    const title = `${count} addresses, ${megabytes(binary)} MB stripped`;
    await touch(binary, profile);
    const cells = await interleave(
      {
        'node floor': NODE_FLOOR,
        [RESYM_NAME]: symbolizeCommand(profile, output('resym'), '--binary', binary),
        [GO_TOOL]: await goToolPprof(profile, binary, output('go')),
      },
      settings.runs,
    );
    report.cells(title, cells);
    report.ratio(title, 'wall', cells, RESYM_NAME, GO_TOOL, 0.2);
    report.ratio(title, 'rss', cells, RESYM_NAME, GO_TOOL, 0.15);
    if (isCell(cells.get(RESYM_NAME)) && isCell(cells.get(GO_TOOL))) outermostAgree(report, title, output);
  }
}

/** The runtime leaves out what the compiler puts around a function: defer, go, a method value, a value's method on its pointer. */
function sameFunction(ours: string, theirs: string): boolean {
  return (
    ours === theirs || /\.(deferwrap|gowrap)\d+$|-fm$/.test(theirs) || ours === theirs.replace(/\(\*(\w+)\)/, '$1')
  );
}

/** Without inlined calls only the outermost function and the innermost place of ours can be theirs. */
function outermostAgree(report: Report, title: string, output: (name: string) => string): void {
  const [ours, theirs] = [profileFrames(output('resym')), profileFrames(output('go'))];
  let [same, both, known] = [0, 0, 0];
  let example = '';
  for (const [address, [frame]] of theirs) {
    const mine = ours.get(address) ?? [];
    if (mine.length > 0) known++;
    if (frame === undefined || mine.length === 0) continue;
    both++;
    const name = (text: string): string => text.slice(0, text.lastIndexOf(' '));
    const place = (text: string): string => text.slice(text.lastIndexOf(' ') + 1);
    if (sameFunction(name(mine[mine.length - 1]), name(frame)) && place(mine[0]) === place(frame)) same++;
    else if (example === '') example = `; first difference: ${mine.join(' | ')} <> ${frame}`;
  }
  const inlines = [...ours.values()].reduce((sum, frames) => sum + Math.max(0, frames.length - 1), 0);
  const detail = `${same} of ${both} equal in function and place, ${known} of ${theirs.size} named, ${inlines} inlined frames more${example}`;
  report.check(title, `as ${GO_TOOL}`, same >= both * 0.99 && both >= theirs.size * 0.9 && inlines > 0, detail);
}

export function megabytes(path: string): string {
  return (statSync(path).size / 1e6).toFixed(0);
}

export const rows: readonly Row[] = [
  { number: 1, title: 'cold symbolize, Go CPU profile', run: cpuProfile },
  { number: 2, title: 'cold symbolize, large stripped Go binary', run: bigBinary },
];
