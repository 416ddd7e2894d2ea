/** A thread that answers nothing. */
import { parentPort } from 'node:worker_threads';

parentPort.on('message', () => undefined);
