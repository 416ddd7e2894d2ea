/** Row 6: lookups in a process whose tables are warm, of addresses it has not been asked for. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gimli, goProgram } from '../anchors.ts';
import { beside, Missing, modules, RESYM } from '../cache.ts';
import { addressFile, libjvm, touch } from '../inputs.ts';
import { cleanEnv, exec, measure, median } from '../measure.ts';
import type { Report, Row, Settings } from '../row.ts';
import { indexBeside } from './cold-dwarf.ts';
import { alone, hasIndexCommand } from './index.ts';

const COUNT = 10_000;

interface Rate {
  /** Lookups a second, of the later half of the passes. */
  readonly perSecond: number;
  /** Frames of the first pass: those of the very addresses in the list. */
  readonly frames: number;
  /** The same addresses again and again; NaN where not measured. */
  readonly repeated: number;
}

async function warm(settings: Settings, report: Report): Promise<void> {
  await againstRuntime(settings, report);
  await againstGimli(settings, report);
}

async function resymRate(settings: Settings, file: string, addresses: string): Promise<Rate> {
  const stdout = join(settings.scratch, 'row6.json');
  const argv = [beside('programs/warm-lookups.mjs'), modules(), file, String(passesOf(settings))];
  await measure({ argv: [process.execPath, ...argv], stdin: addresses, stdout });
  const said = JSON.parse(readFileSync(stdout, 'utf8')) as { seconds: number[]; frames: number[]; repeated: number };
  return { perSecond: lateRate(said.seconds), frames: said.frames[0], repeated: said.repeated };
}

/** A program that prints "seconds frames ..." for each pass. */
async function programRate(settings: Settings, argv: readonly string[], addresses: string): Promise<Rate> {
  const stdout = join(settings.scratch, 'row6.txt');
  await measure({ argv, stdin: addresses, stdout });
  const passes = readFileSync(stdout, 'utf8').trim().split('\n');
  const numbers = passes.map((line) => line.split(' ').map(Number));
  return { perSecond: lateRate(numbers.map(([seconds]) => seconds)), frames: numbers[0][1], repeated: NaN };
}

const passesOf = ({ quick }: Settings): number => (quick ? 6 : 16);
const lateRate = (seconds: readonly number[]): number => COUNT / median(seconds.slice(seconds.length >> 1));
const millions = (rate: number): string => `${(rate / 1e6).toFixed(2)} M/s`;

/** Runs both in turns; medians. */
async function inTurns(
  settings: Settings,
  ours: () => Promise<Rate>,
  theirs: () => Promise<Rate>,
): Promise<[Rate, Rate]> {
  const [a, b]: [Rate[], Rate[]] = [[], []];
  for (let round = 0; round < Math.min(settings.runs, 5); round++) {
    a.push(await ours());
    b.push(await theirs());
  }
  const middle = (rates: readonly Rate[]): Rate => ({
    ...rates[0],
    perSecond: median(rates.map(({ perSecond }) => perSecond)),
    repeated: median(rates.map(({ repeated }) => repeated)),
  });
  return [middle(a), middle(b)];
}

function tell(report: Report, title: string, ours: Rate, theirs: Rate, anchor: string, least: number | null): void {
  report.say(title, 'resym', `${millions(ours.perSecond)}; the same again ${millions(ours.repeated)}`);
  report.say(title, anchor, millions(theirs.perSecond));
  const ratio = { case: title, what: 'lookups/s', to: anchor, side: 'at least' as const };
  report.verdict({ ...ratio, value: ours.perSecond / theirs.perSecond, limit: least });
  const again = { case: title, what: 'repeated address', unit: 'M/s', side: 'at least' as const };
  report.verdict({ ...again, value: ours.repeated / 1e6, limit: 10 });
  const share = ours.frames / theirs.frames;
  report.check(title, `frames of ${anchor}`, share > 0.97 && share < 1.03, `${ours.frames}, theirs ${theirs.frames}`);
}

async function againstRuntime(settings: Settings, report: Report): Promise<void> {
  const title = 'pclntab, with inlined calls';
  const program = await goProgram('callers');
  if (program instanceof Missing) return report.note(`${title}: ${program.reason}`);
  const addresses = await addressFile(program, COUNT);
  const passes = String(passesOf(settings));
  const [ours, theirs] = await inTurns(
    settings,
    () => resymRate(settings, program, addresses),
    () => programRate(settings, [program, passes, 'one'], addresses),
  );
  const whole = await programRate(settings, [program, passes, 'all'], addresses);
  report.say(title, 'the runtime, inlined calls expanded', millions(whole.perSecond));
  tell(report, title, ours, { ...theirs, frames: whole.frames }, 'runtime.CallersFrames', 1);
}

async function againstGimli(settings: Settings, report: Report): Promise<void> {
  const program = await gimli();
  const input = await libjvm();
  const missing = [program, input].find((part) => part instanceof Missing);
  if (program instanceof Missing || input instanceof Missing) return report.note(`C++: ${(missing as Missing).reason}`);
  const addresses = await addressFile(input.compressed, COUNT);
  const theirs = () => programRate(settings, [program, input.uncompressed, String(passesOf(settings))], addresses);
  const has = await hasIndexCommand();
  for (const indexed of [true, false]) {
    const title = `C++ ${indexed ? 'index' : 'DWARF, no index'}`;
    if (indexed && has !== true) {
      report.verdict({ case: title, what: 'lookups/s', to: 'gimli', value: null, limit: 4, note: has.reason });
      continue;
    }
    const file = alone(input.uncompressed, join(settings.scratch, `row6-${indexed}`), 'libjvm.debug');
    await touch(file);
    if (indexed) {
      await exec(process.execPath, [RESYM, 'index', file], { env: cleanEnv(), timeout: 300_000 });
      if (!existsSync(indexBeside(file))) report.note('resym index wrote no file beside');
    }
    const [ours, other] = await inTurns(settings, () => resymRate(settings, file, addresses), theirs);
    tell(report, title, ours, other, 'gimli', indexed ? 4 : null);
  }
}

export const rows: readonly Row[] = [{ number: 6, title: 'warm lookups', run: warm }];
