/** Row 12: what a cold command costs as the binary grows, and as the profile does. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { goToolPprof } from '../anchors.ts';
import { bigGo, SIZES } from '../big-go.ts';
import { Missing } from '../cache.ts';
import { countLines } from '../frames.ts';
import { sampledProfile, touch } from '../inputs.ts';
import { type Cell, interleave, NODE_FLOOR } from '../measure.ts';
import { isCell, type Report, type Row, type Settings } from '../row.ts';
import { megabytes, symbolizeCommand } from './cold-go.ts';

interface Point {
  readonly x: number;
  readonly ours: Cell;
  /** Seconds above node's own. */
  readonly cost: number;
}

async function growth(settings: Settings, report: Report): Promise<void> {
  await bySize(settings, report);
  await byLocations(settings, report);
}

async function bySize(settings: Settings, report: Report): Promise<void> {
  const points: Point[] = [];
  for (const size of settings.quick ? SIZES.slice(0, 2) : SIZES) {
    const binary = await bigGo(size);
    if (binary instanceof Missing) {
      report.note(binary.reason);
      continue;
    }
    const point = await measured(settings, report, binary, 1000, `${megabytes(binary)} MB, 1000 addresses`);
    if (point !== null) points.push({ ...point, x: statSync(binary).size });
  }
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || first === last) return;
  const title = `${(first.x / 1e6).toFixed(0)} to ${(last.x / 1e6).toFixed(0)} MB`;
  // 1: in proportion to the size; 0: none of it.
  const exponent = (a: number, b: number): number => Math.log(b / a) / Math.log(last.x / first.x);
  report.verdict({
    case: title,
    what: 'exponent of wall',
    value: exponent(first.cost, last.cost),
    limit: 0.5,
    unit: '',
  });
  const rss = exponent(first.ours.rss, last.ours.rss);
  report.verdict({ case: title, what: 'exponent of RSS', value: rss, limit: 0.2, unit: '' });
}

async function byLocations(settings: Settings, report: Report): Promise<void> {
  const binary = await bigGo(settings.quick ? SIZES[0] : SIZES[SIZES.length - 1]);
  if (binary instanceof Missing) return report.note(binary.reason);
  const points: Point[] = [];
  for (const count of settings.quick ? [1000, 10_000] : [1000, 10_000, 100_000, 1_000_000]) {
    const point = await measured(settings, report, binary, count, `${count} locations, ${megabytes(binary)} MB`);
    if (point === null) continue;
    points.push({ ...point, x: count });
    report.say(
      `${count} locations, ${megabytes(binary)} MB`,
      'a location',
      `${((point.cost / count) * 1e6).toFixed(1)} us`,
    );
  }
  const [first] = points;
  if (points.length < 2) return;
  for (const point of points.slice(1)) {
    const value = point.cost / point.x / (first.cost / first.x);
    const title = `${point.x} locations`;
    report.verdict({ case: title, what: 'wall a location', to: `that at ${first.x}`, value, limit: 1 });
  }
}

async function measured(
  settings: Settings,
  report: Report,
  binary: string,
  count: number,
  title: string,
): Promise<Point | null> {
  const profile = await sampledProfile(binary, count);
  const output = join(settings.scratch, 'row12.pb.gz');
  await touch(binary, profile);
  const cells = await interleave(
    {
      'node floor': NODE_FLOOR,
      'resym --binary': symbolizeCommand(profile, output, '--binary', binary),
      'go tool pprof': await goToolPprof(profile, binary, join(settings.scratch, 'row12-go.pb.gz')),
    },
    count > 100_000 ? Math.min(settings.runs, 3) : settings.runs,
  );
  report.cells(title, cells);
  const [floor, ours] = [cells.get('node floor'), cells.get('resym --binary')];
  if (!isCell(floor) || !isCell(ours)) return null;
  const { locations, lines } = countLines(gunzipSync(readFileSync(output)));
  report.check(title, 'all named', locations === count && lines > count, `${lines} lines, ${locations} locations`);
  return { x: 0, ours, cost: ours.wall - floor.wall };
}

export const rows: readonly Row[] = [{ number: 12, title: 'growth', run: growth }];
