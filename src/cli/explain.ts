import { readFile } from 'node:fs/promises';
import type { MappingReport, ProfileReport, TriedBinary, Unresolved, Weight } from '../rewrite/report.ts';
import { openEngine } from '../open-engine.ts';
import { existingArchives } from './archive.ts';
import { printable } from './fields.ts';
import { readStdin } from './stdin.ts';
import { asking, upstreamFor } from './upstream.ts';

export interface ExplainOptions {
  readonly binary?: readonly string[];
  readonly store?: string;
  readonly repair?: true;
  readonly debuginfod?: readonly string[];
  readonly json?: true;
}

/** Refused binaries that are listed. */
const MAX_LISTED = 5;

export async function explain(path: string, options: ExplainOptions): Promise<void> {
  const body = path === '-' ? await readStdin() : await readFile(path);
  const upstream = await upstreamFor(options.debuginfod);
  const own = await openEngine([...existingArchives(options.store), ...(upstream === null ? [] : [upstream.cache])]);
  const engine = await asking(own, upstream);
  const { binary: pinned = [], repair = false } = options;
  const { report } = await engine.resymbolize(body, { pinned, repair, weigh: true });
  await upstream?.close();
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : explained(report));
}

/** A report for people: what is missing first, the heaviest first; then the mappings. */
export function explained(report: ProfileReport): string {
  const { total, namedBefore, namedAfter } = report.locations;
  const unknowable = namedAfter < total && report.mappings.every(({ unresolved }) => unresolved.length === 0);
  const names =
    namedAfter === namedBefore
      ? `${namedBefore} named in the profile, resym can name no more`
      : `${namedBefore} named in the profile, ${namedAfter} with resym`;
  const lines = [`${plural(total, 'location')}, ${names}${unknowable ? '; the rest are placeholders' : ''}`];
  const share = sharesOf(report);
  const missing = report.mappings
    .flatMap(({ unresolved }) => unresolved)
    .sort((a, b) => b.weight.flat - a.weight.flat || b.weight.cumulative - a.weight.cumulative);
  if (missing.length > 0) lines.push('', 'Without a name', ...missing.flatMap((each) => describeMissing(each, share)));
  const inUse = report.mappings.filter((mapping) => mapping.locations > 0);
  if (inUse.length > 0) lines.push('', 'Mappings', ...inUse.flatMap((mapping) => describe(mapping, share)));
  const idle = report.mappings.length - inUse.length;
  if (idle > 0) lines.push(`  ${plural(idle, 'other mapping')} without locations in this profile`);
  return `${lines.join('\n')}\n`;
}

function describeMissing({ reason, advice, locations, weight }: Unresolved, share: Shares): string[] {
  const lines = [`  ${share(weight)}${plural(locations, 'location')}: ${printable(reason)}`];
  if (advice !== '') lines.push(`    -> ${printable(advice)}`);
  return lines;
}

/** By TriedBinary.foundBy. */
const FOUND_BY: Readonly<Record<string, string>> = {
  'build-id': 'found by its build ID',
  twin: 'found as a twin: the same Go functions, more symbols',
  evidence: 'found by its frames',
  name: 'found by its name and code',
  pinned: 'named by you',
  'pinned-other-id': 'named by you, under another build ID',
};

/** A mapping, and what was held against it. */
function describe(mapping: MappingReport, share: Shares): string[] {
  const { id, file, buildId, binary, verdict, checked, agreed, weight, tried, reason, unresolved } = mapping;
  const title = id === '0' ? 'outside all mappings' : `${id}  ${printable(file) || '(no file name)'}`;
  const lines = [`  ${title}${buildId === '' ? '' : `  build ID ${printable(buildId)}`}`];
  lines.push(`     ${share(weight)}${countsOf(mapping)}`);
  const proof = checked === 0 ? '' : `; ${agreed} of ${plural(checked, 'frame')} that the profile names agree`;
  if (binary !== null) {
    const how = tried.find((each) => each.reason === '' && each.binary === binary)?.foundBy ?? '';
    lines.push(`     ${verdict}: ${printable(binary)}, ${FOUND_BY[how] ?? how}${proof}`);
  } else if (verdict !== 'not needed') {
    lines.push(`     ${verdict}`);
  }
  const refused = tried.filter((each) => each.reason !== '');
  lines.push(...refused.slice(0, MAX_LISTED).map(refusal));
  if (refused.length > MAX_LISTED) lines.push(`     and ${refused.length - MAX_LISTED} more that do not fit`);
  if (unresolved.length === 0 && reason !== '') lines.push(`     note: ${printable(reason)}`);
  for (const [kind, count] of Object.entries(mapping.repaired)) lines.push(`     repaired: ${kind} of ${count}`);
  return lines;
}

function refusal({ binary, foundBy, reason }: TriedBinary): string {
  const name = printable(binary);
  const why = printable(reason);
  const how = foundBy === 'build-id' ? ' (filed under this build ID)' : foundBy === 'name' ? ' (of this name)' : '';
  return `     refused${how}: ${why.includes(name) ? why : `${name}: ${why}`}`;
}

function countsOf({ locations, namedBefore, namedAfter, unresolved }: MappingReport): string {
  const left = unresolved.reduce((sum, each) => sum + each.locations, 0);
  const gained = namedAfter > namedBefore ? `, ${namedAfter - namedBefore} of them by resym` : '';
  return `${plural(locations, 'location')}, ${namedAfter} named${gained}${left > 0 ? `, ${left} not` : ''}`;
}

type Shares = (weight: Weight) => string;

/** `38 % of cpu, `; what is only passed through on the way to a leaf elsewhere is said to be so. */
function sharesOf({ weighedBy }: ProfileReport): Shares {
  return ({ flat, cumulative }) => {
    if (weighedBy === null || weighedBy.total === 0) return '';
    const percent = (value: number): string => {
      const share = (100 * value) / weighedBy.total;
      return share !== 0 && share < 0.1 ? '< 0.1 %' : `${share.toFixed(share < 10 ? 1 : 0)} %`;
    };
    const type = printable(weighedBy.type);
    if (flat > 0) return `${percent(flat)} of ${type}, `;
    return cumulative > 0 ? `on the way to ${percent(cumulative)} of ${type}, ` : `0 % of ${type}, `;
  };
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
