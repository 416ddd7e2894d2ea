/** The rows' findings as text. */
import { Missing } from './cache.ts';
import { type Check, type Figure, isCell, passes, type Verdict } from './row.ts';

export interface RowResult {
  readonly row: number;
  readonly title: string;
  readonly figures: readonly Figure[];
  readonly verdicts: readonly Verdict[];
  readonly checks: readonly Check[];
  readonly notes: readonly string[];
  /** null: it ran to its end. */
  readonly error: string | null;
  readonly seconds: number;
}

/** One row: figures, ratios with their limits, checks. */
export function rowText(result: RowResult): string {
  const lines = [`\n${result.row}. ${result.title}  (${result.seconds.toFixed(0)} s)`];
  let title = '';
  for (const figure of result.figures) {
    if (figure.case !== title) lines.push(`   ${(title = figure.case)}`);
    lines.push(`     ${figure.name.padEnd(32)} ${figureText(figure)}`);
  }
  for (const verdict of result.verdicts) lines.push(`   ${verdictText(verdict)}`);
  for (const { case: where, name, ok, detail } of result.checks) {
    lines.push(`   ${ok ? 'right' : 'WRONG'}  ${where}: ${name}${detail === '' ? '' : ` (${detail})`}`);
  }
  for (const note of result.notes) lines.push(`   note: ${note}`);
  if (result.error !== null) lines.push(`   FAILED: ${result.error}`);
  return `${lines.join('\n')}\n`;
}

function figureText({ cell, text }: Figure): string {
  if (text !== '') return text;
  if (cell instanceof Missing) return `- ${cell.reason}`;
  const column = (value: number, digits: number, unit: string): string =>
    Number.isNaN(value) ? '' : `${value.toFixed(digits)} ${unit}`.padStart(10);
  return `${column(cell.wall, 3, 's')} ${column(cell.cpu, 3, 'cpu')} ${column(cell.rss, 0, 'MB')}  of ${cell.runs}`;
}

function verdictText(verdict: Verdict): string {
  const { case: title, what, to, value, limit, side, unit, note } = verdict;
  const pass = passes(verdict);
  const mark = pass === null ? '      ' : pass ? 'pass  ' : 'MISS  ';
  const figure = value === null ? `- ${note}` : `${value.toPrecision(3)} ${unit}`;
  const against = to === '' ? '' : ` of ${to}`;
  const bound = limit === null ? '' : `, ${side} ${limit}`;
  return `${mark}${title}: ${what} ${figure}${against}${bound}`;
}

/** One line a row. */
export function summary(results: readonly RowResult[]): string {
  const lines = ['\nrow  met     right   '];
  for (const result of results) {
    const judged = result.verdicts.map(passes).filter((pass) => pass !== null);
    const met = `${judged.filter(Boolean).length}/${judged.length}`;
    const right = `${result.checks.filter(({ ok }) => ok).length}/${result.checks.length}`;
    const missing = result.figures.filter(({ cell, text }) => text === '' && !isCell(cell)).length;
    const rest = [missing === 0 ? '' : `${missing} figures missing`, result.error === null ? '' : 'FAILED'].join(' ');
    lines.push(`${String(result.row).padEnd(4)} ${met.padEnd(7)} ${right.padEnd(7)} ${result.title} ${rest}`.trimEnd());
  }
  return `${lines.join('\n')}\n`;
}
