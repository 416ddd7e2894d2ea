/** How threads find the one that talks to buckets: all ask the main thread, which has it started. */
import { isMainThread, MessageChannel, type MessagePort, postMessageToThread } from 'node:worker_threads';
import { BucketError } from './objects.ts';

/** Serves objects of a place over a port. */
type Host = (place: string, port: MessagePort) => void;

interface Request {
  readonly kind: 'resym bucket';
  readonly place: string;
  readonly port: MessagePort;
}

const MAIN_THREAD = 0;
/** The main thread starts and reads files at first. */
const CONNECT_MS = 30_000;

let host: Host | null = null;

/** Says who serves; on the main thread, before a place in a bucket is opened. */
export function hostObjects(serve: Host): void {
  if (host === null)
    process.on('workerMessage', (message: unknown) => isRequest(message) && host?.(message.place, message.port));
  host = serve;
}

/** A port to the thread that talks to buckets. Rejects with BucketError when nobody hosts it. */
export async function connectObjects(place: string): Promise<MessagePort> {
  const { port1, port2 } = new MessageChannel();
  try {
    if (!isMainThread) {
      const request: Request = { kind: 'resym bucket', place, port: port2 };
      await postMessageToThread(MAIN_THREAD, request, [port2], CONNECT_MS);
    } else if (host !== null) host(place, port2);
    else throw new Error('no thread was started for it');
  } catch (error) {
    port1.close();
    throw new BucketError('EPIPE', `${place} cannot be asked`, { cause: error });
  }
  return port1;
}

function isRequest(message: unknown): message is Request {
  return typeof message === 'object' && message !== null && (message as Partial<Request>).kind === 'resym bucket';
}
