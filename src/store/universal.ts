/**
 * Universal files on their way into the store: each architecture becomes a file of its own, found by its own UUID. Together
 * they are added as several files are: a process killed in between leaves some whole ones.
 */
import { FormatError, messageOf } from '../errors.ts';
import { chooseSlice, type FatSlice, fatSlices } from '../object/macho-fat.ts';
import { FileSource } from './file.ts';
import { type AddResult, StoreError } from './store.ts';

/** The slices of a universal file, the one that is opened by default first; null for other files. Throws StoreError. */
export function partsOf(file: string, name: string): FatSlice[] | null {
  const source = FileSource.open(file);
  try {
    const slices = fatSlices(source);
    if (slices === null) return null;
    const first = chooseSlice(slices);
    return [first, ...slices.filter((slice) => slice !== first)];
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new StoreError('not-an-object', `${name} is not added: ${messageOf(error)}`, { cause: error });
  } finally {
    source.close();
  }
}

/** Adds what can be of use, and says of the rest why it cannot. Rejects as `add` does when that is nothing. */
export async function addSlices(
  slices: readonly FatSlice[],
  name: string,
  add: (slice: FatSlice) => Promise<AddResult>,
): Promise<AddResult> {
  const added: AddResult[] = [];
  const refused: { appleArch: string; error: StoreError }[] = [];
  for (const slice of slices) {
    const { appleArch } = slice;
    try {
      const result = await add(slice);
      added.push({ ...result, note: `${appleArch} ${result.note}` });
    } catch (error) {
      if (!(error instanceof StoreError) || (error.code !== 'no-symbols' && error.code !== 'not-an-object'))
        throw error;
      refused.push({ appleArch, error });
    }
  }
  if (added.length === 0) throw refused[0].error;
  const [first, ...others] = added;
  const reasons = refused.map(({ appleArch, error }) => `; ${appleArch}: ${withoutName(error.message, name)}`);
  return { ...first, note: first.note + reasons.join(''), others };
}

function withoutName(message: string, name: string): string {
  return message.startsWith(`${name} is `) ? message.slice(name.length + ' is '.length) : message;
}
