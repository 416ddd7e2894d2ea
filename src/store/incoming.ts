/**
 * Files on their way into a store, in `.resym/incoming/`. Their names say who writes them, so that what a killed process left is known
 * for that as soon as the next one looks:
 *
 *   <uuid>                                  nobody knows: abandoned by its age alone (ingest.ts)
 *   <uuid>.<space>.<pid>.<start>            space: 8 hex digits of the boot and the namespace that the pid is of; start: in clock ticks
 *
 * A pid means nothing in another container or on another machine, and is given again: all four must fit to say that a process lives, and
 * nothing is said of the processes of other spaces.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { isSystemError } from '../errors.ts';

/** A name that no other file has. */
export function incomingName(): string {
  own ??= ownMark();
  return `${randomUUID()}${own}`;
}

/** True when the process that wrote a file of this name is known to be gone. */
export function isAbandoned(name: string): boolean {
  own ??= ownMark();
  const [, space, pid, start] = name.split('.');
  if (start === undefined || own === '' || space !== own.split('.')[1]) return false;
  return startOf(Number(pid)) !== start;
}

/** `.<space>.<pid>.<start>` of this process; "" where there is no /proc. */
let own: string | undefined;

function ownMark(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
    const space = createHash('sha256')
      .update(`${boot} ${readlinkSync('/proc/self/ns/pid')}`)
      .digest('hex')
      .slice(0, 8);
    const start = startOf(process.pid);
    return start === null ? '' : `.${space}.${process.pid}.${start}`;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return '';
  }
}

/** When a process began, in clock ticks since the machine did; null when there is none of that number. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Field 22, counted from behind the name, which may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return null;
  }
}
