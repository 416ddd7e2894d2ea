/** A thread that answers every job by taking all the memory it can get. */
import { parentPort } from 'node:worker_threads';

parentPort.on('message', () => {
  const taken = [];
  for (;;) taken.push({ at: taken.length, next: [taken.length] });
});
