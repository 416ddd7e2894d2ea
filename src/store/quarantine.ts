/**
 * Damaged files of a directory store, out of the way and kept:
 *
 *   .resym/quarantine/<uuid>/about.json       what it was and why it is here (Quarantined)
 *   .resym/quarantine/<uuid>/<name in store>  the file, and its facts as they were
 *
 * about.json comes first and the file by one rename: killed anywhere, the file is in the archive or here, never both or neither.
 */
import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { isSystemError } from '../errors.ts';
import { FACTS_SUFFIX, QUARANTINE_DIR } from './layout.ts';
import type { Quarantined, StoredBinary } from './store.ts';

const ABOUT = 'about.json';

const aboutSchema = v.object({
  name: v.string(),
  key: v.string(),
  path: v.string(),
  problem: v.string(),
  quarantinedAt: v.pipe(v.string(), v.isoTimestamp()),
});

export type About = v.InferOutput<typeof aboutSchema>;

export function formatAbout(about: About): string {
  return `${JSON.stringify(about, null, 1)}\n`;
}

/** null for what was not written whole. */
export function parseAbout(text: string): About | null {
  try {
    const about = v.safeParse(aboutSchema, JSON.parse(text));
    return about.success ? about.output : null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}

/** Moves a file, or only its facts. Rejects with the system's error, ENOENT when it is gone. */
export async function moveToQuarantine(
  root: string,
  path: string,
  { name, key }: StoredBinary,
  problem: string,
  isFactsOnly: boolean,
): Promise<void> {
  const folder = join(root, QUARANTINE_DIR, randomUUID());
  await fs.mkdir(folder, { recursive: true });
  const about = { name, key, path, problem, quarantinedAt: new Date().toISOString() };
  await fs.writeFile(join(folder, ABOUT), formatAbout(about));
  const facts = path + FACTS_SUFFIX;
  if (!isFactsOnly) {
    try {
      await fs.rename(join(root, path), join(folder, basename(path)));
    } catch (error) {
      await fs.rm(folder, { recursive: true, force: true });
      throw error;
    }
  }
  try {
    await fs.rename(join(root, facts), join(folder, basename(facts)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // it may never have had any
  }
}

/** What is in quarantine, the latest first; folders of processes that died on the way are none. */
export async function listQuarantine(root: string): Promise<Quarantined[]> {
  const found: Quarantined[] = [];
  for (const folder of await foldersOf(root)) {
    const about = await aboutOf(join(root, folder));
    if (about === null) continue;
    const content = `${folder}/${basename(about.path)}`;
    const path = (await sizeOf(join(root, content))) === null ? content + FACTS_SUFFIX : content;
    const sizeBytes = await sizeOf(join(root, path));
    if (sizeBytes === null) continue;
    const { name, key, problem, quarantinedAt } = about;
    found.push({ path, name, key, sizeBytes, problem, quarantinedAt });
  }
  return found.sort((a, b) => (a.quarantinedAt > b.quarantinedAt ? -1 : 1));
}

/** All folders there are, also those without a file. Relative to the root. */
export async function foldersOf(root: string): Promise<string[]> {
  try {
    return (await fs.readdir(join(root, QUARANTINE_DIR))).sort().map((name) => `${QUARANTINE_DIR}/${name}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function aboutOf(folder: string): Promise<About | null> {
  try {
    return parseAbout(await fs.readFile(join(folder, ABOUT), 'utf8'));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return null; // its process died before it was written
  }
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await fs.stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
