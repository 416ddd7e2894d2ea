/** A bucket on AWS's SDK: S3, and all that speaks its protocol. Credentials, region and server are found as the SDK's users know it. */
import { createReadStream, createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { messageOf } from '../errors.ts';
import type { Location } from './location.ts';
import { BucketError, type ObjectFacts, type Objects } from './objects.ts';
import { Outage } from './outage.ts';

/** A server in the same network answers in milliseconds, one in another part of the world in half a second. */
const CONNECT_MS = 2000;
const SILENCE_MS = 4000;
/** For an answer whole, other than a download. */
const ANSWER_MS = 15_000;
/** An engine waits for what is read; a second attempt mends a connection that was closed meanwhile. */
const ATTEMPTS = 2;
/** Of what is written nobody waits for a profile, and servers take their time over a part. */
const WRITE_SILENCE_MS = 60_000;
const WRITE_ATTEMPTS = 4;
/** S3 takes at most 10,000 parts. */
const PART_BYTES = 8 << 20;
const PARTS_AT_ONCE = 3;
const MAX_SOCKETS = 64;

export class S3Objects implements Objects {
  readonly #location: Location;
  readonly #server: string;
  readonly #reading: S3Client;
  readonly #writing: S3Client;
  readonly #outage = new Outage();

  /** @param env see the SDK's documentation: AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_S3 … */
  constructor(location: Location, env: NodeJS.ProcessEnv) {
    this.#location = location;
    const endpoint = env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || '';
    this.#server = endpoint === '' ? '' : ` at ${withoutPassword(endpoint)}`;
    const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || regionOfOwnServer(env, endpoint);
    const common: S3ClientConfig = {
      ...(region !== undefined && { region }),
      // Who runs a server of one's own seldom has a name for each bucket, and not all know the newer checksums.
      ...(endpoint !== '' && {
        endpoint,
        forcePathStyle: true,
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
      }),
      followRegionRedirects: true,
    };
    const client = (socketTimeout: number, maxAttempts: number): S3Client => {
      const agent = { keepAlive: true, maxSockets: MAX_SOCKETS };
      const requestHandler = {
        connectionTimeout: CONNECT_MS,
        socketTimeout,
        socketAcquisitionWarningTimeout: WRITE_SILENCE_MS,
        httpAgent: agent,
        httpsAgent: agent,
      };
      return new S3Client({ ...common, maxAttempts, requestHandler });
    };
    this.#reading = client(SILENCE_MS, ATTEMPTS);
    this.#writing = client(WRITE_SILENCE_MS, WRITE_ATTEMPTS);
  }

  async list(prefix: string): Promise<ObjectFacts[]> {
    const found: ObjectFacts[] = [];
    let token: string | undefined;
    do {
      const page = await this.#asked('list', (abortSignal) =>
        this.#reading.send(
          new ListObjectsV2Command({ ...this.#at(prefix, 'Prefix'), ...(token && { ContinuationToken: token }) }),
          { abortSignal },
        ),
      );
      for (const { Key, ETag, Size, LastModified } of page.Contents ?? []) {
        const name = Key?.slice(this.#location.prefix.length) ?? '';
        if (name !== '' && !name.endsWith('/')) found.push(factsOf(name, ETag, Size, LastModified));
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
    return found;
  }

  head(name: string): Promise<ObjectFacts | null> {
    return absentAsNull(
      this.#asked('head', async (abortSignal) => {
        const found = await this.#reading.send(new HeadObjectCommand(this.#at(name)), { abortSignal });
        return factsOf(name, found.ETag, found.ContentLength, found.LastModified);
      }),
    );
  }

  get(name: string, maxBytes: number): Promise<Uint8Array | null> {
    return absentAsNull(
      this.#asked('get', async (abortSignal) => {
        const found = await this.#reading.send(new GetObjectCommand(this.#at(name)), { abortSignal });
        if ((found.ContentLength ?? 0) > maxBytes) {
          streamOf(found).destroy();
          throw new BucketError('EFBIG', `${this.#name(name)} has ${found.ContentLength} bytes, at most ${maxBytes}`);
        }
        return bytesOf(found, maxBytes, abortSignal);
      }),
    );
  }

  read(name: string, etag: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#asked('read', async (abortSignal) => {
      const range = `bytes=${offset}-${offset + length - 1}`;
      const found = await this.#reading.send(
        new GetObjectCommand({ ...this.#at(name), Range: range, IfMatch: `"${etag}"` }),
        { abortSignal },
      );
      const bytes = await bytesOf(found, length, abortSignal);
      if (bytes.length === length) return bytes;
      throw new BucketError('EIO', `${this.#name(name)}: ${bytes.length} bytes came instead of ${length} at ${offset}`);
    });
  }

  download(name: string, file: string): Promise<ObjectFacts | null> {
    return absentAsNull(
      this.#asked('download', async () => {
        const found = await this.#writing.send(new GetObjectCommand(this.#at(name)));
        await pipeline(streamOf(found), createWriteStream(file));
        return factsOf(name, found.ETag, found.ContentLength, found.LastModified);
      }),
    );
  }

  async put(name: string, bytes: Uint8Array, { ifAbsent = false } = {}): Promise<boolean> {
    try {
      await this.#asked('put', () =>
        this.#writing.send(
          new PutObjectCommand({ ...this.#at(name), Body: bytes, ...(ifAbsent && { IfNoneMatch: '*' }) }),
        ),
      );
      return true;
    } catch (error) {
      if (ifAbsent && error instanceof BucketError && error.code === 'EEXIST') return false;
      throw error;
    }
  }

  async upload(name: string, file: string): Promise<void> {
    await this.#asked('upload', async () => {
      const body = createReadStream(file, { highWaterMark: 1 << 20 });
      try {
        const params = { ...this.#at(name), Body: body };
        await new Upload({ client: this.#writing, params, partSize: PART_BYTES, queueSize: PARTS_AT_ONCE }).done();
      } finally {
        body.destroy();
      }
    });
  }

  copy(from: string, to: string): Promise<ObjectFacts | null> {
    const { bucket, prefix } = this.#location;
    const source = `${bucket}/${prefix}${from}`.split('/').map(encodeURIComponent).join('/');
    return absentAsNull(
      this.#asked('copy', async () => {
        await this.#writing.send(new CopyObjectCommand({ ...this.#at(to), CopySource: source }));
        return this.head(to);
      }),
    );
  }

  async remove(name: string): Promise<void> {
    await absentAsNull(this.#asked('remove', () => this.#writing.send(new DeleteObjectCommand(this.#at(name)))));
  }

  async abandoned(before: number): Promise<{ name: string; uploadId: string }[]> {
    const { Uploads = [] } = await this.#asked('list', (abortSignal) =>
      this.#reading.send(new ListMultipartUploadsCommand(this.#at('', 'Prefix')), { abortSignal }),
    );
    return Uploads.flatMap(({ Key, UploadId, Initiated }) => {
      if (Key === undefined || UploadId === undefined || (Initiated?.getTime() ?? Infinity) >= before) return [];
      return [{ name: Key.slice(this.#location.prefix.length), uploadId: UploadId }];
    });
  }

  async abort(name: string, uploadId: string): Promise<void> {
    const what = { ...this.#at(name), UploadId: uploadId };
    await absentAsNull(this.#asked('remove', () => this.#writing.send(new AbortMultipartUploadCommand(what))));
  }

  #at(name: string): { Bucket: string; Key: string };
  #at(name: string, field: 'Prefix'): { Bucket: string; Prefix: string };
  #at(name: string, field: 'Key' | 'Prefix' = 'Key'): Record<string, string> {
    return { Bucket: this.#location.bucket, [field]: this.#location.prefix + name };
  }

  #name(name: string): string {
    return `${this.#location.place}/${name}`;
  }

  #asked<Value>(what: string, act: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
    return this.#outage.attempt(async () => {
      try {
        return await act(AbortSignal.timeout(ANSWER_MS));
      } catch (error) {
        throw error instanceof BucketError ? error : this.#told(what, error);
      }
    }, isOutage);
  }

  /** What the SDK throws, in words for people. */
  #told(what: string, error: unknown): BucketError {
    const {
      name = '',
      code = '',
      $metadata,
    } = error as { name?: string; code?: string; $metadata?: { httpStatusCode?: number } };
    const status = $metadata?.httpStatusCode ?? 0;
    const { place, bucket } = this.#location;
    const failed = (systemCode: string, problem: string): BucketError =>
      new BucketError(systemCode, `${place}${this.#server} ${problem}`, { cause: error });
    if (name === 'NoSuchBucket') return failed('ENOTDIR', `cannot be used: there is no bucket ${bucket}`);
    if (name === 'NoSuchKey' || name === 'NotFound' || name === 'NoSuchUpload')
      return failed('ENOENT', 'does not have it');
    if (status === 412) return failed(what === 'put' ? 'EEXIST' : 'ESTALE', 'has another object of that name');
    if (name === 'CredentialsProviderError')
      return failed(
        'EACCES',
        'cannot be used: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or a role',
      );
    if (status === 401 || status === 403)
      return failed(
        'EACCES',
        `refuses to ${what}: ${messageOf(error) || name}; look at the credentials and what they allow`,
      );
    if (status >= 300 && status < 500 && status !== 429)
      return failed(name || `HTTP ${status}`, `will not ${what}: ${messageOf(error)}`);
    if (status !== 0) return failed('EIO', `fails (${name || `HTTP ${status}`}): ${messageOf(error)}`);
    if (messageOf(error) === 'Region is missing')
      return failed('EINVAL', 'cannot be used: no region; set AWS_REGION, or AWS_ENDPOINT_URL to a server of your own');
    const why =
      name === 'AbortError' || name === 'TimeoutError' ? 'no answer in time' : messageOf(error) || code || name;
    return failed('ETIMEDOUT', `cannot be reached: ${why}`);
  }
}

