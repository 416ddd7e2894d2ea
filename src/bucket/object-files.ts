/** Objects as files that are read and written whole, by their URLs: `s3://bucket/name`. */
import { connectObjects } from './connect.ts';
import { parseLocation } from './location.ts';
import { RemoteObjects } from './object-port.ts';
import { BucketError, type ObjectFacts } from './objects.ts';

/** A profile is seldom a thousandth of it. */
const MAX_BYTES = 2 ** 30;

/** By bucket; as long as the thread. */
const connections = new Map<string, Promise<RemoteObjects>>();

/** Rejects with BucketError, `ENOENT` when there is none. */
export async function readObject(url: string): Promise<Uint8Array> {
  const { objects, name } = await at(url);
  const bytes = await objects.get(name, MAX_BYTES);
  if (bytes === null) throw new BucketError('ENOENT', `no such object: ${url}`);
  return bytes;
}

/** There whole or not at all. Rejects with BucketError. */
export async function writeObject(url: string, bytes: Uint8Array): Promise<void> {
  const { objects, name } = await at(url);
  await objects.put(name, bytes);
}

/** All objects whose URLs begin so, with their names in the bucket. Rejects with BucketError. */
export async function listObjects(url: string): Promise<ObjectFacts[]> {
  const { objects, name } = await at(url);
  return objects.list(name);
}

async function at(url: string): Promise<{ objects: RemoteObjects; name: string }> {
  const { bucket, prefix } = parseLocation(url);
  let connection = connections.get(bucket);
  if (connection === undefined || (await connection).isClosed) {
    connection = connectObjects(`s3://${bucket}`).then((port) => new RemoteObjects(port));
    connections.set(bucket, connection);
  }
  return { objects: await connection, name: prefix.replace(/\/$/, '') };
}
