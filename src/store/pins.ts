/** Builds that gc leaves alone, as empty files: .resym/pins/<key>. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { isHexId, PINS_DIR } from './layout.ts';

/** Keys. Rejects with the system's error. */
export async function readPins(root: string): Promise<Set<string>> {
  try {
    return new Set((await fs.readdir(join(root, PINS_DIR))).filter(isHexId));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Set();
    throw error;
  }
}

/** Doing it again changes nothing. Rejects with the system's error. */
export async function writePin(root: string, key: string, isPinned: boolean): Promise<void> {
  if (!isHexId(key)) throw new Error(`not a key: ${JSON.stringify(key)}`);
  const path = join(root, PINS_DIR, key);
  if (!isPinned) return fs.rm(path, { force: true });
  await fs.mkdir(join(root, PINS_DIR), { recursive: true });
  await fs.writeFile(path, '');
}
