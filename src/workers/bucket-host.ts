/** The thread that talks to buckets: started when the first place in one is opened, again when it has ended; it keeps nothing alive. */
import { type MessagePort, Worker } from 'node:worker_threads';
import { hostObjects } from '../bucket/connect.ts';
import { messageOf } from '../errors.ts';
import { THREAD_FILE } from './thread-file.ts';

export interface BucketThreadData {
  readonly kind: 'bucket';
}

/** What comes over its port: who wants to ask. */
export interface BucketCaller {
  readonly place: string;
  readonly port: MessagePort;
}

/** Lists of many thousand objects, and parts of a file under way. */
const MAX_HEAP_MB = 512;
const YOUNG_MB = 4;

let worker: Worker | null = null;

/**
 * To be said on the main thread by whoever may open a place in a bucket, here or in other threads.
 *
 * @param file what the thread runs, instead of thread.ts; for tests
 */
export function hostBuckets(file = THREAD_FILE): void {
  hostObjects((place, port) => {
    worker ??= started(file);
    worker.postMessage({ place, port } satisfies BucketCaller, [port]);
  });
}

function started(file: URL): Worker {
  const own = new Worker(file, {
    workerData: { kind: 'bucket' } satisfies BucketThreadData,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: YOUNG_MB },
    env: { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' }, // who runs resym cannot do anything about it
    name: 'resym bucket',
  });
  const ended = (): void => {
    if (worker === own) worker = null;
  };
  own.on('error', (error) => {
    process.emitWarning(`the thread that talks to the bucket has ended: ${messageOf(error)}`);
    ended();
  });
  own.on('exit', ended);
  own.unref();
  return own;
}
