/** `resym store gc`, `pin`, `unpin` and `verify`. */
import { collect } from '../store/collect.ts';
import { MAX_KEEP, parseAge, parseSize } from '../store/gc-rules.ts';
import { StoreError, type SymbolStore, type VerifyResult } from '../store/store.ts';
import { messageOf } from '../errors.ts';
import { printable } from './fields.ts';
import { existingStore, type StoreOptions } from './store.ts';
import { UsageError } from './usage.ts';

export interface GcOptions extends StoreOptions {
  readonly maxAge?: string;
  readonly keep?: string;
  readonly quota?: string;
  readonly dryRun?: true;
}

export async function gc(options: GcOptions): Promise<void> {
  const { maxAge, keep, quota, dryRun = false, json } = options;
  const rules = {
    maxAgeMs: said('--max-age', maxAge, parseAge, 'a time like 90d, 12h or 2w'),
    keep: said('--keep', keep, keepFrom, 'a number of builds'),
    quotaBytes: said('--quota', quota, parseSize, 'a size like 200GB or 1.5TiB'),
  };
  const store = await existingStore(options);
  try {
    const tells = json !== true;
    const did = dryRun ? 'would remove' : 'removed';
    const result = await collect(store, {
      rules,
      dryRun,
      onRemoved: ({ binary: { key, name, sizeBytes }, reason }) => {
        if (tells) process.stdout.write(`${did} ${key} ${printable(name)}, ${bytesText(sizeBytes)}: ${reason}\n`);
      },
    });
    if (!tells) process.stdout.write(`${JSON.stringify({ dryRun, ...result }, null, 2)}\n`);
    else {
      for (const { path, what, sizeBytes } of result.swept) {
        process.stdout.write(`${did} ${printable(path)}, ${bytesText(sizeBytes)}: ${what}\n`);
      }
      const freed = `${bytesText(result.freedBytes)} ${dryRun ? 'would be freed' : 'freed'}`;
      process.stdout.write(`${freed}; ${result.kept} files of ${bytesText(result.keptBytes)} stay\n`);
    }
    if (result.overQuotaBytes > 0) {
      process.stderr.write(
        `resym: still ${bytesText(result.overQuotaBytes)} above the quota: what stays is pinned or was put there by hand\n`,
      );
      process.exitCode = 1;
    }
  } finally {
    await store.close();
  }
}

/** null when nothing was said. */
function said(flag: string, text: string | undefined, parse: (text: string) => number | null, what: string) {
  if (text === undefined) return null;
  const value = parse(text);
  if (value === null) throw new UsageError(`${flag} takes ${what}, not ${JSON.stringify(text)}`);
  return value;
}

function keepFrom(text: string): number | null {
  const keep = Number(text);
  return /^\d+$/.test(text) && keep > 0 && keep <= MAX_KEEP ? keep : null;
}

export async function pin(ids: readonly string[], isPinned: boolean, options: StoreOptions): Promise<void> {
  const store = await existingStore(options);
  try {
    for (const id of ids) await pinOne(store, id, isPinned);
  } finally {
    await store.close();
  }
}

async function pinOne(store: SymbolStore, id: string, isPinned: boolean): Promise<void> {
  const did = isPinned ? 'pinned' : 'unpinned';
  try {
    const files = await store.setPinned(id, isPinned);
    if (files.length === 0)
      throw new Error(`no binary in the archive has an ID that begins with ${JSON.stringify(id)}`);
    process.stdout.write(`${did} ${files[0].key} ${printable(files[0].name)}\n`);
  } catch (error) {
    process.stderr.write(`resym: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}

export interface VerifyOptions extends StoreOptions {
  readonly quarantine?: true;
}

export async function verify(options: VerifyOptions): Promise<void> {
  const store = await existingStore(options);
  try {
    const results = await store.verify();
    const broken = results.filter((result) => !result.ok);
    if (broken.length > 0) process.exitCode = 1;
    const moved = new Set<VerifyResult>();
    if (options.quarantine) {
      for (const result of broken) if (result.isDamaged && (await moveAway(store, result))) moved.add(result);
    }
    const quarantined = await store.quarantined();
    if (options.json) {
      const said = results.map((result) => ({ ...result, quarantined: moved.has(result) }));
      process.stdout.write(`${JSON.stringify(options.quarantine ? { results: said, quarantined } : said, null, 2)}\n`);
      return;
    }
    for (const result of broken) {
      const tail = moved.has(result) ? '; moved to quarantine' : '';
      process.stdout.write(`${result.binary.path}: ${printable(result.problem)}${tail}\n`);
    }
    process.stdout.write(`${results.length} checked, ${broken.length} damaged\n`);
    for (const { path, name, problem, quarantinedAt } of quarantined) {
      const since = quarantinedAt.slice(0, 16).replace('T', ' ');
      process.stdout.write(
        `in quarantine since ${since}: ${printable(name)}, ${printable(path)}: ${printable(problem)}\n`,
      );
    }
  } finally {
    await store.close();
  }
}

async function moveAway(store: SymbolStore, { binary, problem }: VerifyResult): Promise<boolean> {
  try {
    await store.quarantine(binary, problem);
    return true;
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'changed') throw error;
    process.stderr.write(`resym: ${printable(messageOf(error))}\n`);
    return false;
  }
}

/** With three digits: people compare it with a quota. */
function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toPrecision(3)} ${units[power]}`;
}
