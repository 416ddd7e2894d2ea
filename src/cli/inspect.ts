import { identify } from '../match/identify.ts';
import type { Identity } from '../match/identity.ts';
import { openObject } from '../object/open.ts';
import { openNamed } from './binary.ts';
import { printFields } from './fields.ts';

export interface InspectOptions {
  readonly arch?: string;
  readonly json?: true;
}

export function inspect(path: string, options: InspectOptions): void {
  const { source, release } = openNamed(path, options.arch);
  try {
    const identity = identify(openObject(source));
    const { problems, ...facts } = identity;
    const { format, arch, type, ids, go, symbols } = facts;
    const value = { path, format, arch, type, sizeBytes: source.size, ids, go, symbols };
    if (options.json) process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
    else printFields([['file', path], ['size', `${source.size} bytes`], ...identityFields(identity)]);
    for (const problem of problems) process.stderr.write(`resym: ${path}: ${problem}\n`);
    if (problems.length > 0) process.exitCode = 1;
  } finally {
    release();
  }
}

/** What an identity says to people, a line a fact; absent facts are left out. */
export function identityFields({ format, arch, type, ids, go, symbols }: Identity): [string, string][] {
  const fields: [string, string | null | undefined][] = [
    ['format', `${format} ${arch} ${type}`],
    ['GNU build ID', ids.gnu],
    ['Go build ID', ids.go],
    ['derived GNU ID', ids.gnu === null ? ids.goDerivedGnu : null],
    ['UUID', ids.uuid],
    ['PE GUID and age', ids.pe],
    ['pclntab SHA-256', ids.pclntabSha256],
    ['Go', go?.version],
    ['package', go?.path],
    ['module', go?.main && `${go.main.path} ${go.main.version}`],
    ...Object.entries(go?.settings ?? {}).map(([key, value]): [string, string] => [`  ${key}`, value]),
    ['Go functions', symbols.pclntab && `${symbols.pclntab.functions} (.gopclntab ${symbols.pclntab.version})`],
    ['DWARF', symbols.dwarf && `version ${symbols.dwarf.versions.join(', ')}; ${symbols.dwarf.units} units`],
    ['symbol table', symbols.symtab && `${symbols.symtab.functions} functions`],
  ];
  return fields.filter((field): field is [string, string] => Boolean(field[1]));
}
