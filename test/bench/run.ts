/**
 * The benchmarks, against other symbolizers on the same work in the same run.
 *
 *   npm run bench [-- --only ROW,ROW] [--runs 5] [--json FILE] [--quick] [--record]
 *
 * --quick     one run of each, small inputs: does it work
 * --record    append the ratios to history.jsonl, with which later runs are compared
 *
 * Exit code 1 when an answer was wrong or a row broke off; a missed limit is a finding, not a failure.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { beside, sweep } from './cache.ts';
import { compareWithLast, record } from './history.ts';
import { exec, stopAll } from './measure.ts';
import { Report, type Row, type Settings } from './row.ts';
import { rows as batch } from './rows/batch.ts';
import { rows as coldDwarf } from './rows/cold-dwarf.ts';
import { rows as coldGo } from './rows/cold-go.ts';
import { rows as growth } from './rows/growth.ts';
import { rows as index } from './rows/index.ts';
import { rows as proxy } from './rows/proxy.ts';
import { rows as start } from './rows/start.ts';
import { rows as warmLookups } from './rows/warm-lookups.ts';
import { rows as warmProfile } from './rows/warm-profile.ts';
import { type RowResult, rowText, summary } from './table.ts';

const ROWS: readonly Row[] = [
  ...coldGo,
  ...coldDwarf,
  ...index,
  ...warmLookups,
  ...warmProfile,
  ...proxy,
  ...batch,
  ...growth,
  ...start,
].sort((a, b) => a.number - b.number);

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    runs: { type: 'string' },
    json: { type: 'string' },
    quick: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
});
const only = values.only?.split(',').map(Number);
const runs = Number(values.runs ?? (values.quick ? 1 : 5));
const chosen = ROWS.filter(({ number }) => only === undefined || only.includes(number));
if (!Number.isInteger(runs) || runs < 1 || chosen.length === 0) {
  process.stderr.write(`rows are ${ROWS.map(({ number }) => number).join(', ')}; --runs is at least 1\n`);
  process.exit(2);
}

if (values.record && values.quick) {
  process.stderr.write('quick runs say nothing about speed: not recorded\n');
  process.exit(2);
}

sweep();
const scratch = mkdtempSync(join(tmpdir(), 'resym-bench-'));
const clean = (): void => rmSync(scratch, { recursive: true, force: true });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stopAll();
    clean();
    process.exit(130);
  });
}

const settings: Settings = { runs, quick: values.quick, scratch };
const machine = `${cpus().length} x ${cpus()[0].model}, node ${process.version}, load ${loadavg()[0].toFixed(1)}`;
process.stdout.write(`${machine}; medians of ${runs}; s wall, s CPU, MB peak\n`);
const results: RowResult[] = [];
try {
  for (const row of chosen) {
    const report = new Report();
    const began = performance.now();
    let error: string | null = null;
    try {
      await row.run(settings, report);
    } catch (thrown) {
      error = (thrown as Error).stack ?? String(thrown);
    }
    const { figures, verdicts, checks, notes } = report;
    const seconds = (performance.now() - began) / 1000;
    const result = { row: row.number, title: row.title, figures, verdicts, checks, notes, error, seconds };
    results.push(result);
    process.stdout.write(rowText(result));
  }
} finally {
  stopAll();
  clean();
}

process.stdout.write(summary(results));
for (const sentence of compareWithLast(results)) process.stdout.write(`${sentence}\n`);
const date = new Date().toISOString();
const { stdout: commit } = await exec('git', ['rev-parse', '--short', 'HEAD'], { cwd: beside('.') }).catch(() => ({
  stdout: 'unknown',
}));
if (values.json !== undefined) {
  const value = { date, commit: commit.trim(), machine, runs, quick: values.quick, results };
  writeFileSync(values.json, `${JSON.stringify(value, null, 2)}\n`);
}
if (values.record) record(results, runs, date, commit.trim());
if (results.some(({ error, checks }) => error !== null || checks.some(({ ok }) => !ok))) process.exitCode = 1;
