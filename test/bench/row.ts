/** What a row of the benchmark is: figures measured, ratios with their limits, and whether the answers were right. */
import type { Cell, Cells, Sample } from './measure.ts';
import { Missing } from './cache.ts';

export interface Settings {
  /** Rounds per figure. */
  readonly runs: number;
  /** Small inputs: shows that a row works, not how fast. */
  readonly quick: boolean;
  /** A directory for outputs; removed at the end. */
  readonly scratch: string;
}

export interface Row {
  /** As in the table of goals. */
  readonly number: number;
  readonly title: string;
  readonly run: (settings: Settings, report: Report) => Promise<void>;
}

/** A ratio or a figure of its own, against its limit. */
export interface Verdict {
  readonly case: string;
  /** "wall", "RSS", "profiles/s"... */
  readonly what: string;
  /** The anchor it is a ratio to; "" for a figure of its own. */
  readonly to: string;
  /** null: could not be had, see `note`. */
  readonly value: number | null;
  /** null: shown, not judged. */
  readonly limit: number | null;
  /** Whether `limit` is the most or the least. */
  readonly side: 'at most' | 'at least';
  readonly unit: string;
  readonly note: string;
}

export interface Figure {
  readonly case: string;
  readonly name: string;
  readonly cell: Cell | Missing;
  /** Figures with no cell of seconds and MB say theirs here. */
  readonly text: string;
}

export interface Check {
  readonly case: string;
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Collects what a row found. */
export class Report {
  readonly figures: Figure[] = [];
  readonly verdicts: Verdict[] = [];
  readonly checks: Check[] = [];
  readonly notes: string[] = [];

  cells(title: string, cells: Cells): void {
    for (const [name, cell] of cells) this.figures.push({ case: title, name, cell, text: '' });
  }

  /** A figure that is no process: a rate, a size. */
  say(title: string, name: string, text: string): void {
    this.figures.push({ case: title, name, cell: new Missing(''), text });
  }

  /** ours / theirs of one column, at most `limit`. */
  ratio(
    title: string,
    column: keyof Sample,
    cells: Cells,
    ours: string,
    theirs: string,
    limit: number | null,
    minus?: readonly [ours: string, theirs: string | null],
  ): void {
    const [a, b] = [cells.get(ours), cells.get(theirs)];
    const what = `${column}${minus ? ' minus floor' : ''}`;
    const base = { case: title, what, to: theirs, limit, side: 'at most' as const, unit: '×' };
    const missing = [a, b].find((cell) => !isCell(cell));
    if (!isCell(a) || !isCell(b)) {
      this.verdicts.push({ ...base, value: null, note: missing instanceof Missing ? missing.reason : 'not measured' });
      return;
    }
    const floorOf = (name: string | null | undefined): number => {
      const cell = name ? cells.get(name) : undefined;
      return isCell(cell) ? cell[column] : 0;
    };
    const value = (a[column] - floorOf(minus?.[0])) / (b[column] - floorOf(minus?.[1]));
    this.verdicts.push({ ...base, value, note: '' });
    // CPU time says the same on a busy machine, where wall time does not.
    if (column === 'wall' && limit !== null && a.cpu > 0 && b.cpu > 0)
      this.ratio(title, 'cpu', cells, ours, theirs, null, minus);
  }

  /** Any other figure with a limit. */
  verdict(verdict: Partial<Verdict> & Pick<Verdict, 'case' | 'what' | 'value' | 'limit'>): void {
    this.verdicts.push({ to: '', side: 'at most', unit: '×', note: '', ...verdict });
  }

  check(title: string, name: string, ok: boolean, detail: string): void {
    this.checks.push({ case: title, name, ok, detail });
  }

  note(text: string): void {
    this.notes.push(text);
  }
}

export function isCell(cell: Cell | Missing | undefined): cell is Cell {
  return cell !== undefined && !(cell instanceof Missing);
}

/** null: not judged. */
export function passes({ value, limit, side }: Verdict): boolean | null {
  if (limit === null) return null;
  if (value === null) return null;
  return side === 'at most' ? value <= limit : value >= limit;
}
