/** From a file found in the directory to an entry of the catalog: recorded facts where they fit, else a look at the file. */
import { join } from 'node:path';
import { isParseError, isSystemError, messageOf } from '../errors.ts';
import { type Examine, type Examination, looksLikeObject, uselessness } from './examine.ts';
import { BLANK_IDENTITY, FACTS_SCHEMA, type Facts } from './facts.ts';
import { FileSource } from './file.ts';
import { hashFile } from './hash.ts';
import { escapeControls, idInPath, keyFromContent, keyFromIds, nameFromPath, parseFilePath } from './layout.ts';
import type { Identity } from '../match/identity.ts';
import { KeptSketch } from './snapshot.ts';
import type { StoredBinary } from './store.ts';
import type { FoundFile } from './tree.ts';

/** A file of the directory with all that is known of it. */
export interface Entry {
  readonly file: FoundFile;
  readonly binary: StoredBinary;
  /** By which it is searched for, see match/sketch.ts; null for files without functions at known places. */
  readonly sketch: Uint8Array | KeptSketch | null;
}

/** True when the facts describe the file as it is now. */
export function factsFit(facts: Facts, file: { readonly sizeBytes: number; readonly mtimeMs: number }): boolean {
  return facts.sizeBytes === file.sizeBytes && facts.mtimeMs === file.mtimeMs;
}

/** StoredBinary.version */
export function versionOf({ sizeBytes, mtimeMs }: { readonly sizeBytes: number; readonly mtimeMs: number }): string {
  return `${sizeBytes}-${mtimeMs}`;
}

/** @param kept its sketch, when that is still in the snapshot */
export function entryFromFacts(file: FoundFile, facts: Facts, kept: KeptSketch | null = null): Entry {
  const known = entry(file, facts, facts, keyOf(file, facts.identity, facts.sha256));
  return kept === null ? known : { ...known, sketch: kept };
}

/** An own file that is shorter or longer than the day it was added. */
export function entryOfOtherSize(file: FoundFile, facts: Facts): Entry {
  const problem = `damaged: ${file.sizeBytes} bytes, ${facts.sizeBytes} when it was added; add it again`;
  return entry(file, facts, facts, keyOf(file, facts.identity, facts.sha256), problem);
}

/** What a look at a file can give. `isUnreadable`: the system's doing, not the file's, so it is worth another try. */
export type Seen = 'no object' | 'gone' | { readonly entry: Entry; readonly isUnreadable: boolean };

/**
 * Looks at a file. Never throws for what is in the file: damage is the entry's problem, and so is a defect of resym's
 * own, which `onDefect` gets to see.
 */
export async function examineFile(
  root: string,
  file: FoundFile,
  recorded: Facts | null,
  examine: Examine,
  onDefect: (error: unknown) => void,
): Promise<Seen> {
  const path = join(root, file.path);
  let source: FileSource | null = null;
  try {
    source = FileSource.open(path);
    if (!looksLikeObject(source.read(0, Math.min(source.size, 8)))) return 'no object';
    const found = examine(source);
    const about = recorded ?? { name: nameFromPath(file.path, found.identity), addedAt: timeOf(file), sha256: null };
    const sha256 = about.sha256 ?? (keyFromIds(found.identity.ids) === null ? (await hashFile(path)).sha256 : null);
    const read = entry(file, { ...about, sha256 }, found, keyOf(file, found.identity, sha256));
    return { entry: read, isUnreadable: false };
  } catch (error) {
    const isUnreadable = isSystemError(error);
    if (isUnreadable && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return 'gone';
    if (!isUnreadable && !isParseError(error)) onDefect(error);
    return { entry: brokenEntry(file, recorded, `cannot be read: ${messageOf(error)}`), isUnreadable };
  } finally {
    source?.close();
  }
}

function brokenEntry(file: FoundFile, recorded: Facts | null, problem: string): Entry {
  const about = recorded ?? { name: nameFromPath(file.path, null), addedAt: timeOf(file), sha256: null };
  const found = recorded ?? { identity: BLANK_IDENTITY, debugOnly: false, sketch: null };
  return entry(
    file,
    about,
    found,
    recorded ? keyOf(file, recorded.identity, recorded.sha256) : idInPath(file.path),
    problem,
  );
}

function entry(
  file: FoundFile,
  about: Pick<Facts, 'name' | 'addedAt' | 'sha256'>,
  found: Examination,
  key: string,
  problem = problemOf(found.identity),
): Entry {
  const { name, addedAt, sha256 } = about;
  const { identity, debugOnly, sketch } = found;
  const path = escapeControls(file.path);
  return {
    file,
    binary: {
      key,
      path,
      name,
      sizeBytes: file.sizeBytes,
      sha256,
      addedAt,
      identity,
      debugOnly,
      problem,
      version: versionOf(file),
    },
    sketch,
  };
}

/** A file with an ID may get debug info of its build beside it any time. */
function problemOf(identity: Identity): string {
  return uselessness(identity, keyFromIds(identity.ids) !== null);
}

/** What is written down of it, without a sketch that is in the snapshot; null for what had better be looked at again. */
export function factsOf({ file, binary, sketch }: Entry): Facts | null {
  if (binary.problem !== '' && problemOf(binary.identity) !== binary.problem) return null;
  const { name, addedAt, sha256, debugOnly, identity } = binary;
  const { sizeBytes, mtimeMs } = file;
  const own = sketch instanceof KeptSketch ? null : sketch;
  return { schema: FACTS_SCHEMA, name, addedAt, sizeBytes, mtimeMs, sha256, debugOnly, sketch: own, identity };
}

/** Our own files keep the key they are filed under; "" when nothing tells. */
function keyOf(file: FoundFile, identity: Facts['identity'], sha256: string | null): string {
  const filed = parseFilePath(file.path)?.key;
  return filed ?? keyFromIds(identity.ids) ?? (sha256 === null ? '' : keyFromContent(sha256));
}

function timeOf({ mtimeMs }: FoundFile): string {
  const time = new Date(mtimeMs);
  return Number.isNaN(time.getTime()) ? new Date(0).toISOString() : time.toISOString();
}
