import { readFile } from 'node:fs/promises';
import type { MappingReport } from '../rewrite/report.ts';
import { openEngine } from './engine.ts';
import { printable } from './fields.ts';
import { readStdin } from './stdin.ts';

interface ExplainOptions {
  readonly binary?: readonly string[];
  readonly store?: string;
  readonly json?: true;
}

export async function explain(path: string, options: ExplainOptions): Promise<void> {
  const body = path === '-' ? await readStdin() : await readFile(path);
  const engine = await openEngine(options.store);
  const { report } = await engine.resymbolize(body, { pinned: options.binary ?? [] });
  if (options.json) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return;
  }
  const { total, namedBefore, namedAfter } = report.locations;
  process.stdout.write(`${total} locations, ${namedBefore} named in the profile, ${namedAfter} with resym\n`);
  for (const mapping of report.mappings) process.stdout.write(`\n${describe(mapping)}`);
}

/** A mapping in a few lines; mappings without locations in one. */
function describe(mapping: MappingReport): string {
  const { id, file, buildId, binary, match, checked, agreed, locations, namedBefore, namedAfter, reason } = mapping;
  const title = `mapping ${id}: ${printable(file) || '(no file)'}${buildId ? ` (build ID ${printable(buildId)})` : ''}\n`;
  if (locations === 0) return `${title}  no locations\n`;
  const used = binary === null ? '' : `  binary: ${printable(binary)}, found by ${match}\n`;
  const proof = checked === 0 ? '' : `  evidence: ${agreed} of ${checked} frames the profile names agree\n`;
  const names = `  locations: ${locations}, named ${namedBefore} before, ${namedAfter} after\n`;
  return title + used + proof + names + (reason === '' ? '' : `  ${printable(reason)}\n`);
}
