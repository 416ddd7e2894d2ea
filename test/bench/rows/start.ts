/** Row 13: start-up. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { RESYM } from '../cache.ts';
import { type Cell, cleanEnv, interleave, median, NODE_FLOOR, owned } from '../measure.ts';
import { isCell, type Report, type Row, type Settings } from '../row.ts';

async function start(settings: Settings, report: Report): Promise<void> {
  const rounds = settings.quick ? 2 : Math.max(settings.runs, 11); // short and noisy
  const commands = {
    'node -e 0': NODE_FLOOR,
    'resym --version': { argv: [process.execPath, RESYM, '--version'] },
    'resym --help': { argv: [process.execPath, RESYM, '--help'] },
  };
  const cells = await interleave(commands, rounds);
  report.cells('to the end', cells);
  report.ratio('to the end', 'wall', cells, 'resym --version', 'node -e 0', 1.2);
  report.ratio('to the end', 'rss', cells, 'resym --version', 'node -e 0', null);

  const [floor, listening]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    floor.push(await secondsUntil(['-e', '0'], null));
    listening.push(await secondsUntil([RESYM, 'serve', '--listen', '127.0.0.1:0'], /listening on/));
  }
  const cell = (wall: number[]): Cell => ({ wall: median(wall), cpu: NaN, rss: NaN, runs: wall.length });
  const serve = new Map([
    ['node -e 0', cell(floor)],
    ['resym serve, listening', cell(listening)],
  ]);
  report.cells('until ready', serve);
  report.ratio('until ready', 'wall', serve, 'resym serve, listening', 'node -e 0', 1.5);
  report.check('to the end', 'both ran', isCell(cells.get('resym --version')), '');
}

/** Seconds from spawn to the log line, or to the exit. */
async function secondsUntil(args: readonly string[], line: RegExp | null): Promise<number> {
  const began = performance.now();
  const child = owned(spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], env: cleanEnv() }));
  const exited = once(child, 'exit');
  if (line === null) {
    await exited;
    return (performance.now() - began) / 1000;
  }
  let log = '';
  const seconds = await new Promise<number>((done, failed) => {
    const timer = setTimeout(() => failed(new Error(`not ready after 30 s: ${log}`)), 30_000);
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      if (!line.test(log)) return;
      clearTimeout(timer);
      done((performance.now() - began) / 1000);
    });
    child.on('exit', () => failed(new Error(`ended: ${log}`)));
  }).finally(() => child.kill('SIGTERM'));
  await exited;
  return seconds;
}

export const rows: readonly Row[] = [{ number: 13, title: 'start-up', run: start }];
