import { assemble } from '../store/assembly.ts';
import { Beside } from '../store/beside.ts';
import { writeIndex } from '../store/index-files.ts';
import { INDEX_SUFFIX } from '../store/layout.ts';
import { builds } from '../store/archived.ts';
import { indexBuild, type Indexed } from '../store/indexing.ts';
import { openStore } from '../open-store.ts';
import { messageOf } from '../errors.ts';
import { makeIndexOnTwo } from '../workers/index-on-two.ts';
import { existingArchives } from './archive.ts';
import { openNamed } from './binary.ts';
import { printable } from './fields.ts';
import { UsageError } from './usage.ts';

export interface IndexOptions {
  readonly arch?: string;
  readonly output?: string;
  readonly store?: string;
}

/** Of a file, or of everything in the archive. */
export async function makeIndex(binary: string | undefined, options: IndexOptions): Promise<void> {
  if (binary !== undefined) return indexFile(binary, options);
  if (options.output !== undefined) throw new UsageError('--output is for the index of one binary');
  const [place] = existingArchives(options.store);
  if (place === undefined) throw new UsageError('there is no archive yet, and no binary was named');
  const store = await openStore(place);
  try {
    const files = (await store.list()).filter(({ problem }) => problem === '');
    for (const build of builds(files)) {
      try {
        say(await indexBuild(store, build));
      } catch (error) {
        process.stderr.write(`resym: ${printable(build[0].name)} ${build[0].key}: ${messageOf(error)}\n`);
        process.exitCode = 1;
      }
    }
  } finally {
    await store.close();
  }
}

async function indexFile(path: string, { arch, output }: IndexOptions): Promise<void> {
  const named = openNamed(path, arch);
  const { symbols, close } = await assemble({ files: [named], elsewhere: new Beside(named.file) });
  try {
    if (!symbols.isWorthIndexing) {
      const why = symbols.go === null ? 'it has no debug info' : 'Go needs none, and it has no other debug info';
      process.stderr.write(`resym: ${printable(path)}: no index is made: ${why}\n`);
      return;
    }
    const bytes = await makeIndexOnTwo(symbols, { path, arch: named.slice?.appleArch });
    if (bytes === null) throw new Error(`${printable(path)}: no index is made: ${symbols.problems.join('; ')}`);
    const to = output ?? named.file + INDEX_SUFFIX;
    await writeIndex(to, bytes);
    process.stdout.write(`${printable(to)}: ${megabytes(bytes.length)}\n`);
  } finally {
    close();
  }
}

function say({ binary: { name, key }, outcome, sizeBytes, problem }: Indexed): void {
  if (outcome === 'not needed' || outcome === 'there') return;
  if (outcome === 'made') process.stdout.write(`${printable(name)} ${key}: ${megabytes(sizeBytes)}\n`);
  else {
    process.stderr.write(`resym: ${printable(name)} ${key}: no index is made: ${problem}\n`);
    process.exitCode = 1;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
