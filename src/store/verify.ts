/** One file read whole and held against what is recorded of it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { isSystemError, messageOf } from '../errors.ts';
import { type Entry, examineFile, factsFit, factsOf } from './entry.ts';
import type { Examine } from './examine.ts';
import { type Facts, factsOfOtherSchema, parseFacts } from './facts.ts';
import { type Hashed, hashFile } from './hash.ts';
import { FACTS_SUFFIX, keyFromContent, keyFromIds, parseFilePath } from './layout.ts';
import type { VerifyResult } from './store.ts';

/** The entry that comes back has the content's hash where none was recorded, so that the next time can compare. */
export async function verifyEntry(
  root: string,
  entry: Entry,
  examine: Examine,
): Promise<{ result: VerifyResult; entry: Entry }> {
  const { binary, file } = entry;
  const broken = (problem: string, isDamaged = true) => ({ result: { binary, ok: false, problem, isDamaged }, entry });
  if (binary.problem.startsWith('damaged')) return broken(binary.problem);
  let hashed: Hashed;
  try {
    hashed = await hashFile(join(root, file.path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return broken(`cannot be read: ${messageOf(error)}`, false);
  }
  if (hashed.sizeBytes !== binary.sizeBytes) {
    return broken(`damaged: ${hashed.sizeBytes} bytes, ${binary.sizeBytes} on record`);
  }
  const filed = parseFilePath(file.path);
  if (
    filed !== null &&
    hashed.sha256.startsWith(filed.sha256Prefix) &&
    hashed.sha256 !== (binary.sha256 ?? hashed.sha256)
  ) {
    return broken('its facts are damaged: they have another content hash');
  }
  const expected = binary.sha256 ?? filed?.sha256Prefix ?? hashed.sha256;
  if (!hashed.sha256.startsWith(expected)) {
    return broken(`damaged: its content has sha256 ${hashed.sha256}, ${expected} on record; add it again`);
  }
  const now = await examineFile(root, file, null, examine, (defect) => {
    throw defect;
  });
  if (now === 'gone') return broken('it is gone', false);
  if (now === 'no object') return broken('it is no object file any more');
  const { problem, identity } = now.entry.binary;
  if (problem !== '') return broken(problem, false); // the content is what was added: what is of no use is no damage
  const key = keyFromIds(identity.ids) ?? keyFromContent(hashed.sha256);
  if (key !== binary.key) return broken(`it is filed under ${binary.key}, its identity is ${key}`);
  const factsProblem = filed === null ? '' : await problemOfFacts(root, now.entry, hashed.sha256);
  if (factsProblem !== '') return broken(`its facts are damaged: ${factsProblem}`);
  const verified = { ...binary, sha256: hashed.sha256 };
  return {
    result: { binary: verified, ok: true, problem: '', isDamaged: false },
    entry: binary.sha256 === null ? { ...entry, binary: verified } : entry,
  };
}

/** What is wrong with the facts beside a file whose content is right; "" when nothing is, or when there are none. */
async function problemOfFacts(root: string, { file, binary }: Entry, sha256: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(join(root, file.path + FACTS_SUFFIX), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return ''; // without them the file itself is read
  }
  const facts = parseFacts(text);
  if (facts === null) return factsOfOtherSchema(text) !== null ? '' : 'they cannot be read';
  if (facts.sha256 !== null && facts.sha256 !== sha256) return 'they have another content hash';
  if (!factsFit(facts, file)) return ''; // copied without its time: they were not used
  const isSame = isDeepStrictEqual(facts.identity, binary.identity) && facts.debugOnly === binary.debugOnly;
  return isSame ? '' : 'they are those of another file';
}

/** A file of our own whose content is what its name says, with new facts; null when the file itself is of no use, or cannot be read. */
export async function mendedEntry(
  root: string,
  { file, binary }: Entry,
  examine: Examine,
): Promise<{ entry: Entry; facts: Facts } | null> {
  const filed = parseFilePath(file.path);
  const sha256 = await hashOf(join(root, file.path));
  if (filed === null || sha256?.startsWith(filed.sha256Prefix) !== true) return null;
  const seen = await examineFile(root, file, null, examine, (defect) => {
    throw defect;
  });
  if (typeof seen === 'string') return null;
  const entry = { ...seen.entry, binary: { ...seen.entry.binary, name: binary.name, sha256 } };
  const facts = factsOf(entry);
  const key = keyFromIds(entry.binary.identity.ids) ?? keyFromContent(sha256);
  return facts !== null && key === binary.key ? { entry, facts } : null;
}

async function hashOf(path: string): Promise<string | null> {
  try {
    return (await hashFile(path)).sha256;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return null;
  }
}
