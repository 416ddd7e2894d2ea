/** What the thread runs that talks to buckets: the SDK, loaded here alone. */
import type { MessagePort } from 'node:worker_threads';
import { parseLocation } from '../bucket/location.ts';
import { serveObjects } from '../bucket/object-port.ts';
import { S3Objects } from '../bucket/s3.ts';
import type { BucketCaller } from './bucket-host.ts';

/** Serves until the thread is ended. */
export function serveBuckets(parent: MessagePort): void {
  const objects = new Map<string, S3Objects>();
  parent.on('message', ({ place, port }: BucketCaller) => {
    let known = objects.get(place);
    if (known === undefined) objects.set(place, (known = new S3Objects(parseLocation(place), process.env)));
    serveObjects(port, known);
  });
}
