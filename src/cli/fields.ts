import { once } from 'node:events';

/** Prints "label   value" lines, labels aligned. Control characters in values are shown, not obeyed. */
export function printFields(fields: readonly (readonly [string, string])[]): void {
  const width = Math.max(...fields.map(([label]) => label.length));
  for (const [label, value] of fields) process.stdout.write(`${label.padEnd(width)}  ${printable(value)}\n`);
}

/** Prints rows under headings, columns aligned; numbers are right-aligned by `right`. */
export function printTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  right: ReadonlySet<number> = new Set(),
): void {
  for (const line of table(headings, rows, right)) process.stdout.write(`${line}\n`);
}

/** The lines of it. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  right: ReadonlySet<number>,
): string[] {
  const cells = [headings, ...rows].map((row) => row.map(printable));
  const widths = headings.map((_, column) => cells.reduce((most, row) => Math.max(most, row[column].length), 0));
  return cells.map((row) =>
    row
      .map((cell, i) => (right.has(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  );
}

/** File names and build IDs come from strangers: a newline or an escape sequence must not reach the terminal. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Prints a JSON array piece by piece: one string of twenty thousand entries is a hundred megabytes. */
export async function printArray(values: readonly unknown[]): Promise<void> {
  let comma = '[';
  for (const value of values) {
    const text = JSON.stringify(value, null, 2).replaceAll('\n', '\n  ');
    if (!process.stdout.write(`${comma}\n  ${text}`)) await once(process.stdout, 'drain');
    comma = ',';
  }
  process.stdout.write(values.length === 0 ? '[]\n' : '\n]\n');
}
