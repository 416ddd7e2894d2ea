import { readFile } from 'node:fs/promises';
import type { MappingReport } from '../rewrite/report.ts';
import { openEngine } from '../open-engine.ts';
import { existingStoreDir } from './archive.ts';
import { printable } from './fields.ts';
import { readStdin } from './stdin.ts';

export interface ExplainOptions {
  readonly binary?: readonly string[];
  readonly store?: string;
  readonly json?: true;
}

export async function explain(path: string, options: ExplainOptions): Promise<void> {
  const body = path === '-' ? await readStdin() : await readFile(path);
  const engine = await openEngine(existingStoreDir(options.store));
  const { report } = await engine.resymbolize(body, { pinned: options.binary ?? [] });
  if (options.json) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return;
  }
  const { total, namedBefore, namedAfter } = report.locations;
  process.stdout.write(`${total} locations, ${namedBefore} named in the profile, ${namedAfter} with resym\n`);
  const inUse = report.mappings.filter((mapping) => mapping.locations > 0);
  for (const mapping of inUse) process.stdout.write(`\n${describe(mapping)}`);
  const idle = report.mappings.length - inUse.length;
  if (idle > 0) process.stdout.write(`\n${idle} other mappings have no locations in this profile\n`);
}

/** A mapping in a few lines. */
function describe(mapping: MappingReport): string {
  const { id, file, buildId, binary, match, checked, agreed, locations, namedBefore, namedAfter, reason } = mapping;
  const title = `mapping ${id}: ${printable(file) || '(no file)'}${buildId ? ` (build ID ${printable(buildId)})` : ''}\n`;
  const used = binary === null ? '' : `  binary: ${printable(binary)}, found by ${match}\n`;
  const proof = checked === 0 ? '' : `  evidence: ${agreed} of ${checked} frames the profile names agree\n`;
  const names = `  locations: ${locations}, named ${namedBefore} before, ${namedAfter} after\n`;
  return title + used + proof + names + (reason === '' ? '' : `  ${printable(reason)}\n`);
}
