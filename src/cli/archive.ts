import { existsSync } from 'node:fs';
import { storeDir } from '../flags.ts';
import { UsageError } from './usage.ts';

/** The archive that the flag and the environment name; null when the default one was never made. */
export function existingStoreDir(flag: string | undefined): string | null {
  const dir = storeDir(flag, process.env);
  if (existsSync(dir)) return dir;
  if (flag === undefined && !process.env['RESYM_STORE']) return null;
  throw new UsageError(`${dir}: no such archive; make one with: resym store add FILE --store ${dir}`);
}
