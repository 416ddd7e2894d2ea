/** What became of many profiles, by program and build: what is named, and what to do about the rest. */
import type { Entry } from '../workers/profile-file.ts';
import { table } from './fields.ts';

/** One build, or the frames of a program that has no ID. */
export interface BuildSummary {
  readonly program: string;
  /** "" when profiles do not say. */
  readonly buildId: string;
  readonly profiles: number;
  readonly locations: number;
  readonly namedBefore: number;
  readonly namedAfter: number;
  /** Of what is still missing, the reason of most; "" when nothing is. */
  readonly reason: string;
  readonly advice: string;
}

interface Sum {
  profiles: number;
  locations: number;
  namedBefore: number;
  namedAfter: number;
  readonly missing: Map<string, { locations: number; advice: string }>;
}

/** Most missing first. */
export function summarize(entries: readonly Entry[]): BuildSummary[] {
  const sums = new Map<string, Sum>();
  for (const { mappings = [] } of entries) {
    const seen = new Set<Sum>();
    for (const { file, buildId, locations, namedBefore, namedAfter, unresolved } of mappings) {
      if (locations === 0) continue;
      const key = JSON.stringify([programOf(file), buildId]);
      let sum = sums.get(key);
      if (sum === undefined)
        sums.set(key, (sum = { profiles: 0, locations: 0, namedBefore: 0, namedAfter: 0, missing: new Map() }));
      if (!seen.has(sum)) sum.profiles++;
      seen.add(sum);
      sum.locations += locations;
      sum.namedBefore += namedBefore;
      sum.namedAfter += namedAfter;
      for (const { reason, advice, locations: count } of unresolved) {
        const known = sum.missing.get(reason);
        sum.missing.set(reason, { advice, locations: count + (known?.locations ?? 0) });
      }
    }
  }
  const rows = [...sums].map(([key, { missing, ...counts }]) => {
    const [program, buildId] = JSON.parse(key) as [string, string];
    const [most] = [...missing].sort(([, a], [, b]) => b.locations - a.locations);
    return { program, buildId, ...counts, reason: most?.[0] ?? '', advice: most?.[1].advice ?? '' };
  });
  return rows.sort(
    (a, b) => missingOf(b) - missingOf(a) || b.locations - a.locations || (a.program < b.program ? -1 : 1),
  );
}

function missingOf({ locations, namedAfter }: BuildSummary): number {
  return locations - namedAfter;
}

function programOf(file: string): string {
  const name = file.replace(/ \(deleted\)$/, '');
  return name.slice(name.lastIndexOf('/') + 1) || '(no file)';
}

/** Rows of a table on a terminal; more are in the report. */
const MAX_ROWS = 30;

/** Text for people, lines and all. */
export function summaryText(entries: readonly Entry[]): string {
  const counts = new Map<string, number>();
  for (const { status } of entries) counts.set(status, (counts.get(status) ?? 0) + 1);
  const told = ['enriched', 'partial', 'unchanged', 'skipped', 'failed'].flatMap((status) => {
    const count = counts.get(status) ?? 0;
    return count > 0 ? [`${count} ${status === 'skipped' ? 'done before' : status}`] : [];
  });
  const lines = [`${entries.length} profiles: ${told.join(', ')}`];
  const builds = summarize(entries);
  if (builds.length > 0) {
    const rows = builds
      .slice(0, MAX_ROWS)
      .map((build) => [
        build.program,
        build.buildId.slice(0, 16) || '-',
        String(build.profiles),
        String(build.locations),
        percent(build.namedBefore, build.locations),
        percent(build.namedAfter, build.locations),
        String(missingOf(build)),
      ]);
    lines.push(
      '',
      ...table(
        ['PROGRAM', 'BUILD', 'PROFILES', 'LOCATIONS', 'BEFORE', 'AFTER', 'MISSING'],
        rows,
        new Set([2, 3, 4, 5, 6]),
      ),
    );
    if (builds.length > MAX_ROWS) lines.push(`and ${builds.length - MAX_ROWS} more; --report has them all`);
    const missing = builds.filter((build) => missingOf(build) > 0 && build.reason !== '').slice(0, MAX_ROWS);
    if (missing.length > 0) lines.push('', 'Still missing');
    for (const { program, reason, advice, ...build } of missing)
      lines.push(
        `  ${program}: ${missingOf({ program, reason, advice, ...build })} locations: ${reason}${advice && `; ${advice}`}`,
      );
  }
  return `${lines.join('\n')}\n`;
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}
