/** What a bucket can do, below everything that makes it an archive. Names are relative to the archive's prefix. */

export interface ObjectFacts {
  readonly name: string;
  /** Changes with the content; without quotes. */
  readonly etag: string;
  readonly sizeBytes: number;
  /** ms since 1970, whole seconds. */
  readonly modifiedMs: number;
}

/** Every call rejects with BucketError when the bucket does not answer, or refuses. */
export interface Objects {
  /** All objects whose names begin so. */
  list(prefix: string): Promise<ObjectFacts[]>;
  head(name: string): Promise<ObjectFacts | null>;
  /** A small object whole; null when there is none. Rejects with code `EFBIG` when it has more than `maxBytes`. */
  get(name: string, maxBytes: number): Promise<Uint8Array | null>;
  /** A part of an object. Rejects with code `ENOENT` when it is gone, `ESTALE` when it is another by now. */
  read(name: string, etag: string, offset: number, length: number): Promise<Uint8Array>;
  /** An object into a file, which is written anew; null when there is none. */
  download(name: string, file: string): Promise<ObjectFacts | null>;
  /** False when `ifAbsent` and one was there. */
  put(name: string, bytes: Uint8Array, options?: { readonly ifAbsent?: boolean }): Promise<boolean>;
  /** A file, in parts when it is large: there whole or not at all. */
  upload(name: string, file: string): Promise<void>;
  /** Within the bucket; null when there is none. */
  copy(from: string, to: string): Promise<ObjectFacts | null>;
  /** What is not there is no failure. */
  remove(name: string): Promise<void>;
  /** Uploads in parts that nobody has finished and that began before: their names. */
  abandoned(before: number): Promise<{ readonly name: string; readonly uploadId: string }[]>;
  abort(name: string, uploadId: string): Promise<void>;
}

/** A bucket that does not answer, or will not. `code` and `syscall` as the system's errors have them: it is one to whoever reads. */
export class BucketError extends Error {
  override readonly name = 'BucketError';
  readonly syscall = 's3';
  readonly code: string;

  /** @param code of the system where one says it (ENOENT, EACCES, ETIMEDOUT), else S3's */
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
