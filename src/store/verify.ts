/** One file read whole and held against what is recorded of it. */
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { type Entry, examineFile } from './entry.ts';
import type { Examine } from './examine.ts';
import { type Hashed, hashFile } from './hash.ts';
import { keyFromContent, keyFromIds, parseFilePath } from './layout.ts';
import type { VerifyResult } from './store.ts';

/** The entry that comes back has the content's hash where none was recorded, so that the next time can compare. */
export async function verifyEntry(
  root: string,
  entry: Entry,
  examine: Examine,
): Promise<{ result: VerifyResult; entry: Entry }> {
  const { binary, file } = entry;
  const broken = (problem: string) => ({ result: { binary, ok: false, problem }, entry });
  if (binary.problem.startsWith('damaged')) return broken(binary.problem);
  let hashed: Hashed;
  try {
    hashed = await hashFile(join(root, file.path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return broken(`cannot be read: ${messageOf(error)}`);
  }
  if (hashed.sizeBytes !== binary.sizeBytes) {
    return broken(`damaged: ${hashed.sizeBytes} bytes, ${binary.sizeBytes} on record`);
  }
  const filed = parseFilePath(file.path);
  const expected = binary.sha256 ?? filed?.sha256Prefix ?? hashed.sha256;
  if (!hashed.sha256.startsWith(expected)) {
    return broken(`damaged: its content has sha256 ${hashed.sha256}, ${expected} on record; add it again`);
  }
  const now = await examineFile(root, file, null, examine, (defect) => {
    throw defect;
  });
  if (now === 'gone') return broken('it is gone');
  if (now === 'no object') return broken('it is no object file any more');
  const { problem, identity } = now.entry.binary;
  if (problem !== '') return broken(problem);
  const key = keyFromIds(identity.ids) ?? keyFromContent(hashed.sha256);
  if (key !== binary.key) return broken(`it is filed under ${binary.key}, its identity is ${key}`);
  const verified = { ...binary, sha256: hashed.sha256 };
  return {
    result: { binary: verified, ok: true, problem: '' },
    entry: binary.sha256 === null ? { ...entry, binary: verified } : entry,
  };
}
