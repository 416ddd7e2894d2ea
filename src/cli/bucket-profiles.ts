/** Saved profiles in a bucket, by the prefix of their names. */
import { parseLocation } from '../bucket/location.ts';
import { listObjects } from '../bucket/object-files.ts';
import { type Found, isProfileName } from './saved-profiles.ts';
import { UsageError } from './usage.ts';

/** One object, or all profiles below a prefix. Rejects with UsageError when there are none, with BucketError. */
export async function profilesInBucket(url: string): Promise<Found[]> {
  const { bucket, prefix } = parseLocation(url);
  const one = prefix.replace(/\/$/, '');
  const listed = await listObjects(url);
  const found = listed.flatMap(({ name, modifiedMs }) => {
    const input = `s3://${bucket}/${name}`;
    if (name === one) return [{ input, name: name.slice(name.lastIndexOf('/') + 1), modifiedMs }];
    const isBelow = name.startsWith(prefix) && isProfileName(name.slice(prefix.length));
    return isBelow ? [{ input, name: name.slice(prefix.length), modifiedMs }] : [];
  });
  if (found.length === 0) throw new UsageError(`no profiles below ${url}`);
  return found;
}
