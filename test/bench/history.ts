/** Runs of the past, one JSON line each, and what has become slower since the last. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { beside } from './cache.ts';
import type { RowResult } from './table.ts';

const FILE = beside('history.jsonl');
/** Noise of a quiet machine; more is worth a line. */
const NOISE = 1.1;

interface Past {
  readonly date: string;
  readonly commit: string;
  readonly runs: number;
  /** Row number to verdicts: "case: what / anchor" to the figure. */
  readonly rows: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

function keyed(result: RowResult): Record<string, number> {
  return Object.fromEntries(
    result.verdicts
      .filter(({ value }) => value !== null && Number.isFinite(value))
      .map(({ case: title, what, to, value }) => [
        `${title}: ${what}${to === '' ? '' : ` / ${to}`}`,
        Number(value!.toPrecision(4)),
      ]),
  );
}

/** The last figure of each verdict, over all recorded runs. */
function lastFigures(): Map<string, number> {
  const last = new Map<string, number>();
  if (!existsSync(FILE)) return last;
  for (const line of readFileSync(FILE, 'utf8').split('\n')) {
    if (line === '') continue;
    for (const [row, figures] of Object.entries((JSON.parse(line) as Past).rows)) {
      for (const [key, value] of Object.entries(figures)) last.set(`${row} ${key}`, value);
    }
  }
  return last;
}

/** Sentences about figures that moved. */
export function compareWithLast(results: readonly RowResult[]): string[] {
  const last = lastFigures();
  const sentences: string[] = [];
  for (const result of results) {
    const figures = keyed(result);
    for (const [key, value] of Object.entries(figures)) {
      const before = last.get(`${result.row} ${key}`);
      const verdict = result.verdicts.find((one) => key.startsWith(`${one.case}: ${one.what}`))!;
      if (before === undefined || !(before > 0 && value > 0)) continue;
      const worse = verdict.side === 'at most' ? value / before : before / value;
      if (worse > NOISE) sentences.push(`row ${result.row}, ${key}: ${worse.toFixed(2)}x worse than last time`);
      else if (worse < 1 / NOISE) sentences.push(`row ${result.row}, ${key}: ${(1 / worse).toFixed(2)}x better`);
    }
  }
  return sentences;
}

export function record(results: readonly RowResult[], runs: number, date: string, commit: string): void {
  const rows = Object.fromEntries(results.map((result) => [String(result.row), keyed(result)]));
  const past: Past = { date, commit, runs, rows };
  appendFileSync(FILE, `${JSON.stringify(past)}\n`);
}
