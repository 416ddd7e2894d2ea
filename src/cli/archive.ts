import { existsSync } from 'node:fs';
import { isBucketPlace, parseLocation } from '../bucket/location.ts';
import { archivePlace } from '../flags.ts';
import { hostBuckets } from '../workers/bucket-host.ts';
import { UsageError } from './usage.ts';

/** The archive that the flag and the environment name, or the default one, there or not. Throws StoreError for what can be none. */
export function namedArchive(flag: string | undefined): string {
  const place = archivePlace(flag, process.env);
  if (isBucketPlace(place)) hostBucket(place);
  return place;
}

/** To be said before a place in a bucket is opened. Throws StoreError for what names none. */
export function hostBucket(place: string): void {
  parseLocation(place);
  hostBuckets();
}

/** The archive that the flag and the environment name; none when the default one was never made. */
export function existingArchives(flag: string | undefined): string[] {
  const dir = namedArchive(flag);
  if (isBucketPlace(dir) || existsSync(dir)) return [dir];
  if (flag === undefined && !process.env['RESYM_STORE']) return [];
  throw new UsageError(`${dir}: no such archive; make one with: resym store add FILE --store ${dir}`);
}
