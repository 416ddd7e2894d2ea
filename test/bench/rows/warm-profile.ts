/** Row 7: what a warm proxy spends on a profile, against what zlib and what Go spend on the same bytes. */
import { statSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { goProgram } from '../anchors.ts';
import { beside, Missing, modules } from '../cache.ts';
import { checkGoFrames, profileFrames } from '../frames.ts';
import { numberField } from '../../support/profile-model.ts';
import { compiler, longerProfile } from '../inputs.ts';
import { measure, median } from '../measure.ts';
import { gzipSync } from 'node:zlib';
import { writeFileSync } from 'node:fs';
import type { Report, Row, Settings } from '../row.ts';

interface Passes {
  readonly cpu: readonly number[];
  readonly wall: readonly number[];
}

interface Said {
  readonly ours: Passes;
  readonly floor: Passes;
  readonly sizes: { input: number; raw: number; out: number; body: number };
  readonly maxRSS: number;
  readonly status: string;
  readonly timings: readonly { stage: string; ms: number }[];
}

const ms = (seconds: number): string => `${(seconds * 1000).toFixed(2)} ms`;

async function warm(settings: Settings, report: Report): Promise<void> {
  const input = await compiler();
  if (input instanceof Missing) return report.note(input.reason);
  const sizes = settings.quick ? [250e3] : [250e3, 5e6, 20e6];
  for (const bytes of sizes) {
    const profile = await longerProfile(input.bare, bytes);
    const size = `${(statSync(profile).size / 1e6).toFixed(2)} MB raw`;
    const passes = bytes < 1e6 ? (settings.quick ? 20 : 120) : 20;
    const output = join(settings.scratch, 'row7.pb.gz');
    const child = async (...args: readonly string[]): Promise<Said> => {
      const stdout = join(settings.scratch, 'row7.json');
      const argv = [beside('programs/warm-profile.mjs'), modules(), input.binary, output, ...args];
      await measure({ argv: [process.execPath, ...argv], stdout });
      return JSON.parse(readFileSync(stdout, 'utf8')) as Said;
    };
    const { ours, floor, sizes: was, timings } = await child(String(passes), profile);
    // Warm: the first half opened the binary and met the compiler.
    const late = (list: readonly number[]): number => median(list.slice(list.length >> 1));
    const [a, b] = [late(ours.cpu), late(floor.cpu)];
    report.say(size, 'resym', `CPU ${ms(a)}, wall ${ms(late(ours.wall))}, ${was.input} B in, ${was.body} B out`);
    report.say(size, 'gunzip + gzip -1', `CPU ${ms(b)}, wall ${ms(late(floor.wall))}`);
    report.verdict({ case: size, what: 'CPU', to: 'gunzip + gzip -1', value: a / b, limit: 1.4 });
    report.note(
      `${size}: last pass ${timings.map(({ stage, ms: took }) => `${stage} ${took.toFixed(1)} ms`).join(', ')}`,
    );
    checkGoFrames(report, size, 'last pass', profileFrames(output), input);
    if (bytes === sizes[sizes.length - 1])
      await againstGo(settings, report, size, profile, a, (files) => child('files', ...files));
  }
}

async function againstGo(
  settings: Settings,
  report: Report,
  size: string,
  profile: string,
  ours: number,
  resymAlone: (files: readonly string[]) => Promise<Said>,
): Promise<void> {
  const to = 'Go Parse + Write';
  const program = await goProgram('parsewrite');
  if (program instanceof Missing)
    return report.verdict({ case: size, what: 'CPU', to, value: null, limit: 0.3, note: program.reason });
  const stdout = join(settings.scratch, 'row7-go.txt');
  const raw = readFileSync(profile);
  const files = Array.from({ length: 6 }, (_, i) => {
    const path = join(settings.scratch, `row7-in${i}.pb.gz`);
    writeFileSync(path, gzipSync(Buffer.concat([raw, numberField(9, 1_700_000_000 + i)]), { level: 1 }));
    return path;
  });
  const { maxRSS } = await resymAlone(files);
  await measure({ argv: [program, files[0], String(files.length)], stdout });
  const lines = readFileSync(stdout, 'utf8').trim().split('\n');
  const passes = lines.slice(0, -1).map((line) => line.split(' ').map(Number));
  const cpu = median(passes.slice(passes.length >> 1).map(([seconds]) => seconds));
  const rss = Number(lines[lines.length - 1]) * 1024;
  report.say(
    size,
    to,
    `CPU ${ms(cpu)}, peak ${(rss / 1e6).toFixed(0)} MB; resym's peak ${(maxRSS / 1e6).toFixed(0)} MB`,
  );
  report.verdict({ case: size, what: 'CPU', to, value: ours / cpu, limit: 0.3 });
  report.verdict({ case: size, what: 'rss', to, value: maxRSS / rss, limit: 0.25 });
}

export const rows: readonly Row[] = [{ number: 7, title: 'warm profiles', run: warm }];