/** Whether a server does not answer at all, rather than answer that it will not. */
function isOutage({ code }: BucketError): boolean {
  return code === 'ETIMEDOUT';
}

async function absentAsNull<Value>(asked: Promise<Value>): Promise<Value | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof BucketError && error.code === 'ENOENT') return null;
    throw error;
  }
}

function factsOf(name: string, etag = '', sizeBytes = 0, modified?: Date): ObjectFacts {
  return { name, etag: etag.replaceAll('"', ''), sizeBytes, modifiedMs: modified?.getTime() ?? 0 };
}

function streamOf({ Body }: GetObjectCommandOutput): Readable {
  return Body as Readable;
}

/** At most so many, whatever the server sends; none of them later than the signal. */
async function bytesOf(found: GetObjectCommandOutput, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
  const stream = streamOf(found);
  const stop = (): void => void stream.destroy(new Error('no answer in time'));
  signal.addEventListener('abort', stop, { once: true });
  try {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of stream as AsyncIterable<Uint8Array>) {
      length += piece.length;
      if (length > maxBytes) break;
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  } finally {
    signal.removeEventListener('abort', stop);
    stream.destroy();
  }
}

/** A server of one's own has no regions, and the SDK wants one. */
function regionOfOwnServer(env: NodeJS.ProcessEnv, endpoint: string): string | undefined {
  const hasProfile = env['AWS_PROFILE'] !== undefined;
  return endpoint !== '' && !hasProfile ? 'us-east-1' : undefined;
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//***@');
}
