/**
 * A bucket from any thread. One thread of the process talks to S3; the others ask it over a port, and parsers, which cannot wait for a
 * promise, wait for memory to change.
 */
import type { MessagePort } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { BucketError, type ObjectFacts, type Objects } from './objects.ts';

type Name = keyof Objects;

interface Call {
  readonly id: number;
  readonly name: Name;
  readonly args: readonly unknown[];
}

/** Read into memory that both threads see. */
interface ReadInto {
  readonly shared: SharedArrayBuffer;
  readonly args: readonly [name: string, etag: string, offset: number, length: number];
}

type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly code: string; readonly message: string };

/** What is in shared memory: the state, the length of what follows, then that: bytes, or an error's code and message. */
const HEADER_BYTES = 8;
const WAITING = 0;
const DONE = 1;
const FAILED = 2;
/** Room for an error where few bytes were asked for. */
const MIN_BYTES = 2048;

/** Longer than any request takes, tried again and all. */
const WAIT_MS = 40_000;

/** Answers what comes over a port until that is closed. */
export function serveObjects(port: MessagePort, objects: Objects): void {
  port.on('message', (message: Call | ReadInto) => {
    if ('shared' in message) void readInto(objects, message);
    else void answer(port, objects, message);
  });
}

async function answer(port: MessagePort, objects: Objects, { id, name, args }: Call): Promise<void> {
  try {
    const value = await (objects[name] as (...all: unknown[]) => Promise<unknown>).apply(objects, [...args]);
    port.postMessage({ id, value } satisfies Answer);
  } catch (error) {
    port.postMessage({ id, code: codeOf(error), message: messageOf(error) } satisfies Answer);
  }
}

async function readInto(objects: Objects, { shared, args }: ReadInto): Promise<void> {
  const header = new Int32Array(shared, 0, 2);
  const body = new Uint8Array(shared, HEADER_BYTES);
  try {
    const bytes = await objects.read(...args);
    body.set(bytes);
    header[1] = bytes.length;
    Atomics.store(header, 0, DONE);
  } catch (error) {
    const { written } = new TextEncoder().encodeInto(`${codeOf(error)}\n${messageOf(error)}`, body);
    header[1] = written;
    Atomics.store(header, 0, FAILED);
  }
  Atomics.notify(header, 0);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The other end. */
export class RemoteObjects implements Objects {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #isClosed = false;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (answer: Answer) => this.#answered(answer));
    port.on('close', () => this.#ended());
    port.unref();
  }

  /** True when the thread at the other end has ended. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  list(prefix: string): Promise<ObjectFacts[]> {
    return this.#ask('list', prefix);
  }

  head(name: string): Promise<ObjectFacts | null> {
    return this.#ask('head', name);
  }

  get(name: string, maxBytes: number): Promise<Uint8Array | null> {
    return this.#ask('get', name, maxBytes);
  }

  read(name: string, etag: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#ask('read', name, etag, offset, length);
  }

  download(name: string, file: string): Promise<ObjectFacts | null> {
    return this.#ask('download', name, file);
  }

  put(name: string, bytes: Uint8Array, options?: { readonly ifAbsent?: boolean }): Promise<boolean> {
    return this.#ask('put', name, bytes, options);
  }

  upload(name: string, file: string): Promise<void> {
    return this.#ask('upload', name, file);
  }

  copy(from: string, to: string): Promise<ObjectFacts | null> {
    return this.#ask('copy', from, to);
  }

  remove(name: string): Promise<void> {
    return this.#ask('remove', name);
  }

  abandoned(before: number): Promise<{ name: string; uploadId: string }[]> {
    return this.#ask('abandoned', before);
  }

  abort(name: string, uploadId: string): Promise<void> {
    return this.#ask('abort', name, uploadId);
  }

  /** As `read`, for those who cannot wait otherwise: the thread stands still. Throws BucketError. */
  readNow(name: string, etag: string, offset: number, length: number): Uint8Array {
    const shared = new SharedArrayBuffer(HEADER_BYTES + Math.max(length, MIN_BYTES));
    const header = new Int32Array(shared, 0, 2);
    this.#port.postMessage({ shared, args: [name, etag, offset, length] } satisfies ReadInto);
    const woken = this.#isClosed ? 'timed-out' : Atomics.wait(header, 0, WAITING, WAIT_MS);
    if (woken === 'timed-out') throw new BucketError('ETIMEDOUT', `${name} could not be read: no answer in time`);
    const bytes = new Uint8Array(shared, HEADER_BYTES, header[1]);
    if (Atomics.load(header, 0) === DONE) return bytes;
    const [code, ...message] = Buffer.from(bytes).toString('utf8').split('\n');
    throw new BucketError(code, message.join('\n'));
  }

  close(): void {
    this.#port.close();
  }

  #ask<Value>(name: Name, ...args: unknown[]): Promise<Value> {
    if (this.#isClosed)
      return Promise.reject(new BucketError('EPIPE', 'the thread that talks to the bucket has ended'));
    const id = ++this.#lastId;
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#port.ref();
      this.#port.postMessage({ id, name, args } satisfies Call);
    });
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#port.unref();
    if ('code' in answer) waiting?.reject(new BucketError(answer.code, answer.message));
    else waiting?.resolve(answer.value);
  }

  #ended(): void {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.values())
      reject(new BucketError('EPIPE', 'the thread that talks to the bucket has ended'));
    this.#waiting.clear();
  }
}
