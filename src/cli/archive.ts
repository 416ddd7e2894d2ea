import { existsSync } from 'node:fs';
import { archivePlace } from '../flags.ts';
import { UsageError } from './usage.ts';

/** The archive that the flag and the environment name; none when the default one was never made. */
export function existingArchives(flag: string | undefined): string[] {
  const dir = archivePlace(flag, process.env);
  if (existsSync(dir)) return [dir];
  if (flag === undefined && !process.env['RESYM_STORE']) return [];
  throw new UsageError(`${dir}: no such archive; make one with: resym store add FILE --store ${dir}`);
}
