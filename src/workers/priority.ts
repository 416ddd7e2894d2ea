import { setPriority } from 'node:os';
import { isSystemError } from '../errors.ts';

/** Lowers the calling thread's priority. On Linux alone it is a thread's; elsewhere it is the process's, and stays. */
export function giveWay(niceness: number): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(niceness);
  } catch (error) {
    if (!isSystemError(error)) throw error; // a sandbox may forbid it: then others wait a little longer
  }
}
