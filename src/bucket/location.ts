/** Where an archive in a bucket is: `s3://bucket/prefix`, as `--store` has it. */
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { StoreError } from '../store/store.ts';

export interface Location {
  readonly bucket: string;
  /** Before every object's name: "" or ending in a slash. */
  readonly prefix: string;
  /** For people. */
  readonly place: string;
}

export function isBucketPlace(place: string): boolean {
  return place.startsWith('s3://');
}

/** Throws StoreError `no-store` for what names no bucket. */
export function parseLocation(place: string): Location {
  const match = /^s3:\/\/([a-z0-9][a-z0-9._-]{1,253}[a-z0-9])(?:\/(.*))?$/i.exec(place);
  const path = (match?.[2] ?? '').replace(/\/+$/, '');
  const hasOddPart = path.split('/').some((part, i) => part === '.' || part === '..' || (part === '' && i > 0));
  // eslint-disable-next-line no-control-regex
  if (match === null || hasOddPart || /^\/|[\u0000-\u001f\u007f?#]/.test(path)) {
    throw new StoreError(
      'no-store',
      `${JSON.stringify(place)} is no place for an archive: s3://BUCKET or s3://BUCKET/PREFIX`,
    );
  }
  return { bucket: match[1], prefix: path === '' ? '' : `${path}/`, place: `s3://${match[1]}${path && `/${path}`}` };
}

/** The directory where what was read of a bucket is kept, one for each place and server. */
export function cacheOf({ place }: Location, env: NodeJS.ProcessEnv): string {
  const server = env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || '';
  const name = createHash('sha256').update(`${server}\n${place}`).digest('hex').slice(0, 16);
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'resym', 'buckets', name);
}
